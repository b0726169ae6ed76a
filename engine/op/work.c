/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The arithmetic of ops, by their shapes. */

#include "op/private.h"

/* Every weight meets every row of the result once: whatever ends the product, a gate that
 * halves the columns too, does not count. */
guint64
pal_op_product_flops (const PalStep *step)
{
  gsize weights = 0;

  pal_shape_count (step->weight[0]->view->shape, &weights);

  return 2 * (guint64) pal_op_rows (pal_shape_of (step->out)).rows * weights;
}

/* q: [B, T, N * D], k: [B, S, N * D]: scores, and their sum of values. */
guint64
pal_op_attention_flops (const PalStep *step)
{
  const PalShape    q    = pal_shape_of (step->in[0]);
  const PalRowsView rows = pal_op_rows (q);
  const PalRowsView keys = pal_op_rows (pal_shape_of (step->in[1]));

  return 4 * (guint64) rows.rows * (guint64) (keys.rows / q.d[0]) * (guint64) rows.columns;
}
