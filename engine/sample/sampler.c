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
  &pal_sampler_dpmpp_2m, &pal_sampler_dpmpp_2m_sde, &pal_sampler_dpmpp_2m_sde_heun,
  &pal_sampler_dpmpp_3m_sde, &pal_sampler_dpmpp_sde, &pal_sampler_dpmpp_2s_a,
  &pal_sampler_euler, &pal_sampler_euler_a, &pal_sampler_ddim, &pal_sampler_unipc,
  &pal_sampler_deis, &pal_sampler_heun, &pal_sampler_lms, &pal_sampler_dpm2,
  &pal_sampler_dpm2_a, &pal_sampler_pndm, &pal_sampler_ddpm, &pal_sampler_lcm,
  &pal_sampler_tcd
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

/* "euler, heun": the samplers that the test holds for. */
static gchar *
list_ids (gboolean (*test) (const PalSampler *sampler))
{
  GString *ids = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (samplers); i++)
    if (test (samplers[i]))
      g_string_append_printf (ids, "%s%s", ids->len ? ", " : "", samplers[i]->info.id);

  return g_string_free (ids, FALSE);
}

static gboolean
follows_flow (const PalSampler *sampler)
{
  return sampler->flow;
}

static gboolean
takes_schedule (const PalSampler *sampler)
{
  return sampler->info.takes_schedule;
}

static gboolean
check_definition (const PalSampler         *sampler,
                  const PalSchedule        *schedule,
                  const PalScheduleConfig  *config,
                  GError                  **error)
{
  g_autofree gchar *others = NULL;

  if (config->flow && ! sampler->flow)
    {
      others = list_ids (follows_flow);
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "the sampler \"%s\" is not defined for a flow-matching model; "
                   "choose one of: %s", sampler->info.id, others);
      return FALSE;
    }

  if (schedule && ! sampler->info.takes_schedule)
    {
      others = list_ids (takes_schedule);
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "the sampler \"%s\" walks on timesteps of its own, not on the schedule "
                   "\"%s\"; take the schedule \"automatic\", or one of the samplers: %s",
                   sampler->info.id, schedule->info.id, others);
      return FALSE;
    }

  return TRUE;
}

static gboolean
check_setup (const PalSamplingSetup   *setup,
             const PalScheduleConfig  *config,
             GError                  **error)
{
  if (! check_range ("the number of steps", setup->steps, 1, config->train_timesteps, error) ||
      ! check_range ("eta", setup->eta, 0.0, 1.0, error) ||
      ! check_range ("s_noise", setup->s_noise, 0.0, 2.0, error))
    return FALSE;

  if (! (setup->strength > 0.0 && setup->strength <= 1.0))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                   "strength is %g, it should be above 0 and at most 1", setup->strength);
      return FALSE;
    }

  return check_definition (setup->sampler, setup->schedule, config, error);
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
pal_sampling_new (const PalSamplingSetup   *setup,
                  const PalScheduleConfig  *config,
                  GError                  **error)
{
  const PalSampler        *sampler = setup->sampler;
  g_autoptr (PalSampling)  s       = NULL;

  if (! check_setup (setup, config, error))
    return NULL;

  s = g_new0 (PalSampling, 1);
  s->sampler  = sampler;
  s->asked    = setup->schedule != NULL;
  s->schedule = s->asked ? setup->schedule : config->schedule;
  s->steps    = setup->steps;
  s->eta      = setup->eta > 0.0 ? setup->eta : sampler->info.eta;
  s->s_noise  = setup->s_noise > 0.0 ? setup->s_noise : 1.0;
  pal_schedule_config_copy (&s->config, config);
  adapt_config (sampler, &s->config);

  s->space = s->config.flow ? PAL_SPACE_FLOW : PAL_SPACE_VP;

  if (! sampler->prepare (s, error))
    return NULL;

  s->begin = CLAMP (first_entry (s, setup->strength), 0, (gint) s->n_timesteps - 1);

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

guint
pal_sampling_step_of (const PalSampling *s,
                      gint               call)
{
  return (guint) MIN ((s->begin + call) / s->sampler->order, s->steps - 1);
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
