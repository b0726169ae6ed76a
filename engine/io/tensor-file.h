/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One file of tensors in any of the known formats, memory-mapped. Every offset is checked
 * against the file. */

#ifndef PAL_IO_TENSOR_FILE_H
#define PAL_IO_TENSOR_FILE_H

#include "pal-types.h"

typedef struct
{
  gchar        *name;
  PalDType      dtype;
  PalShape      shape;
  gconstpointer data;         /* inside the mapped file, not always aligned to dtype */
  gsize         n_bytes;
} PalTensorEntry;

typedef struct _PalTensorFile PalTensorFile;

/* The format is known by the first bytes, whatever the file is called. */
PalTensorFile        *pal_tensor_file_open   (const gchar *path, GError **error);
PalTensorFile        *pal_tensor_file_ref    (PalTensorFile *file);
void                  pal_tensor_file_unref  (PalTensorFile *file);

const gchar          *pal_tensor_file_path   (const PalTensorFile *file);
const gchar          *pal_tensor_file_format (const PalTensorFile *file);   /* "safetensors" */
gsize                 pal_tensor_file_count  (const PalTensorFile *file);
const PalTensorEntry *pal_tensor_file_entry  (const PalTensorFile *file, gsize index);
/* NULL if absent */
const PalTensorEntry *pal_tensor_file_find   (const PalTensorFile *file, const gchar *name);

/* Whether a file of this name is likely one of tensors. */
gboolean              pal_tensor_file_named  (const gchar *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalTensorFile, pal_tensor_file_unref)

#endif
