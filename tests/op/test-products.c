/* SPDX-License-Identifier: GPL-3.0-or-later */
/* linear, conv2d and attention against sums in double. */

#include "op-support.h"

#include <math.h>

typedef enum
{
  BIAS     = 1,
  RESIDUAL = 2,
  ACT_LAST = 4,
  SHIFTED  = 8,
  PAD_END  = 16,
  UPSAMPLE = 32,
  CAUSAL   = 64,
  SQUARE   = 128
} Flags;

typedef struct
{
  const gchar *name;
  gint         b, rows, k, m; /* x: [b, rows, k] → [b, rows, m] */
  PalDType     dtype;
  PalAct       act;
  guint        flags;
} Linear;

/* Sizes: 1, just over a tile and a block of every catalogue row, odd. */
/* clang-format off */
static const Linear linears[] = {
  { "one", 1, 1, 1, 1, PAL_F32, PAL_ACT_NONE, 0 },
  { "one row", 1, 1, 320, 1280, PAL_F32, PAL_ACT_SILU, BIAS },
  { "time embedding", 2, 1, 1280, 320, PAL_F16, PAL_ACT_NONE, BIAS },
  { "tiles exactly", 1, 96, 192, 64, PAL_F32, PAL_ACT_NONE, BIAS },
  { "over a tile", 1, 13, 17, 33, PAL_F32, PAL_ACT_NONE, RESIDUAL },
  { "over a block", 1, 97, 257, 65, PAL_F32, PAL_ACT_NONE, BIAS | RESIDUAL },
  { "over a block, half", 1, 61, 193, 129, PAL_F16, PAL_ACT_GELU, BIAS | RESIDUAL },
  { "over a block, bfloat", 1, 109, 387, 47, PAL_BF16, PAL_ACT_QUICK_GELU, BIAS },
  { "over a block, whole numbers", 1, 97, 257, 65, PAL_I8, PAL_ACT_SILU, BIAS | RESIDUAL },
  { "whole numbers, offset", 2, 13, 17, 33, PAL_I8, PAL_ACT_NONE, SHIFTED },
  { "one row of whole numbers", 1, 1, 1, 1, PAL_I8, PAL_ACT_NONE, BIAS },
  { "odd, offset", 2, 37, 61, 91, PAL_F32, PAL_ACT_GELU_TANH, BIAS | RESIDUAL | SHIFTED },
  { "one column, offset", 3, 29, 100, 1, PAL_F16, PAL_ACT_RELU, SHIFTED },
  { "one weight row deep", 1, 200, 1, 50, PAL_BF16, PAL_ACT_NONE, BIAS | RESIDUAL },
  { "convolution weight", 2, 49, 40, 24, PAL_F32, PAL_ACT_NONE, BIAS | SQUARE },
  { "text", 2, 77, 768, 320, PAL_F16, PAL_ACT_NONE, 0 },
};
/* clang-format on */

static void
test_linear (gconstpointer data)
{
  const Linear       *row     = data;
  const PalShape      shape   = PAL_SHAPE (row->b, row->rows, row->m);
  const PalShape      w_shape = row->flags & SQUARE ? PAL_SHAPE (row->m, row->k, 1, 1) :
                                                      PAL_SHAPE (row->m, row->k);
  g_autofree gdouble *y       = g_new0 (gdouble, (gsize) row->b * row->rows * row->m);
  gdouble            *w, *bias = NULL, *x, *residual = NULL;
  PalTensor          *tx, *tr = NULL;
  Bench               bench;

  bench_init (&bench, row->name, row->flags & SHIFTED);
  w = bench_weight (&bench, "p.weight", row->dtype, w_shape, 1.0, 0.0);
  if (row->flags & BIAS)
    bias = bench_weight (&bench, "p.bias", row->dtype, PAL_SHAPE (row->m), 1.0, 0.0);
  bench_record (&bench);
  tx = bench_input (&bench, PAL_SHAPE (row->b, row->rows, row->k), 1.0, 0.0, &x);
  if (row->flags & RESIDUAL)
    tr = bench_input (&bench, shape, 1.0, 0.0, &residual);

  for (gsize i = 0; i < (gsize) row->b * row->rows; i++)
    for (gint j = 0; j < row->m; j++)
      {
        gdouble sum = bias ? bias[j] : 0.0;

        for (gint k = 0; k < row->k; k++)
          sum += x[i * row->k + k] * w[(gsize) j * row->k + k];
        y[i * row->m + j] = reference_act (row->act, sum) +
                            (residual ? residual[i * row->m + j] : 0.0);
      }

  bench_check (&bench,
               pal_linear (bench.tape, tx, "p", &(PalLinear) { .act = row->act, .residual = tr }),
               shape, y, 1e-11);
  bench_clear (&bench);
}

typedef struct
{
  const gchar *name;
  gint         b, h, w, c, m, kernel, stride;
  PalDType     dtype;
  PalAct       act;
  guint        flags;
  gint         out_h, out_w; /* expected; with UPSAMPLE also asked for when odd */
} Conv;

/* clang-format off */
static const Conv convs[] = {
  { "one pixel", 1, 1, 1, 1, 1, 3, 1, PAL_F32, PAL_ACT_NONE, BIAS, 1, 1 },
  { "conv_in", 2, 9, 7, 4, 64, 3, 1, PAL_F16, PAL_ACT_NONE, BIAS, 9, 7 },
  { "conv_out", 1, 9, 11, 65, 3, 3, 1, PAL_F32, PAL_ACT_NONE, BIAS, 9, 11 },
  { "over a block", 1, 11, 9, 70, 66, 3, 1, PAL_F32, PAL_ACT_SILU, BIAS | RESIDUAL, 11, 9 },
  { "batch, half", 2, 8, 16, 33, 40, 3, 1, PAL_F16, PAL_ACT_NONE, BIAS | RESIDUAL, 8, 16 },
  { "act last", 2, 5, 6, 16, 24, 3, 1, PAL_F32, PAL_ACT_RELU, BIAS | RESIDUAL | ACT_LAST, 5, 6 },
  { "act first", 2, 5, 6, 16, 24, 3, 1, PAL_F32, PAL_ACT_RELU, RESIDUAL, 5, 6 },
  { "offset, bfloat", 3, 6, 5, 10, 12, 3, 1, PAL_BF16, PAL_ACT_NONE, BIAS | RESIDUAL | SHIFTED,
    6, 5 },
  { "whole numbers", 2, 8, 16, 33, 40, 3, 1, PAL_I8, PAL_ACT_NONE, BIAS | RESIDUAL, 8, 16 },
  { "whole numbers, act last", 1, 5, 6, 70, 66, 3, 2, PAL_I8, PAL_ACT_RELU,
    BIAS | RESIDUAL | ACT_LAST | SHIFTED, 3, 3 },
  { "whole numbers, 1x1", 2, 7, 8, 26, 10, 1, 1, PAL_I8, PAL_ACT_GELU, BIAS, 7, 8 },
  { "stride 2", 2, 8, 6, 12, 20, 3, 2, PAL_F32, PAL_ACT_NONE, BIAS, 4, 3 },
  { "stride 2, odd", 1, 9, 7, 12, 20, 3, 2, PAL_F32, PAL_ACT_NONE, BIAS, 5, 4 },
  { "padded at the end", 1, 8, 6, 12, 20, 3, 2, PAL_F32, PAL_ACT_NONE, BIAS | PAD_END, 4, 3 },
  { "padded at the end, odd", 1, 9, 7, 12, 20, 3, 2, PAL_F32, PAL_ACT_NONE, BIAS | PAD_END, 4, 3 },
  { "doubled", 2, 5, 7, 20, 36, 3, 1, PAL_F16, PAL_ACT_NONE, BIAS | UPSAMPLE, 10, 14 },
  { "doubled but one", 1, 5, 7, 20, 36, 3, 1, PAL_F32, PAL_ACT_NONE, BIAS | UPSAMPLE, 9, 13 },
  { "squares exactly", 1, 16, 16, 32, 32, 3, 1, PAL_F32, PAL_ACT_NONE, BIAS, 16, 16 },
  { "squares of a batch, half", 2, 17, 18, 32, 70, 3, 1, PAL_F16, PAL_ACT_SILU, BIAS | RESIDUAL,
    17, 18 },
  { "over a block of squares", 1, 33, 26, 96, 101, 3, 1, PAL_F32, PAL_ACT_NONE, BIAS | RESIDUAL,
    33, 26 },
  { "squares, offset, bfloat", 2, 19, 21, 64, 37, 3, 1, PAL_BF16, PAL_ACT_RELU,
    BIAS | RESIDUAL | ACT_LAST | SHIFTED, 19, 21 },
  { "squares of whole numbers", 1, 16, 19, 96, 47, 3, 1, PAL_I8, PAL_ACT_NONE, BIAS, 16, 19 },
  { "squares half outside", 1, 32, 2, 32, 33, 3, 1, PAL_F32, PAL_ACT_NONE, 0, 32, 2 },
  { "squares, doubled but one", 1, 9, 10, 32, 36, 3, 1, PAL_F32, PAL_ACT_NONE, BIAS | UPSAMPLE,
    17, 19 },
  { "squares, deep", 1, 16, 16, 704, 32, 3, 1, PAL_F32, PAL_ACT_NONE, BIAS, 16, 16 },
  { "5x5", 1, 7, 8, 6, 10, 5, 1, PAL_F32, PAL_ACT_NONE, 0, 7, 8 },
  { "1x1", 2, 7, 8, 26, 10, 1, 1, PAL_F32, PAL_ACT_GELU, BIAS | RESIDUAL | ACT_LAST | SHIFTED,
    7, 8 },
  { "1x1, stride 2", 1, 7, 8, 26, 10, 1, 2, PAL_F32, PAL_ACT_NONE, BIAS, 4, 4 },
};
/* clang-format on */

/* Sum of one output, without bias. */
static gdouble
convolve (const Conv *row, const gdouble *x, const gdouble *w, gint b, gint oy, gint ox, gint m)
{
  const gint pad     = row->flags & PAD_END ? 0 : (row->kernel - 1) / 2;
  const gint limit_h = row->flags & UPSAMPLE ? row->out_h : row->h;
  const gint limit_w = row->flags & UPSAMPLE ? row->out_w : row->w;
  gdouble    sum     = 0.0;

  for (gint ky = 0; ky < row->kernel; ky++)
    for (gint kx = 0; kx < row->kernel; kx++)
      for (gint c = 0; c < row->c; c++)
        {
          gint iy = oy * row->stride + ky - pad;
          gint ix = ox * row->stride + kx - pad;

          if (iy < 0 || iy >= limit_h || ix < 0 || ix >= limit_w)
            continue;
          if (row->flags & UPSAMPLE)
            {
              iy = iy * row->h / row->out_h;
              ix = ix * row->w / row->out_w;
            }
          sum += x[(((gsize) b * row->h + iy) * row->w + ix) * row->c + c] *
                 w[(((gsize) m * row->c + c) * row->kernel + ky) * row->kernel + kx];
        }

  return sum;
}

static void
convolve_all (const Conv *row, const gdouble *x, const gdouble *w, const gdouble *bias,
              const gdouble *residual, gdouble *y)
{
  for (gint b = 0; b < row->b; b++)
    for (gint oy = 0; oy < row->out_h; oy++)
      for (gint ox = 0; ox < row->out_w; ox++)
        for (gint m = 0; m < row->m; m++)
          {
            const gsize at = (((gsize) b * row->out_h + oy) * row->out_w + ox) * row->m + m;
            const gdouble r = residual ? residual[at] : 0.0;
            gdouble sum     = convolve (row, x, w, b, oy, ox, m) + (bias ? bias[m] : 0.0);

            y[at] = row->flags & ACT_LAST ? reference_act (row->act, sum + r) :
                                            reference_act (row->act, sum) + r;
          }
}

static void
test_conv (gconstpointer data)
{
  const Conv    *row   = data;
  const PalShape shape = PAL_SHAPE (row->b, row->out_h, row->out_w, row->m);
  g_autofree gdouble *y = g_new0 (gdouble, (gsize) row->b * row->out_h * row->out_w * row->m);
  gdouble   *w, *bias = NULL, *x, *residual = NULL;
  PalConv    options = { .stride       = row->stride,
                         .pad_end_only = (row->flags & PAD_END) != 0,
                         .upsample     = (row->flags & UPSAMPLE) != 0,
                         .act          = row->act,
                         .act_last     = (row->flags & ACT_LAST) != 0 };
  PalTensor *tx;
  Bench      bench;

  if (options.upsample && row->out_h % 2 != 0)
    {
      options.height = row->out_h;
      options.width  = row->out_w;
    }

  bench_init (&bench, row->name, row->flags & SHIFTED);
  w = bench_weight (&bench, "c.weight", row->dtype,
                    PAL_SHAPE (row->m, row->c, row->kernel, row->kernel), 1.0, 0.0);
  if (row->flags & BIAS)
    bias = bench_weight (&bench, "c.bias", row->dtype, PAL_SHAPE (row->m), 1.0, 0.0);
  bench_record (&bench);
  tx = bench_input (&bench, PAL_SHAPE (row->b, row->h, row->w, row->c), 1.0, 0.0, &x);
  if (row->flags & RESIDUAL)
    options.residual = bench_input (&bench, shape, 1.0, 0.0, &residual);

  convolve_all (row, x, w, bias, residual, y);
  bench_check (&bench, pal_conv2d (bench.tape, tx, "c", &options), shape, y, 1e-11);
  bench_clear (&bench);
}

typedef struct
{
  const gchar *name;
  gint         b, t, s, heads, width;
  gfloat       scale;
  gdouble      spread; /* of the inputs: large ones make the softmax sharp */
  guint        flags;
} Attention;

/* clang-format off */
static const Attention attentions[] = {
  { "one", 1, 1, 1, 1, 1, 0.0f, 1.0, 0 },
  { "U-Net 40", 1, 70, 131, 8, 40, 0.0f, 2.0, 0 },
  { "U-Net 80, text", 2, 57, 77, 2, 80, 0.0f, 2.0, 0 },
  { "U-Net 160, offset", 2, 16, 16, 2, 160, 0.0f, 2.0, SHIFTED },
  { "CLIP", 2, 77, 77, 3, 64, 0.0f, 2.0, CAUSAL },
  { "causal over blocks", 1, 300, 300, 1, 20, 0.0f, 2.0, CAUSAL },
  { "autoencoder 512", 1, 60, 60, 1, 512, 0.0f, 1.0, 0 },
  { "odd width", 3, 19, 23, 3, 13, 0.3f, 2.0, SHIFTED },
  { "sharp", 1, 50, 259, 2, 32, 1.0f, 8.0, 0 },
  { "wide 600", 1, 9, 9, 1, 600, 0.0f, 1.0, 0 },
};
/* clang-format on */

/* One head's row: y = softmax (scale q k') v. k, v: rows are stride apart. */
static void
attend (const gdouble *q, const gdouble *k, const gdouble *v, gdouble *y, gint keys,
        gint width, gint stride, gdouble scale)
{
  g_autofree gdouble *p       = g_new (gdouble, keys);
  gdouble             highest = -1e300, sum = 0.0;

  for (gint j = 0; j < keys; j++)
    {
      p[j] = 0.0;
      for (gint d = 0; d < width; d++)
        p[j] += scale * q[d] * k[(gsize) j * stride + d];
      highest = MAX (highest, p[j]);
    }
  for (gint j = 0; j < keys; j++)
    sum += p[j] = exp (p[j] - highest);
  for (gint d = 0; d < width; d++)
    {
      y[d] = 0.0;
      for (gint j = 0; j < keys; j++)
        y[d] += p[j] / sum * v[(gsize) j * stride + d];
    }
}

static void
test_attention (gconstpointer data)
{
  const Attention *row  = data;
  const gint       n    = row->heads * row->width;
  const gdouble scale   = row->scale > 0 ? (gdouble) row->scale : 1.0 / sqrt (row->width);
  g_autofree gdouble *y = g_new0 (gdouble, (gsize) row->b * row->t * n);
  gdouble            *q, *k, *v;
  PalTensor          *tq, *tk, *tv;
  Bench               bench;

  bench_init (&bench, row->name, row->flags & SHIFTED);
  bench_record (&bench);
  tq = bench_input (&bench, PAL_SHAPE (row->b, row->t, n), row->spread, 0.0, &q);
  tk = bench_input (&bench, PAL_SHAPE (row->b, row->s, n), row->spread, 0.0, &k);
  tv = bench_input (&bench, PAL_SHAPE (row->b, row->s, n), 1.0, 0.5, &v);

  for (gint b = 0; b < row->b; b++)
    for (gint h = 0; h < row->heads; h++)
      for (gint i = 0; i < row->t; i++)
        {
          const gsize at   = ((gsize) b * row->t + i) * n + h * row->width;
          const gsize keys = (gsize) b * row->s * n + h * row->width;

          attend (q + at, k + keys, v + keys, y + at,
                  row->flags & CAUSAL ? i + 1 : row->s, row->width, n, scale);
        }

  bench_check (&bench,
               pal_attention (bench.tape, tq, tk, tv,
                              &(PalAttention) { .heads  = row->heads,
                                                .scale  = row->scale,
                                                .causal = (row->flags & CAUSAL) != 0 }),
               PAL_SHAPE (row->b, row->t, n), y, 1e-10);
  bench_clear (&bench);
}

/* What is refused, and that the message names both shapes. x: [2, 4, 4, 6] */

static PalTensor *
refuse_depth (PalTape *t, PalTensor *x)
{
  return pal_linear (t, x, "wide", NULL);
}

static PalTensor *
refuse_absent (PalTape *t, PalTensor *x)
{
  return pal_linear (t, x, "absent", NULL);
}

static PalTensor *
refuse_bias (PalTape *t, PalTensor *x)
{
  return pal_linear (t, x, "odd", NULL);
}

static PalTensor *
refuse_residual (PalTape *t, PalTensor *x)
{
  return pal_conv2d (t, x, "conv", &(PalConv) { .stride = 2, .residual = x });
}

static PalTensor *
refuse_kernel (PalTape *t, PalTensor *x)
{
  return pal_conv2d (t, pal_reshape (t, x, PAL_SHAPE (32, 1, 1, 6)), "conv",
                     &(PalConv) { .stride = 2, .pad_end_only = TRUE });
}

static PalTensor *
refuse_doubling (PalTape *t, PalTensor *x)
{
  return pal_conv2d (t, x, "conv", &(PalConv) { .upsample = TRUE, .height = 6, .width = 8 });
}

static PalTensor *
refuse_heads (PalTape *t, PalTensor *x)
{
  return pal_attention (t, x, x, x, &(PalAttention) { .heads = 4 });
}

static PalTensor *
refuse_keys (PalTape *t, PalTensor *x)
{
  PalTensor *k = pal_reshape (t, x, PAL_SHAPE (2, 32, 3));

  return pal_attention (t, x, k, k, NULL);
}

static PalTensor *
refuse_values (PalTape *t, PalTensor *x)
{
  return pal_attention (t, x, x, pal_reshape (t, x, PAL_SHAPE (2, 16, 6)), NULL);
}

static const BenchRefusal refusals[] = {
  { "depth",         refuse_depth,    PAL_ERROR_SHAPE,  "[2, 4, 4, 6] and [6, 5]"         },
  { "absent weight", refuse_absent,   PAL_ERROR_WEIGHT, "absent.weight"                   },
  { "bias",          refuse_bias,     PAL_ERROR_SHAPE,  "odd.bias"                        },
  { "residual",      refuse_residual, PAL_ERROR_SHAPE,  "[2, 2, 2, 6] and [2, 4, 4, 6]"   },
  { "kernel",        refuse_kernel,   PAL_ERROR_SHAPE,  "[32, 1, 1, 6] and [6, 6, 3, 3]"  },
  { "doubling",      refuse_doubling, PAL_ERROR_SHAPE,  "[2, 4, 4, 6] and [6, 6, 3, 3]"   },
  { "heads",         refuse_heads,    PAL_ERROR_SHAPE,  "[2, 4, 4, 6] can't have 4 heads" },
  { "keys",          refuse_keys,     PAL_ERROR_SHAPE,  "[2, 4, 4, 6] and [2, 32, 3]"     },
  { "values",        refuse_values,   PAL_ERROR_SHAPE,  "[2, 4, 4, 6] and [2, 16, 6]"     },
};

static void
test_refusals (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      Bench bench;

      bench_init (&bench, refusals[i].name, FALSE);
      bench_weight (&bench, "wide.weight", PAL_F32, PAL_SHAPE (6, 5), 1.0, 0.0);
      bench_weight (&bench, "odd.weight", PAL_F32, PAL_SHAPE (6, 6), 1.0, 0.0);
      bench_weight (&bench, "odd.bias", PAL_F32, PAL_SHAPE (5), 1.0, 0.0);
      bench_weight (&bench, "conv.weight", PAL_F32, PAL_SHAPE (6, 6, 3, 3), 1.0, 0.0);
      bench_refuse (&bench, PAL_SHAPE (2, 4, 4, 6), &refusals[i]);
      bench_clear (&bench);
    }
}

static void
each_row (OpRowFunc visit, gpointer data)
{
  OP_TEST_ROWS ("linear", linears, test_linear);
  OP_TEST_ROWS ("conv2d", convs, test_conv);
  OP_TEST_ROWS ("attention", attentions, test_attention);
}

static void
add_others (void)
{
  g_test_add_func ("/refusals", test_refusals);
}

const OpSuite op_products = { "products", each_row, add_others };
