/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Samplers of models that were distilled to see the end of a path: LCM and TCD.
 *
 * Papers: arXiv 2310.04378 (LCM), 2402.19159 algorithm 2 (TCD). Reference:
 * huggingface/diffusers src/diffusers/schedulers/scheduling_{lcm,tcd}.py @58eb52c,
 * Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: the timesteps are a subset of those
 * that the model was distilled at; the last step adds no noise; TCD's middle timestep
 * is cut down to a whole one in float32. */

#include "sample/solver.h"

#include <math.h>

#define LCM_SIGMA_DATA 0.5

typedef struct
{
  gdouble timestep_scaling;
} LcmParams;

/* Of the timesteps it was distilled at, as many as there are steps, from the top. */
static gboolean
fill_distilled_timesteps (PalSampling  *s,
                    GError      **error)
{
  gint origin = MIN (s->config.original_inference_steps, s->config.train_timesteps);
  gint stride = s->config.train_timesteps / origin;

  if (s->steps > origin)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                   "the sampler \"%s\" takes from 1 to %d steps with this model, not %d",
                   s->sampler->info.id, origin, s->steps);
      return FALSE;
    }

  pal_sampling_resize (s, (gsize) s->steps, 0);
  for (gint i = 0; i < s->steps; i++)
    s->timesteps[i] = (origin - (gint) floor (i * ((gdouble) origin / s->steps))) * stride - 1;

  return TRUE;
}

static gboolean
prepare_lcm (PalSampling  *s,
             GError      **error)
{
  LcmParams *params = g_new0 (LcmParams, 1);

  s->params = params;
  if (s->space == PAL_SPACE_FLOW)
    return pal_flow_fill (s, error);

  params->timestep_scaling = 10.0;
  if (s->config.json &&
      ! pal_json_double (s->config.json, "timestep_scaling", &params->timestep_scaling, error))
    return FALSE;

  return pal_prepare_alphas (s, error) && fill_distilled_timesteps (s, error);
}

static gboolean
not_last (const PalSampling *s,
                 gint               call)
{
  return (gsize) (s->begin + call + 1) < s->n_timesteps;
}

/* To the clean image, and by fresh noise up to the next level. */
static void
step_lcm (PalSampling  *s,
          gint          call,
          const gfloat *output,
          const gfloat *noise,
          gfloat       *x,
          gsize         n)
{
  gsize    entry = (gsize) (s->begin + call);
  PalLevel from  = pal_level (s, entry);
  PalLevel to    = pal_level (s, entry + 1);
  PalMix   clean = pal_mix_clean (s, from);
  gdouble  t     = s->timesteps[entry] * ((LcmParams *) s->params)->timestep_scaling;
  gdouble  skip  = 0.0, take = 1.0;

  if (s->space != PAL_SPACE_FLOW)
    {
      skip = LCM_SIGMA_DATA * LCM_SIGMA_DATA / (t * t + LCM_SIGMA_DATA * LCM_SIGMA_DATA);
      take = t / sqrt (t * t + LCM_SIGMA_DATA * LCM_SIGMA_DATA);
    }

  for (gsize i = 0; i < n; i++)
    {
      gdouble value = take * pal_clipped (s, pal_mixed (clean, x[i], output[i])) +
                      skip * (gdouble) x[i];

      if (noise)
        value = to.alpha * value + to.sigma * (gdouble) noise[i];
      x[i] = (gfloat) value;
    }
}

static gboolean
prepare_tcd (PalSampling  *s,
             GError      **error)
{
  return pal_prepare_alphas (s, error) && fill_distilled_timesteps (s, error);
}

/* Along the path to a timestep below the next, eta (the paper's gamma) of the way to the
 * end, and by fresh noise up to the next. */
static void
step_tcd (PalSampling  *s,
          gint          call,
          const gfloat *output,
          const gfloat *noise,
          gfloat       *x,
          gsize         n)
{
  gsize    entry = (gsize) (s->begin + call);
  gint     next  = entry + 1 < s->n_timesteps ? (gint) s->timesteps[entry + 1] : 0;
  gint     below = (gint) floorf ((gfloat) (1.0 - s->eta) * (gfloat) next);
  PalLevel from  = pal_level_at (s, (gint) s->timesteps[entry]);
  PalLevel down  = pal_level_at (s, below), to = pal_level_at (s, next);
  PalMix   clean = pal_mix_clean (s, from), dirt = pal_mix_noise (s, from);
  gdouble  ratio = noise ? to.alpha / down.alpha : 1.0;
  gdouble  fresh = sqrt (MAX (1.0 - ratio * ratio, 0.0));

  for (gsize i = 0; i < n; i++)
    {
      gdouble value = down.alpha * pal_mixed (clean, x[i], output[i]) +
                      down.sigma * pal_mixed (dirt, x[i], output[i]);

      x[i] = (gfloat) (noise ? ratio * value + fresh * (gdouble) noise[i] : value);
    }
}

const PalSampler pal_sampler_lcm = {
  .info        = { "lcm", "LCM", .stochastic = TRUE },
  .classes     = { "LCMScheduler", "FlowMatchLCMScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LEADING,
  .flow        = TRUE,
  .prepare     = prepare_lcm,
  .wants_noise = not_last,
  .step        = step_lcm
};

const PalSampler pal_sampler_tcd = {
  .info        = { "tcd", "TCD", .stochastic = TRUE, .takes_eta = TRUE, .eta = 0.3 },
  .classes     = { "TCDScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LEADING,
  .prepare     = prepare_tcd,
  .wants_noise = not_last,
  .step        = step_tcd
};
