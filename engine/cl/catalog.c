/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows of the kernel catalogue; within an op the best stands first. */

#include "cl/catalog.h"

/* op, variant, file, entry, defines, needs, { rows, columns, depth, local } */
static const PalKernelRow rows[] = {
};

const PalKernelRow *
pal_catalog_rows (gsize *n_rows)
{
  *n_rows = G_N_ELEMENTS (rows);
  return rows;
}

const PalKernelRow *
pal_catalog_pick (const gchar *op,
                  guint        capabilities)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (g_str_equal (rows[i].op, op) && (rows[i].needs & ~capabilities) == 0)
      return &rows[i];

  return NULL;
}
