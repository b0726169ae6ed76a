/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DEIS: the noise estimate is continued by a polynomial in the logarithm of
 * rho = sigma / alpha, and integrated over rho.
 *
 * Paper: arXiv 2204.13902 (section 3.3 and appendix B, "log-rho"). Reference:
 * huggingface/diffusers src/diffusers/schedulers/scheduling_deis_multistep.py @58eb52c,
 * Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: the reference's class stops at the
 * least trained noise instead of 0, which is done here only for a model whose file names
 * it; from sigma 1 of a flow rho is far too large for the float32 noise estimate, and the
 * step, which is of first order, is written without it. */

#include "sample/solver.h"

#include <math.h>

#define MAX_ORDER      3
#define SHORT_SCHEDULE 15

static gboolean
prepare_deis (PalSampling  *s,
              GError      **error)
{
  static const gchar *const types[] = { "logrho", "midpoint", "heun", "bh1", "bh2", NULL };
  PalMultistep kind = { .respaced_end = TRUE, .flow_from_below = TRUE };
  gint         type = 0;

  kind.stops_noisy = g_strcmp0 (s->config.class_name, pal_sampler_deis.classes[0]) == 0;

  if (! pal_config_refuse (s, "thresholding", error) ||
      ! pal_config_choice (s, "solver_type", types, &type, error))
    return FALSE;

  s->alphas = pal_alphas_new (&s->config, TRUE, error);

  return s->alphas && pal_multistep_fill (s, &kind, s->config.train_timesteps, error);
}

static gint
order_at (const PalSampling *s,
          gsize              entry)
{
  gboolean short_ = s->config.lower_order_final && s->n_timesteps < SHORT_SCHEDULE;
  gint     order  = MIN (s->config.solver_order, s->n_history);

  if (! (pal_level (s, entry + 1).sigma > 0.0))
    return 1;

  return short_ ? MIN (order, (gint) (s->n_timesteps - entry)) : order;
}

static gdouble
rho_of (const PalSampling *s,
        gsize              entry)
{
  PalLevel level = pal_level (s, entry);

  return level.sigma / level.alpha;
}

/* The integral of the k-th Lagrange polynomial in l = log (rho / rho of entry) over the
 * step; with two other points a and b it is (l - a) (l - b) / ((c - a) (c - b)). */
static gdouble
weight_of (const PalSampling *s,
           gsize              entry,
           gint               order,
           gint               k)
{
  gdouble rho = rho_of (s, entry), ratio = rho_of (s, entry + 1) / rho;
  gdouble h   = ratio > 0.0 ? log (ratio) : 0.0, scale = 1.0, factors[3] = { 1.0 };
  gdouble own = log (rho_of (s, entry - (gsize) k) / rho);

  for (gint j = 0, degree = 0; j < order; j++)
    if (j != k)
      {
        gdouble other = log (rho_of (s, entry - (gsize) j) / rho);

        for (gint d = ++degree; d >= 0; d--)
          factors[d] = (d > 0 ? factors[d - 1] : 0.0) - other * (d < degree ? factors[d] : 0.0);
        scale *= own - other;
      }

  /* The integrals of 1, l and l^2 over d rho = rho exp (l) dl. */
  return rho / scale * (factors[0] * (ratio - 1.0) +
                        factors[1] * (ratio * (h - 1.0) + 1.0) +
                        factors[2] * (ratio * ((h - 2.0) * h + 2.0) - 2.0));
}

/* The clean image and the noise, mixed anew. */
static void
step_first (const PalSampling *s,
            PalLevel           from,
            PalLevel           to,
            const gfloat      *output,
            gfloat            *x,
            gsize              n)
{
  PalMix clean = pal_mix_clean (s, from), dirt = pal_mix_noise (s, from);

  pal_mix ((PalMix) { to.alpha * clean.x + to.sigma * dirt.x,
                      to.alpha * clean.output + to.sigma * dirt.output }, x, output, x, n);
}

static void
step_deis (PalSampling  *s,
           gint          call,
           const gfloat *output,
           const gfloat *noise,
           gfloat       *x,
           gsize         n)
{
  gsize    entry = (gsize) (s->begin + call);
  PalLevel from  = pal_level (s, entry), to = pal_level (s, entry + 1);
  gfloat  *dirt  = pal_history_push (s, n);
  gint     order = order_at (s, entry);
  gdouble  weights[MAX_ORDER];

  pal_mix (pal_mix_noise (s, from), x, output, dirt, n);
  if (order == 1)
    {
      step_first (s, from, to, output, x, n);
      return;
    }

  for (gint k = 0; k < order; k++)
    weights[k] = weight_of (s, entry, order, k);

  for (gsize i = 0; i < n; i++)
    {
      gdouble value = (gdouble) x[i] / from.alpha;

      for (gint k = 0; k < order; k++)
        value += weights[k] * (gdouble) s->history[k][i];
      x[i] = (gfloat) (to.alpha * value);
    }
}

const PalSampler pal_sampler_deis = {
  .info    = { "deis", "DEIS", .takes_schedule = TRUE },
  .classes = { "DEISMultistepScheduler", NULL },
  .order   = 1,
  .spacing = PAL_SPACING_LINSPACE,
  .flow    = TRUE,
  .prepare = prepare_deis,
  .step    = step_deis
};
