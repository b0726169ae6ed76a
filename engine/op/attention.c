/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attention: keys and values are packed, then each head's rows are made in blocks. */

#include "op/private.h"

#include <math.h>

typedef struct
{
  const PalKernelRow *pack_keys, *pack_values, *row;
  gint                batch, queries, keys, heads, width;
  gfloat              scale; /* holds log2 (e): the kernels' scores are in base 2 */
  gint                causal;
} Attention;

static gboolean
emit_pack (PalEmit *emit, const PalKernelRow *row, const Attention *a,
           const PalTensor *from, const PalTensor *to, GError **error)
{
  pal_emit_begin (emit, row, "%s", "");
  pal_emit_tensor (emit, from);
  pal_emit_tensor (emit, to);
  pal_emit_int (emit, a->keys);
  pal_emit_int (emit, a->heads);
  pal_emit_int (emit, a->width);

  return pal_op_go (emit, row, PAL_OP_PARTS (a->keys, (gint64) row->tile.columns),
                    a->heads, a->batch, error);
}

static gboolean
attention_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const Attention *a      = step->options;
  const PalTile   *tile   = &a->row->tile;
  guint            widest = tile->depth;

  if (! emit_pack (emit, a->pack_keys, a, step->in[1], step->scratch[0], error) ||
      ! emit_pack (emit, a->pack_values, a, step->in[2], step->scratch[1], error))
    return FALSE;

  while (widest < (guint) a->width)
    widest *= 2;

  pal_emit_begin (emit, a->row, "-DHEAD_MAX=%u", widest);
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->scratch[0]);
  pal_emit_tensor (emit, step->scratch[1]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, a->queries);
  pal_emit_int (emit, a->keys);
  pal_emit_int (emit, a->heads);
  pal_emit_int (emit, a->width);
  pal_emit_float (emit, a->scale);
  pal_emit_int (emit, a->causal);

  return pal_op_go (emit, a->row, PAL_OP_PARTS (a->queries, (gint64) tile->rows) * tile->local,
                    a->heads, a->batch, error);
}

static const PalOp attention_op = { "attention", 0, attention_emit, pal_op_attention_flops };

static gboolean
check (PalTape *tape, PalTensor *q, PalTensor *k, PalTensor *v, const PalAttention *options)
{
  const PalShape    qs = pal_shape_of (q), ks = pal_shape_of (k);
  const PalRowsView rows = pal_op_rows (qs);
  const gint64 sizes[] = { rows.rows, rows.columns, pal_op_rows (ks).rows, options->heads };

  if (ks.d[0] != qs.d[0] || pal_op_rows (ks).columns != rows.columns)
    {
      pal_op_clash (tape, "attention", qs, ks, "queries and keys need one batch and one width");
      return FALSE;
    }
  if (! pal_shape_equal (ks, pal_shape_of (v)))
    {
      pal_op_clash (tape, "attention", ks, pal_shape_of (v), "keys and values need one shape");
      return FALSE;
    }
  if (options->heads < 1 || rows.columns % options->heads != 0)
    {
      g_autofree gchar *text = pal_shape_text (qs);

      pal_tape_fail (tape, PAL_ERROR_SHAPE,
                     "attention of %s can't have %d heads: the last dimension "
                     "must be a multiple",
                     text, options->heads);
      return FALSE;
    }

  return pal_op_fits (tape, "attention", sizes, G_N_ELEMENTS (sizes));
}

/* What a scratch of n rounded-up panels needs, as [B N, panels, rows, panel]. */
static PalShape
packed_shape (const Attention *a, gint64 panels, gint64 rows)
{
  return PAL_SHAPE ((gint64) a->batch * a->heads, panels, rows, a->row->tile.columns);
}

PalTensor *
pal_attention (PalTape *tape, PalTensor *q, PalTensor *k, PalTensor *v, const PalAttention *options)
{
  const PalAttention defaults = { .heads = 1 };
  Attention          a = { .pack_keys   = pal_tape_kernel (tape, "attention_pack_keys"),
                           .pack_values = pal_tape_kernel (tape, "attention_pack_values"),
                           .row         = pal_op_product_row (tape, "attention", q) };
  PalStep           *step;
  gint64             panel;

  if (! options)
    options = &defaults;

  if (! pal_op_takes (tape, "attention", q, PAL_F32, 3) ||
      ! pal_op_takes (tape, "attention", k, PAL_F32, 3) ||
      ! pal_op_takes (tape, "attention", v, PAL_F32, 3) || ! check (tape, q, k, v, options))
    return q;

  a.batch   = (gint) pal_shape_of (q).d[0];
  a.queries = (gint) (pal_op_rows (pal_shape_of (q)).rows / a.batch);
  a.keys    = (gint) (pal_op_rows (pal_shape_of (k)).rows / a.batch);
  a.heads   = options->heads;
  a.width   = (gint) (pal_op_rows (pal_shape_of (q)).columns / a.heads);
  a.scale = options->scale > 0.0f ? options->scale : 1.0f / sqrtf ((gfloat) a.width);
  a.scale *= 1.44269504f;
  a.causal = options->causal;

  panel = a.row->tile.columns;
  step  = pal_step_new (tape, &attention_op, &a, sizeof a);
  pal_step_input (step, q);
  pal_step_input (step, k);
  pal_step_input (step, v);
  pal_step_scratch (tape, step, PAL_F32, packed_shape (&a, PAL_OP_PARTS (a.keys, panel), a.width));
  pal_step_scratch (tape, step, PAL_F32,
                    packed_shape (&a, PAL_OP_PARTS (a.width, panel),
                                  PAL_OP_PARTS (a.keys, panel) * panel));

  return pal_step_output (tape, step, PAL_F32, pal_shape_of (q));
}
