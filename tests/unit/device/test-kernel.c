/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Building kernels: messages of what fails, and the cache of binaries on disk. */

#include "device-support.h"

#include <string.h>

#include <glib/gstdio.h>

#include "base/debug.h"

static void
expect_build_error (const gchar *entry,
                    const gchar *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (pal_kernel_get (test_device (), test_row (entry), "", &error));
  test_error (error, error->code, part);
  g_assert_cmpint (error->code, ==,
                   g_str_equal (entry, "test_absent") ? PAL_ERROR_DEVICE : PAL_ERROR_BUILD);
}

static void
test_build_log (void)
{
  expect_build_error ("broken", "undeclared_thing");
  expect_build_error ("broken", "broken.cl");
  expect_build_error ("broken", "broken.cl:9");    /* the line in its own file */
  expect_build_error ("broken", pal_device_info (test_device ())->name);
}

static void
test_missing (void)
{
  expect_build_error ("absent", "“absent.cl”");
  expect_build_error ("test_absent", "test.cl:test_absent");
}

static void
test_table (void)
{
  g_autoptr (GError) error = NULL;
  const PalKernelRow *row = test_row ("test_add");
  PalKernel          *a   = pal_kernel_get (test_device (), row, "-DSCALE=2.0f", &error);
  PalKernel          *b   = pal_kernel_get (test_device (), row, "-DSCALE=2.0f", &error);
  PalKernel          *c   = pal_kernel_get (test_device (), row, "-DSCALE=3.0f", &error);

  g_assert_no_error (error);
  g_assert_nonnull (a);
  g_assert_true (a == b);
  g_assert_true (a != c);
}

/* Cache on disk */

static gchar *
only_binary (const gchar *cache)
{
  g_autofree gchar *folder = g_build_filename (cache, "kernels", NULL);
  g_autoptr (GDir) dir     = g_dir_open (folder, 0, NULL);
  const gchar      *name   = dir ? g_dir_read_name (dir) : NULL;
  gchar            *path;

  if (! name)
    return NULL;

  path = g_build_filename (folder, name, NULL);
  g_assert_null (g_dir_read_name (dir));

  return path;
}

/* pocl keeps its kernels itself and is never asked for a binary; others are. */
static gboolean
keeps_its_own (const gchar *binary)
{
  const gboolean pocl = g_str_equal (pal_device_info (test_device ())->platform,
                                     "Portable Computing Language");

  g_assert_cmpint (binary == NULL, ==, pocl);

  return pocl;
}

/* 1.5 x + y with a device opened anew, so that nothing but the disk remembers. */
static void
build_and_run (void)
{
  g_autoptr (PalDevice) device = NULL;
  g_autoptr (PalBuffer) buffer = NULL;
  g_autoptr (GError) error     = NULL;
  gfloat            data[3]    = { 2, 0.25f, 0 };
  PalArg            args[7]    = { 0 };
  PalLaunch         launch     = { .args = args, .n_args = 7, .global = { 1, 1, 1 } };

  device = pal_device_open (NULL, &error);
  g_assert_no_error (error);
  launch.kernel = pal_kernel_get (device, test_row ("test_add"), "-DSCALE=1.5f", &error);
  g_assert_no_error (error);
  buffer = pal_buffer_new (device, sizeof data, &error);
  g_assert_no_error (error);

  for (guint i = 0; i < 3; i++)
    {
      args[2 * i]     = (PalArg) { .kind = PAL_ARG_BUFFER, .buffer = buffer };
      args[2 * i + 1] = (PalArg) { .kind = PAL_ARG_ULONG, .u = i };
    }
  args[6] = (PalArg) { .kind = PAL_ARG_INT, .i = 1 };

  g_assert_true (pal_buffer_write (buffer, 0, data, sizeof data, &error));
  g_assert_true (pal_device_launch (device, &launch, &error));
  g_assert_true (pal_buffer_read (buffer, 0, data, sizeof data, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (data[2], ==, 3.25f);
}

static void
damage (const gchar *path,
        gsize        at,
        gsize        keep)
{
  g_autofree gchar *data = NULL;
  gsize             n;

  g_assert_true (g_file_get_contents (path, &data, &n, NULL));
  at = MIN (at, n - 1);
  data[at] = (gchar) (data[at] ^ 0x40);
  g_assert_true (g_file_set_contents (path, data, (gssize) MIN (n, keep), NULL));
}

static void
test_disk_cache (void)
{
  const gchar      *before = g_getenv ("PALIMPSEST_CACHE_DIR");
  g_autofree gchar *old    = g_strdup (before);
  g_autofree gchar *cache  = g_dir_make_tmp ("palimpsest-cache-XXXXXX", NULL);
  g_autofree gchar *path = NULL, *good = NULL, *kernels = NULL;
  gsize             n;
  const gsize       at[]   = { 3, 40, 200, 0 };
  const gsize       keep[] = { G_MAXSIZE, G_MAXSIZE, G_MAXSIZE, 30 };

  g_setenv ("PALIMPSEST_CACHE_DIR", cache, TRUE);

  build_and_run ();
  path = only_binary (cache);
  if (keeps_its_own (path))
    {
      g_setenv ("PALIMPSEST_CACHE_DIR", old, TRUE);
      g_rmdir (cache);
      return;
    }
  g_assert_true (g_file_get_contents (path, &good, &n, NULL));

  /* From the disk: the file is found and left as it is. */
  build_and_run ();

  for (guint i = 0; i < G_N_ELEMENTS (at); i++)
    {
      g_autofree gchar *again = NULL;

      damage (path, at[i], keep[i]);
      build_and_run ();
      g_assert_true (g_file_get_contents (path, &again, NULL, NULL));
      g_assert_cmpint (strncmp (again, good, 20), ==, 0);
    }

  /* A folder that can't be written costs time alone. */
  g_setenv ("PALIMPSEST_CACHE_DIR", "/dev/null/none", TRUE);
  build_and_run ();

  g_setenv ("PALIMPSEST_CACHE_DIR", old, TRUE);
  kernels = g_build_filename (cache, "kernels", NULL);
  g_remove (path);
  g_rmdir (kernels);
  g_rmdir (cache);
}

/* A binary whose digest is right but which the driver refuses is dropped too. */
static void
test_foreign_binary (void)
{
  static const gchar junk[] = "not a program of any driver";
  g_autofree gchar *old     = g_strdup (g_getenv ("PALIMPSEST_CACHE_DIR"));
  g_autofree gchar *cache   = g_dir_make_tmp ("palimpsest-cache-XXXXXX", NULL);
  g_autofree gchar *path = NULL, *good = NULL, *digest = NULL, *bad = NULL, *kernels = NULL;
  g_autofree gchar *again = NULL;
  const gchar      *end;
  gsize             n;

  g_setenv ("PALIMPSEST_CACHE_DIR", cache, TRUE);
  build_and_run ();
  path = only_binary (cache);
  if (keeps_its_own (path))
    {
      g_setenv ("PALIMPSEST_CACHE_DIR", old, TRUE);
      g_rmdir (cache);
      return;
    }
  g_assert_true (g_file_get_contents (path, &good, &n, NULL));

  end    = strchr (good, '\n') + 1;
  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, junk, -1);
  bad    = g_strdup_printf ("%.*s%s%s", (gint) (end - good), good, digest, junk);
  g_assert_true (g_file_set_contents (path, bad, -1, NULL));

  build_and_run ();
  g_assert_true (g_file_get_contents (path, &again, &n, NULL));
  g_assert_cmpuint (n, >, strlen (bad));

  g_setenv ("PALIMPSEST_CACHE_DIR", old, TRUE);
  kernels = g_build_filename (cache, "kernels", NULL);
  g_remove (path);
  g_rmdir (kernels);
  g_rmdir (cache);
}

static void
test_catalog (void)
{
  gsize               n;
  const PalKernelRow *rows = pal_catalog_rows (&n);

  for (gsize i = 0; i < n; i++)
    {
      const PalKernelRow *best = pal_catalog_pick (rows[i].op, ~0u);

      g_assert_nonnull (best);
      g_assert_cmpstr (best->op, ==, rows[i].op);
      g_assert_true (best <= &rows[i]);
    }

  g_assert_null (pal_catalog_pick ("no such op", ~0u));
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/kernel/build-log", test_build_log);
  g_test_add_func ("/kernel/missing", test_missing);
  g_test_add_func ("/kernel/table", test_table);
  g_test_add_func ("/kernel/disk-cache", test_disk_cache);
  g_test_add_func ("/kernel/foreign-binary", test_foreign_binary);
  g_test_add_func ("/kernel/catalog", test_catalog);

  return device_test_run ();
}
