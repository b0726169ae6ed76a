/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of schedules: which sigmas a walk visits when it is not to visit those of
 * its timesteps.
 *
 * Papers: arXiv 2206.00364 eq. 5 (Karras), 2407.12173 (beta), 2404.14507 (AYS: the
 * levels of its page research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html).
 * Reference: huggingface/diffusers
 * src/diffusers/schedulers/scheduling_euler_discrete.py @58eb52c, Apache-2.0, for those
 * that it has; "simple" and "sgm-uniform" are as other programs define them: every
 * train / steps-th entry of the table from its noisy end, and even timesteps of which
 * the clean end is left out. A flow's table is its shifted sigmas.
 * Easy to get wrong, guarded by tests/unit/sample: beta spaces the sigmas, not the
 * timesteps; AYS's last level is not visited, 0 stands in its place. */

#include "sample/solver.h"
#include "sample/beta-quantile.h"

#include <math.h>

#define KARRAS_RHO 7.0
#define BETA_SHAPE 0.6
#define AYS_LEVELS 11

static gboolean
fill_karras (PalSampling  *s,
             gdouble       least,
             gdouble       most,
             GError      **error)
{
  gdouble a = pow (least, 1.0 / KARRAS_RHO), b = pow (most, 1.0 / KARRAS_RHO);
  gint    n = (gint) s->n_timesteps;

  for (gint i = 0; i < n; i++)
    s->sigmas[i] = pow (b + pal_even (0.0, 1.0, i, n) * (a - b), KARRAS_RHO);

  return TRUE;
}

static gboolean
fill_exponential (PalSampling  *s,
                  gdouble       least,
                  gdouble       most,
                  GError      **error)
{
  gint n = (gint) s->n_timesteps;

  for (gint i = 0; i < n; i++)
    s->sigmas[i] = exp (pal_even (log (most), log (least), i, n));

  return TRUE;
}

static gboolean
fill_beta (PalSampling  *s,
           gdouble       least,
           gdouble       most,
           GError      **error)
{
  gint n = (gint) s->n_timesteps;

  for (gint i = 0; i < n; i++)
    s->sigmas[i] = least + pal_beta_quantile (1.0 - pal_even (0.0, 1.0, i, n), BETA_SHAPE) *
                           (most - least);

  return TRUE;
}

static gboolean
fill_simple (PalSampling  *s,
             gdouble       least,
             gdouble       most,
             GError      **error)
{
  gint    last   = s->config.train_timesteps - 1;
  gdouble stride = (gdouble) s->config.train_timesteps / (gdouble) s->n_timesteps;

  for (gsize i = 0; i < s->n_timesteps; i++)
    s->sigmas[i] = pal_sigma_between (s, last - floor ((gdouble) i * stride));

  return TRUE;
}

static gboolean
fill_sgm_uniform (PalSampling  *s,
                  gdouble       least,
                  gdouble       most,
                  GError      **error)
{
  gint n = (gint) s->n_timesteps;

  for (gint i = 0; i < n; i++)
    s->sigmas[i] = pal_sigma_between (s, pal_even (s->config.train_timesteps - 1.0, 0.0, i,
                                                   n + 1));

  return TRUE;
}

/* Between the published levels, even in the logarithm. */
static gboolean
fill_ays (PalSampling  *s,
          gdouble       least,
          gdouble       most,
          GError      **error)
{
  static const gdouble levels[][AYS_LEVELS] = {
    [PAL_AYS_SD1]  = { 14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177,
                       1.3943805092, 0.9642583904, 0.6523686016, 0.3977456272, 0.1515232662,
                       0.0291671582 },
    [PAL_AYS_SDXL] = { 14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945,
                       0.8620721141, 0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177,
                       0.0291671582 }
  };
  const gdouble *of_model = levels[s->config.ays];
  gint           n        = (gint) s->n_timesteps;

  if (s->config.ays == PAL_AYS_NONE || s->space == PAL_SPACE_FLOW)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "the schedule \"ays\" is defined for Stable Diffusion 1.x and XL alone; "
                   "choose another one for this model");
      return FALSE;
    }

  for (gint i = 0; i < n; i++)
    {
      gdouble at    = pal_even (0.0, AYS_LEVELS - 1.0, i, n + 1);
      gint    above = MIN ((gint) at, AYS_LEVELS - 2);

      s->sigmas[i] = exp (log (of_model[above]) +
                          (at - above) * (log (of_model[above + 1]) - log (of_model[above])));
    }

  return TRUE;
}

/* The first is the model's own and has no function. */
static const PalSchedule schedules[] = {
  { { "automatic", "Automatic" } },
  { { "karras", "Karras" }, "use_karras_sigmas", PAL_TIMESTEPS_ROUNDED, fill_karras },
  { { "exponential", "Exponential" }, "use_exponential_sigmas", PAL_TIMESTEPS_CUT,
    fill_exponential },
  { { "beta", "Beta" }, "use_beta_sigmas", PAL_TIMESTEPS_CUT, fill_beta },
  { { "simple", "Simple" }, NULL, PAL_TIMESTEPS_BROKEN, fill_simple },
  { { "sgm-uniform", "SGM Uniform" }, NULL, PAL_TIMESTEPS_BROKEN, fill_sgm_uniform },
  { { "ays", "Align Your Steps" }, NULL, PAL_TIMESTEPS_BROKEN, fill_ays }
};

const PalScheduleInfo *
pal_schedule_list (gsize *n_schedules)
{
  static PalScheduleInfo infos[G_N_ELEMENTS (schedules)];
  static gsize           ready = 0;

  if (g_once_init_enter (&ready))
    {
      for (gsize i = 0; i < G_N_ELEMENTS (schedules); i++)
        infos[i] = schedules[i].info;
      g_once_init_leave (&ready, 1);
    }

  *n_schedules = G_N_ELEMENTS (schedules);

  return infos;
}

gboolean
pal_schedule_find (const gchar        *id,
                   const PalSchedule **schedule,
                   GError            **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  *schedule = NULL;
  if (! id || ! *id)
    return TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (schedules); i++)
    {
      if (g_str_equal (id, schedules[i].info.id))
        {
          *schedule = schedules[i].fill ? &schedules[i] : NULL;
          return TRUE;
        }
      g_string_append_printf (known, "%s%s", i ? ", " : "", schedules[i].info.id);
    }

  g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
               "there is no schedule \"%s\"; these are known: %s", id, known->str);

  return FALSE;
}

gboolean
pal_schedule_of_flags (PalJson            *json,
                       const PalSchedule **schedule,
                       GError            **error)
{
  *schedule = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (schedules); i++)
    {
      gboolean set = FALSE;

      if (schedules[i].flag && ! pal_json_bool (json, schedules[i].flag, &set, error))
        return FALSE;
      if (set && ! *schedule)
        *schedule = &schedules[i];
    }

  return TRUE;
}
