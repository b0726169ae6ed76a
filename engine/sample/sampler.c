/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of samplers, and what a walk is besides its solver: where it starts,
 * how noise is added, what the model is shown.
 *
 * Reference: get_timesteps () and prepare_latents () of huggingface/diffusers
 * src/diffusers/pipelines/stable_diffusion/pipeline_stable_diffusion_{img2img,inpaint}.py
 * and stable_diffusion_3/pipeline_stable_diffusion_3_img2img.py @58eb52c, Apache-2.0.
 * Easy to get wrong: the strength is cut down to whole steps, for flow models up. */

#include "sample/solver.h"

#include <math.h>
#include <string.h>

static const PalSampler *const samplers[] = {
  &pal_sampler_dpmpp_2m, &pal_sampler_euler, &pal_sampler_euler_a, &pal_sampler_ddim,
  &pal_sampler_unipc, &pal_sampler_heun, &pal_sampler_pndm, &pal_sampler_ddpm,
  &pal_sampler_lcm
};

const PalSamplerInfo *
pal_sampler_list (gsize *n_samplers)
{
  static PalSamplerInfo infos[G_N_ELEMENTS (samplers)];
  static gsize          ready = 0;

  if (g_once_init_enter (&ready))
    {
      for (gsize i = 0; i < G_N_ELEMENTS (samplers); i++)
        infos[i] = samplers[i]->info;
      g_once_init_leave (&ready, 1);
    }

  *n_samplers = G_N_ELEMENTS (samplers);

  return infos;
}

const PalSampler *
pal_sampler_find (const gchar  *id,
                  GError      **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (samplers); i++)
    {
      const PalSampler *sampler = samplers[i];

      if (g_strcmp0 (id, sampler->info.id) == 0 ||
          (id && g_strv_contains (sampler->classes, id)))
        return sampler;

      g_string_append_printf (known, "%s%s", i ? ", " : "", sampler->info.id);
    }

  g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
               "there is no sampler \"%s\"; these are known: %s", id ? id : "", known->str);

  return NULL;
}

static gboolean
check_range (const gchar  *what,
             gdouble       value,
             gdouble       least,
             gdouble       most,
             GError      **error)
{
  if (value >= least && value <= most)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
               "%s is %g, it should be from %g to %g", what, value, least, most);

  return FALSE;
}

static gboolean
check_request (const PalSampler        *sampler,
               const PalScheduleConfig *config,
               gint                     steps,
               gdouble                  strength,
               gdouble                  eta,
               GError                 **error)
{
  if (! check_range ("the number of steps", steps, 1, config->train_timesteps, error) ||
      ! check_range ("eta", eta, 0.0, 1.0, error))
    return FALSE;

  if (! (strength > 0.0 && strength <= 1.0))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                   "strength is %g, it should be above 0 and at most 1", strength);
      return FALSE;
    }

  if (config->flow && ! sampler->flow)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "the sampler \"%s\" is not defined for a flow-matching model; "
                   "choose euler, heun, dpmpp-2m, unipc, euler-a or lcm", sampler->info.id);
      return FALSE;
    }

  return TRUE;
}

/* What the sampler takes for fields that are not in the configuration of another. */
static void
adapt_config (const PalSampler  *sampler,
              PalScheduleConfig *config)
{
  if (config->class_name && g_strv_contains (sampler->classes, config->class_name))
    return;

  if (! config->spacing_given && ! config->flow)
    config->spacing = sampler->spacing;

  /* A default of DDIM that was meant for pixels. */
  if (config->json && ! pal_json_has (config->json, "clip_sample"))
    config->clip_sample = FALSE;
}

/* Entry of the schedule where the walk starts; at least one step is left. */
static gint
first_entry (const PalSampling *s,
             gdouble            strength)
{
  gdouble wanted = MIN (s->steps * strength, (gdouble) s->steps);
  gint    skipped;

  if (s->config.flow)
    skipped = (gint) (s->steps - wanted);
  else
    skipped = s->steps - (gint) wanted;

  return MIN (skipped, s->steps - 1) * s->sampler->order;
}

PalSampling *
pal_sampling_new (const PalSampler        *sampler,
                  const PalScheduleConfig *config,
                  gint                     steps,
                  gdouble                  strength,
                  gdouble                  eta,
                  GError                 **error)
{
  g_autoptr (PalSampling) s = NULL;

  if (! check_request (sampler, config, steps, strength, eta, error))
    return NULL;

  s = g_new0 (PalSampling, 1);
  s->sampler = sampler;
  s->steps   = steps;
  s->eta     = eta;
  pal_schedule_config_copy (&s->config, config);
  adapt_config (sampler, &s->config);

  s->space = s->config.flow ? PAL_SPACE_FLOW : PAL_SPACE_VP;

  if (! sampler->prepare (s, error))
    return NULL;

  s->begin = CLAMP (first_entry (s, strength), 0, (gint) s->n_timesteps - 1);

  return g_steal_pointer (&s);
}

void
pal_sampling_free (PalSampling *s)
{
  if (! s)
    return;

  for (gsize i = 0; i < PAL_HISTORY; i++)
    g_free (s->history[i]);
  g_free (s->kept);
  g_free (s->params);
  g_free (s->alphas);
  g_free (s->timesteps);
  g_free (s->sigmas);
  pal_schedule_config_clear (&s->config);
  g_free (s);
}

const gdouble *
pal_sampling_timesteps (const PalSampling *s,
                        gsize             *n)
{
  *n = s->n_timesteps;

  return s->timesteps;
}

const gdouble *
pal_sampling_sigmas (const PalSampling *s,
                     gsize             *n)
{
  *n = s->n_sigmas;

  return s->n_sigmas ? s->sigmas : NULL;
}

gint
pal_sampling_n_calls (const PalSampling *s)
{
  return (gint) s->n_timesteps - s->begin;
}

static void
add_noise (PalLevel      level,
           const gfloat *image,
           const gfloat *noise,
           gfloat       *out,
           gsize         n)
{
  for (gsize i = 0; i < n; i++)
    out[i] = (gfloat) (level.alpha * (gdouble) image[i] + level.sigma * (gdouble) noise[i]);
}

void
pal_sampling_start (const PalSampling *s,
                    const gfloat      *image,
                    const gfloat      *noise,
                    gfloat            *x,
                    gsize              n)
{
  gdouble most = 1.0;

  if (image)
    {
      add_noise (pal_level (s, (gsize) s->begin), image, noise, x, n);
      return;
    }

  if (s->space == PAL_SPACE_VE)
    {
      for (gsize i = 0; i < s->n_sigmas; i++)
        most = i ? MAX (most, s->sigmas[i]) : s->sigmas[i];
      if (s->config.spacing == PAL_SPACING_LEADING)
        most = sqrt (most * most + 1.0);
    }

  for (gsize i = 0; i < n; i++)
    x[i] = (gfloat) (most * (gdouble) noise[i]);
}

void
pal_sampling_renoise (const PalSampling *s,
                      gint               call,
                      const gfloat      *image,
                      const gfloat      *noise,
                      gfloat            *out,
                      gsize              n)
{
  gsize next = (gsize) (s->begin + call + 1);

  if (next < s->n_timesteps)
    add_noise (pal_level (s, next), image, noise, out, n);
  else if (out != image)
    memmove (out, image, n * sizeof (gfloat));
}

void
pal_sampling_scale (const PalSampling *s,
                    gint               call,
                    const gfloat      *x,
                    gfloat            *input,
                    gsize              n)
{
  PalLevel level = pal_level (s, (gsize) (s->begin + call));
  gdouble  scale = 1.0;

  if (s->space == PAL_SPACE_VE)
    scale = 1.0 / sqrt (level.sigma * level.sigma + 1.0);

  for (gsize i = 0; i < n; i++)
    input[i] = (gfloat) ((gdouble) x[i] * scale);
}

gdouble
pal_sampling_timestep (const PalSampling *s,
                       gint               call)
{
  return s->timesteps[s->begin + call];
}

PalSamplingLevel
pal_sampling_level (const PalSampling *s,
                    gint               call)
{
  PalLevel level = pal_level (s, (gsize) (s->begin + call));
  PalMix   clean = pal_mix_clean (s, level);

  return (PalSamplingLevel) { level.alpha, level.sigma, clean.x, clean.output };
}

gboolean
pal_sampling_wants_noise (const PalSampling *s,
                          gint               call)
{
  return s->sampler->wants_noise && s->sampler->wants_noise (s, call);
}

void
pal_sampling_step (PalSampling  *s,
                   gint          call,
                   const gfloat *output,
                   const gfloat *noise,
                   gfloat       *x,
                   gsize         n)
{
  g_return_if_fail (call >= 0 && call < pal_sampling_n_calls (s));
  g_return_if_fail (noise || ! pal_sampling_wants_noise (s, call));

  s->sampler->step (s, call, output, noise, x, n);
}
