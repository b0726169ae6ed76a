/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of the kernel cache: what is kept, what is dropped, two processes at once. */

#include <string.h>
#include <sys/wait.h>
#include <utime.h>

#include <glib/gstdio.h>

#include "base/debug.h"
#include "cl/cache.h"

#define WRITER "--writer"

static const PalCacheKind things = { .folder = "things", .format = "thing 1\n", .cap_bytes = 1000 };

static const gchar *program;
static gchar       *cache_folder;

static gchar *
path_of (const gchar *key)
{
  return pal_cache_path (&things, &key, 1);
}

/* "" when nothing is there. */
static gchar *
text_at (const gchar *path)
{
  g_autoptr (GBytes) bytes = pal_cache_read (&things, path);

  return bytes ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes))
               : g_strdup ("");
}

static void
expect (const gchar *path,
        const gchar *text)
{
  g_autofree gchar *found = text_at (path);

  g_assert_cmpstr (found, ==, text);
}

static void
test_round (void)
{
  g_autofree gchar *path = path_of ("round");

  g_assert_true (g_str_has_prefix (path, cache_folder));
  expect (path, "");
  pal_cache_write (&things, path, "first", 5);
  expect (path, "first");
  pal_cache_write (&things, path, "second", 6);
  expect (path, "second");
  pal_cache_drop (path, "test");
  expect (path, "");
}

/* Each part and where it ends counts, and so does the format. */
static void
test_key (void)
{
  static const PalCacheKind   next      = { .folder = "things", .format = "thing 2\n" };
  static const gchar *const   parts[][3] = {
    { "device", "-DACT=1", "source" }, { "device", "-DACT=2", "source" },
    { "device 2", "-DACT=1", "source" }, { "device", "-DACT=1", "source " },
    { "device-DACT=1", "", "source" }, { "devic", "e-DACT=1", "source" },
  };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree gchar *again     = pal_cache_path (&things, parts[0], 3);

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    g_assert_true (g_hash_table_add (seen, pal_cache_path (&things, parts[i], 3)));

  g_assert_true (g_hash_table_contains (seen, again));
  g_assert_true (g_hash_table_add (seen, pal_cache_path (&next, parts[0], 3)));
}

static void
test_damage (void)
{
  static const gsize at[]   = { 2, 20, 75, 0 };
  static const gsize keep[] = { 80, 80, 80, 12 };
  g_autofree gchar  *path   = path_of ("damage");

  for (guint i = 0; i < G_N_ELEMENTS (at); i++)
    {
      g_autofree gchar *data = NULL;
      gsize             n    = 0;

      pal_cache_write (&things, path, "something", 9);
      g_assert_true (g_file_get_contents (path, &data, &n, NULL));
      data[at[i]] = (gchar) (data[at[i]] ^ 0x40);
      g_assert_true (g_file_set_contents (path, data, (gssize) MIN (n, keep[i]), NULL));

      expect (path, "");
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
}

static void
set_age (const gchar *path,
         gint64       seconds)
{
  const time_t  then  = (time_t) (g_get_real_time () / G_USEC_PER_SEC - seconds);
  struct utimbuf times = { then, then };

  g_assert_cmpint (g_utime (path, &times), ==, 0);
}

/* Of three that fill it the oldest goes when a fourth comes, unless it was just read. */
static void
test_cap (void)
{
  const gchar      *names[4] = { "cap a", "cap b", "cap c", "cap d" };
  gchar             text[200], large[1000];
  g_autofree gchar *huge     = path_of ("huge");
  gchar            *path[4];

  memset (text, 'x', sizeof text);
  memset (large, 'x', sizeof large);
  for (guint i = 0; i < 4; i++)
    path[i] = path_of (names[i]);

  for (guint i = 0; i < 3; i++)
    {
      pal_cache_write (&things, path[i], text, sizeof text);
      set_age (path[i], 300 - 100 * (gint64) i);
    }
  g_free (text_at (path[0]));
  pal_cache_write (&things, path[3], text, sizeof text);

  for (guint i = 0; i < 4; i++)
    g_assert_cmpint (g_file_test (path[i], G_FILE_TEST_EXISTS), ==, i != 1);

  /* What is larger than all of it pushes nothing out. */
  pal_cache_write (&things, huge, large, sizeof large);
  g_assert_false (g_file_test (huge, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (path[2], G_FILE_TEST_EXISTS));

  for (guint i = 0; i < 4; i++)
    {
      g_unlink (path[i]);
      g_free (path[i]);
    }
}

static void
test_unwritable (void)
{
  if (g_test_subprocess ())
    {
      g_autofree gchar *path = NULL;

      g_setenv ("PALIMPSEST_CACHE_DIR", "/dev/null/none", TRUE);
      pal_debug_set (PAL_DEBUG_CACHE);
      path = path_of ("unwritable");
      for (guint i = 0; i < 3; i++)
        pal_cache_write (&things, path, "x", 1);
      expect (path, "");
      g_printerr ("end\n");
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*nothing is kept: *end*");
  g_test_trap_assert_stderr_unmatched ("*nothing is kept: *nothing is kept: *");
}

/* Either of the two processes finds what one of them wrote, or nothing. */
static int
write_often (const gchar *own)
{
  g_autofree gchar *path = path_of ("shared");

  for (gint i = 0; i < 200; i++)
    {
      g_autofree gchar *other = g_strdup_printf ("%s %d", own, i), *found = NULL;
      g_autofree gchar *aside = path_of (other);

      pal_cache_write (&things, path, own, strlen (own));
      pal_cache_write (&things, aside, own, strlen (own));
      found = text_at (path);
      if (*found && ! g_str_equal (found, "process one") && ! g_str_equal (found, "process two"))
        return 1;
    }

  return 0;
}

static void
test_two_processes (void)
{
  static const gchar *const names[] = { "process one", "process two" };
  g_autoptr (GError)        error   = NULL;
  GPid                      pid[2];

  for (guint i = 0; i < 2; i++)
    {
      gchar *argv[] = { (gchar *) program, (gchar *) WRITER, (gchar *) names[i], NULL };

      g_spawn_async (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid[i], &error);
      g_assert_no_error (error);
    }

  for (guint i = 0; i < 2; i++)
    {
      int status = -1;

      g_assert_cmpint (waitpid (pid[i], &status, 0), ==, pid[i]);
      g_assert_cmpint (status, ==, 0);
    }
}

static void
remove_folder (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar     *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *child = g_build_filename (path, name, NULL);

      remove_folder (child);
    }

  g_remove (path);
}

gint
main (gint    argc,
      gchar **argv)
{
  gint result;

  if (argc == 3 && g_str_equal (argv[1], WRITER))
    return write_often (argv[2]);

  g_test_init (&argc, &argv, NULL);
  program      = argv[0];
  cache_folder = g_dir_make_tmp ("palimpsest-cache-XXXXXX", NULL);
  g_setenv ("PALIMPSEST_CACHE_DIR", cache_folder, TRUE);

  g_test_add_func ("/cache/round", test_round);
  g_test_add_func ("/cache/key", test_key);
  g_test_add_func ("/cache/damage", test_damage);
  g_test_add_func ("/cache/cap", test_cap);
  g_test_add_func ("/cache/unwritable", test_unwritable);
  g_test_add_func ("/cache/two-processes", test_two_processes);

  result = g_test_run ();
  remove_folder (cache_folder);
  g_free (cache_folder);

  return result;
}
