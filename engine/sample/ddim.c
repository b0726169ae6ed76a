/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DDIM and DDPM, which walk by timesteps.
 *
 * Papers: arXiv 2010.02502 eq. 12 and 16 (DDIM), 2006.11239 eq. 7 (DDPM). Reference:
 * huggingface/diffusers src/diffusers/schedulers/scheduling_{ddim,ddpm}.py @58eb52c,
 * Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: DDIM steps by train / steps
 * timesteps down, whatever the list's next entry is, DDPM to the next entry; the clean
 * image is clipped, the direction to it is not. */

#include "sample/solver.h"

#include <math.h>

#define LEAST_VARIANCE 1e-20

static gboolean
prepare_ddim (PalSampling  *s,
              GError      **error)
{
  if (! pal_prepare_alphas (s, error))
    return FALSE;

  pal_timesteps_fill (s, TRUE);

  return TRUE;
}

static gboolean
ddim_wants_noise (const PalSampling *s,
                  gint               call)
{
  return s->eta > 0.0;
}

static void
step_ddim (PalSampling  *s,
           gint          call,
           const gfloat *output,
           const gfloat *noise,
           gfloat       *x,
           gsize         n)
{
  gint     timestep = (gint) s->timesteps[s->begin + call];
  PalLevel from     = pal_level_at (s, timestep);
  PalLevel to       = pal_level_at (s, timestep - s->config.train_timesteps / s->steps);
  PalMix   clean    = pal_mix_clean (s, from), dirt = pal_mix_noise (s, from);
  gdouble  ratio    = from.alpha / to.alpha, share = to.sigma / from.sigma;
  gdouble  fresh    = s->eta * share * sqrt (MAX (1.0 - ratio * ratio, 0.0));
  gdouble  old      = sqrt (MAX (to.sigma * to.sigma - fresh * fresh, 0.0));

  for (gsize i = 0; i < n; i++)
    {
      gdouble value = to.alpha * pal_clipped (s, pal_mixed (clean, x[i], output[i])) +
                      old * pal_mixed (dirt, x[i], output[i]);

      x[i] = (gfloat) (fresh > 0.0 ? value + fresh * (gdouble) noise[i] : value);
    }
}

typedef enum { VARIANCE_SMALL, VARIANCE_SMALL_LOG, VARIANCE_LARGE } Variance;

static gboolean
prepare_ddpm (PalSampling  *s,
              GError      **error)
{
  static const gchar *const names[] = { "fixed_small", "fixed_small_log", "fixed_large", NULL };
  gint                     *kind    = g_new0 (gint, 1);

  s->params = kind;
  if (! pal_config_choice (s, "variance_type", names, kind, error) ||
      ! prepare_ddim (s, error))
    return FALSE;

  s->final_alpha = 1.0;

  return TRUE;
}

static gboolean
ddpm_wants_noise (const PalSampling *s,
                  gint               call)
{
  return s->timesteps[s->begin + call] > 0.0;
}

/* The next entry of the list; -1 after the last. */
static gint
next_timestep (const PalSampling *s,
               gint               call)
{
  gsize next = (gsize) (s->begin + call + 1);

  return next < s->n_timesteps ? (gint) s->timesteps[next] : -1;
}

static void
step_ddpm (PalSampling  *s,
           gint          call,
           const gfloat *output,
           const gfloat *noise,
           gfloat       *x,
           gsize         n)
{
  PalLevel from  = pal_level_at (s, (gint) s->timesteps[s->begin + call]);
  PalLevel to    = pal_level_at (s, next_timestep (s, call));
  PalMix   clean = pal_mix_clean (s, from);
  gdouble  ratio = from.alpha / to.alpha, beta = 1.0 - ratio * ratio;
  gdouble  of_clean = to.alpha * beta / (from.sigma * from.sigma);
  gdouble  of_x     = ratio * to.sigma * to.sigma / (from.sigma * from.sigma);
  gdouble  variance = MAX (to.sigma * to.sigma / (from.sigma * from.sigma) * beta, LEAST_VARIANCE);
  gdouble  fresh    = sqrt (*(gint *) s->params == VARIANCE_LARGE ? beta : variance);

  if (! noise)
    fresh = 0.0;

  for (gsize i = 0; i < n; i++)
    {
      gdouble value = of_clean * pal_clipped (s, pal_mixed (clean, x[i], output[i])) +
                      of_x * (gdouble) x[i];

      x[i] = (gfloat) (noise ? value + fresh * (gdouble) noise[i] : value);
    }
}

const PalSampler pal_sampler_ddim = {
  .info        = { "ddim", "DDIM", .takes_eta = TRUE },
  .classes     = { "DDIMScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LEADING,
  .prepare     = prepare_ddim,
  .wants_noise = ddim_wants_noise,
  .step        = step_ddim
};

const PalSampler pal_sampler_ddpm = {
  .info        = { "ddpm", "DDPM", .stochastic = TRUE },
  .classes     = { "DDPMScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LEADING,
  .prepare     = prepare_ddpm,
  .wants_noise = ddpm_wants_noise,
  .step        = step_ddpm
};
