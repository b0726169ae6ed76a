/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole fill, from the folder to the picture, in which OpenCL calls or large allocations
 * fail. One failure is recovered from: the run takes another way, says so, and gives the
 * right picture. When all calls from one on fail there is an error. Either way no memory
 * is left on the device. Calls near the start are tried one by one, later ones at growing
 * distances. */

#include "device-support.h"

#include <string.h>

#include "base/debug.h"
#include "pal.h"

#define SIDE 32

static PalImage *source, *mask;

static void
make_images (void)
{
  source = pal_image_new (SIDE, SIDE, 3);
  mask = pal_image_new (SIDE, SIDE, 1);

  for (gint i = 0; i < SIDE * SIDE; i++)
    {
      for (gint c = 0; c < 3; c++)
        source->data[i * 3 + c] = (gfloat) (i % SIDE) / SIDE;
      mask->data[i] = i % SIDE > SIDE / 2 ? 1.0f : 0.0f;
    }
}

/* FALSE with error set. note: what the run says of memory, or NULL. */
static gboolean
fill (PalImage **out, gchar **note, GError **error)
{
  g_autofree gchar *path =
    g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", "sd15-tiny", NULL);
  g_autoptr (PalModel) model = pal_model_open (test_device (), path, error);
  g_auto (PalReport) report = { 0 };
  PalRequest request = {
    .intent = PAL_FILL,
    .prompt = "grass",
    .source = source,
    .mask = mask,
    .steps = 2,
    .strength = 1.0,
    .guidance = 2.0,
    .seed = 7,
  };

  if (! model)
    return FALSE;

  *out = pal_generate (model, &request, NULL, NULL, &report, NULL, error);
  *note = g_steal_pointer (&report.note);
  return *out != NULL;
}

static PalImage *
fill_well (PalFaultKind kind, guint *calls)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *note = NULL;
  PalImage *image = NULL;

  pal_fault_arm (kind, G_MAXINT);
  fill (&image, &note, &error);
  *calls = pal_fault_calls (kind);
  pal_fault_arm (kind, 0);

  g_assert_no_error (error);
  g_assert_null (note);
  g_assert_cmpuint (*calls, >, 0);
  return image;
}

static void
fail_one (gconstpointer data)
{
  PalFaultKind kind = (PalFaultKind) GPOINTER_TO_INT (data);
  guint calls, recovered = 0, tried = 0;
  g_autoptr (PalImage) good = fill_well (kind, &calls);

  for (guint nth = 1; nth <= calls; nth += 1 + nth / 8)
    {
      g_autoptr (PalImage) image = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree gchar *note = NULL;
      gboolean ok;

      pal_fault_arm (kind, nth);
      ok = fill (&image, &note, &error);
      pal_fault_arm (kind, 0);
      tried++;

      g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, 0);
      g_assert_cmpint (ok, ==, error == NULL);
      if (! ok)
        {
          g_assert_error (error, PAL_ERROR, PAL_ERROR_MEMORY);
          continue;
        }

      g_test_message ("call %u: %s", nth, note);
      g_assert_nonnull (note);
      g_assert_nonnull (strstr (note, "short of memory"));
      g_assert_cmpmem (image->data, SIDE * SIDE * 3 * sizeof (gfloat),
                       good->data, SIDE * SIDE * 3 * sizeof (gfloat));
      recovered++;
    }

  g_test_message ("%u of %u calls tried, %u of them recovered from", tried, calls, recovered);
  if (kind == PAL_FAULT_CL)
    g_assert_cmpuint (recovered, ==, tried);
}

static void
fail_from (gconstpointer data)
{
  PalFaultKind kind = (PalFaultKind) GPOINTER_TO_INT (data);
  guint calls;
  g_autoptr (PalImage) good = fill_well (kind, &calls);

  for (guint nth = 1; nth <= calls; nth += 1 + nth / 4)
    {
      g_autoptr (PalImage) image = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree gchar *note = NULL;

      pal_fault_arm_from (kind, nth);
      g_assert_false (fill (&image, &note, &error));
      pal_fault_arm (kind, 0);

      g_assert_error (error, PAL_ERROR, PAL_ERROR_MEMORY);
      g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, 0);
    }
}

gint
main (gint argc, gchar **argv)
{
  gint status;

  if (! device_test_init (&argc, &argv))
    return 0;

  make_images ();
  g_test_add_data_func ("/model/faults/one/cl", GINT_TO_POINTER (PAL_FAULT_CL), fail_one);
  g_test_add_data_func ("/model/faults/one/alloc", GINT_TO_POINTER (PAL_FAULT_ALLOC), fail_one);
  g_test_add_data_func ("/model/faults/from/cl", GINT_TO_POINTER (PAL_FAULT_CL), fail_from);
  g_test_add_data_func ("/model/faults/from/alloc", GINT_TO_POINTER (PAL_FAULT_ALLOC), fail_from);

  status = device_test_run ();
  pal_image_free (source);
  pal_image_free (mask);
  return status;
}
