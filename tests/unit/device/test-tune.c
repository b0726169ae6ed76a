/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measured choices: what the user's tune.ini changes, and what in it is passed over. */

#include "device-support.h"

#include <string.h>

#include <glib/gstdio.h>

#include "base/debug.h"
#include "cl/tune.h"

/* A variant of gemm, and so of conv2d, that any device can run and that no CPU prefers. */
#define PLAIN "any-4x8"

static const PalTuneEntry many_plain = { 0, 2, PLAIN };

static const gchar *
variant (const gchar *op,
         gint64       rows)
{
  return pal_tune_pick (test_device (), op, rows)->variant;
}

static const gchar *
untuned (const gchar *op)
{
  return pal_catalog_pick (op, pal_device_capabilities (test_device ()))->variant;
}

static void
write_own (const gchar *text)
{
  g_autofree gchar *path = pal_tune_path ();

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  pal_tune_load (test_device ());
  g_remove (path);
}

static void
test_classes (void)
{
  const PalTuneClass *classes = pal_tune_classes ();

  pal_tune_load (test_device ());
  for (guint i = 0; i < PAL_TUNE_N_CLASSES; i++)
    g_assert_true (i == 0 || classes[i].most_rows > classes[i - 1].most_rows);
  g_assert_cmpint (classes[PAL_TUNE_N_CLASSES - 1].most_rows, ==, G_MAXINT64);

  g_assert_true (pal_tune_choose (test_device (), "gemm", 1, PLAIN));
  g_assert_cmpstr (variant ("gemm", classes[0].most_rows), ==, untuned ("gemm"));
  g_assert_cmpstr (variant ("gemm", classes[0].most_rows + 1), ==, PLAIN);
  g_assert_cmpstr (variant ("gemm", classes[1].most_rows), ==, PLAIN);
  g_assert_cmpstr (variant ("gemm", classes[1].most_rows + 1), ==, untuned ("gemm"));
  g_assert_cmpstr (variant ("conv2d", classes[1].most_rows), ==, untuned ("conv2d"));

  g_assert_false (pal_tune_choose (test_device (), "gemm", 1, "no such variant"));
  g_assert_cmpstr (variant ("gemm", classes[1].most_rows), ==, PLAIN);
  g_assert_true (pal_tune_choose (test_device (), "gemm", 1, NULL));
  g_assert_cmpstr (variant ("gemm", classes[1].most_rows), ==, untuned ("gemm"));
}

/* What is saved is what the next device of this kind is opened with; another block stays. */
static void
test_saved (void)
{
  g_autoptr (GError) error     = NULL;
  g_autoptr (PalDevice) device = NULL;
  g_autofree gchar *path = pal_tune_path (), *text = NULL;

  g_assert_true (g_file_set_contents (path, "[another device]\nproducts.many=x;y;\n", -1, NULL));
  for (guint i = 0; i < 2; i++)
    g_assert_true (pal_tune_save (test_device (), &many_plain, 1, path, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "[another device]"));

  device = pal_device_open (NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pal_tune_pick (device, "gemm", 4096)->variant, ==, PLAIN);
  g_assert_cmpstr (pal_tune_pick (device, "conv2d", 4096)->variant, ==, PLAIN);
  g_assert_cmpstr (pal_tune_pick (device, "gemm", 1)->variant, ==, untuned ("gemm"));
  g_assert_cmpstr (pal_tune_pick (device, "attention", 4096)->variant, ==, untuned ("attention"));
  g_remove (path);
}

static gchar *
edited (const gchar *text,
        const gchar *from,
        const gchar *to)
{
  g_auto (GStrv) parts = g_strsplit (text, from, -1);

  g_assert_cmpuint (g_strv_length (parts), >, 1);
  return g_strjoinv (to, parts);
}

static void
test_passed_over (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *good   = pal_tune_block (test_device (), &many_plain, 1, &error);
  g_autofree gchar *stale = NULL, *other = NULL, *unknown = NULL, *star = NULL;
  const gchar      *hash;

  g_assert_no_error (error);
  write_own (good);
  g_assert_cmpstr (variant ("gemm", 4096), ==, PLAIN);

  star = g_strconcat ("[*, *]", strchr (good, '\n'), NULL);
  write_own (star);
  g_assert_cmpstr (variant ("gemm", 4096), ==, PLAIN);

  hash    = strchr (good, ';');
  stale   = g_strdup_printf ("%.*s;0123456789ab;\n", (gint) (hash - good), good);
  other   = g_strconcat ("[*, another*]", strchr (good, '\n'), NULL);
  unknown = edited (good, PLAIN, "any-99x99");
  for (guint i = 0; i < 4; i++)
    {
      write_own (((const gchar *[]) { stale, other, unknown, "no key file" })[i]);
      g_assert_cmpstr (variant ("gemm", 4096), ==, untuned ("gemm"));
    }

  pal_tune_load (test_device ());
}

/* A choice that the device can no longer run. */
static void
test_limited (void)
{
  const gchar *own = untuned ("gemm");

  g_assert_true (pal_tune_choose (test_device (), "gemm", 0, own));
  g_assert_cmpstr (variant ("gemm", 1), ==, own);
  pal_device_limit (test_device (), ~(guint) PAL_CAP_VECTORS);
  g_assert_cmpstr (variant ("gemm", 1), ==, PLAIN);
}

/* Ops of one subject have the same variants, with panels of one width. */
static void
test_subjects (void)
{
  gsize                 n_subjects, n;
  const PalTuneSubject *subjects = pal_tune_subjects (&n_subjects);
  const PalKernelRow   *rows     = pal_catalog_rows (&n);

  for (gsize s = 0; s < n_subjects; s++)
    for (gsize i = 0; i < n; i++)
      for (guint o = 0; g_str_equal (rows[i].op, subjects[s].ops[0]) && subjects[s].ops[o]; o++)
        {
          const gchar *op = subjects[s].ops[o];
          gsize        j  = 0;

          while (j < n && ! (g_str_equal (rows[j].op, op) &&
                             g_str_equal (rows[j].variant, rows[i].variant)))
            j++;
          g_assert_cmpuint (j, <, n);
          g_assert_cmpuint (rows[j].tile.columns, ==, rows[i].tile.columns);
          g_assert_cmpuint (rows[j].needs, ==, rows[i].needs);
        }
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/tune/classes", test_classes);
  g_test_add_func ("/tune/saved", test_saved);
  g_test_add_func ("/tune/passed-over", test_passed_over);
  g_test_add_func ("/tune/subjects", test_subjects);
  if (! g_str_equal (untuned ("gemm"), PLAIN))    /* else there is nothing to lose */
    g_test_add_func ("/tune/limited", test_limited);

  return device_test_run ();
}
