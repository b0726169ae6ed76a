/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole fill, from the folder to the picture, in which one OpenCL call or one large
 * allocation fails: there is an error or the right picture, and no memory is left on
 * the device. Calls near the start are tried one by one, later ones at growing
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

/* FALSE with error set. */
static gboolean
fill (PalImage **out, GError **error)
{
  g_autofree gchar *path =
    g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", "sd15-tiny", NULL);
  g_autoptr (PalModel) model = pal_model_open (test_device (), path, error);
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

  *out = pal_generate (model, &request, NULL, NULL, NULL, NULL, error);
  return *out != NULL;
}

static void
fail_some (gconstpointer data)
{
  PalFaultKind kind = (PalFaultKind) GPOINTER_TO_INT (data);
  g_autoptr (PalImage) good = NULL;
  g_autoptr (GError) none = NULL;
  guint calls, failed = 0, tried = 0;

  pal_fault_arm (kind, G_MAXUINT);
  fill (&good, &none);
  g_assert_no_error (none);
  calls = pal_fault_calls (kind);
  pal_fault_arm (kind, 0);
  g_assert_cmpuint (calls, >, 0);

  for (guint nth = 1; nth <= calls; nth += 1 + nth / 12)
    {
      g_autoptr (PalImage) image = NULL;
      g_autoptr (GError) error = NULL;
      gboolean ok;

      pal_fault_arm (kind, nth);
      ok = fill (&image, &error);
      pal_fault_arm (kind, 0);
      tried++;

      g_assert_cmpint (ok, ==, error == NULL);
      g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, 0);
      if (ok)
        g_assert_cmpmem (image->data, SIDE * SIDE * 3 * sizeof (gfloat),
                         good->data, SIDE * SIDE * 3 * sizeof (gfloat));
      else
        failed++;
    }

  g_test_message ("%u of %u calls tried, %u of them failed the fill", tried, calls, failed);
  g_assert_cmpuint (failed, >, 0);
}

gint
main (gint argc, gchar **argv)
{
  gint status;

  if (! device_test_init (&argc, &argv))
    return 0;

  make_images ();
  g_test_add_data_func ("/model/faults/cl", GINT_TO_POINTER (PAL_FAULT_CL), fail_some);
  g_test_add_data_func ("/model/faults/alloc", GINT_TO_POINTER (PAL_FAULT_ALLOC), fail_some);

  status = device_test_run ();
  pal_image_free (source);
  pal_image_free (mask);
  return status;
}
