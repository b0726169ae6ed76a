/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The matrix product with its end: bias, activation, residual. */

#include "op/private.h"

typedef struct
{
  const PalKernelRow *row;
  gint                flags; /* PAL_END_… */
  PalAct              act;
} Product;

static gboolean
product_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const Product    *p    = step->options;
  const PalTile    *tile = &p->row->tile;
  const PalRowsView x    = pal_op_rows (pal_shape_of (step->in[0]));
  const PalRowsView y    = pal_op_rows (pal_shape_of (step->out));

  pal_emit_begin (emit, p->row, "%s", pal_op_loader (step->weight[0]));
  pal_emit_tensor (emit, step->in[0]);
  for (guint i = 0; i < step->n_weights; i++)
    pal_emit_weight (emit, step->weight[i]);
  pal_emit_tensor (emit, step->n_in > 1 ? step->in[1] : step->out);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) x.rows);
  pal_emit_int (emit, (gint32) y.columns);
  pal_emit_int (emit, (gint32) x.columns);
  pal_emit_int (emit, p->flags);
  pal_emit_int (emit, p->act);

  return pal_emit_go (emit, PAL_OP_PARTS (y.columns, tile->columns * MAX (tile->panels, 1)),
                      PAL_OP_PARTS (y.rows, tile->rows), 1, tile->local, tile->local, 1, error);
}

static const PalOp product_op = { "linear", 1 << 1, product_emit, pal_op_product_flops };

PalTensor *
pal_op_product (PalTape *tape, PalTensor *x, const PalKernelRow *row, PalWeight *weight,
                PalWeight *bias, const PalEnd *end)
{
  const PalShape    w       = weight->view->shape;
  const PalShape    shape   = pal_op_widen (pal_shape_of (x), w.d[0]);
  const PalRowsView view    = pal_op_rows (pal_shape_of (x));
  const gint64      sizes[] = { view.rows, view.columns, w.d[0] };
  Product           product = { .row = row, .act = end->act };
  PalStep          *step;

  if (! pal_op_fits (tape, "linear", sizes, G_N_ELEMENTS (sizes)))
    return x;

  if (w.n < 2 || w.d[1] != view.columns || (w.n == 4 && (w.d[2] != 1 || w.d[3] != 1)))
    return pal_op_clash (tape, weight->view->name, pal_shape_of (x), w,
                         "the last dimension must be the weight's second");

  if (end->residual && ! pal_shape_equal (pal_shape_of (end->residual), shape))
    return pal_op_clash (tape, weight->view->name, shape, pal_shape_of (end->residual),
                         "the result and the residual must have one shape");

  if (weight->scale)
    product.flags |= PAL_END_SCALE;
  if (bias)
    product.flags |= PAL_END_BIAS;
  if (end->residual)
    product.flags |= end->residual_first ? PAL_END_RESIDUAL_FIRST : PAL_END_RESIDUAL;

  step = pal_step_new (tape, &product_op, &product, sizeof product);
  pal_step_input (step, x);
  if (end->residual)
    pal_step_input (step, end->residual);
  pal_step_weight (step, weight);
  pal_step_weight (step, weight->scale);
  pal_step_weight (step, bias);

  return pal_step_output (tape, step, PAL_F32, shape);
}

PalTensor *
pal_linear (PalTape *tape, PalTensor *x, const gchar *name, const PalLinear *options)
{
  const PalLinear     defaults = { 0 };
  const PalKernelRow *row      = pal_op_product_row (tape, "gemm", x);
  PalWeight          *weight, *bias;

  if (! options)
    options = &defaults;

  if (! pal_op_takes (tape, "linear", x, PAL_F32, 1))
    return x;

  weight = pal_op_matrix (tape, name, PAL_PACK_PANELS, row->tile.columns);
  if (! weight)
    return x;

  bias = pal_op_vector (tape, name, "bias", weight->view->shape.d[0], FALSE);
  if (pal_tape_failed (tape))
    return x;

  return pal_op_product (tape, x, row, weight, bias,
                         &(PalEnd) { .act = options->act, .residual = options->residual });
}
