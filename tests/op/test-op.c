/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test-op SUITE [CAPABILITIES]: the op tests of one suite. CAPABILITIES drops all others of
 * the device, so that each row of the kernel catalogue has its turn. */

#include "op-support.h"

static void
add_test (const OpRow *row, gpointer data G_GNUC_UNUSED)
{
  g_autofree gchar *path = g_strdup_printf ("/%s/%s", row->op, row->name);

  g_test_add_data_func (path, row->row, row->check);
}

int
main (int argc, char **argv)
{
  const gchar *name  = argc > 1 ? argv[1] : "";
  const gchar *given = argc > 2 && *argv[2] != '-' ? argv[2] : "0xffffffff";

  if (! device_test_init (&argc, &argv))
    return 0;

  pal_device_limit (test_device (), (guint) g_ascii_strtoull (given, NULL, 0));

  for (guint i = 0; op_suites[i]; i++)
    if (g_str_equal (op_suites[i]->name, name))
      {
        op_suites[i]->rows (add_test, NULL);
        op_suites[i]->others ();
      }

  return device_test_run ();
}
