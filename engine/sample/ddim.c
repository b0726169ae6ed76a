/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DDIM and its relatives that walk by timesteps: DDPM and LCM.
 *
 * Papers: arXiv 2010.02502 eq. 12 and 16 (DDIM), 2006.11239 eq. 7 (DDPM), 2310.04378
 * (LCM). Reference: huggingface/diffusers
 * src/diffusers/schedulers/scheduling_{ddim,ddpm,lcm}.py @58eb52c, Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: DDIM steps by train / steps
 * timesteps down, whatever the list's next entry is, DDPM and LCM to the next entry;
 * the clean image is clipped, the direction to it is not; LCM's timesteps are a
 * subset of those it was distilled at and its last step adds no noise. */

#include "sample/solver.h"

#include <math.h>

#define LCM_SIGMA_DATA 0.5
#define LEAST_VARIANCE 1e-20

/* Refuses what the reference's three classes have and this doesn't; alphas. */
static gboolean
prepare_alphas (PalSampling  *s,
                GError      **error)
{
  if (! pal_config_refuse (s, "thresholding", error))
    return FALSE;

  s->alphas = pal_alphas_new (&s->config, FALSE, error);
  if (! s->alphas)
    return FALSE;

  s->final_alpha = s->config.set_alpha_to_one ? 1.0 : (gdouble) s->alphas[0];

  return TRUE;
}

static gboolean
prepare_ddim (PalSampling  *s,
              GError      **error)
{
  if (! prepare_alphas (s, error))
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

typedef struct
{
  gdouble timestep_scaling;
} LcmParams;

/* Of the timesteps it was distilled at, as many as there are steps, from the top. */
static gboolean
fill_lcm_timesteps (PalSampling  *s,
                    GError      **error)
{
  gint origin = MIN (s->config.original_inference_steps, s->config.train_timesteps);
  gint stride = s->config.train_timesteps / origin;

  if (s->steps > origin)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                   "the sampler \"lcm\" takes from 1 to %d steps with this model, not %d",
                   origin, s->steps);
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

  return prepare_alphas (s, error) && fill_lcm_timesteps (s, error);
}

static gboolean
lcm_wants_noise (const PalSampling *s,
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

const PalSampler pal_sampler_ddim = {
  .info        = { "ddim", "DDIM", FALSE },
  .classes     = { "DDIMScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LEADING,
  .prepare     = prepare_ddim,
  .wants_noise = ddim_wants_noise,
  .step        = step_ddim
};

const PalSampler pal_sampler_ddpm = {
  .info        = { "ddpm", "DDPM", TRUE },
  .classes     = { "DDPMScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LEADING,
  .prepare     = prepare_ddpm,
  .wants_noise = ddpm_wants_noise,
  .step        = step_ddpm
};

const PalSampler pal_sampler_lcm = {
  .info        = { "lcm", "LCM", TRUE },
  .classes     = { "LCMScheduler", "FlowMatchLCMScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LEADING,
  .flow        = TRUE,
  .prepare     = prepare_lcm,
  .wants_noise = lcm_wants_noise,
  .step        = step_lcm
};
