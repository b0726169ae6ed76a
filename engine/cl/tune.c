/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measured choices among the catalogue's rows: reading, writing, picking. */

#include "cl/tune.h"

#include <string.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "base/debug.h"
#include "cl/private.h"

#define BUNDLED "/org/palimpsest/kernels/tune.ini"
#define COMMENT " Written by palimpsest-bench --tune; may be deleted at any time.\n"

static const PalTuneSubject subjects[] = {
  { "products",  { "gemm", "conv2d" } },
  { "attention", { "attention" } },
};

static const PalTuneClass classes[PAL_TUNE_N_CLASSES] = {
  { "few",  256 },
  { "some", 2048 },
  { "many", G_MAXINT64 },
};

const PalTuneSubject *
pal_tune_subjects (gsize *n_subjects)
{
  *n_subjects = G_N_ELEMENTS (subjects);
  return subjects;
}

const PalTuneClass *
pal_tune_classes (void)
{
  return classes;
}

/* Picking */

static guint
class_of (gint64 rows)
{
  guint i = 0;

  while (rows > classes[i].most_rows)
    i++;

  return i;
}

static gchar *
choice_key (const gchar *op,
            guint        class_index)
{
  return g_strdup_printf ("%s.%s", op, classes[class_index].name);
}

const PalKernelRow *
pal_tune_pick (PalDevice   *device,
               const gchar *op,
               gint64       rows)
{
  g_autofree gchar   *key = choice_key (op, class_of (rows));
  const PalKernelRow *row;

  g_mutex_lock (&device->lock);
  row = g_hash_table_lookup (device->choices, key);
  g_mutex_unlock (&device->lock);

  if (row && (row->needs & ~device->capabilities) == 0)
    return row;

  return pal_catalog_pick (op, device->capabilities);
}

static const PalKernelRow *
find_row (const gchar *op,
          const gchar *variant,
          guint        capabilities)
{
  gsize               n;
  const PalKernelRow *rows = pal_catalog_rows (&n);

  for (gsize i = 0; i < n; i++)
    if (g_str_equal (rows[i].op, op) && g_str_equal (rows[i].variant, variant) &&
        (rows[i].needs & ~capabilities) == 0)
      return &rows[i];

  return NULL;
}

gboolean
pal_tune_choose (PalDevice   *device,
                 const gchar *op,
                 guint        class_index,
                 const gchar *variant)
{
  g_autofree gchar   *key = choice_key (op, class_index);
  const PalKernelRow *row = variant ? find_row (op, variant, device->capabilities) : NULL;

  g_mutex_lock (&device->lock);
  if (row)
    g_hash_table_insert (device->choices, g_steal_pointer (&key), (gpointer) row);
  else if (! variant)
    g_hash_table_remove (device->choices, key);
  g_mutex_unlock (&device->lock);

  return row || ! variant;
}

/* Hash of all that a measurement of a subject compared: sources and defines of its rows. NULL
 * and an error when a source is missing. */
static gchar *
subject_hash (const PalTuneSubject  *subject,
              GError               **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize               n;
  const PalKernelRow *rows = pal_catalog_rows (&n);

  for (gsize i = 0; i < n; i++)
    {
      g_autofree gchar *source = NULL, *text = NULL;

      if (! g_strv_contains (subject->ops, rows[i].op))
        continue;

      if (! (source = pal_kernel_source (rows[i].file, error)))
        return NULL;

      text = g_strjoin ("\n", rows[i].op, rows[i].variant, rows[i].entry, rows[i].defines,
                        source, NULL);
      g_checksum_update (sum, (const guchar *) text, (gssize) strlen (text));
    }

  return g_strndup (g_checksum_get_string (sum), 12);
}

/* Reading */

/* What a block's pattern is held against. A group's name has no brackets. */
static gchar *
device_title (PalDevice *device)
{
  gchar *title = g_strdup_printf ("%s, %s", device->info.platform, device->info.name);

  return g_strdelimit (title, "[]\n", '?');
}

/* "variant;hash" for a subject and class; whatever does not fit is passed over. */
static void
take_entry (PalDevice   *device,
            GKeyFile    *file,
            const gchar *group,
            guint        subject,
            guint        class_index)
{
  g_autofree gchar *key  = choice_key (subjects[subject].name, class_index);
  g_auto (GStrv) fields  = g_key_file_get_string_list (file, group, key, NULL, NULL);
  g_autofree gchar *hash = NULL;

  if (! fields)
    return;

  hash = subject_hash (&subjects[subject], NULL);
  if (g_strv_length (fields) != 2 || g_strcmp0 (fields[1], hash) != 0)
    {
      pal_debug_log (PAL_DEBUG_CACHE, "[%s] %s: measured with other kernels", group, key);
      return;
    }

  for (guint i = 0; subjects[subject].ops[i]; i++)
    if (! pal_tune_choose (device, subjects[subject].ops[i], class_index, fields[0]))
      pal_debug_log (PAL_DEBUG_CACHE, "[%s] %s: no variant %s of %s here", group, key, fields[0],
                     subjects[subject].ops[i]);
}

static void
take_file (PalDevice *device,
           GKeyFile  *file)
{
  g_autofree gchar *title = device_title (device);
  g_auto (GStrv) groups   = g_key_file_get_groups (file, NULL);

  for (guint g = 0; groups[g]; g++)
    if (g_pattern_match_simple (groups[g], title))
      for (guint s = 0; s < G_N_ELEMENTS (subjects); s++)
        for (guint c = 0; c < G_N_ELEMENTS (classes); c++)
          take_entry (device, file, groups[g], s, c);
}

void
pal_tune_load (PalDevice *device)
{
  g_autoptr (GKeyFile) bundled = g_key_file_new ();
  g_autoptr (GKeyFile) own     = g_key_file_new ();
  g_autoptr (GBytes) bytes     = NULL;
  g_autoptr (GError) error     = NULL;
  g_autofree gchar *path       = pal_tune_path ();

  g_hash_table_remove_all (device->choices);

  bytes = g_resources_lookup_data (BUNDLED, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (bytes && g_key_file_load_from_bytes (bundled, bytes, G_KEY_FILE_NONE, NULL))
    take_file (device, bundled);

  /* Comes last, so that it goes first. */
  if (g_key_file_load_from_file (own, path, G_KEY_FILE_NONE, &error))
    take_file (device, own);
  else if (! g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    pal_debug_log (PAL_DEBUG_CACHE, "%s is passed over: %s", path, error->message);
}

/* Writing */

gchar *
pal_tune_path (void)
{
  return g_build_filename (pal_env_cache_dir (), "tune.ini", NULL);
}

static gboolean
put_block (PalDevice           *device,
           GKeyFile            *file,
           const PalTuneEntry  *entries,
           gsize                n_entries,
           GError             **error)
{
  g_autofree gchar *group = device_title (device);

  g_key_file_remove_group (file, group, NULL);
  for (gsize i = 0; i < n_entries; i++)
    {
      const PalTuneSubject *subject = &subjects[entries[i].subject];
      g_autofree gchar     *key     = choice_key (subject->name, entries[i].class_index);
      g_autofree gchar     *hash    = subject_hash (subject, error);
      const gchar *const    fields[] = { entries[i].variant, hash };

      if (! hash)
        return FALSE;
      g_key_file_set_string_list (file, group, key, fields, G_N_ELEMENTS (fields));
    }

  return TRUE;
}

gchar *
pal_tune_block (PalDevice           *device,
                const PalTuneEntry  *entries,
                gsize                n_entries,
                GError             **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  return put_block (device, file, entries, n_entries, error) ?
           g_key_file_to_data (file, NULL, NULL) : NULL;
}

gboolean
pal_tune_save (PalDevice           *device,
               const PalTuneEntry  *entries,
               gsize                n_entries,
               const gchar         *path,
               GError             **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree gchar *folder  = g_path_get_dirname (path);

  /* What can't be read is replaced. */
  if (! g_key_file_load_from_file (file, path, G_KEY_FILE_KEEP_COMMENTS, NULL))
    g_key_file_set_comment (file, NULL, NULL, COMMENT, NULL);

  g_mkdir_with_parents (folder, 0700);

  return put_block (device, file, entries, n_entries, error) &&
         g_key_file_save_to_file (file, path, error);
}
