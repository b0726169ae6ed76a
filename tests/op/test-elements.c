/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pixel shuffles, pointwise ops, concatenation and embeddings against plain C in double. */

#include "op-support.h"

#include <math.h>

/* The side with squares: [b, f h, f w, few]; the other one: [b, h, w, many]. */
typedef struct
{
  const gchar *name;
  gint         b, h, w, f;
  gint         few, many;
  gboolean     residual, shifted;
} Pixels;

static const Pixels unshuffles[] = {
  { "one square",       1, 1,  1,  2, 1,  4,  FALSE, FALSE },
  { "no mean",          2, 3,  5,  2, 3,  12, FALSE, TRUE  },
  { "mean of 4",        1, 6,  4,  2, 8,  8,  TRUE,  FALSE },
  { "mean of a square", 2, 5,  3,  2, 7,  7,  TRUE,  TRUE  },
  { "channels alone",   2, 5,  7,  1, 36, 12, TRUE,  TRUE  },
  { "a long line",      1, 2,  90, 2, 4,  16, TRUE,  FALSE },
};

static const Pixels shuffles[] = {
  { "one square",       1, 1,  1,  2, 1,  4,  FALSE, FALSE },
  { "no repeats",       2, 3,  5,  2, 3,  12, FALSE, TRUE  },
  { "2 repeats",        1, 6,  4,  2, 24, 48, TRUE,  FALSE },
  { "3 repeats",        2, 5,  3,  2, 3,  4,  TRUE,  TRUE  },
  { "channels alone",   2, 5,  7,  1, 36, 12, TRUE,  TRUE  },
  { "a long line",      1, 2,  90, 2, 9,  18, TRUE,  FALSE },
};

/* Where element (y, x, c) of the many-sided picture made of whole squares lies among the
 * squares; n: channels of the square side. */
static gint
square_at (const Pixels *row, gint y, gint x, gint c, gint n)
{
  const gint corner = c % (row->f * row->f);

  return ((y * row->f + corner / row->f) * row->w * row->f + x * row->f + corner % row->f) * n +
         c / (row->f * row->f);
}

static void
test_unshuffle (gconstpointer data)
{
  const Pixels       *row     = data;
  const PalShape      from    = PAL_SHAPE (row->b, row->h * row->f, row->w * row->f, row->few);
  const PalShape      to      = PAL_SHAPE (row->b, row->h, row->w, row->many);
  const gint          squares = row->b * row->h;
  const gint          share   = row->f * row->f * row->few / row->many;
  g_autofree gdouble *y       = g_new0 (gdouble, squares * row->w * row->many);
  PalPixels           options = { .factor = row->f, .channels = row->many };
  gdouble            *x, *residual = NULL;
  PalTensor          *tx;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  bench_record (&bench);
  tx = bench_input (&bench, from, 1.0, 0.0, &x);
  if (row->residual)
    options.residual = bench_input (&bench, to, 1.0, 0.0, &residual);

  for (gint i = 0; i < squares * row->w; i++)
    for (gint c = 0; c < row->many; c++)
      {
        gdouble *out = y + i * row->many + c;

        for (gint k = 0; k < share; k++)
          *out += x[square_at (row, i / row->w, i % row->w, c * share + k, row->few)] / share;
        *out += residual ? residual[i * row->many + c] : 0.0;
      }

  bench_check (&bench, pal_pixel_unshuffle (bench.tape, tx, &options), to, y, 1e-13);
  bench_clear (&bench);
}

static void
test_shuffle (gconstpointer data)
{
  const Pixels       *row     = data;
  const PalShape      from    = PAL_SHAPE (row->b, row->h, row->w, row->many);
  const PalShape      to      = PAL_SHAPE (row->b, row->h * row->f, row->w * row->f, row->few);
  const gint          squares = row->b * row->h;
  const gint          channels = row->f * row->f * row->few;
  const gint          count   = squares * row->w * channels;
  g_autofree gdouble *y       = g_new0 (gdouble, count);
  PalPixels           options = { .factor = row->f, .channels = row->few };
  gdouble            *x, *residual = NULL;
  PalTensor          *tx;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  bench_record (&bench);
  tx = bench_input (&bench, from, 1.0, 0.0, &x);
  if (row->residual)
    options.residual = bench_input (&bench, to, 1.0, 0.0, &residual);

  for (gint i = 0; i < squares * row->w; i++)
    for (gint c = 0; c < channels; c++)
      y[square_at (row, i / row->w, i % row->w, c, row->few)] =
          x[i * row->many + c / (channels / row->many)];
  for (gint i = 0; residual && i < count; i++)
    y[i] += residual[i];

  bench_check (&bench, pal_pixel_shuffle (bench.tape, tx, &options), to, y, 1e-13);
  bench_clear (&bench);
}

typedef enum
{
  ADD,
  ACT,
  AFFINE,
  SOFT_CLAMP
} PointwiseKind;

typedef struct
{
  const gchar  *name;
  PointwiseKind kind;
  PalAct        act;
  gint          n;
  gdouble       spread;
  gboolean      shifted;
} Pointwise;

static const Pointwise pointwises[] = {
  { "add",          ADD,        0,                  10007, 3.0,   TRUE  },
  { "add one",      ADD,        0,                  1,     3.0,   FALSE },
  { "silu",         ACT,        PAL_ACT_SILU,       5003,  20.0,  TRUE  },
  { "silu far out", ACT,        PAL_ACT_SILU,       5003,  500.0, FALSE },
  { "gelu",         ACT,        PAL_ACT_GELU,       5003,  6.0,   FALSE },
  { "gelu near 0",  ACT,        PAL_ACT_GELU,       5003,  1e-3,  FALSE },
  { "gelu tanh",    ACT,        PAL_ACT_GELU_TANH,  5003,  6.0,   FALSE },
  { "quick gelu",   ACT,        PAL_ACT_QUICK_GELU, 5003,  8.0,   FALSE },
  { "relu",         ACT,        PAL_ACT_RELU,       4099,  1.0,   TRUE  },
  { "affine",       AFFINE,     0,                  2049,  2.0,   TRUE  },
  { "soft clamp",   SOFT_CLAMP, 0,                  4097,  12.0,  FALSE },
};

static gdouble
pointwise (const Pointwise *row, gdouble a, gdouble b)
{
  const gdouble results[] = {
    [ADD]        = a + b,
    [ACT]        = reference_act (row->act, a),
    [AFFINE]     = a * 0.5 + 0.25,
    [SOFT_CLAMP] = 3.0 * tanh (a / 3.0),
  };

  return results[row->kind];
}

static void
test_pointwise (gconstpointer data)
{
  const Pointwise    *row = data;
  g_autofree gdouble *y   = g_new (gdouble, row->n);
  gdouble            *a, *b   = NULL;
  PalTensor          *ta, *tb = NULL, *out;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  bench_record (&bench);
  ta = bench_input (&bench, PAL_SHAPE (row->n, 1), row->spread, 0.0, &a);
  if (row->kind == ADD)
    tb = bench_input (&bench, PAL_SHAPE (row->n, 1), row->spread, 0.0, &b);

  for (gint i = 0; i < row->n; i++)
    y[i] = pointwise (row, a[i], b ? b[i] : 0.0);

  out = row->kind == ADD    ? pal_add (bench.tape, ta, tb) :
        row->kind == ACT    ? pal_act (bench.tape, ta, row->act) :
        row->kind == AFFINE ? pal_affine (bench.tape, ta, 0.5f, 0.25f) :
                              pal_soft_clamp (bench.tape, ta, 3.0f);
  bench_check (&bench, out, PAL_SHAPE (row->n, 1), y, 1e-12);
  bench_clear (&bench);
}

/* A row of sizes for the ops that need no more. */
typedef struct
{
  const gchar *name;
  gint         rows, columns;
  gboolean     shifted;
} Rows;

static const Rows runs[] = {
  { "one",        1,  1,    FALSE },
  { "odd",        13, 37,   TRUE  },
  { "over a run", 3,  1027, TRUE  },
  { "U-Net",      64, 1280, FALSE },
};

static void
test_geglu (gconstpointer data)
{
  const Rows         *row = data;
  g_autofree gdouble *y   = g_new (gdouble, row->rows * row->columns);
  gdouble            *x;
  PalTensor          *tx;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  bench_record (&bench);
  tx = bench_input (&bench, PAL_SHAPE (row->rows, 2 * row->columns), 4.0, 0.0, &x);

  for (gint r = 0; r < row->rows; r++)
    for (gint c = 0; c < row->columns; c++)
      y[r * row->columns + c] = x[2 * r * row->columns + c] *
                                reference_act (PAL_ACT_GELU, x[(2 * r + 1) * row->columns + c]);

  bench_check (&bench, pal_geglu (bench.tape, tx), PAL_SHAPE (row->rows, row->columns), y, 1e-12);
  bench_clear (&bench);
}

static void
test_add_channels (gconstpointer data)
{
  const Rows         *row   = data;
  const gint          batch = 2;
  g_autofree gdouble *y     = g_new (gdouble, batch * row->rows * row->columns);
  gdouble            *x, *e;
  PalTensor          *tx, *te;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  bench_record (&bench);
  tx = bench_input (&bench, PAL_SHAPE (batch, row->rows, row->columns), 1.0, 0.0, &x);
  te = bench_input (&bench, PAL_SHAPE (batch, row->columns), 1.0, 0.0, &e);

  for (gint i = 0; i < batch * row->rows; i++)
    for (gint c = 0; c < row->columns; c++)
      y[i * row->columns + c] = x[i * row->columns + c] + e[i / row->rows * row->columns + c];

  bench_check (&bench, pal_add_channels (bench.tape, tx, te),
               PAL_SHAPE (batch, row->rows, row->columns), y, 1e-13);
  bench_clear (&bench);
}

static void
test_concat (gconstpointer data)
{
  const Rows         *row   = data;
  const gint          other = 19, all = row->columns + other;
  g_autofree gdouble *y = g_new (gdouble, row->rows * all);
  gdouble            *a, *b;
  PalTensor          *ta, *tb;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  bench_record (&bench);
  ta = bench_input (&bench, PAL_SHAPE (row->rows, row->columns), 1.0, 0.0, &a);
  tb = bench_input (&bench, PAL_SHAPE (row->rows, other), 1.0, 0.0, &b);

  for (gint r = 0; r < row->rows; r++)
    for (gint c = 0; c < all; c++)
      y[r * all + c] = c < row->columns ? a[r * row->columns + c] : b[r * other + c - row->columns];

  bench_check (&bench, pal_concat (bench.tape, ta, tb), PAL_SHAPE (row->rows, all), y, 0.0);
  bench_clear (&bench);
}

typedef struct
{
  const gchar *name;
  gint         batch, tokens, width, vocabulary, positions; /* positions 0: none */
  PalDType     dtype;
  gboolean     shifted;
} Embed;

static const Embed embeds[] = {
  { "one",                         1, 1,  1,  1,   0,  PAL_F32,  FALSE },
  { "odd, half",                   2, 7,  35, 50,  9,  PAL_F16,  TRUE  },
  { "CLIP, bfloat",                2, 77, 64, 100, 77, PAL_BF16, FALSE },
  { "no positions",                3, 5,  17, 10,  0,  PAL_F32,  TRUE  },
  { "whole numbers",               2, 7,  35, 50,  9,  PAL_I8,   TRUE  },
  { "whole numbers, no positions", 2, 9,  64, 100, 0,  PAL_I8,   FALSE },
};

static void
test_embed (gconstpointer data)
{
  const Embed        *row = data;
  g_autofree gdouble *y   = g_new (gdouble, row->batch * row->tokens * row->width);
  gdouble            *table, *positions = NULL, *ids;
  PalTensor          *ti;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  table = bench_weight (&bench, "t.weight", row->dtype,
                        PAL_SHAPE (row->vocabulary, row->width), 1.0, 0.0);
  if (row->positions)
    positions = bench_weight (&bench, "p.weight", row->dtype,
                              PAL_SHAPE (row->positions, row->width), 1.0, 0.0);
  bench_record (&bench);
  ti = bench_ids (&bench, PAL_SHAPE (row->batch, row->tokens), row->vocabulary, &ids);

  for (gint i = 0; i < row->batch * row->tokens; i++)
    for (gint c = 0; c < row->width; c++)
      y[i * row->width + c] = table[(gint) ids[i] * row->width + c] +
                              (positions ? positions[i % row->tokens * row->width + c] : 0.0);

  bench_check (&bench, pal_embed (bench.tape, ti, "t", row->positions ? "p" : NULL),
               PAL_SHAPE (row->batch, row->tokens, row->width), y, 1e-14);
  bench_clear (&bench);
}

typedef struct
{
  const gchar *name;
  gint         batch, width;
  gboolean     flip;
  gdouble      shift;
} Timestep;

/* Sines of 1000 radians lose 6e-5 to the rounding of the argument. */
static const Timestep timesteps[] = {
  { "sines first",   3, 32,  FALSE, 1.0 },
  { "cosines first", 2, 320, TRUE,  0.0 },
  { "odd",           1, 33,  TRUE,  0.0 },
};

static void
test_timestep (gconstpointer data)
{
  const Timestep     *row = data;
  const gint          n   = row->width / 2;
  g_autofree gdouble *y   = g_new0 (gdouble, row->batch * row->width);
  gdouble            *t;
  PalTensor          *tt;
  Bench               bench;

  bench_init (&bench, row->name, FALSE);
  bench_record (&bench);
  tt = bench_input (&bench, PAL_SHAPE (row->batch), 500.0, 500.0, &t);

  for (gint b = 0; b < row->batch; b++)
    for (gint i = 0; i < n; i++)
      {
        const gdouble angle = t[b] * exp (-log (10000.0) * i / (n - row->shift));

        y[b * row->width + i + (row->flip ? n : 0)] = sin (angle);
        y[b * row->width + i + (row->flip ? 0 : n)] = cos (angle);
      }

  bench_check (&bench,
               pal_timestep_embed (bench.tape, tt, row->width, row->flip, (gfloat) row->shift),
               PAL_SHAPE (row->batch, row->width), y, 1e-8);
  bench_clear (&bench);
}

/* The result may take the place of a dead input: equal to the reference all the same. */
static void
test_in_place (void)
{
  g_autofree gdouble *y = g_new (gdouble, 60 * 24);
  gdouble            *x, *w;
  PalTensor          *tx, *h;
  Bench               bench;

  bench_init (&bench, "in place", TRUE);
  w = bench_weight (&bench, "p.weight", PAL_F32, PAL_SHAPE (24, 24), 0.2, 0.0);
  bench_record (&bench);
  tx = bench_input (&bench, PAL_SHAPE (60, 24), 1.0, 0.0, &x);

  for (gint r = 0; r < 60; r++)
    for (gint j = 0; j < 24; j++)
      {
        gdouble sum = 0.0;

        for (gint k = 0; k < 24; k++)
          sum += x[r * 24 + k] * w[j * 24 + k];
        y[r * 24 + j] = reference_act (PAL_ACT_SILU, sum + 2.0 * x[r * 24 + j] + 1.0) * 3.0;
      }

  h = pal_affine (bench.tape, tx, 2.0f, 1.0f);
  h = pal_linear (bench.tape, tx, "p", &(PalLinear) { .residual = h });
  h = pal_act (bench.tape, h, PAL_ACT_SILU);
  h = pal_affine (bench.tape, h, 3.0f, 0.0f);
  bench_check (&bench, h, PAL_SHAPE (60, 24), y, 1e-12);
  bench_clear (&bench);
}

static PalTensor *
refuse_add (PalTape *t, PalTensor *x)
{
  return pal_add (t, x, pal_reshape (t, x, PAL_SHAPE (4, 9)));
}

static PalTensor *
refuse_halves (PalTape *t, PalTensor *x)
{
  return pal_geglu (t, x);
}

static PalTensor *
refuse_channels (PalTape *t, PalTensor *x)
{
  return pal_add_channels (t, x, pal_rows (t, x, 0, 1));
}

static PalTensor *
refuse_concat (PalTape *t, PalTensor *x)
{
  return pal_concat (t, x, pal_rows (t, x, 0, 3));
}

static PalTensor *
refuse_ids (PalTape *t, PalTensor *x)
{
  return pal_embed (t, x, "t", NULL);
}

static PalTensor *
refuse_types (PalTape *t, PalTensor *x)
{
  return pal_embed (t, pal_input (t, "ids", PAL_I32, PAL_SHAPE (1, 2)), "t", "p");
}

static PalTensor *
refuse_position (PalTape *t, PalTensor *x)
{
  return pal_embed (t, pal_input (t, "ids", PAL_I32, PAL_SHAPE (1, 9)), "t", "t");
}

static PalTensor *
refuse_odd_sides (PalTape *t, PalTensor *x)
{
  return pal_pixel_unshuffle (t, pal_reshape (t, x, PAL_SHAPE (1, 4, 3, 3)),
                              &(PalPixels) { .factor = 2, .channels = 12 });
}

static PalTensor *
refuse_shares (PalTape *t, PalTensor *x)
{
  return pal_pixel_shuffle (t, pal_reshape (t, x, PAL_SHAPE (1, 4, 3, 3)),
                            &(PalPixels) { .factor = 2, .channels = 2 });
}

static PalTensor *
refuse_pixel_residual (PalTape *t, PalTensor *x)
{
  PalTensor *image = pal_reshape (t, x, PAL_SHAPE (1, 4, 3, 3));

  return pal_pixel_shuffle (t, image, &(PalPixels) { .factor = 2, .channels = 3,
                                                     .residual = image });
}

/* x: [4, 3, 3] */
static const BenchRefusal refusals[] = {
  { "add",      refuse_add,      PAL_ERROR_SHAPE,       "[4, 3, 3] and [4, 9]"          },
  { "halves",   refuse_halves,   PAL_ERROR_SHAPE,       "must be even"                  },
  { "channels", refuse_channels, PAL_ERROR_SHAPE,       "[4, 3, 3] and [1, 3, 3]"       },
  { "concat",   refuse_concat,   PAL_ERROR_SHAPE,       "[4, 3, 3] and [3, 3, 3]"       },
  { "ids",      refuse_ids,      PAL_ERROR_SHAPE,       "not F32"                       },
  { "types",    refuse_types,    PAL_ERROR_UNSUPPORTED, "one type"                      },
  { "odd sides", refuse_odd_sides, PAL_ERROR_SHAPE,      "must be even"                  },
  { "shares",   refuse_shares,   PAL_ERROR_SHAPE,       "must be a multiple"            },
  { "pixel residual", refuse_pixel_residual, PAL_ERROR_SHAPE, "[1, 8, 6, 3] and [1, 4, 3, 3]" },
  { "position", refuse_position, PAL_ERROR_SHAPE,       "[1, 9] and [5, 3]"             },
};

static void
test_refusals (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      Bench bench;

      bench_init (&bench, refusals[i].name, FALSE);
      bench_weight (&bench, "t.weight", PAL_F32, PAL_SHAPE (5, 3), 1.0, 0.0);
      bench_weight (&bench, "p.weight", PAL_F16, PAL_SHAPE (5, 3), 1.0, 0.0);
      bench_refuse (&bench, PAL_SHAPE (4, 3, 3), &refusals[i]);
      bench_clear (&bench);
    }
}

/* Offsets and counts beyond 2 ** 31 elements; needs 9 GB on the device and as much here,
 * so only with -m slow. The result takes the input's place. */
static void
test_beyond_int (void)
{
  const gsize        n           = ((gsize) 1 << 31) + 4096;
  g_autofree gfloat *x           = NULL;
  g_autoptr (GError) error       = NULL;
  g_autoptr (PalProgram) program = NULL;
  PalTensor *h;
  Bench      bench;
  gfloat     y[4096];
  PalBinding bindings[2];

  if (! g_test_slow ())
    {
      g_test_skip ("runs with -m slow");
      return;
    }
  if (pal_device_info (test_device ())->max_allocation_bytes < n * sizeof (gfloat))
    {
      g_test_skip ("the device has no buffer of that size");
      return;
    }

  x = g_try_new0 (gfloat, n);
  g_assert_nonnull (x);
  for (gsize i = n - 4096; i < n; i++)
    x[i] = (gfloat) (i % 4096);

  bench_init (&bench, "beyond int", FALSE);
  bench_record (&bench);
  h = pal_input (bench.tape, "x", PAL_F32, PAL_SHAPE ((gint64) n / 4096, 4096));
  h = pal_affine (bench.tape, h, 2.0f, 1.0f);
  h = pal_affine (bench.tape, pal_rows (bench.tape, h, (gint64) n / 4096 - 1, 1), 1.0f, 1.0f);
  pal_output (bench.tape, "y", h);
  program = pal_tape_finish (bench.tape, 0, &error);
  g_assert_no_error (error);
  bindings[0] = (PalBinding) { "x", x, n * sizeof (gfloat) };
  bindings[1] = (PalBinding) { "y", y, sizeof y };
  pal_program_run (program, bindings, 2, NULL, &error);
  g_assert_no_error (error);
  for (gint i = 0; i < 4096; i++)
    g_assert_cmpfloat (y[i], ==, 2.0f * (gfloat) i + 2.0f);
  bench_clear (&bench);
}

static void
each_row (OpRowFunc visit, gpointer data)
{
  OP_TEST_ROWS ("pixel_unshuffle", unshuffles, test_unshuffle);
  OP_TEST_ROWS ("pixel_shuffle", shuffles, test_shuffle);
  OP_TEST_ROWS ("pointwise", pointwises, test_pointwise);
  OP_TEST_ROWS ("geglu", runs, test_geglu);
  OP_TEST_ROWS ("add_channels", runs, test_add_channels);
  OP_TEST_ROWS ("concat", runs, test_concat);
  OP_TEST_ROWS ("embed", embeds, test_embed);
  OP_TEST_ROWS ("timestep_embed", timesteps, test_timestep);
}

static void
add_others (void)
{
  g_test_add_func ("/in_place", test_in_place);
  g_test_add_func ("/refusals", test_refusals);
  g_test_add_func ("/beyond_int", test_beyond_int);
}

const OpSuite op_elements = { "elements", each_row, add_others };
