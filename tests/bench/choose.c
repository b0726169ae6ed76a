/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --tune: the best variant of each subject (cl/tune.h) for each class of sizes, written down. */

#include <math.h>

#include "cl/tune.h"
#include "shapes.h"

#define HOPELESS 2.0            /* times slower than the best, on the first shape */

static const BenchColumn columns[] = {
  { "subject", "subject", -10, 0 },
  { "class",   "class",   -5,  0 },
  { "variant", "variant", -12, 0 },
  { "chosen",  "",        -1,  0 },
  { "gflops",  "GFLOP/s", 8,   1 },
};

static void
use (BenchRun *run, const PalTuneEntry *entry, const gchar *variant)
{
  gsize                 n;
  const PalTuneSubject *subject = pal_tune_subjects (&n) + entry->subject;

  for (guint i = 0; subject->ops[i]; i++)
    pal_tune_choose (run->device, subject->ops[i], entry->class_index, variant);
}

/* GFLOP/s on one shape; BENCH_NONE and an error on failure. */
static gdouble
rate_of (BenchRun *run, const BenchShape *shape, GError **error)
{
  g_autoptr (BenchCase) c     = bench_case_new (run, shape, error);
  const guint           n     = c ? bench_case_turns (c) : 0;
  g_autofree gdouble   *times = g_new (gdouble, n);

  for (guint i = 0; i < n; i++)
    if (isnan (times[i] = bench_case_time (c, error)))
      return BENCH_NONE;

  return c ? BENCH_RATE (bench_case_work (c).flops, bench_median (times, n)) : BENCH_NONE;
}

/* Whether a shape is one by which the entry is decided. */
static gboolean
is_of (const BenchRun *run, const PalTuneEntry *entry, const BenchShape *shape)
{
  gsize                 n;
  const PalTuneSubject *subject = pal_tune_subjects (&n) + entry->subject;
  const PalTuneClass   *classes = pal_tune_classes ();
  const gint64          rows    = bench_shape_rows (shape);

  return g_strv_contains (subject->ops, shape->ops[0]) &&
         rows <= classes[entry->class_index].most_rows &&
         (entry->class_index == 0 || rows > classes[entry->class_index - 1].most_rows) &&
         bench_matches (run, shape->name);
}

/* The geometric mean of the rates on all shapes of the entry; 0 when there is no hope that it
 * beats `best`; BENCH_NONE when there is no shape, or an error. */
static gdouble
rate_variant (BenchRun *run, const PalTuneEntry *entry, gdouble best, GError **error)
{
  gsize             n_shapes;
  const BenchShape *shapes = bench_shapes (&n_shapes);
  gdouble           sum    = 0.0;
  guint             n      = 0;

  for (gsize i = 0; i < n_shapes; i++)
    if (is_of (run, entry, &shapes[i]))
      {
        const gdouble rate = rate_of (run, &shapes[i], error);

        if (isnan (rate) || (n == 0 && rate * HOPELESS < best))
          return isnan (rate) ? BENCH_NONE : 0.0;
        sum += log (rate);
        n++;
      }

  return n > 0 ? exp (sum / n) : BENCH_NONE;
}

static void
tell (BenchRun *run, const PalTuneEntry *entry, const gchar *variant, gdouble rate)
{
  gsize n;

  bench_out_word (run->out, pal_tune_subjects (&n)[entry->subject].name);
  bench_out_word (run->out, pal_tune_classes ()[entry->class_index].name);
  bench_out_word (run->out, variant);
  bench_out_word (run->out, g_strcmp0 (variant, entry->variant) == 0 ? "*" : "");
  bench_out_number (run->out, rate > 0.0 ? rate : BENCH_NONE);
}

/* Tries all variants; leaves the best in use and in entry->variant, which is NULL when no
 * shape decides. */
static gboolean
decide (BenchRun *run, PalTuneEntry *entry, GError **error)
{
  const guint         bits = pal_device_capabilities (run->device);
  gsize               n;
  const gchar        *op   = pal_tune_subjects (&n)[entry->subject].ops[0];
  const PalKernelRow *rows = pal_catalog_rows (&n);
  gdouble             best = 0.0;
  GError             *failure = NULL;

  for (gsize i = 0; i < n && ! failure; i++)
    if (g_str_equal (rows[i].op, op) && (rows[i].needs & ~bits) == 0)
      {
        gdouble rate;

        use (run, entry, rows[i].variant);
        rate = rate_variant (run, entry, best, &failure);
        if (! failure && rate > best)
          {
            best           = rate;
            entry->variant = rows[i].variant;
          }
        if (! failure && ! isnan (rate))
          tell (run, entry, rows[i].variant, rate);
      }

  use (run, entry, entry->variant);
  if (failure)
    g_propagate_error (error, failure);

  return ! failure;
}

gboolean
bench_tune (BenchRun *run, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (PalTuneEntry));
  g_autofree gchar *own = pal_tune_path (), *block = NULL;
  const gchar *path     = run->tune_path ? run->tune_path : own;
  gsize        n_subjects;

  pal_tune_subjects (&n_subjects);
  bench_out_table (run->out, "tried", columns, G_N_ELEMENTS (columns));
  for (guint s = 0; s < n_subjects; s++)
    for (guint c = 0; c < PAL_TUNE_N_CLASSES; c++)
      {
        PalTuneEntry entry = { .subject = s, .class_index = c };

        if (! decide (run, &entry, error))
          return FALSE;
        if (entry.variant)
          g_array_append_val (entries, entry);
      }
  bench_out_end (run->out);

  block = pal_tune_block (run->device, (PalTuneEntry *) (gpointer) entries->data, entries->len,
                          error);
  if (! block || ! pal_tune_save (run->device, (PalTuneEntry *) (gpointer) entries->data,
                                  entries->len, path, error))
    return FALSE;

  bench_out_text (run->out, "path", "\nWritten to", path);
  bench_out_text (run->out, "block", "The block", block);
  return TRUE;
}
