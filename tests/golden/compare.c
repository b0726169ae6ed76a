/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Comparison with tolerances. */

#include "compare.h"

#include <math.h>

/* Largest error allowed: absolute + relative * |reference|. The figures are those
 * that come with the reference data: ten times the noise floor of float32. */
static const struct
{
  const gchar *title;
  gdouble      absolute, relative;
} tolerances[GOLDEN_N_KINDS] = {
  [GOLDEN_EXACT] = { "exact", 0.0, 0.0 },
  [GOLDEN_SIGMAS] = { "sigmas", 1e-6, 1e-5 },
  [GOLDEN_RANDOM] = { "random", 1e-6, 0.0 },
  [GOLDEN_TEXT] = { "text", 5e-5, 0.0 },
  [GOLDEN_ENCODER] = { "encoder", 5e-3, 0.0 },
  [GOLDEN_DENOISER] = { "denoiser", 1e-3, 0.0 },
  [GOLDEN_LATENTS] = { "latents", 1e-3, 2e-4 },
  [GOLDEN_DECODER] = { "decoder", 1e-3, 0.0 },
  [GOLDEN_TRACE] = { "trace", 1e-3, 0.0 },
  [GOLDEN_PNG] = { "png", 1.0, 0.0 },
};

void
golden_result_init (GoldenResult *result, gboolean verbose)
{
  *result = (GoldenResult) { .verbose = verbose, .worst_ratio = -1.0 };
  result->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

void
golden_result_clear (GoldenResult *result)
{
  g_clear_pointer (&result->worst, g_free);
  g_clear_pointer (&result->seen, g_hash_table_unref);
}

static void
note_worst (GoldenResult *result, const gchar *name, gdouble ratio, gdouble error,
            gdouble tolerance)
{
  if (ratio <= result->worst_ratio)
    return;

  g_free (result->worst);
  result->worst = g_strdup (name);
  result->worst_ratio = ratio;
  result->worst_error = error;
  result->worst_tolerance = tolerance;
}

void
golden_compare (GoldenResult *result, GoldenKind kind, const gchar *name,
                const gfloat *expected, const gfloat *actual, gsize n)
{
  gdouble worst_ratio = 0.0, worst_error = 0.0, worst_tolerance = tolerances[kind].absolute;
  gdouble sum_error = 0.0, sum_expected = 0.0, relative;

  for (gsize i = 0; i < n; i++)
    {
      gdouble reference = (gdouble) expected[i];
      gdouble error = fabs ((gdouble) actual[i] - reference);
      gdouble tolerance = tolerances[kind].absolute + tolerances[kind].relative * fabs (reference);
      gdouble ratio = error == 0.0 ? 0.0 : error / tolerance;

      if (! (error < G_MAXDOUBLE))
        ratio = error = G_MAXDOUBLE;

      if (ratio > worst_ratio)
        {
          worst_ratio = ratio;
          worst_error = error;
          worst_tolerance = tolerance;
        }
      sum_error += error < G_MAXDOUBLE ? error * error : 0.0;
      sum_expected += reference * reference;
    }

  relative = sqrt (sum_error / (sum_expected > 0.0 ? sum_expected : 1.0));
  result->compared++;
  if (worst_ratio > 1.0)
    result->failed++;
  g_hash_table_add (result->seen, g_strdup (name));

  /* A value near the middle of two levels rounds either way; that says nothing. */
  if (kind != GOLDEN_PNG || worst_ratio > 1.0)
    {
      result->worst_relative = MAX (result->worst_relative, relative);
      note_worst (result, name, worst_ratio, worst_error, worst_tolerance);
    }

  if (result->verbose)
    g_print ("    %-56s %-8s max %9.2e  rms %9.2e  limit %9.2e  %s\n", name, tolerances[kind].title,
             worst_error, relative, worst_tolerance, worst_ratio > 1.0 ? "FAIL" : "ok");
}

void
golden_check (GoldenResult *result, GoldenCase *c, GoldenKind kind, const gchar *name,
              PalShape shape, const gfloat *actual)
{
  const PalTensorEntry *entry = golden_find (c, "%s", name);
  PalShape expected_shape;
  const gfloat *expected;
  gsize n = 0, n_expected = 0;

  if (! entry)
    return;

  expected = golden_floats (c, entry, &expected_shape);
  pal_shape_count (shape, &n);
  pal_shape_count (expected_shape, &n_expected);

  if (n != n_expected)
    {
      g_autofree gchar *want = pal_shape_text (expected_shape);
      g_autofree gchar *have = pal_shape_text (shape);

      golden_fail (result, name, "its shape is %s instead of %s", have, want);
      return;
    }

  golden_compare (result, kind, name, expected, actual, n);
}

void
golden_fail (GoldenResult *result, const gchar *name, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  g_autofree gchar *line = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  line = g_strdup_printf ("%s: %s", name, text);
  result->failed++;
  g_hash_table_add (result->seen, g_strdup (name));
  note_worst (result, line, G_MAXDOUBLE, G_MAXDOUBLE, 0.0);
  if (result->verbose)
    g_print ("    %s FAIL\n", line);
}
