/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --op: the rows of the op tests, checked and timed. */

#include "bench.h"

#include "op-support.h"

static const BenchColumn columns[] = {
  { "op",     "op",      -15, 0 },
  { "row",    "row",     -28, 0 },
  { "us",     "µs",      10,  1 },
  { "gflops", "GFLOP/s", 8,   2 },
  { "gbytes", "GB/s",    7,   2 },
  { "nmse",   "nmse",    8,   -1 },
  { "verdict", "",       -5,  0 },
};

typedef struct
{
  BenchRun    *run;
  const OpRow *row;
} Visit;

/* A BenchTimer: one run, input and output included. */
static void
time_program (PalProgram *program, const PalBinding *bindings, gsize n_bindings, gdouble nmse,
              gboolean right, gpointer data)
{
  const Visit        *visit = data;
  BenchRun           *run   = visit->run;
  const PalWork       work  = pal_program_work (program, NULL);
  g_autofree gdouble *times = g_new (gdouble, run->repeat);
  gdouble             median;

  for (guint i = 0; i < run->repeat; i++)
    {
      const BenchTime start = bench_now ();

      right    = pal_program_run (program, bindings, n_bindings, NULL, NULL) && right;
      times[i] = bench_busy (run, bench_since (start));
    }

  median      = bench_median (times, run->repeat);
  run->failed = run->failed || ! right;

  bench_out_word (run->out, visit->row->op);
  bench_out_word (run->out, visit->row->name);
  bench_out_number (run->out, 1e6 * median);
  bench_out_number (run->out, work.flops > 0 ? BENCH_RATE (work.flops, median) : BENCH_NONE);
  bench_out_number (run->out, BENCH_RATE (work.bytes, median));
  bench_out_number (run->out, nmse);
  bench_out_word (run->out, right ? "right" : "WRONG");
}

static void
time_row (const OpRow *row, gpointer data)
{
  Visit             visit = { data, row };
  g_autofree gchar *name  = g_strdup_printf ("%s/%s", row->op, row->name);

  if (! bench_matches (visit.run, name))
    return;

  bench_set_timer (time_program, &visit);
  row->check (row->row);
}

gboolean
bench_ops (BenchRun *run, GError **error)
{
  bench_out_table (run->out, "ops", columns, G_N_ELEMENTS (columns));
  for (guint i = 0; op_suites[i]; i++)
    op_suites[i]->rows (time_row, run);
  bench_out_end (run->out);

  return TRUE;
}
