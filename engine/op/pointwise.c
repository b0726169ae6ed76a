/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops that make each element from one or two others: sums, activations, gates, and
 * concatenation. */

#include "op/private.h"

/* kernels/pointwise.cl has the same numbers. */
typedef enum
{
  POINTWISE_ADD,
  POINTWISE_ACT,
  POINTWISE_AFFINE,
  POINTWISE_SOFT_CLAMP
} PointwiseKind;

typedef struct
{
  const PalKernelRow *row;
  PointwiseKind       kind;
  PalAct              act;
  gfloat              f, g;
} Pointwise;

static gboolean
pointwise_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const Pointwise *p = step->options;
  gsize            n = 0;

  pal_shape_count (pal_shape_of (step->out), &n);

  pal_emit_begin (emit, p->row, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->in[step->n_in - 1]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) (guint32) (n & G_MAXUINT32));
  pal_emit_int (emit, (gint32) (guint32) ((guint64) n >> 32));
  pal_emit_int (emit, p->kind);
  pal_emit_int (emit, p->act);
  pal_emit_float (emit, p->f);
  pal_emit_float (emit, p->g);

  return pal_op_go (emit, p->row, (gint64) PAL_OP_PARTS (n, p->row->tile.columns), 1, 1, error);
}

static const PalOp pointwise_op = { "pointwise", 1 << 0 | 1 << 1, pointwise_emit };

static PalTensor *
record (PalTape *tape, PalTensor *a, PalTensor *b, Pointwise options)
{
  PalStep *step;

  options.row = pal_tape_kernel (tape, "pointwise");
  if (! pal_op_takes (tape, "pointwise", a, PAL_F32, 0))
    return a;

  step = pal_step_new (tape, &pointwise_op, &options, sizeof options);
  pal_step_input (step, a);
  if (b)
    pal_step_input (step, b);

  return pal_step_output (tape, step, PAL_F32, pal_shape_of (a));
}

PalTensor *
pal_add (PalTape *tape, PalTensor *a, PalTensor *b)
{
  if (! pal_op_takes (tape, "add", b, PAL_F32, 0))
    return a;

  if (! pal_shape_equal (pal_shape_of (a), pal_shape_of (b)))
    return pal_op_clash (tape, "add", pal_shape_of (a), pal_shape_of (b), "both need one shape");

  return record (tape, a, b, (Pointwise) { .kind = POINTWISE_ADD });
}

PalTensor *
pal_act (PalTape *tape, PalTensor *x, PalAct act)
{
  return record (tape, x, NULL, (Pointwise) { .kind = POINTWISE_ACT, .act = act });
}

PalTensor *
pal_affine (PalTape *tape, PalTensor *x, gfloat scale, gfloat shift)
{
  return record (tape, x, NULL, (Pointwise) { .kind = POINTWISE_AFFINE, .f = scale, .g = shift });
}

PalTensor *
pal_soft_clamp (PalTape *tape, PalTensor *x, gfloat limit)
{
  return record (tape, x, NULL, (Pointwise) { .kind = POINTWISE_SOFT_CLAMP, .f = limit });
}

/* Ops by rows; their options are the catalogue row alone. */
typedef struct
{
  const PalKernelRow *row;
} ByRows;

static gboolean
add_channels_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const ByRows     *o         = step->options;
  const PalShape    shape     = pal_shape_of (step->in[0]);
  const PalRowsView rows      = pal_op_rows (shape);
  const gint64      positions = rows.rows / shape.d[0];

  pal_emit_begin (emit, o->row, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->in[1]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) positions);
  pal_emit_int (emit, (gint32) rows.columns);

  return pal_op_go (emit, o->row, PAL_OP_PARTS (rows.columns, (gint64) o->row->tile.columns),
                    positions, shape.d[0], error);
}

static const PalOp add_channels_op = { "add_channels", 1 << 0, add_channels_emit };

PalTensor *
pal_add_channels (PalTape *tape, PalTensor *x, PalTensor *e)
{
  const ByRows      o       = { pal_tape_kernel (tape, "add_channels") };
  const PalShape    shape   = pal_shape_of (x);
  const PalRowsView rows    = pal_op_rows (shape);
  const gint64      sizes[] = { rows.rows, rows.columns };
  PalStep          *step;

  if (! pal_op_takes (tape, "add_channels", x, PAL_F32, 2) ||
      ! pal_op_takes (tape, "add_channels", e, PAL_F32, 2) ||
      ! pal_op_fits (tape, "add_channels", sizes, G_N_ELEMENTS (sizes)))
    return x;

  if (! pal_shape_equal (pal_shape_of (e), PAL_SHAPE (shape.d[0], rows.columns)))
    return pal_op_clash (tape, "add_channels", shape, pal_shape_of (e), "[B, .., C] needs [B, C]");

  step = pal_step_new (tape, &add_channels_op, &o, sizeof o);
  pal_step_input (step, x);
  pal_step_input (step, e);

  return pal_step_output (tape, step, PAL_F32, shape);
}

static gboolean
geglu_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const ByRows     *o    = step->options;
  const PalRowsView rows = pal_op_rows (pal_shape_of (step->out));

  pal_emit_begin (emit, o->row, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) rows.columns);

  return pal_op_go (emit, o->row, PAL_OP_PARTS (rows.columns, (gint64) o->row->tile.columns),
                    rows.rows, 1, error);
}

static const PalOp geglu_op = { "geglu", 0, geglu_emit };

PalTensor *
pal_geglu (PalTape *tape, PalTensor *x)
{
  const ByRows      o       = { pal_tape_kernel (tape, "geglu") };
  const PalRowsView rows    = pal_op_rows (pal_shape_of (x));
  const gint64      sizes[] = { rows.rows, rows.columns };
  PalStep          *step;

  if (! pal_op_takes (tape, "geglu", x, PAL_F32, 1) ||
      ! pal_op_fits (tape, "geglu", sizes, G_N_ELEMENTS (sizes)))
    return x;

  if (rows.columns % 2 != 0)
    {
      g_autofree gchar *text = pal_shape_text (pal_shape_of (x));

      return pal_tape_fail (tape, PAL_ERROR_SHAPE,
                            "geglu of %s: the last dimension must be even", text);
    }

  step = pal_step_new (tape, &geglu_op, &o, sizeof o);
  pal_step_input (step, x);

  return pal_step_output (tape, step, PAL_F32, pal_op_widen (pal_shape_of (x), rows.columns / 2));
}

static gboolean
concat_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const ByRows     *o     = step->options;
  const PalRowsView out   = pal_op_rows (pal_shape_of (step->out));
  gint64            first = 0;

  for (guint i = 0; i < step->n_in; i++)
    {
      const PalRowsView in = pal_op_rows (pal_shape_of (step->in[i]));

      pal_emit_begin (emit, o->row, "%s", "");
      pal_emit_tensor (emit, step->in[i]);
      pal_emit_tensor (emit, step->out);
      pal_emit_int (emit, (gint32) in.columns);
      pal_emit_int (emit, (gint32) out.columns);
      pal_emit_int (emit, (gint32) first);
      if (! pal_op_go (emit, o->row, PAL_OP_PARTS (in.columns, (gint64) o->row->tile.columns),
                       in.rows, 1, error))
        return FALSE;

      first += in.columns;
    }

  return TRUE;
}

static const PalOp concat_op = { "concat", 0, concat_emit };

PalTensor *
pal_concat (PalTape *tape, PalTensor *a, PalTensor *b)
{
  const ByRows      o       = { pal_tape_kernel (tape, "copy_columns") };
  const PalRowsView rows    = pal_op_rows (pal_shape_of (a));
  const gint64      columns = rows.columns + pal_op_rows (pal_shape_of (b)).columns;
  const gint64      sizes[] = { rows.rows, columns };
  PalStep          *step;

  if (! pal_op_takes (tape, "concat", a, PAL_F32, 1) ||
      ! pal_op_takes (tape, "concat", b, PAL_F32, 1) ||
      ! pal_op_fits (tape, "concat", sizes, G_N_ELEMENTS (sizes)))
    return a;

  if (! pal_shape_equal (pal_op_widen (pal_shape_of (a), 1), pal_op_widen (pal_shape_of (b), 1)))
    return pal_op_clash (tape, "concat", pal_shape_of (a), pal_shape_of (b),
                         "all dimensions but the last must be equal");

  step = pal_step_new (tape, &concat_op, &o, sizeof o);
  pal_step_input (step, a);
  pal_step_input (step, b);

  return pal_step_output (tape, step, PAL_F32, pal_op_widen (pal_shape_of (a), columns));
}
