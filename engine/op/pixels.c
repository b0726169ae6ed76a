/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Squares of pixels to channels and back. */

#include "op/private.h"

typedef struct
{
  const PalKernelRow *row;
  gint                channels;         /* of x */
  gint                share;            /* channels averaged, or times repeated */
  gint                shift;            /* 1 = squares of 2x2 */
} Pixels;

static gboolean
pixels_emit (PalEmit *emit, const PalStep *step, GError **error)
{
  const Pixels  *p = step->options;
  const PalShape y = pal_shape_of (step->out);

  pal_emit_begin (emit, p->row, "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->n_in > 1 ? step->in[1] : step->out);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) y.d[2]);
  pal_emit_int (emit, p->channels);
  pal_emit_int (emit, (gint32) y.d[3]);
  pal_emit_int (emit, p->share);
  pal_emit_int (emit, p->shift);
  pal_emit_int (emit, step->n_in > 1);

  return pal_op_go (emit, p->row,
                    PAL_OP_PARTS (y.d[2] * y.d[3], (gint64) p->row->tile.columns),
                    y.d[0] * y.d[1], 1, error);
}

static const PalOp pixels_op = { "pixels", 1 << 1, pixels_emit };

/* more, less: channels of a square on the side that has more, and on the other. */
static PalTensor *
record (PalTape *tape, const gchar *op, PalTensor *x, const PalPixels *options, PalShape shape,
        gint64 more, gint64 less)
{
  const PalShape in      = pal_shape_of (x);
  const gint64   sizes[] = { shape.d[0] * shape.d[1], shape.d[2] * shape.d[3],
                             in.d[0] * in.d[1], in.d[2] * in.d[3] };
  Pixels         pixels  = { .row      = pal_tape_kernel (tape, op),
                             .channels = (gint) in.d[3],
                             .shift    = options->factor - 1 };
  PalStep       *step;

  if (! pal_op_fits (tape, op, sizes, G_N_ELEMENTS (sizes)))
    return x;

  if (more % less != 0)
    return pal_op_clash (tape, op, in, shape, "the channels of a square must be a multiple");

  if (options->residual && ! pal_shape_equal (pal_shape_of (options->residual), shape))
    return pal_op_clash (tape, op, shape, pal_shape_of (options->residual),
                         "the result and the residual must have one shape");

  pixels.share = (gint) (more / less);

  step = pal_step_new (tape, &pixels_op, &pixels, sizeof pixels);
  pal_step_input (step, x);
  if (options->residual)
    pal_step_input (step, options->residual);

  return pal_step_output (tape, step, PAL_F32, shape);
}

PalTensor *
pal_pixel_unshuffle (PalTape *tape, PalTensor *x, const PalPixels *options)
{
  const gint64 f  = options->factor;
  PalShape     in = pal_shape_of (x), shape;

  if (! pal_op_takes (tape, "pixel_unshuffle", x, PAL_F32, 4))
    return x;

  shape = PAL_SHAPE (in.d[0], in.d[1] / f, in.d[2] / f, options->channels);
  if (in.d[1] % f != 0 || in.d[2] % f != 0)
    return pal_op_clash (tape, "pixel_unshuffle", in, shape, "both sides must be even");

  return record (tape, "pixel_unshuffle", x, options, shape, f * f * in.d[3], options->channels);
}

PalTensor *
pal_pixel_shuffle (PalTape *tape, PalTensor *x, const PalPixels *options)
{
  const gint64 f  = options->factor;
  PalShape     in = pal_shape_of (x);

  if (! pal_op_takes (tape, "pixel_shuffle", x, PAL_F32, 4))
    return x;

  return record (tape, "pixel_shuffle", x, options,
                 PAL_SHAPE (in.d[0], in.d[1] * f, in.d[2] * f, options->channels),
                 f * f * options->channels, in.d[3]);
}
