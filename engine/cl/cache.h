/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files on disk by key, shared by all processes of a user: what is slow to make again and
 * may be gone at any time. Nothing here fails: what can't be kept or read is made anew. */

#ifndef PAL_CL_CACHE_H
#define PAL_CL_CACHE_H

#include <glib.h>

typedef struct
{
  const gchar *folder;          /* below PALIMPSEST_CACHE_DIR */
  const gchar *format;          /* a line with its end, first in each file and part of each
                                 * key: another format is another file */
  guint64      cap_bytes;       /* of the folder; what was used longest ago goes first */
} PalCacheKind;

/* The file for a key of several parts, none of which runs into the next. Free with
 * g_free (). */
gchar  *pal_cache_path  (const PalCacheKind *kind, const gchar *const *parts, gsize n_parts);

/* What was written there, or NULL. A damaged file is dropped. */
GBytes *pal_cache_read  (const PalCacheKind *kind, const gchar *path);

/* Whole or not at all, also when two processes write at once. */
void    pal_cache_write (const PalCacheKind *kind, const gchar *path, gconstpointer data,
                         gsize n_bytes);

/* For what proves of no use. why: for the debug output. */
void    pal_cache_drop  (const gchar *path, const gchar *why);

#endif
