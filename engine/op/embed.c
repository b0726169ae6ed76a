/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Embedding tables and timestep sinusoids. */

#include "op/private.h"

typedef struct
{
  const PalKernelRow *row;
} Embed;

static gboolean
embed_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const Embed      *e     = step->options;
  const PalRowsView out   = pal_op_rows (pal_shape_of (step->out));
  const PalShape    ids   = pal_shape_of (step->in[0]);
  const PalWeight  *table = step->weight[0], *positions = step->weight[2];

  pal_emit_begin (emit, e->row, "%s", pal_op_loader (table));
  pal_emit_tensor (emit, step->in[0]);
  for (guint i = 0; i < step->n_weights; i++)
    pal_emit_weight (emit, step->weight[i]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) out.columns);
  pal_emit_int (emit, (gint32) table->view->shape.d[0]);
  pal_emit_int (emit, (gint32) ids.d[ids.n - 1]);
  pal_emit_int (emit, positions != NULL);
  pal_emit_int (emit, table->scale != NULL);

  return pal_op_go (emit, e->row, PAL_OP_PARTS (out.columns, (gint64) e->row->tile.columns),
                    out.rows, 1, error);
}

static const PalOp embed_op = { "embed", 0, embed_emit };

/* The table of positions fits the ids and the other table. */
static gboolean
check_positions (PalTape *tape, PalShape ids, const PalWeight *table, const PalWeight *positions)
{
  const PalShape shape = positions->view->shape;

  if (shape.d[1] != table->view->shape.d[1] || shape.d[0] < ids.d[ids.n - 1])
    {
      pal_op_clash (tape, positions->view->name, ids, shape,
                    "positions need a row for each token, as wide as the table");
      return FALSE;
    }
  if (positions->dtype != table->dtype)
    {
      pal_tape_fail (tape, PAL_ERROR_UNSUPPORTED,
                     "“%s” is %s but “%s” is %s: both must have one type",
                     positions->view->name, pal_dtype_name (positions->dtype),
                     table->view->name, pal_dtype_name (table->dtype));
      return FALSE;
    }

  return TRUE;
}

PalTensor *
pal_embed (PalTape *tape, PalTensor *ids, const gchar *name, const gchar *position)
{
  const Embed    e     = { pal_tape_kernel (tape, "embed") };
  const PalShape shape = pal_shape_of (ids);
  PalWeight     *table, *positions = NULL;
  PalShape       out = shape;
  PalStep       *step;

  if (! pal_op_takes (tape, "embed", ids, PAL_I32, 1))
    return ids;

  table = pal_op_matrix (tape, name, PAL_PACK_ROWS, 0);
  if (table && position)
    positions = pal_op_matrix (tape, position, PAL_PACK_ROWS, 0);
  if (pal_tape_failed (tape) || (positions && ! check_positions (tape, shape, table, positions)))
    return ids;

  out.d[out.n++] = table->view->shape.d[1];

  step = pal_step_new (tape, &embed_op, &e, sizeof e);
  pal_step_input (step, ids);
  pal_step_weight (step, table);
  pal_step_weight (step, table->scale);
  pal_step_weight (step, positions);
  pal_step_weight (step, positions ? positions->scale : NULL);

  return pal_step_output (tape, step, PAL_F32, out);
}

typedef struct
{
  const PalKernelRow *row;
  gint                flip;
  gfloat              shift;
} Timestep;

static gboolean
timestep_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const Timestep *t   = step->options;
  const PalShape  out = pal_shape_of (step->out);

  pal_emit_begin (emit, t->row, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) out.d[1]);
  pal_emit_int (emit, t->flip);
  pal_emit_float (emit, t->shift);

  return pal_op_go (emit, t->row, out.d[1], out.d[0], 1, error);
}

static const PalOp timestep_op = { "timestep_embed", 0, timestep_emit };

PalTensor *
pal_timestep_embed (PalTape *tape, PalTensor *timesteps, gint64 width, gboolean flip, gfloat shift)
{
  const Timestep t = { pal_tape_kernel (tape, "timestep_embed"), flip ? 1 : 0, shift };
  const PalShape shape = pal_shape_of (timesteps);
  PalStep       *step;

  if (! pal_op_takes (tape, "timestep_embed", timesteps, PAL_F32, 1))
    return timesteps;

  if (shape.n != 1 || width < 2 || width > G_MAXINT32)
    return pal_op_clash (tape, "timestep_embed", shape, PAL_SHAPE (width),
                         "timesteps are [B] and the width is at least 2");

  step = pal_step_new (tape, &timestep_op, &t, sizeof t);
  pal_step_input (step, timesteps);

  return pal_step_output (tape, step, PAL_F32, PAL_SHAPE (shape.d[0], width));
}
