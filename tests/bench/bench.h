/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the bench share: its settings, clocks, the yardsticks. */

#ifndef BENCH_H
#define BENCH_H

#include "out.h"
#include "run/tape.h"

typedef struct
{
  PalDevice   *device;
  BenchOut    *out;
  guint        repeat;          /* what is timed; the median counts */
  const gchar *match;           /* glob that a row's name must fit, or NULL */
  gdouble      peak_gflops;     /* per busy second, see BenchTime */
  gboolean     failed;          /* a result was wrong */

  /* --model */
  const gchar *model;
  gint         size, steps;
  gboolean     count;           /* record, do not run */

  /* --tune */
  const gchar *tune_path;       /* NULL: the user's file */
} BenchRun;

/* Time that passed, in seconds: on the clock, and of this process on all its threads. Rates
 * are per busy second: CPU time where the device is a CPU, since that is what a loaded machine
 * leaves alone, so they are rates of one core; time on the clock elsewhere. */
typedef struct
{
  gdouble wall, cpu;
} BenchTime;

BenchTime bench_now     (void);
BenchTime bench_since   (BenchTime start);
gdouble   bench_busy    (const BenchRun *run, BenchTime time);
gdouble   bench_median  (gdouble *values, guint n);     /* sorts them; BENCH_NONE when n is 0 */
gboolean  bench_matches (const BenchRun *run, const gchar *name);

/* Seconds, for figures of 10^9 a second. */
#define BENCH_RATE(amount, seconds) (1e-9 * (gdouble) (amount) / (seconds))

/* Fused multiply-adds out of registers: GFLOP per busy second. BENCH_NONE and an error on
 * failure. */
gdouble   bench_peak    (BenchRun *run, GError **error);

/* OpenBLAS' sgemm on one thread, when its library is found. c: [m, n] = a: [m, k] times
 * b: [n, k] when transposed, else [k, n]. */
gboolean     bench_blas_open (void);
const gchar *bench_blas_name (void);    /* version and kernels */
void         bench_blas_sgemm (gboolean transposed, gint m, gint n, gint k, const gfloat *a,
                               const gfloat *b, gfloat *c);

/* The modes; each prints its tables. FALSE: error is set. */
gboolean  bench_ops     (BenchRun *run, GError **error);
gboolean  bench_kernels (BenchRun *run, GError **error);
gboolean  bench_model   (BenchRun *run, GError **error);
gboolean  bench_tune    (BenchRun *run, GError **error);

#endif
