/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The convolution: geometry, and the choice between it, Winograd's and a plain product. */

#include "op/private.h"

typedef struct
{
  const PalKernelRow *row;
  gint                kernel_h, kernel_w, stride, pad;
  gint                shift;            /* 1 = x enlarged to twice its size */
  gint                limit_h, limit_w; /* sides of x as the taps see them */
  gint                flags;            /* PAL_END_… */
  PalAct              act;
  gboolean            squares;          /* row's tile counts squares of SQUARE x SQUARE pixels */
} Conv;

#define SQUARE       4          /* side of what winograd.cl makes at once, pixels */
#define LEAST_PIXELS 64         /* from which on that is faster (tests/bench/LOG.md) */

static gint64
squares_of (PalShape y)
{
  return y.d[0] * PAL_OP_PARTS (y.d[1], SQUARE) * PAL_OP_PARTS (y.d[2], SQUARE);
}

static gboolean
conv_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const Conv       *c          = step->options;
  const PalTile    *tile       = &c->row->tile;
  const PalShape    x          = pal_shape_of (step->in[0]);
  const PalShape    y          = pal_shape_of (step->out);
  const PalRowsView out        = pal_op_rows (y);
  const gint        geometry[] = { (gint) out.rows,
                                   (gint) out.columns,
                                   c->kernel_h * c->kernel_w,
                                   (gint) x.d[1],
                                   (gint) x.d[2],
                                   (gint) x.d[3],
                                   c->limit_h,
                                   c->limit_w,
                                   c->shift,
                                   (gint) y.d[1],
                                   (gint) y.d[2],
                                   c->kernel_w,
                                   c->stride,
                                   c->pad,
                                   c->flags,
                                   c->act };

  pal_emit_begin (emit, c->row, "%s", pal_op_loader (step->weight[0]));
  pal_emit_tensor (emit, step->in[0]);
  for (guint i = 0; i < step->n_weights; i++)
    pal_emit_weight (emit, step->weight[i]);
  pal_emit_tensor (emit, step->n_in > 1 ? step->in[1] : step->out);
  pal_emit_tensor (emit, step->out);
  for (guint i = 0; i < G_N_ELEMENTS (geometry); i++)
    pal_emit_int (emit, geometry[i]);

  return pal_emit_go (emit, PAL_OP_PARTS (out.columns, tile->columns * MAX (tile->panels, 1)),
                      PAL_OP_PARTS (c->squares ? squares_of (y) : out.rows, tile->rows), 1,
                      tile->local, tile->local, 1, error);
}

static const PalOp conv_op = { "conv2d", 1 << 1, conv_emit, pal_op_product_flops };

/* H' and W' of pal_conv2d (), and the fields of c that depend on them. */
static gboolean
plan_geometry (Conv          *c,
               const PalConv *options,
               gint64         height,
               gint64         width,
               gint64        *out_h,
               gint64        *out_w)
{
  const gint pad_after = options->pad_end_only ? 1 : (c->kernel_h - 1) / 2;

  c->pad     = options->pad_end_only ? 0 : (c->kernel_h - 1) / 2;
  c->stride  = MAX (options->stride, 1);
  c->shift   = options->upsample ? 1 : 0;
  c->limit_h = (gint) height;
  c->limit_w = (gint) width;

  if (options->upsample)
    {
      c->limit_h = (gint) (options->height > 0 ? options->height : 2 * height);
      c->limit_w = (gint) (options->width > 0 ? options->width : 2 * width);
      if (c->limit_h > 2 * height || c->limit_h < 2 * height - 1 ||
          c->limit_w > 2 * width || c->limit_w < 2 * width - 1)
        return FALSE;
    }

  *out_h = (c->limit_h + c->pad + pad_after - c->kernel_h) / c->stride + 1;
  *out_w = (c->limit_w + c->pad + pad_after - c->kernel_w) / c->stride + 1;

  return c->limit_h + c->pad + pad_after >= c->kernel_h &&
         c->limit_w + c->pad + pad_after >= c->kernel_w;
}

static PalTensor *
record (PalTape *tape, PalTensor *x, PalWeight *weight, PalWeight *bias, const Conv *conv,
        const PalConv *options, PalShape shape)
{
  PalStep *step;

  if (options->residual && ! pal_shape_equal (pal_shape_of (options->residual), shape))
    return pal_op_clash (tape, weight->view->name, shape, pal_shape_of (options->residual),
                         "the result and the residual must have one shape");

  step = pal_step_new (tape, &conv_op, conv, sizeof *conv);
  pal_step_input (step, x);
  if (options->residual)
    pal_step_input (step, options->residual);
  pal_step_weight (step, weight);
  pal_step_weight (step, weight->scale);
  pal_step_weight (step, bias);

  return pal_step_output (tape, step, PAL_F32, shape);
}

/* Takes Winograd's row where the device has one and it pays: not for a few squares, nor where
 * most of a square would lie outside; by one picture's pixels, so that a batch gives what its
 * pictures give alone. Its kernel reads the same panels of weights, and whole vectors of
 * channels. */
static void
choose_winograd (Conv *c, PalTape *tape, gint64 channels, PalShape y)
{
  const guint         has    = pal_device_capabilities (pal_tape_device (tape));
  const PalKernelRow *row    = pal_catalog_pick ("winograd", has);
  const gint64        pixels = y.d[1] * y.d[2];
  const gint64        whole  = squares_of (PAL_SHAPE (1, y.d[1], y.d[2])) * SQUARE * SQUARE;

  if (! row || c->kernel_h != 3 || c->kernel_w != 3 || c->stride != 1 || c->pad != 1 ||
      row->tile.columns != c->row->tile.columns || channels % row->tile.columns != 0 ||
      y.d[3] < row->tile.columns || pixels < LEAST_PIXELS || pixels < whole / 2)
    return;

  c->row     = row;
  c->squares = TRUE;
}

static PalTensor *
convolve (PalTape *tape, PalTensor *x, PalWeight *weight, PalWeight *bias, const PalConv *options)
{
  const PalShape in      = pal_shape_of (x);
  const PalShape w       = weight->view->shape;
  const gint64   sizes[] = { in.d[0],
                             in.d[1],
                             in.d[2] * 2,
                             w.d[0],
                             w.d[1] * w.d[2] * w.d[3],
                             in.d[0] * in.d[1] * in.d[2] * (options->upsample ? 4 : 1) };
  Conv           conv = { .row = pal_op_product_row (tape, "conv2d", x), .act = options->act };
  gint64         out_h, out_w;

  if (! pal_op_fits (tape, "conv2d", sizes, G_N_ELEMENTS (sizes)))
    return x;

  conv.kernel_h = (gint) w.d[2];
  conv.kernel_w = (gint) w.d[3];
  if (! plan_geometry (&conv, options, in.d[1], in.d[2], &out_h, &out_w))
    return pal_op_clash (tape, weight->view->name, in, w,
                         options->upsample ? "the size after doubling must be twice the "
                                             "input's, or one less" :
                                             "the input is smaller than the kernel");

  choose_winograd (&conv, tape, in.d[3], PAL_SHAPE (in.d[0], out_h, out_w, w.d[0]));
  if (weight->scale)
    conv.flags |= PAL_END_SCALE;
  if (bias)
    conv.flags |= PAL_END_BIAS;
  if (options->residual)
    conv.flags |= options->act_last ? PAL_END_RESIDUAL_FIRST : PAL_END_RESIDUAL;

  return record (tape, x, weight, bias, &conv, options, PAL_SHAPE (in.d[0], out_h, out_w, w.d[0]));
}

PalTensor *
pal_conv2d (PalTape *tape, PalTensor *x, const gchar *name, const PalConv *options)
{
  const PalConv       defaults = { 0 };
  const PalKernelRow *row      = pal_op_product_row (tape, "conv2d", x);
  const PalKernelRow *plain    = pal_op_product_row (tape, "gemm", x);
  PalWeight          *weight, *bias;
  PalShape            w;

  if (! options)
    options = &defaults;

  if (! pal_op_takes (tape, "conv2d", x, PAL_F32, 4))
    return x;

  g_assert (row->tile.columns == plain->tile.columns);
  weight = pal_op_matrix (tape, name, PAL_PACK_PANELS, row->tile.columns);
  if (! weight)
    return x;

  w    = weight->view->shape;
  bias = pal_op_vector (tape, name, "bias", w.d[0], FALSE);
  if (pal_tape_failed (tape))
    return x;

  if (w.n != 4 || pal_shape_of (x).n != 4 || w.d[1] != pal_shape_of (x).d[3])
    return pal_op_clash (tape, weight->view->name, pal_shape_of (x), w,
                         "[B, H, W, C] needs a weight of [M, C, KH, KW]");

  if (w.d[2] == 1 && w.d[3] == 1 && options->stride <= 1 && ! options->upsample &&
      ! options->pad_end_only)
    return pal_op_product (tape, x, plain, weight, bias,
                           &(PalEnd) { .act            = options->act,
                                       .residual       = options->residual,
                                       .residual_first = options->act_last });

  return convolve (tape, x, weight, bias, options);
}
