/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clocks, medians, names. */

#include "bench.h"

#include <math.h>
#include <time.h>

static gdouble
seconds (clockid_t clock)
{
  struct timespec t;

  clock_gettime (clock, &t);

  return (gdouble) t.tv_sec + 1e-9 * (gdouble) t.tv_nsec;
}

BenchTime
bench_now (void)
{
  return (BenchTime) { seconds (CLOCK_MONOTONIC), seconds (CLOCK_PROCESS_CPUTIME_ID) };
}

BenchTime
bench_since (BenchTime start)
{
  const BenchTime now = bench_now ();

  return (BenchTime) { now.wall - start.wall, now.cpu - start.cpu };
}

gdouble
bench_busy (const BenchRun *run, BenchTime time)
{
  return pal_device_info (run->device)->is_cpu ? time.cpu : time.wall;
}

static gint
ascending (gconstpointer a, gconstpointer b)
{
  const gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return (x > y) - (x < y);
}

gdouble
bench_median (gdouble *values, guint n)
{
  if (n == 0)
    return BENCH_NONE;

  qsort (values, n, sizeof *values, ascending);

  return 0.5 * (values[(n - 1) / 2] + values[n / 2]);
}

gboolean
bench_matches (const BenchRun *run, const gchar *name)
{
  return ! run->match || g_pattern_match_simple (run->match, name);
}
