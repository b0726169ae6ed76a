/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A system without OpenCL: the messages say what to install. Run with the loader
 * pointed at no implementation, or at one that has no device. */

#include <string.h>

#include "pal.h"

static void
check (GError *error)
{
  g_assert_error (error, PAL_ERROR, PAL_ERROR_DEVICE);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, g_getenv ("TEST_EXPECTED")));
  g_assert_nonnull (strstr (error->message, "pocl-opencl-icd"));
}

static void
test_list (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (pal_device_list (&error));
  check (error);
}

static void
test_open (void)
{
  const gchar *selectors[] = { NULL, "", "gpu", "0:0" };

  for (guint i = 0; i < G_N_ELEMENTS (selectors); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (pal_device_open (selectors[i], &error));
      check (error);
    }
}

gint
main (gint    argc,
      gchar **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/no-device/list", test_list);
  g_test_add_func ("/no-device/open", test_open);

  return g_test_run ();
}
