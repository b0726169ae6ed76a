/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Python pickles that hold tensors, read without running anything. For engine/io alone. */

#ifndef PAL_IO_PICKLE_H
#define PAL_IO_PICKLE_H

#include "io/zip.h"

typedef struct
{
  GHashTable  *entries;         /* of the archive, see pal_zip_read () */
  const gchar *folder;          /* of the archive, "archive/": storages are data/KEY in it */
} PalPickleSource;

/* Reads folder/data.pkl and calls pal_tensor_file_add () for each tensor, named by its keys
 * with points between. UNSUPPORTED names what is no tensor, dictionary or plain value. */
gboolean pal_pickle_read (PalTensorFile *file, const PalPickleSource *source, GError **error);

#endif
