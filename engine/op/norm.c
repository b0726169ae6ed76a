/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Group, layer and root mean square normalisation. */

#include "op/private.h"

/* Positions of a chunk of group_norm_stats (), and how many chunks there are at most:
 * enough to fill a GPU, few enough that joining them costs nothing. */
#define MIN_CHUNK  16
#define MAX_CHUNKS 64

typedef struct
{
  const PalKernelRow *stats, *factors, *apply;
  gint                batch, positions, channels, groups, chunk;
  gfloat              eps;
  PalAct              act;
} GroupNorm;

static gboolean
emit_stats (PalEmit *emit, const PalStep *step, const GroupNorm *g, GError **error)
{
  pal_emit_begin (emit, g->stats, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->scratch[0]);
  pal_emit_int (emit, g->positions);
  pal_emit_int (emit, g->channels);
  pal_emit_int (emit, g->chunk);

  return pal_op_go (emit, g->stats, PAL_OP_PARTS (g->channels, (gint64) g->stats->tile.columns),
                    PAL_OP_PARTS (g->positions, g->chunk), g->batch, error);
}

static gboolean
emit_factors (PalEmit *emit, const PalStep *step, const GroupNorm *g, GError **error)
{
  pal_emit_begin (emit, g->factors, "%s", "");
  pal_emit_tensor (emit, step->scratch[0]);
  pal_emit_tensor (emit, step->in[step->n_in - 1]);
  pal_emit_tensor (emit, step->scratch[1]);
  pal_emit_weight (emit, step->weight[0]);
  pal_emit_weight (emit, step->weight[1]);
  pal_emit_int (emit, g->positions);
  pal_emit_int (emit, g->channels);
  pal_emit_int (emit, g->chunk);
  pal_emit_int (emit, g->groups);
  pal_emit_float (emit, g->eps);
  pal_emit_int (emit, step->n_in > 1);

  return pal_op_go (emit, g->factors, g->groups, g->batch, 1, error);
}

static gboolean
emit_apply (PalEmit *emit, const PalStep *step, const GroupNorm *g, GError **error)
{
  pal_emit_begin (emit, g->apply, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->scratch[1]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, g->positions);
  pal_emit_int (emit, g->channels);
  pal_emit_int (emit, g->act);

  return pal_op_go (emit, g->apply, PAL_OP_PARTS (g->channels, (gint64) g->apply->tile.columns),
                    g->positions, g->batch, error);
}

static gboolean
group_norm_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  return emit_stats (emit, step, step->options, error) &&
         emit_factors (emit, step, step->options, error) &&
         emit_apply (emit, step, step->options, error);
}

static const PalOp group_norm_op = { "group_norm", 1 << 0, group_norm_emit };

static PalTensor *
record_group_norm (PalTape         *tape,
                   PalTensor       *x,
                   PalWeight       *weight,
                   PalWeight       *bias,
                   PalTensor       *modulation,
                   const GroupNorm *g)
{
  PalStep *step = pal_step_new (tape, &group_norm_op, g, sizeof *g);

  pal_step_input (step, x);
  if (modulation)
    pal_step_input (step, modulation);
  pal_step_weight (step, weight);
  pal_step_weight (step, bias);
  pal_step_scratch (tape, step, PAL_F32,
                    PAL_SHAPE (g->batch, PAL_OP_PARTS (g->positions, g->chunk), 2, g->channels));
  pal_step_scratch (tape, step, PAL_F32, PAL_SHAPE (g->batch, 3, g->channels));

  return pal_step_output (tape, step, PAL_F32, pal_shape_of (x));
}

static gboolean
check_modulation (PalTape *tape, const gchar *name, PalShape x, const PalTensor *modulation)
{
  const PalShape shape = pal_shape_of (modulation);

  if (! pal_op_takes (tape, "group_norm", modulation, PAL_F32, 2))
    return FALSE;

  if (pal_shape_equal (shape, PAL_SHAPE (x.d[0], 2 * x.d[x.n - 1])))
    return TRUE;

  pal_op_clash (tape, name, x, shape, "[B, .., C] is modulated by [B, 2 C]");
  return FALSE;
}

PalTensor *
pal_group_norm (PalTape *tape, PalTensor *x, const gchar *name, const PalGroupNorm *options)
{
  const PalShape    shape   = pal_shape_of (x);
  const PalRowsView rows    = pal_op_rows (shape);
  const gint64      sizes[] = { rows.rows, rows.columns };
  PalWeight        *weight, *bias;
  GroupNorm         g = { .stats   = pal_tape_kernel (tape, "group_norm_stats"),
                          .factors = pal_tape_kernel (tape, "group_norm_factors"),
                          .apply   = pal_tape_kernel (tape, "group_norm_apply"),
                          .groups  = options->groups,
                          .eps     = options->eps,
                          .act     = options->act };

  if (! pal_op_takes (tape, "group_norm", x, PAL_F32, 2) ||
      ! pal_op_fits (tape, "group_norm", sizes, G_N_ELEMENTS (sizes)))
    return x;

  if (options->groups < 1 || rows.columns % options->groups != 0)
    {
      g_autofree gchar *text = pal_shape_text (shape);

      return pal_tape_fail (tape, PAL_ERROR_SHAPE,
                            "%s: group_norm of %s can't have %d groups: the "
                            "last dimension must be a multiple",
                            name, text, options->groups);
    }

  g.batch     = (gint) shape.d[0];
  g.positions = (gint) (rows.rows / g.batch);
  g.channels  = (gint) rows.columns;
  g.chunk     = MAX (MIN_CHUNK, PAL_OP_PARTS (g.positions, MAX_CHUNKS));

  weight = pal_op_vector (tape, name, "weight", g.channels, TRUE);
  bias   = pal_op_vector (tape, name, "bias", g.channels, TRUE);
  if (pal_tape_failed (tape) ||
      (options->modulation && ! check_modulation (tape, name, shape, options->modulation)))
    return x;

  return record_group_norm (tape, x, weight, bias, options->modulation, &g);
}

/* kernels/row-norm.cl has the same numbers. */
enum
{
  NORM_CENTRE   = 1 << 0,
  NORM_BIAS     = 1 << 1,
  NORM_RESIDUAL = 1 << 2
};

typedef struct
{
  const PalKernelRow *row;
  gint                flags;  /* NORM_… */
  gfloat              eps;
  PalAct              act;
} RowNorm;

static gboolean
row_norm_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const RowNorm    *n    = step->options;
  const PalRowsView rows = pal_op_rows (pal_shape_of (step->in[0]));

  pal_emit_begin (emit, n->row, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_weight (emit, step->weight[0]);
  pal_emit_weight (emit, step->weight[1]);
  pal_emit_tensor (emit, step->n_in > 1 ? step->in[1] : step->out);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) rows.rows);
  pal_emit_int (emit, (gint32) rows.columns);
  pal_emit_float (emit, n->eps);
  pal_emit_int (emit, n->flags);
  pal_emit_int (emit, n->act);

  return pal_op_go (emit, n->row, n->row->tile.local,
                    PAL_OP_PARTS (rows.rows, (gint64) n->row->tile.rows), 1, error);
}

static const PalOp row_norm_op = { "row_norm", 1 << 0 | 1 << 1, row_norm_emit };

/* n: with NORM_CENTRE a layer norm, which has a bias; residual may be NULL. */
static PalTensor *
record_row_norm (PalTape *tape, PalTensor *x, const gchar *name, PalTensor *residual, RowNorm n)
{
  const gboolean    centre  = (n.flags & NORM_CENTRE) != 0;
  const gchar      *op      = centre ? "layer_norm" : "rms_norm";
  const PalRowsView rows    = pal_op_rows (pal_shape_of (x));
  const gint64      sizes[] = { rows.rows, rows.columns };
  PalWeight        *weight, *bias;
  PalStep          *step;

  if (! pal_op_takes (tape, op, x, PAL_F32, 1) ||
      ! pal_op_fits (tape, op, sizes, G_N_ELEMENTS (sizes)))
    return x;

  if (residual && ! pal_shape_equal (pal_shape_of (residual), pal_shape_of (x)))
    return pal_op_clash (tape, op, pal_shape_of (x), pal_shape_of (residual),
                         "the input and the residual must have one shape");

  weight = pal_op_vector (tape, name, "weight", rows.columns, TRUE);
  bias   = pal_op_vector (tape, name, "bias", rows.columns, centre);
  if (pal_tape_failed (tape))
    return x;

  n.row = pal_tape_kernel (tape, "row_norm");
  n.flags |= (bias ? NORM_BIAS : 0) | (residual ? NORM_RESIDUAL : 0);

  step = pal_step_new (tape, &row_norm_op, &n, sizeof n);
  pal_step_input (step, x);
  if (residual)
    pal_step_input (step, residual);
  pal_step_weight (step, weight);
  pal_step_weight (step, bias);

  return pal_step_output (tape, step, PAL_F32, pal_shape_of (x));
}

PalTensor *
pal_layer_norm (PalTape *tape, PalTensor *x, const gchar *name, gfloat eps)
{
  return record_row_norm (tape, x, name, NULL, (RowNorm) { .flags = NORM_CENTRE, .eps = eps });
}

PalTensor *
pal_rms_norm (PalTape *tape, PalTensor *x, const gchar *name, const PalRmsNorm *options)
{
  return record_row_norm (tape, x, name, options->residual,
                          (RowNorm) { .eps = options->eps, .act = options->act });
}
