/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entries of a zip archive whose content is stored, not packed. For engine/io alone. */

#ifndef PAL_IO_ZIP_H
#define PAL_IO_ZIP_H

#include "io/format.h"

typedef struct
{
  const guint8 *data;           /* inside the mapped file */
  gsize         size;
} PalZipEntry;

gboolean    pal_zip_recognise (const guint8 *start, gsize size);

/* gchar* → PalZipEntry* */
GHashTable *pal_zip_read      (const PalTensorFile *file, GError **error);

#endif
