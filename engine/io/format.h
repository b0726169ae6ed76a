/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a reader of one file format is given and gives. For engine/io alone. */

#ifndef PAL_IO_FORMAT_H
#define PAL_IO_FORMAT_H

#include "io/tensor-file.h"

typedef struct
{
  const gchar *id;
  gboolean   (*recognise) (const guint8 *start, gsize size);
  gboolean   (*read)      (PalTensorFile *file, GError **error);
} PalFormat;

extern const PalFormat pal_format_gguf, pal_format_torch, pal_format_pickle,
                       pal_format_safetensors;

struct _PalTensorFile
{
  gatomicrefcount  refs;
  gchar           *path;
  const PalFormat *format;
  GMappedFile     *mapped;
  const guint8    *start;       /* of the mapped file */
  gsize            size;
  GArray          *entries;     /* of PalTensorEntry */
  GHashTable      *by_name;     /* gchar* → index + 1 */
};

/* Takes the name, also when it fails: FORMAT when the file has that tensor already, when the
 * shape does not make whole values and blocks, or when its bytes are not inside the file.
 * Sets n_bytes. */
gboolean pal_tensor_file_add (PalTensorFile *file, PalTensorEntry *entry, GError **error);

/* "path: text"; returns FALSE. */
gboolean pal_format_refuse   (const PalTensorFile *file, GError **error, PalErrorCode code,
                              const gchar *format, ...) G_GNUC_PRINTF (4, 5);

#endif
