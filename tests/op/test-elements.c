/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Norms, pointwise ops, concatenation and embeddings against plain C in double. */

#include "op-support.h"

#include <math.h>

typedef struct
{
  const gchar *name;
  gint         b, h, w, c, groups;
  PalAct       act;
  gdouble      mean; /* of the inputs: large ones make naive variances fail */
  gboolean     shifted, modulated;
  gdouble      nmse;
} GroupNorm;

/* A mean of 1000 has an error of up to 3e-5 as a float. */
static const GroupNorm group_norms[] = {
  { "one position",      1, 1,   1,   4,   2,  PAL_ACT_NONE, 0.0,    FALSE, FALSE, 1e-11 },
  { "one group",         1, 3,   5,   6,   1,  PAL_ACT_NONE, 0.5,    FALSE, FALSE, 1e-11 },
  { "U-Net",             2, 16,  16,  320, 32, PAL_ACT_SILU, 0.5,    FALSE, FALSE, 1e-11 },
  { "odd",               2, 17,  9,   30,  5,  PAL_ACT_NONE, -1.0,   TRUE,  FALSE, 1e-11 },
  { "a channel a group", 1, 33,  31,  7,   7,  PAL_ACT_SILU, 0.0,    TRUE,  FALSE, 1e-11 },
  { "large mean",        1, 70,  60,  8,   2,  PAL_ACT_NONE, 1000.0, FALSE, FALSE, 1e-8  },
  { "many positions",    1, 150, 121, 12,  4,  PAL_ACT_SILU, 3.0,    FALSE, FALSE, 1e-11 },
  { "one, modulated",    1, 1,   1,   4,   2,  PAL_ACT_NONE, 0.0,    FALSE, TRUE,  1e-11 },
  { "modulated",         2, 16,  16,  192, 8,  PAL_ACT_SILU, 0.5,    FALSE, TRUE,  1e-11 },
  { "odd, modulated",    3, 17,  9,   30,  5,  PAL_ACT_NONE, -1.0,   TRUE,  TRUE,  1e-11 },
};

/* modulation: [2 C] or NULL */
static void
group_norm (const GroupNorm *row, const gdouble *x, const gdouble *weight,
            const gdouble *bias, const gdouble *modulation, gint g, gdouble *y)
{
  const gint    positions = row->h * row->w;
  const gint    size      = row->c / row->groups;
  const gdouble n         = (gdouble) positions * size;
  gdouble       mean = 0.0, variance = 0.0;

  for (gint p = 0; p < positions; p++)
    for (gint c = g * size; c < (g + 1) * size; c++)
      mean += x[p * row->c + c] / n;
  for (gint p = 0; p < positions; p++)
    for (gint c = g * size; c < (g + 1) * size; c++)
      variance += pow (x[p * row->c + c] - mean, 2.0) / n;
  for (gint p = 0; p < positions; p++)
    for (gint c = g * size; c < (g + 1) * size; c++)
      {
        gdouble v = (x[p * row->c + c] - mean) / sqrt (variance + 1e-5) * weight[c] + bias[c];

        if (modulation)
          v = v * (1.0 + modulation[c]) + modulation[row->c + c];
        y[p * row->c + c] = reference_act (row->act, v);
      }
}

static void
test_group_norm (gconstpointer data)
{
  const GroupNorm    *row     = data;
  PalGroupNorm        options = { .groups = row->groups, .eps = 1e-5f, .act = row->act };
  const PalShape      shape   = PAL_SHAPE (row->b, row->h, row->w, row->c);
  const gsize         plane   = (gsize) row->h * row->w * row->c;
  g_autofree gdouble *y       = g_new (gdouble, row->b * plane);
  gdouble            *weight, *bias, *x, *modulation = NULL;
  PalTensor          *tx;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  weight = bench_weight (&bench, "n.weight", PAL_F16, PAL_SHAPE (row->c), 0.5, 1.0);
  bias   = bench_weight (&bench, "n.bias", PAL_F16, PAL_SHAPE (row->c), 0.5, 0.0);
  bench_record (&bench);
  tx = bench_input (&bench, shape, 1.0, row->mean, &x);
  if (row->modulated)
    options.modulation = bench_input (&bench, PAL_SHAPE (row->b, 2 * row->c), 1.0, 0.0,
                                      &modulation);

  for (gint b = 0; b < row->b; b++)
    for (gint g = 0; g < row->groups; g++)
      group_norm (row, x + b * plane, weight, bias,
                  modulation ? modulation + (gsize) b * 2 * row->c : NULL, g, y + b * plane);

  tx = pal_group_norm (bench.tape, tx, "n", &options);
  bench_check (&bench, tx, shape, y, row->nmse);
  bench_clear (&bench);
}

/* A row of sizes for the ops that need no more. */
typedef struct
{
  const gchar *name;
  gint         rows, columns;
  gdouble      mean;
  gboolean     shifted;
} Rows;

static const Rows layer_norms[] = {
  { "one",            1,   1,   0.0,  FALSE },
  { "odd",            5,   37,  2.0,  TRUE  },
  { "CLIP",           154, 768, 0.1,  FALSE },
  { "over the lanes", 3,   129, -1.0, TRUE  },
};

static void
test_layer_norm (gconstpointer data)
{
  const Rows         *row   = data;
  const PalShape      shape = PAL_SHAPE (row->rows, row->columns);
  g_autofree gdouble *y     = g_new (gdouble, row->rows * row->columns);
  gdouble            *weight, *bias, *x;
  PalTensor          *tx;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  weight = bench_weight (&bench, "n.weight", PAL_F32, PAL_SHAPE (row->columns), 0.5, 1.0);
  bias   = bench_weight (&bench, "n.bias", PAL_F32, PAL_SHAPE (row->columns), 0.5, 0.0);
  bench_record (&bench);
  tx = bench_input (&bench, shape, 1.0, row->mean, &x);

  for (gint r = 0; r < row->rows; r++)
    {
      const gdouble *from = x + r * row->columns;
      gdouble        mean = 0.0, variance = 0.0;

      for (gint c = 0; c < row->columns; c++)
        mean += from[c] / row->columns;
      for (gint c = 0; c < row->columns; c++)
        variance += pow (from[c] - mean, 2.0) / row->columns;
      for (gint c = 0; c < row->columns; c++)
        y[r * row->columns + c] = (from[c] - mean) / sqrt (variance + 1e-5) * weight[c] + bias[c];
    }

  bench_check (&bench, pal_layer_norm (bench.tape, tx, "n", 1e-5f), shape, y, 1e-11);
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

static const Rows runs[] = {
  { "one",        1,  1,    0.0, FALSE },
  { "odd",        13, 37,   0.0, TRUE  },
  { "over a run", 3,  1027, 0.0, TRUE  },
  { "U-Net",      64, 1280, 0.0, FALSE },
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
refuse_groups (PalTape *t, PalTensor *x)
{
  return pal_group_norm (t, x, "n", &(PalGroupNorm) { .groups = 2, .eps = 1e-5f });
}

static PalTensor *
refuse_modulation (PalTape *t, PalTensor *x)
{
  return pal_group_norm (t, x, "n",
                         &(PalGroupNorm) { .groups = 3, .eps = 1e-5f,
                                           .modulation = pal_reshape (t, x, PAL_SHAPE (4, 9)) });
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

/* x: [4, 3, 3] */
static const BenchRefusal refusals[] = {
  { "add",        refuse_add,        PAL_ERROR_SHAPE,       "[4, 3, 3] and [4, 9]"          },
  { "groups",     refuse_groups,     PAL_ERROR_SHAPE,       "[4, 3, 3] can't have 2 groups" },
  { "modulation", refuse_modulation, PAL_ERROR_SHAPE,       "[4, 3, 3] and [4, 9]"          },
  { "halves",     refuse_halves,     PAL_ERROR_SHAPE,       "must be even"                  },
  { "channels",   refuse_channels,   PAL_ERROR_SHAPE,       "[4, 3, 3] and [1, 3, 3]"       },
  { "concat",     refuse_concat,     PAL_ERROR_SHAPE,       "[4, 3, 3] and [3, 3, 3]"       },
  { "ids",        refuse_ids,        PAL_ERROR_SHAPE,       "not F32"                       },
  { "types",      refuse_types,      PAL_ERROR_UNSUPPORTED, "one type"                      },
  { "position",   refuse_position,   PAL_ERROR_SHAPE,       "[1, 9] and [5, 3]"             },
};

static void
test_refusals (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      Bench bench;

      bench_init (&bench, refusals[i].name, FALSE);
      bench_weight (&bench, "n.weight", PAL_F32, PAL_SHAPE (3), 1.0, 0.0);
      bench_weight (&bench, "n.bias", PAL_F32, PAL_SHAPE (3), 1.0, 0.0);
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

#define ADD_ROWS(op, table, func)                                             \
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)                            \
    {                                                                         \
      g_autofree gchar *path = g_strdup_printf ("/%s/%s", op, table[i].name); \
                                                                              \
      g_test_add_data_func (path, &table[i], func);                           \
    }

int
main (int argc, char **argv)
{
  /* An argument drops capabilities, so that each catalogue row has its turn. */
  const gchar *given = argc > 1 && *argv[1] != '-' ? argv[1] : "0xffffffff";
  const guint  limit = (guint) g_ascii_strtoull (given, NULL, 0);

  if (! device_test_init (&argc, &argv))
    return 0;

  pal_device_limit (test_device (), limit);
  ADD_ROWS ("group_norm", group_norms, test_group_norm);
  ADD_ROWS ("layer_norm", layer_norms, test_layer_norm);
  ADD_ROWS ("pointwise", pointwises, test_pointwise);
  ADD_ROWS ("geglu", runs, test_geglu);
  ADD_ROWS ("add_channels", runs, test_add_channels);
  ADD_ROWS ("concat", runs, test_concat);
  ADD_ROWS ("embed", embeds, test_embed);
  ADD_ROWS ("timestep_embed", timesteps, test_timestep);
  g_test_add_func ("/in_place", test_in_place);
  g_test_add_func ("/refusals", test_refusals);
  g_test_add_func ("/beyond_int", test_beyond_int);

  return device_test_run ();
}
