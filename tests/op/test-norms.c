/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Group, layer and root mean square norms against plain C in double. */

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
} LayerNorm;

static const LayerNorm layer_norms[] = {
  { "one",            1,   1,   0.0,  FALSE },
  { "odd",            5,   37,  2.0,  TRUE  },
  { "CLIP",           154, 768, 0.1,  FALSE },
  { "over the lanes", 3,   129, -1.0, TRUE  },
};

static void
test_layer_norm (gconstpointer data)
{
  const LayerNorm    *row   = data;
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

typedef struct
{
  const gchar *name;
  gint         rows, columns;
  gdouble      mean;
  PalAct       act;
  gboolean     bias, residual, shifted;
} RmsNorm;

static const RmsNorm rms_norms[] = {
  { "one",            1,    1,    0.5,  PAL_ACT_NONE, FALSE, FALSE, FALSE },
  { "no bias",        7,    64,   0.0,  PAL_ACT_NONE, FALSE, FALSE, FALSE },
  { "four channels",  1025, 4,    0.0,  PAL_ACT_NONE, TRUE,  TRUE,  FALSE },
  { "24 channels",    333,  24,   1.0,  PAL_ACT_RELU, TRUE,  TRUE,  TRUE  },
  { "odd",            5,    37,   -2.0, PAL_ACT_SILU, TRUE,  TRUE,  TRUE  },
  { "over the lanes", 3,    129,  0.0,  PAL_ACT_GELU, FALSE, TRUE,  TRUE  },
  { "T5",             20,   4096, 0.0,  PAL_ACT_NONE, FALSE, FALSE, FALSE },
};

static void
test_rms_norm (gconstpointer data)
{
  const RmsNorm      *row     = data;
  const PalShape      shape   = PAL_SHAPE (row->rows, row->columns);
  g_autofree gdouble *y       = g_new (gdouble, row->rows * row->columns);
  PalRmsNorm          options = { .eps = 1e-5f, .act = row->act };
  gdouble            *weight, *bias = NULL, *x, *residual = NULL;
  PalTensor          *tx;
  Bench               bench;

  bench_init (&bench, row->name, row->shifted);
  weight = bench_weight (&bench, "n.weight", PAL_F32, PAL_SHAPE (row->columns), 0.5, 1.0);
  if (row->bias)
    bias = bench_weight (&bench, "n.bias", PAL_F32, PAL_SHAPE (row->columns), 0.5, 0.0);
  bench_record (&bench);
  tx = bench_input (&bench, shape, 1.0, row->mean, &x);
  if (row->residual)
    options.residual = bench_input (&bench, shape, 1.0, 0.0, &residual);

  for (gint r = 0; r < row->rows; r++)
    {
      const gint at     = r * row->columns;
      gdouble    square = 0.0;

      for (gint c = 0; c < row->columns; c++)
        square += x[at + c] * x[at + c] / row->columns;
      for (gint c = 0; c < row->columns; c++)
        y[at + c] = reference_act (row->act, x[at + c] / sqrt (square + 1e-5) * weight[c] +
                                             (bias ? bias[c] : 0.0)) +
                    (residual ? residual[at + c] : 0.0);
    }

  bench_check (&bench, pal_rms_norm (bench.tape, tx, "n", &options), shape, y, 1e-11);
  bench_clear (&bench);
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
refuse_rms_residual (PalTape *t, PalTensor *x)
{
  return pal_rms_norm (t, x, "n", &(PalRmsNorm) { .residual = pal_rows (t, x, 0, 1) });
}

/* x: [4, 3, 3] */
static const BenchRefusal refusals[] = {
  { "groups",     refuse_groups,       PAL_ERROR_SHAPE, "[4, 3, 3] can't have 2 groups" },
  { "modulation", refuse_modulation,   PAL_ERROR_SHAPE, "[4, 3, 3] and [4, 9]"          },
  { "residual",   refuse_rms_residual, PAL_ERROR_SHAPE, "[4, 3, 3] and [1, 3, 3]"       },
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
      bench_refuse (&bench, PAL_SHAPE (4, 3, 3), &refusals[i]);
      bench_clear (&bench);
    }
}

static void
each_row (OpRowFunc visit, gpointer data)
{
  OP_TEST_ROWS ("group_norm", group_norms, test_group_norm);
  OP_TEST_ROWS ("layer_norm", layer_norms, test_layer_norm);
  OP_TEST_ROWS ("rms_norm", rms_norms, test_rms_norm);
}

static void
add_others (void)
{
  g_test_add_func ("/refusals", test_refusals);
}

const OpSuite op_norms = { "norms", each_row, add_others };
