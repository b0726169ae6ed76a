/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LMS: the slope dx / d sigma is continued by a polynomial through the last four.
 *
 * Reference: huggingface/diffusers src/diffusers/schedulers/scheduling_lms_discrete.py
 * @58eb52c, Apache-2.0, which integrates the polynomial numerically; here it is exact.
 * Easy to get wrong, guarded by tests/unit/sample: the order is that of the slopes at
 * hand, from where the walk starts, and not of the place in the schedule. */

#include "sample/solver.h"

#include <math.h>

static gboolean
prepare_lms (PalSampling  *s,
             GError      **error)
{
  return pal_fill_by_sigmas (s, NULL, error);
}

/* The polynomial that is 1 at the sigma of the k-th newest slope and 0 at the others'. */
static gdouble
lagrange (const PalSampling *s,
          gsize              entry,
          gint               k,
          gdouble            sigma)
{
  gdouble product = 1.0, own = s->sigmas[entry - (gsize) k];

  for (gint j = 0; j < s->n_history; j++)
    if (j != k)
      product *= (sigma - s->sigmas[entry - (gsize) j]) / (own - s->sigmas[entry - (gsize) j]);

  return product;
}

/* Its integral over the step, by the rule of Gauss with two points, which is exact up to
 * degree 3. */
static gdouble
weight_of (const PalSampling *s,
           gsize              entry,
           gint               k)
{
  gdouble middle = (s->sigmas[entry] + s->sigmas[entry + 1]) / 2.0;
  gdouble half   = (s->sigmas[entry + 1] - s->sigmas[entry]) / 2.0;

  return half * (lagrange (s, entry, k, middle - half / sqrt (3.0)) +
                 lagrange (s, entry, k, middle + half / sqrt (3.0)));
}

static void
step_lms (PalSampling  *s,
          gint          call,
          const gfloat *output,
          const gfloat *noise,
          gfloat       *x,
          gsize         n)
{
  gsize    entry = (gsize) (s->begin + call);
  PalLevel level = pal_level (s, entry);
  PalMix   clean = pal_mix_clean (s, level);
  gfloat  *slope = pal_history_push (s, n);
  gdouble  weights[PAL_HISTORY];

  pal_mix ((PalMix) { (1.0 - clean.x) / level.sigma, -clean.output / level.sigma }, x, output,
           slope, n);

  for (gint k = 0; k < s->n_history; k++)
    weights[k] = weight_of (s, entry, k);

  for (gsize i = 0; i < n; i++)
    {
      gdouble value = (gdouble) x[i];

      for (gint k = 0; k < s->n_history; k++)
        value += weights[k] * (gdouble) s->history[k][i];
      x[i] = (gfloat) value;
    }
}

const PalSampler pal_sampler_lms = {
  .info    = { "lms", "LMS", .takes_schedule = TRUE },
  .classes = { "LMSDiscreteScheduler", NULL },
  .order   = 1,
  .spacing = PAL_SPACING_LINSPACE,
  .flow    = TRUE,
  .prepare = prepare_lms,
  .step    = step_lms
};
