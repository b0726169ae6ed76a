/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Euler, ancestral Euler and Heun in the space x = x0 + sigma n, where the reverse
 * process is the ODE dx / d sigma = (x - x0 (x)) / sigma; the same three along the
 * straight paths of a flow-matching model.
 *
 * Papers: arXiv 2206.00364 (algorithms 1 and 2), 2210.02747 (flow). Reference:
 * huggingface/diffusers src/diffusers/schedulers/scheduling_{euler_discrete,
 * euler_ancestral_discrete,heun_discrete,flow_match_euler_discrete}.py @58eb52c,
 * Apache-2.0; the ancestral step for flow keeps x's marginal variance, as
 * crowsonkb/k-diffusion-style samplers do.
 * Easy to get wrong, guarded by tests/unit/sample: the first sigma scales pure noise
 * by sqrt (sigma^2 + 1) with leading spacing only; ancestral draws noise at the last
 * step too; Heun's schedule repeats all entries but the first. */

#include "sample/solver.h"

#include <math.h>
#include <string.h>

typedef struct
{
  gboolean stochastic;        /* of flow: to the clean image and back */
} EulerParams;

/* exp (i / n (b - a) + a) between the extremes of the table: n + 1 of them. */
static void
log_linear_sigmas (PalSampling *s)
{
  gsize   n = s->n_timesteps;
  gdouble a = log ((gdouble) pal_sigma_of (s, s->config.train_timesteps - 1));
  gdouble b = log ((gdouble) pal_sigma_of (s, 0));

  pal_sampling_resize (s, n, n + 2);
  for (gsize i = 0; i <= n; i++)
    s->sigmas[i] = exp (a + (b - a) * (gdouble) i / (gdouble) n);
  s->sigmas[n + 1] = 0.0;
}

/* Only Euler's own class knows these options. */
static gboolean
fill_euler (PalSampling  *s,
            GError      **error)
{
  static const gchar *const interpolations[] = { "linear", "log_linear", NULL };
  static const gchar *const types[]          = { "discrete", "continuous", NULL };
  gint interpolation = 0, type = 0;

  if (! pal_config_choice (s, "interpolation_type", interpolations, &interpolation, error) ||
      ! pal_config_choice (s, "timestep_type", types, &type, error))
    return FALSE;

  if (interpolation == 1 && s->schedule)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "interpolation_type \"log_linear\" can't be joined with another "
                   "spacing of the sigmas");
      return FALSE;
    }

  if (interpolation == 1)
    log_linear_sigmas (s);
  else if (! pal_sigmas_fill (s, FALSE, error))
    return FALSE;

  if (! pal_final_sigma (s, &s->sigmas[s->n_sigmas - 1], error))
    return FALSE;

  if (type == 1 && s->config.prediction == PAL_PREDICT_V)
    for (gsize i = 0; i < s->n_timesteps; i++)
      s->timesteps[i] = 0.25 * log (s->sigmas[i]);

  return TRUE;
}

static gboolean
prepare_euler (PalSampling  *s,
               GError      **error)
{
  EulerParams *params = g_new0 (EulerParams, 1);

  s->params = params;
  if (s->space == PAL_SPACE_FLOW)
    params->stochastic = pal_config_flag (s, "stochastic_sampling", FALSE);

  return pal_fill_by_sigmas (s, fill_euler, error);
}

static gboolean
euler_wants_noise (const PalSampling *s,
                   gint               call)
{
  return ((const EulerParams *) s->params)->stochastic;
}

/* x moves along the straight line through the clean image it predicts: to sigma' it
 * is x0 + (x - x0) sigma' / sigma in VE and flow alike. */
static PalMix
line_to (const PalSampling *s,
         PalLevel           level,
         gdouble            sigma)
{
  PalMix  clean = pal_mix_clean (s, level);
  gdouble ratio = sigma / level.sigma;

  return (PalMix) { (1.0 - ratio) * clean.x + ratio, (1.0 - ratio) * clean.output };
}

static void
add_scaled (gfloat       *x,
            const gfloat *noise,
            gdouble       scale,
            gsize         n)
{
  for (gsize i = 0; i < n; i++)
    x[i] += (gfloat) (scale * (gdouble) noise[i]);
}

static void
step_euler (PalSampling  *s,
            gint          call,
            const gfloat *output,
            const gfloat *noise,
            gfloat       *x,
            gsize         n)
{
  gsize    i     = (gsize) (s->begin + call);
  PalLevel level = pal_level (s, i);
  PalLevel next  = pal_level (s, i + 1);
  PalMix   mix;

  if (! ((EulerParams *) s->params)->stochastic)
    {
      pal_mix (line_to (s, level, next.sigma), x, output, x, n);
      return;
    }

  mix = pal_mix_clean (s, level);
  pal_mix ((PalMix) { next.alpha * mix.x, next.alpha * mix.output }, x, output, x, n);
  add_scaled (x, noise, next.sigma, n);
}

static gboolean
prepare_euler_a (PalSampling  *s,
                 GError      **error)
{
  /* The reference's class has no respacing and passes over such fields. */
  if (! s->asked && s->space != PAL_SPACE_FLOW &&
      g_strcmp0 (s->config.class_name, pal_sampler_euler_a.classes[0]) == 0)
    s->schedule = NULL;

  return pal_fill_by_sigmas (s, NULL, error);
}

static gboolean
always (const PalSampling *s,
        gint               call)
{
  return TRUE;
}

/* Goes down to a lower sigma than the next and up again by fresh noise, so that the
 * variance is that of the next. */
static void
step_euler_a (PalSampling  *s,
              gint          call,
              const gfloat *output,
              const gfloat *noise,
              gfloat       *x,
              gsize         n)
{
  gsize        i    = (gsize) (s->begin + call);
  PalLevel     from = pal_level (s, i);
  PalAncestral step = pal_ancestral (s, from, pal_level (s, i + 1), FALSE);
  PalMix       mix  = line_to (s, from, step.down);

  pal_mix ((PalMix) { step.scale * mix.x, step.scale * mix.output }, x, output, x, n);
  add_scaled (x, noise, step.up * s->s_noise, n);
}

/* [a, b, c] → [a, b, b, c, c] */
static void
repeat_entries (PalSampling *s)
{
  gsize n = s->n_timesteps, m = 2 * n - 1;
  g_autofree gdouble *t = g_memdup2 (s->timesteps, n * sizeof (gdouble));
  g_autofree gdouble *g = g_memdup2 (s->sigmas, (n + 1) * sizeof (gdouble));

  pal_sampling_resize (s, m, m + 1);
  for (gsize i = 0; i < m; i++)
    {
      s->timesteps[i] = t[(i + 1) / 2];
      s->sigmas[i]    = g[(i + 1) / 2];
    }
  s->sigmas[m] = g[n];
}

static gboolean
prepare_heun (PalSampling  *s,
              GError      **error)
{
  /* The reference's Heun knows no rescaling of the betas. */
  s->config.zero_snr = FALSE;
  if (! pal_fill_by_sigmas (s, NULL, error))
    return FALSE;

  repeat_entries (s);

  return TRUE;
}

/* The slope dx / d sigma at x. */
static void
slope (const PalSampling *s,
       PalLevel           level,
       const gfloat      *x,
       const gfloat      *output,
       gfloat            *out,
       gsize              n)
{
  PalMix clean = pal_mix_clean (s, level);

  for (gsize i = 0; i < n; i++)
    out[i] = (gfloat) (((gdouble) x[i] - pal_clipped (s, pal_mixed (clean, x[i], output[i]))) /
                       level.sigma);
}

/* Odd calls correct what even ones predicted; the last step is Euler's. */
static void
step_heun (PalSampling  *s,
           gint          call,
           const gfloat *output,
           const gfloat *noise,
           gfloat       *x,
           gsize         n)
{
  gsize    entry = (gsize) (s->begin + call);
  PalLevel here  = pal_level (s, entry);

  if (call % 2 == 0)
    {
      gfloat *first = pal_history_push (s, n);
      gdouble step  = s->sigmas[entry + 1] - here.sigma;

      pal_keep (s, x, n);
      slope (s, here, x, output, first, n);
      for (gsize i = 0; i < n; i++)
        x[i] += (gfloat) (step * (gdouble) first[i]);
    }
  else
    {
      const gfloat *first  = s->history[0];
      gfloat       *second = pal_history_push (s, n);
      gdouble       step   = here.sigma - s->sigmas[entry - 1];

      slope (s, here, x, output, second, n);
      for (gsize i = 0; i < n; i++)
        x[i] = (gfloat) ((gdouble) s->kept[i] +
                         step * ((gdouble) first[i] + (gdouble) second[i]) / 2.0);
    }
}

const PalSampler pal_sampler_euler = {
  .info        = { "euler", "Euler", .takes_schedule = TRUE },
  .classes     = { "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .prepare     = prepare_euler,
  .wants_noise = euler_wants_noise,
  .step        = step_euler
};

const PalSampler pal_sampler_euler_a = {
  .info        = { "euler-a", "Euler ancestral", .stochastic = TRUE, .takes_schedule = TRUE,
                   .takes_eta = TRUE, .takes_s_noise = TRUE, .eta = 1.0 },
  .classes     = { "EulerAncestralDiscreteScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .prepare     = prepare_euler_a,
  .wants_noise = always,
  .step        = step_euler_a
};

const PalSampler pal_sampler_heun = {
  .info        = { "heun", "Heun", .takes_schedule = TRUE },
  .classes     = { "HeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", NULL },
  .order       = 2,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .prepare     = prepare_heun,
  .step        = step_heun
};
