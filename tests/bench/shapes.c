/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shapes of Stable Diffusion 1.5 at 512 x 512, and a few that show a kernel's edges. */

#include "shapes.h"

#include <math.h>

#include "device-support.h"
#include "op/op.h"

#define TOKENS 49408            /* of CLIP's table */

static PalTensor *
record_product (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return s->kernel == 1 ? pal_linear (t, x, "w", NULL) : pal_conv2d (t, x, "w", NULL);
}

static PalTensor *
record_attention (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_attention (t, x, x, x, &(PalAttention) { .heads = s->c });
}

static PalTensor *
record_group_norm (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_group_norm (t, x, "n",
                         &(PalGroupNorm) { .groups = 32, .eps = 1e-5f, .act = PAL_ACT_SILU });
}

static PalTensor *
record_layer_norm (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_layer_norm (t, x, "n", 1e-5f);
}

static PalTensor *
record_geglu (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_geglu (t, x);
}

static PalTensor *
record_add (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_add (t, x, x);
}

static PalTensor *
record_gelu (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_act (t, x, PAL_ACT_GELU);
}

/* A row of x stands for the vector. */
static PalTensor *
record_add_channels (PalTape *t, const BenchShape *s, PalTensor *x)
{
  PalTensor *rows = pal_reshape (t, x, PAL_SHAPE ((gint64) s->side * s->side, s->c));

  return pal_add_channels (t, x, pal_rows (t, rows, 0, 1));
}

static PalTensor *
record_concat (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_concat (t, x, x);
}

static PalTensor *
record_shuffle (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_pixel_shuffle (t, x, &(PalPixels) { .factor = 2, .channels = s->m });
}

static PalTensor *
record_unshuffle (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_pixel_unshuffle (t, x, &(PalPixels) { .factor = 2, .channels = s->m });
}

static PalTensor *
record_embed (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_embed (t, x, "t", NULL);
}

static PalTensor *
record_timestep (PalTape *t, const BenchShape *s, PalTensor *x)
{
  return pal_timestep_embed (t, pal_reshape (t, x, PAL_SHAPE (s->side * s->side)), s->m, TRUE,
                             0.0f);
}

#define PRODUCT   { "gemm" }, record_product
#define CONV      { "conv2d" }, record_product
#define ATTENTION { "attention", "attention_pack_keys", "attention_pack_values" }, record_attention
#define GROUPS    { "group_norm_stats", "group_norm_factors", "group_norm_apply" }, \
                  record_group_norm

/* clang-format off */
static const BenchShape shapes[] = {
  { "square 1024",             PRODUCT,   32,  1024, 1024,  1, PAL_F32 },
  { "linear 320>320 @4096",    PRODUCT,   64,  320,  320,   1, PAL_F16 },
  { "linear 320>2560 @4096",   PRODUCT,   64,  320,  2560,  1, PAL_F16 },
  { "linear 1280>10240 @256",  PRODUCT,   16,  1280, 10240, 1, PAL_F16 },
  { "linear 1280>10240 @256, int8", PRODUCT, 16, 1280, 10240, 1, PAL_I8 },
  { "conv 3x3 320>320 @64",    CONV,      64,  320,  320,   3, PAL_F16 },
  { "conv 3x3 640>640 @32",    CONV,      32,  640,  640,   3, PAL_F16 },
  { "conv 3x3 1280>1280 @16",  CONV,      16,  1280, 1280,  3, PAL_F16 },
  { "conv 3x3 1280>1280 @8",   CONV,      8,   1280, 1280,  3, PAL_F16 },
  { "conv 3x3 512>512 @64",    CONV,      64,  512,  512,   3, PAL_F16 },
  { "conv 3x3 256>256 @128",   CONV,      128, 256,  256,   3, PAL_F16 },
  { "conv 3x3 128>3 @256",     CONV,      256, 128,  3,     3, PAL_F16 },
  { "attention 8 x 40 @4096",  ATTENTION, 64,  8,    40,    0, PAL_F32 },
  { "attention 8 x 80 @1024",  ATTENTION, 32,  8,    80,    0, PAL_F32 },
  { "attention 8 x 160 @256",  ATTENTION, 16,  8,    160,   0, PAL_F32 },
  { "attention 1 x 512 @4096", ATTENTION, 64,  1,    512,   0, PAL_F32 },
  { "group norm 320 @4096",    GROUPS,    64,  320,  320,   0, PAL_F32 },
  { "layer norm 320 @4096",    { "row_norm" }, record_layer_norm, 64, 320, 320, 0, PAL_F32 },
  { "geglu 1280 @4096",        { "geglu" }, record_geglu, 64, 2560, 1280, 0, PAL_F32 },
  { "add 320 @4096",           { "pointwise" }, record_add, 64, 320, 320, 0, PAL_F32 },
  { "gelu 1280 @4096",         { "pointwise" }, record_gelu, 64, 1280, 1280, 0, PAL_F32 },
  { "add channels 320 @4096",  { "add_channels" }, record_add_channels, 64, 320, 320, 0, PAL_F32 },
  { "concat 320 @4096",        { "copy_columns" }, record_concat, 64, 320, 640, 0, PAL_F32 },
  { "pixel shuffle 128 @64",   { "pixel_shuffle" }, record_shuffle, 64, 128, 32, 0, PAL_F32 },
  { "pixel unshuffle 32 @128", { "pixel_unshuffle" }, record_unshuffle, 128, 32, 128, 0, PAL_F32 },
  { "embed 768 @81",           { "embed" }, record_embed, 9, 1, 768, 0, PAL_F16 },
  { "timestep 320",            { "timestep_embed" }, record_timestep, 1, 1, 320, 0, PAL_F32 },
};
/* clang-format on */

const BenchShape *
bench_shapes (gsize *n_shapes)
{
  *n_shapes = G_N_ELEMENTS (shapes);
  return shapes;
}

gint64
bench_shape_rows (const BenchShape *s)
{
  return (gint64) s->side * s->side;
}

static gboolean
is_attention (const BenchShape *s)
{
  return s->record == record_attention;
}

static gfloat *
noise (gsize n)
{
  gfloat *data  = g_new (gfloat, n);
  guint32 state = 1;

  for (gsize i = 0; i < n; i++)
    {
      state   = state * 1664525u + 1013904223u;
      data[i] = (gfloat) (gint32) state * 0x1p-32f;
    }

  return data;
}

/* Weights: what the shape's op asks for. */

static PalWeights *
product_weights (const BenchShape *s)
{
  const PalShape shape = s->kernel == 1 ? PAL_SHAPE (s->m, s->c) :
                                          PAL_SHAPE (s->m, s->c, s->kernel, s->kernel);
  const gsize         count  = (gsize) s->m * s->c * s->kernel * s->kernel;
  g_autofree gfloat  *values = noise (MAX (count, (gsize) s->m));
  g_autofree guint16 *halves = g_new (guint16, count);
  const TestTensor    plain  = { "w.weight", s->dtype, shape,
                                 s->dtype == PAL_F16 ? (gpointer) halves : (gpointer) values };
  const TestTensor    scaled[] = {
    { "w.weight._data", PAL_I8, shape, halves },
    { "w.weight._scale", PAL_F32, s->kernel == 1 ? PAL_SHAPE (s->m, 1) :
                                                   PAL_SHAPE (s->m, 1, 1, 1), values }
  };

  for (gsize i = 0; i < count; i++)
    halves[i] = pal_half_from_float (values[i]);

  return s->dtype == PAL_I8 ? test_weights (scaled, 2) : test_weights (&plain, 1);
}

static PalWeights *
other_weights (const BenchShape *s)
{
  g_autofree gfloat  *values = noise ((gsize) MAX (s->c, 1));
  g_autofree guint16 *table  = g_new0 (guint16, (gsize) TOKENS * s->m);
  const TestTensor    all[]  = { { "n.weight", PAL_F32, PAL_SHAPE (s->c), values },
                                 { "n.bias", PAL_F32, PAL_SHAPE (s->c), values },
                                 { "t.weight", PAL_F16, PAL_SHAPE (TOKENS, s->m), table } };

  return test_weights (all, s->record == record_embed ? 3 : 2);
}

/* Cases */

struct _BenchCase
{
  BenchRun         *run;
  const BenchShape *shape;
  PalResidency     *residency;
  gfloat           *x;
  PalBinding        binding;
  PalProgram       *programs[2];  /* of one op, and of 1 + more */
  guint             more;
  gdouble           first;        /* busy seconds of one op alone */
};

static PalProgram *
record (BenchCase *c, guint n, GError **error)
{
  const BenchShape *s   = c->shape;
  PalTape  *tape        = pal_tape_new (c->residency);
  const gint   channels = is_attention (s) ? s->c * s->m : s->c;
  const gint64 rows     = bench_shape_rows (s);
  const gboolean ids    = s->record == record_embed;
  PalShape     shape    = ids                 ? PAL_SHAPE (1, rows) :
                          is_attention (s)    ? PAL_SHAPE (1, rows, channels) :
                                                PAL_SHAPE (1, s->side, s->side, channels);
  PalTensor   *x        = pal_input (tape, "x", ids ? PAL_I32 : PAL_F32, shape), *y = x;

  for (guint i = 0; i < n; i++)
    y = s->record (tape, s, x);
  pal_output (tape, "y", y);

  return pal_tape_finish (tape, 0, error);
}

static gdouble
time_program (BenchCase *c, guint which, GError **error)
{
  const BenchTime start = bench_now ();

  if (! pal_program_run (c->programs[which], &c->binding, 1, NULL, error))
    return BENCH_NONE;

  return bench_busy (c->run, bench_since (start));
}

BenchCase *
bench_case_new (BenchRun *run, const BenchShape *s, GError **error)
{
  g_autoptr (BenchCase) c        = g_new0 (BenchCase, 1);
  g_autoptr (PalWeights) weights = s->kernel ? product_weights (s) : other_weights (s);
  const gsize count = (gsize) bench_shape_rows (s) * s->c * (is_attention (s) ? s->m : 1);

  c->run       = run;
  c->shape     = s;
  c->residency = pal_residency_new (run->device, weights);
  c->x         = s->record == record_embed ? g_new0 (gfloat, count) : noise (count);
  c->binding   = (PalBinding) { "x", c->x, count * sizeof (gfloat) };

  /* Once cold, once to see how long it takes. */
  for (guint i = 0; i < 2; i++)
    if (! (c->programs[0] = c->programs[0] ? c->programs[0] : record (c, 1, error)) ||
        isnan (c->first = time_program (c, 0, error)))
      return NULL;

  c->more        = (guint) CLAMP (0.1 / MAX (c->first, 1e-6), 1.0, 60.0);
  c->programs[1] = record (c, 1 + c->more, error);

  return c->programs[1] ? g_steal_pointer (&c) : NULL;
}

void
bench_case_free (BenchCase *c)
{
  for (guint i = 0; i < 2; i++)
    g_clear_pointer (&c->programs[i], pal_program_free);
  pal_residency_unref (c->residency);
  g_free (c->x);
  g_free (c);
}

PalWork
bench_case_work (const BenchCase *c)
{
  return pal_program_work (c->programs[0], NULL);
}

/* By the difference, so that input, output and waiting do not count. */
gdouble
bench_case_time (BenchCase *c, GError **error)
{
  const gdouble one = time_program (c, 0, error);
  const gdouble all = isnan (one) ? BENCH_NONE : time_program (c, 1, error);

  return isnan (all) ? BENCH_NONE : MAX (all - one, 1e-9) / c->more;
}

guint
bench_case_turns (const BenchCase *c)
{
  return c->first > 1.0 ? 1 : c->run->repeat;
}

/* OpenBLAS */

struct _BenchBlas
{
  BenchRun         *run;
  const BenchShape *shape;
  gint              m, n, k;
  gfloat           *a, *b, *c, *d;
};

BenchBlas *
bench_blas_new (BenchRun *run, const BenchShape *s)
{
  BenchBlas *blas = g_new0 (BenchBlas, 1);

  blas->run   = run;
  blas->shape = s;
  blas->m     = s->side * s->side;
  blas->n     = s->kernel ? s->m : blas->m;
  blas->k     = s->kernel ? s->kernel * s->kernel * s->c : s->m;
  blas->a     = noise ((gsize) blas->m * blas->k);
  blas->b     = noise ((gsize) blas->n * blas->k);
  blas->c     = g_new0 (gfloat, (gsize) blas->m * blas->n);
  blas->d     = g_new0 (gfloat, (gsize) blas->m * blas->k);

  return blas;
}

void
bench_blas_free (BenchBlas *blas)
{
  g_free (blas->a);
  g_free (blas->b);
  g_free (blas->c);
  g_free (blas->d);
  g_free (blas);
}

gdouble
bench_blas_time (BenchBlas *blas)
{
  const BenchTime start     = bench_now ();
  const gboolean  attention = is_attention (blas->shape);

  for (gint head = 0; head < (attention ? blas->shape->c : 1); head++)
    {
      bench_blas_sgemm (TRUE, blas->m, blas->n, blas->k, blas->a, blas->b, blas->c);
      if (attention)
        bench_blas_sgemm (FALSE, blas->m, blas->k, blas->n, blas->c, blas->b, blas->d);
    }

  return bench_busy (blas->run, bench_since (start));
}
