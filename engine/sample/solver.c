/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The linear algebra that all integrators share, and their history.
 *
 * Papers: arXiv 2006.11239 (epsilon), 2202.00512 section 4 (v), 2210.02747 (flow),
 * 2206.00364 (VE space). Coefficients are double, latents float. */

#include "sample/solver.h"

#include <math.h>
#include <string.h>

gboolean
pal_config_flag (const PalSampling *s,
                 const gchar       *field,
                 gboolean           fallback)
{
  gboolean value = fallback;

  /* Its type was checked when the configuration was read. */
  if (s->config.json)
    pal_json_bool (s->config.json, field, &value, NULL);

  return value;
}

gboolean
pal_config_refuse (const PalSampling *s,
                   const gchar       *field,
                   GError           **error)
{
  gboolean value = FALSE;

  if (s->config.json && ! pal_json_bool (s->config.json, field, &value, error))
    return FALSE;

  if (! value)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
               "%s: %s is set, which the sampler \"%s\" does not support; choose another one",
               pal_json_label (s->config.json), field, s->sampler->info.id);

  return FALSE;
}

gboolean
pal_config_choice (const PalSampling  *s,
                   const gchar        *field,
                   const gchar *const *names,
                   gint               *index,
                   GError            **error)
{
  g_autofree gchar *value = NULL;

  if (s->config.json && ! pal_json_string (s->config.json, field, &value, error))
    return FALSE;

  if (! value)
    return TRUE;

  for (gint i = 0; names[i]; i++)
    if (g_str_equal (names[i], value))
      {
        *index = i;
        return TRUE;
      }

  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
               "%s: %s \"%s\" is not one that the sampler \"%s\" knows",
               pal_json_label (s->config.json), field, value, s->sampler->info.id);

  return FALSE;
}

void
pal_sampling_resize (PalSampling *s,
                     gsize        n_timesteps,
                     gsize        n_sigmas)
{
  s->timesteps   = g_renew (gdouble, s->timesteps, n_timesteps);
  s->n_timesteps = n_timesteps;
  s->sigmas      = g_renew (gdouble, s->sigmas, n_sigmas);
  s->n_sigmas    = n_sigmas;
}

PalLevel
pal_level_at (const PalSampling *s,
              gint               timestep)
{
  gdouble alpha = s->final_alpha;

  if (timestep >= 0)
    alpha = (gdouble) s->alphas[MIN (timestep, s->config.train_timesteps - 1)];

  return (PalLevel) { sqrt (alpha), sqrt (1.0 - alpha) };
}

PalLevel
pal_level (const PalSampling *s,
           gsize              index)
{
  gdouble sigma;

  if (s->n_sigmas == 0)
    return index < s->n_timesteps ? pal_level_at (s, (gint) s->timesteps[index])
                                  : (PalLevel) { 1.0, 0.0 };

  sigma = s->sigmas[MIN (index, s->n_sigmas - 1)];

  switch (s->space)
    {
    case PAL_SPACE_VE:
      return (PalLevel) { 1.0, sigma };
    case PAL_SPACE_FLOW:
      return (PalLevel) { 1.0 - sigma, sigma };
    default:
      return (PalLevel) { 1.0 / sqrt (sigma * sigma + 1.0), sigma / sqrt (sigma * sigma + 1.0) };
    }
}

/* With x = a x0 + s n the model was shown x / r, r = sqrt (a^2 + s^2), which is 1 but
 * for VE; v is then (a n - s x0) / r. */
PalMix
pal_mix_clean (const PalSampling *s,
               PalLevel           level)
{
  gdouble a = level.alpha, b = level.sigma, r = 1.0;

  if (s->space == PAL_SPACE_VE)
    r = sqrt (a * a + b * b);

  switch (s->config.prediction)
    {
    case PAL_PREDICT_V:
      return (PalMix) { a / (r * r), -b / r };
    case PAL_PREDICT_SAMPLE:
      return (PalMix) { 0.0, 1.0 };
    case PAL_PREDICT_FLOW:
      return (PalMix) { 1.0, -b };
    default:
      return (PalMix) { 1.0 / a, -b / a };
    }
}

PalMix
pal_mix_noise (const PalSampling *s,
               PalLevel           level)
{
  PalMix clean;

  if (s->config.prediction == PAL_PREDICT_EPSILON)
    return (PalMix) { 0.0, 1.0 };
  if (s->config.prediction == PAL_PREDICT_V && s->space != PAL_SPACE_VE)
    return (PalMix) { level.sigma, level.alpha };

  clean = pal_mix_clean (s, level);

  return (PalMix) { (1.0 - level.alpha * clean.x) / level.sigma,
                    -level.alpha * clean.output / level.sigma };
}

PalAncestral
pal_ancestral (const PalSampling *s,
               PalLevel           from,
               PalLevel           to,
               gboolean           by_ratio)
{
  gdouble high = from.sigma / from.alpha, low = to.sigma / to.alpha, up, down, alpha;

  if (s->space == PAL_SPACE_FLOW && ! by_ratio)
    {
      down = to.sigma * (1.0 - s->eta + s->eta * (to.sigma / from.sigma));
    }
  else
    {
      up   = s->eta * low * sqrt (1.0 - low * low / (high * high));
      down = sqrt (low * low - up * up);
      if (s->space != PAL_SPACE_FLOW)
        return (PalAncestral) { down, 1.0, up };
      down /= 1.0 + down;
    }

  alpha = to.alpha / (1.0 - down);
  up    = sqrt (MAX (to.sigma * to.sigma - down * down * alpha * alpha, 0.0));

  return (PalAncestral) { down, alpha, up };
}

void
pal_mix (PalMix        mix,
         const gfloat *x,
         const gfloat *output,
         gfloat       *out,
         gsize         n)
{
  for (gsize i = 0; i < n; i++)
    out[i] = (gfloat) pal_mixed (mix, x[i], output[i]);
}

gdouble
pal_clipped (const PalSampling *s,
             gdouble            clean)
{
  gdouble range = s->config.clip_sample_range;

  return s->config.clip_sample ? CLAMP (clean, -range, range) : clean;
}

gfloat *
pal_history_push (PalSampling *s,
                  gsize        n)
{
  gfloat *last = s->history[PAL_HISTORY - 1];

  memmove (s->history + 1, s->history, (PAL_HISTORY - 1) * sizeof (gfloat *));
  s->history[0] = last ? last : g_new (gfloat, n);
  s->n_history  = MIN (s->n_history + 1, PAL_HISTORY);

  return s->history[0];
}

void
pal_keep (PalSampling  *s,
          const gfloat *x,
          gsize         n)
{
  if (! s->kept)
    s->kept = g_new (gfloat, n);

  memcpy (s->kept, x, n * sizeof (gfloat));
}
