/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files by key. A file is the format line, the SHA-256 of the rest, the rest: drivers are
 * known to crash on damaged binaries, so none reaches them. */

#include "cl/cache.h"

#include <string.h>
#include <utime.h>

#include <glib/gstdio.h>

#include "base/debug.h"

#define DIGEST_CHARS 64

typedef struct
{
  gchar  *path;
  gint64  used_us;              /* time of the last write or read */
  guint64 bytes;
} Item;

static void
item_free (Item *item)
{
  g_free (item->path);
  g_free (item);
}

gchar *
pal_cache_path (const PalCacheKind *kind,
                const gchar *const *parts,
                gsize               n_parts)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree gchar *name    = NULL;

  g_checksum_update (sum, (const guchar *) kind->format, -1);
  for (gsize i = 0; i < n_parts; i++)
    g_checksum_update (sum, (const guchar *) parts[i], (gssize) strlen (parts[i]) + 1);

  name = g_strconcat (g_checksum_get_string (sum), ".bin", NULL);
  return g_build_filename (pal_env_cache_dir (), kind->folder, name, NULL);
}

void
pal_cache_drop (const gchar *path,
                const gchar *why)
{
  pal_debug_log (PAL_DEBUG_CACHE, "dropped %s: %s", path, why);
  g_unlink (path);
}

GBytes *
pal_cache_read (const PalCacheKind *kind,
                const gchar        *path)
{
  const gsize       line = strlen (kind->format), head = line + DIGEST_CHARS;
  g_autofree gchar *data = NULL, *digest = NULL;
  gsize             n    = 0;

  if (! g_file_get_contents (path, &data, &n, NULL))
    return NULL;

  if (n > head && memcmp (data, kind->format, line) == 0)
    digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guchar *) data + head, n - head);

  if (! digest || memcmp (digest, data + line, DIGEST_CHARS) != 0)
    {
      pal_cache_drop (path, "it is damaged");
      return NULL;
    }

  g_utime (path, NULL);
  return g_bytes_new (data + head, n - head);
}

static gint
longest_unused_first (gconstpointer a,
                      gconstpointer b)
{
  const Item *x = *(Item *const *) a, *y = *(Item *const *) b;

  return (x->used_us > y->used_us) - (x->used_us < y->used_us);
}

/* Element type Item; those of crashed writers too. */
static GPtrArray *
list_folder (const gchar *folder)
{
  GPtrArray    *items  = g_ptr_array_new_with_free_func ((GDestroyNotify) item_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar  *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *path = g_build_filename (folder, name, NULL);
      GStatBuf          info;
      Item             *item;

      if (g_stat (path, &info) != 0 || ! S_ISREG (info.st_mode))
        continue;

      item  = g_new (Item, 1);
      *item = (Item) { g_steal_pointer (&path),
                       (gint64) info.st_mtim.tv_sec * G_USEC_PER_SEC +
                         info.st_mtim.tv_nsec / 1000, (guint64) info.st_size };
      g_ptr_array_add (items, item);
    }

  g_ptr_array_sort (items, longest_unused_first);
  return items;
}

static void
trim (const gchar *folder,
      guint64      cap_bytes)
{
  g_autoptr (GPtrArray) items = list_folder (folder);
  guint64               bytes = 0;

  for (guint i = 0; i < items->len; i++)
    bytes += ((Item *) g_ptr_array_index (items, i))->bytes;

  for (guint i = 0; i < items->len && bytes > cap_bytes; i++)
    {
      const Item *item = g_ptr_array_index (items, i);

      pal_cache_drop (item->path, "the cache is full");
      bytes -= item->bytes;
    }
}

/* A folder that can't be written is no news the second time. */
static void
say_once (const gchar *message)
{
  static gint said = 0;

  if (g_atomic_int_compare_and_exchange (&said, 0, 1))
    pal_debug_log (PAL_DEBUG_CACHE, "nothing is kept: %s", message);
}

void
pal_cache_write (const PalCacheKind *kind,
                 const gchar        *path,
                 gconstpointer       data,
                 gsize               n_bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) out  = g_string_new (kind->format);
  g_autofree gchar *digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, data, n_bytes);
  g_autofree gchar *folder = g_path_get_dirname (path);

  g_string_append (out, digest);
  g_string_append_len (out, data, (gssize) n_bytes);
  if (out->len > kind->cap_bytes)
    return;

  g_mkdir_with_parents (folder, 0700);
  if (g_file_set_contents_full (path, out->str, (gssize) out->len,
                                G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
    trim (folder, kind->cap_bytes);
  else
    say_once (error->message);
}
