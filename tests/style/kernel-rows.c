/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prints the kernel catalogue for kernels.py: file, entry and defines, separated by tabs. */

#include <glib.h>

#include "cl/catalog.h"

int
main (void)
{
  gsize               n_rows;
  const PalKernelRow *rows = pal_catalog_rows (&n_rows);

  for (gsize i = 0; i < n_rows; i++)
    g_print ("%s\t%s\t%s\n", rows[i].file, rows[i].entry,
             rows[i].defines != NULL ? rows[i].defines : "");
  return 0;
}
