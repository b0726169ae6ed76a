/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shape rules and weight lookup that all ops share. */

#include "op/private.h"

PalRowsView
pal_op_rows (PalShape shape)
{
  PalRowsView view = { .rows = 1, .columns = shape.n > 0 ? shape.d[shape.n - 1] : 1 };

  for (guint i = 0; i + 1 < shape.n; i++)
    view.rows *= shape.d[i];

  return view;
}

const PalKernelRow *
pal_op_product_row (PalTape *tape, const gchar *op, const PalTensor *x)
{
  return pal_tape_kernel_for (tape, op, pal_op_rows (pal_shape_of (x)).rows);
}

PalShape
pal_op_widen (PalShape shape, gint64 columns)
{
  shape.d[shape.n - 1] = columns;

  return shape;
}

gboolean
pal_op_fits (PalTape *tape, const gchar *op, const gint64 *values, guint n_values)
{
  for (guint i = 0; i < n_values; i++)
    if (values[i] < 1 || values[i] > G_MAXINT32)
      {
        pal_tape_fail (tape, PAL_ERROR_SHAPE,
                       "%s can't have a dimension of %" G_GINT64_FORMAT, op, values[i]);
        return FALSE;
      }

  return TRUE;
}

gboolean
pal_op_takes (PalTape *tape, const gchar *op, const PalTensor *x, PalDType dtype, guint n_dims)
{
  g_autofree gchar *shape = NULL;

  if (pal_tape_failed (tape))
    return FALSE;

  if (pal_dtype_of (x) == dtype && pal_shape_of (x).n >= n_dims)
    return TRUE;

  shape = pal_shape_text (pal_shape_of (x));
  pal_tape_fail (tape, PAL_ERROR_SHAPE, "%s takes %s with %u or more dimensions, not %s %s",
                 op, pal_dtype_name (dtype), n_dims, pal_dtype_name (pal_dtype_of (x)), shape);
  return FALSE;
}

PalTensor *
pal_op_clash (PalTape *tape, const gchar *op, PalShape a, PalShape b, const gchar *rule)
{
  g_autofree gchar *a_text = pal_shape_text (a);
  g_autofree gchar *b_text = pal_shape_text (b);

  return pal_tape_fail (tape, PAL_ERROR_SHAPE, "%s of %s and %s: %s", op, a_text, b_text, rule);
}

PalWeight *
pal_op_vector (PalTape     *tape,
               const gchar *name,
               const gchar *suffix,
               gint64       width,
               gboolean     required)
{
  g_autofree gchar *full   = g_strdup_printf ("%s.%s", name, suffix);
  g_autofree gchar *shape  = NULL;
  PalWeight        *weight = pal_tape_weight (tape, full, PAL_PACK_VECTOR, 0, required);

  if (! weight || pal_shape_equal (weight->view->shape, PAL_SHAPE (width)))
    return weight;

  shape = pal_shape_text (weight->view->shape);
  pal_tape_fail (tape, PAL_ERROR_SHAPE,
                 "the tensor “%s” is %s where [%" G_GINT64_FORMAT "] is needed",
                 full, shape, width);
  return NULL;
}

PalWeight *
pal_op_matrix (PalTape *tape, const gchar *name, PalPacking packing, guint panel)
{
  g_autofree gchar *full = g_strdup_printf ("%s.weight", name);

  return pal_tape_weight (tape, full, packing, panel, TRUE);
}

const gchar *
pal_op_loader (const PalWeight *weight)
{
  static const gchar *const loaders[PAL_N_DTYPES] = {
    [PAL_F32]  = "-DWEIGHT_F32",
    [PAL_F16]  = "-DWEIGHT_F16",
    [PAL_BF16] = "-DWEIGHT_BF16",
    [PAL_I8]   = "-DWEIGHT_I8",
  };

  g_assert (loaders[weight->dtype]);

  return loaders[weight->dtype];
}

gboolean
pal_op_go (PalEmit *emit, const PalKernelRow *row, gint64 gx, gint64 gy, gint64 gz, GError **error)
{
  return pal_emit_go (emit, (gsize) gx, (gsize) gy, (gsize) gz, row->tile.local, 1, 1, error);
}
