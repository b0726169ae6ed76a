/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --kernel: every row of the catalogue that the device can run, on shapes that models have,
 * in turns with OpenBLAS. */

#include <math.h>

#include "cl/tune.h"
#include "shapes.h"

static const BenchColumn columns[] = {
  { "shape",   "shape",    -30, 0 },
  { "kernel",  "kernel",   -28, 0 },
  { "chosen",  "",         -1,  0 },
  { "us",      "µs",       10,  1 },
  { "gflops",  "GFLOP/s",  8,   1 },
  { "peak",    "of peak",  7,   2 },
  { "gbytes",  "GB/s",     7,   1 },
  { "blas_gflops", "OpenBLAS", 8, 1 },
  { "ratio",   "ratio",    6,   2 },
};

/* What a case took, in turns with the yardstick. */
typedef struct
{
  gdouble ours, blas;
} Times;

static gboolean
time_in_turns (BenchCase *c, BenchBlas *blas, Times *times, GError **error)
{
  const guint         n      = bench_case_turns (c);
  g_autofree gdouble *ours   = g_new (gdouble, n);
  g_autofree gdouble *theirs = g_new (gdouble, n);

  for (guint i = 0; i < n; i++)
    {
      ours[i] = bench_case_time (c, error);
      if (isnan (ours[i]))
        return FALSE;
      theirs[i] = blas ? bench_blas_time (blas) : BENCH_NONE;
    }

  *times = (Times) { bench_median (ours, n), bench_median (theirs, n) };
  return TRUE;
}

/* Lets the device use a row for its op, and its namesakes for ops that must agree; NULL: as
 * it was. */
static void
force (PalDevice *device, const gchar *op, const PalKernelRow *row)
{
  gsize                 n;
  const PalTuneSubject *subjects = pal_tune_subjects (&n);
  const gchar *const    alone[]  = { op, NULL };
  const gchar *const   *ops      = alone;

  for (gsize i = 0; i < n; i++)
    if (g_strv_contains (subjects[i].ops, op))
      ops = subjects[i].ops;

  for (guint i = 0; ops[i]; i++)
    for (guint class_index = 0; class_index < PAL_TUNE_N_CLASSES; class_index++)
      pal_tune_choose (device, ops[i], class_index, row ? row->variant : NULL);
}

static void
tell (BenchRun *run, const BenchShape *shape, const PalKernelRow *row, gboolean chosen,
      PalWork work, Times times)
{
  g_autofree gchar *kernel = g_strdup_printf ("%s %s", row->op, row->variant);
  const gdouble     flops  = work.flops > 0 ? (gdouble) work.flops : BENCH_NONE;

  bench_out_word (run->out, shape->name);
  bench_out_word (run->out, kernel);
  bench_out_word (run->out, chosen ? "*" : "");
  bench_out_number (run->out, 1e6 * times.ours);
  bench_out_number (run->out, BENCH_RATE (flops, times.ours));
  bench_out_number (run->out, BENCH_RATE (flops, times.ours) / run->peak_gflops);
  bench_out_number (run->out, BENCH_RATE (work.bytes, times.ours));
  bench_out_number (run->out, BENCH_RATE (flops, times.blas));
  bench_out_number (run->out, times.blas / times.ours);
}

static gboolean
time_row (BenchRun *run, const BenchShape *shape, const PalKernelRow *row, gboolean chosen,
          BenchBlas *blas, GError **error)
{
  g_autoptr (BenchCase) c = NULL;
  Times times;

  force (run->device, row->op, row);
  c = bench_case_new (run, shape, error);
  force (run->device, row->op, NULL);
  if (! c || ! time_in_turns (c, bench_case_work (c).flops > 0 ? blas : NULL, &times, error))
    return FALSE;

  tell (run, shape, row, chosen, bench_case_work (c), times);
  return TRUE;
}

/* The rows of one op that the device can run and whose name fits. */
static gboolean
time_op (BenchRun *run, const BenchShape *shape, const gchar *op, BenchBlas *blas, GError **error)
{
  const PalKernelRow *chosen = pal_tune_pick (run->device, op, bench_shape_rows (shape));
  const guint         bits   = pal_device_capabilities (run->device);
  gsize               n;
  const PalKernelRow *rows   = pal_catalog_rows (&n);

  for (gsize i = 0; i < n; i++)
    {
      g_autofree gchar *name = g_strdup_printf ("%s/%s/%s", op, rows[i].variant, shape->name);

      if (g_str_equal (rows[i].op, op) && (rows[i].needs & ~bits) == 0 &&
          bench_matches (run, name) &&
          ! time_row (run, shape, &rows[i], &rows[i] == chosen, blas, error))
        {
          g_prefix_error (error, "%s: ", name);
          return FALSE;
        }
    }

  return TRUE;
}

gboolean
bench_kernels (BenchRun *run, GError **error)
{
  gsize             n;
  const BenchShape *shapes = bench_shapes (&n);
  const gboolean    blas   = bench_blas_open ();

  bench_out_text (run->out, "blas", "OpenBLAS", blas ? bench_blas_name () : "not installed");
  bench_out_table (run->out, "kernels", columns, G_N_ELEMENTS (columns));
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (BenchBlas) yardstick = blas ? bench_blas_new (run, &shapes[i]) : NULL;

      for (guint o = 0; shapes[i].ops[o]; o++)
        if (! time_op (run, &shapes[i], shapes[i].ops[o], yardstick, error))
          return FALSE;
    }
  bench_out_end (run->out);

  return TRUE;
}
