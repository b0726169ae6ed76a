/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PNDM: pseudo linear multistep (PLMS), after pseudo Runge-Kutta steps where the
 * configuration asks for them.
 *
 * Paper: arXiv 2202.09778 (eq. 9, 11, 12). Reference: huggingface/diffusers
 * src/diffusers/schedulers/scheduling_pndm.py @58eb52c, Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: the second PLMS call repeats the
 * step of the first from its starting point; calls are counted from where the walk
 * starts, not from the top of the schedule; a step's base is the even division of the
 * training timesteps. */

#include "sample/solver.h"

#include <math.h>
#include <string.h>

#define RUNGE_KUTTA_STEPS 4

typedef struct
{
  gint    n_runge_kutta;      /* entries of the schedule that are Runge-Kutta's */
  gfloat *sum;                /* weighted outputs, inside the struct's allocation */
} PndmParams;

/* Four timesteps and the points half-way below them, in the order of evaluation:
 * t, t - h, t - h, t - 2 h of each. */
static gsize
fill_runge_kutta (const gdouble *descending,
                  gint           half,
                  gdouble       *out)
{
  gdouble points[2 * RUNGE_KUTTA_STEPS];
  gsize   m = 0;

  for (gint i = 0; i < RUNGE_KUTTA_STEPS; i++)
    {
      points[2 * i]     = descending[RUNGE_KUTTA_STEPS - 1 - i];
      points[2 * i + 1] = points[2 * i] + half;
    }

  /* Without the last, each twice, without the ends, backwards. */
  for (gint i = 2 * RUNGE_KUTTA_STEPS - 2; i >= 0; i--)
    for (gint k = 0; k < 2; k++)
      if (! (i == 2 * RUNGE_KUTTA_STEPS - 2 && k == 0) && ! (i == 0 && k == 1))
        out[m++] = points[i];

  return m;
}

static void
fill_schedule (PalSampling *s,
               gboolean     skip_runge_kutta)
{
  PndmParams         *params = s->params;
  gint                half   = s->config.train_timesteps / s->steps / 2;
  g_autofree gdouble *t      = NULL;
  gsize               n, m;

  pal_timesteps_fill (s, TRUE);
  n = s->n_timesteps;
  t = g_memdup2 (s->timesteps, n * sizeof (gdouble));

  if (! skip_runge_kutta)
    {
      pal_sampling_resize (s, n - 3 + 4 * RUNGE_KUTTA_STEPS, 0);
      m = fill_runge_kutta (t, half, s->timesteps);
      params->n_runge_kutta = (gint) m;
      memcpy (s->timesteps + m, t + 3, (n - 3) * sizeof (gdouble));
      s->n_timesteps = m + n - 3;
      return;
    }

  /* The second entry comes twice. */
  pal_sampling_resize (s, n > 1 ? n + 1 : 1, 0);
  for (gsize i = 0; i < s->n_timesteps; i++)
    s->timesteps[i] = t[i < 2 ? i : i - 1];
}

static gboolean
prepare_pndm (PalSampling  *s,
              GError      **error)
{
  gboolean own  = g_strcmp0 (s->config.class_name, pal_sampler_pndm.classes[0]) == 0;
  gboolean skip = pal_config_flag (s, "skip_prk_steps", ! own);

  s->params = g_new0 (PndmParams, 1);
  s->config.zero_snr = FALSE;
  s->alphas = pal_alphas_new (&s->config, FALSE, error);
  if (! s->alphas)
    return FALSE;

  s->final_alpha = s->config.set_alpha_to_one ? 1.0 : (gdouble) s->alphas[0];

  if (s->config.prediction == PAL_PREDICT_SAMPLE || (! skip && s->steps < RUNGE_KUTTA_STEPS))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "the sampler \"pndm\" needs %s; choose another one",
                   s->config.prediction == PAL_PREDICT_SAMPLE
                   ? "a model that predicts the noise or v" : "at least 4 steps");
      return FALSE;
    }

  fill_schedule (s, skip);

  return TRUE;
}

/* x at one timestep from a noise estimate, taken to another (eq. 11). */
static void
transfer (const PalSampling *s,
          gint               timestep,
          gint               to_timestep,
          const gfloat      *base,
          const gfloat      *estimate,
          gfloat            *x,
          gsize              n)
{
  PalLevel from  = pal_level_at (s, timestep), to = pal_level_at (s, to_timestep);
  gdouble  a     = from.alpha * from.alpha, b = to.alpha * to.alpha;
  gdouble  share = (b - a) / (a * to.sigma + from.alpha * from.sigma * to.alpha);
  PalMix   mix   = { to.alpha / from.alpha, -share };

  if (s->config.prediction == PAL_PREDICT_V)
    {
      mix.x      -= share * from.sigma;
      mix.output *= from.alpha;
    }

  pal_mix (mix, base, estimate, x, n);
}

static void
step_runge_kutta (PalSampling  *s,
                  gint          call,
                  const gfloat *output,
                  gfloat       *x,
                  gsize         n)
{
  static const gdouble weights[] = { 1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0 };

  PndmParams *params = s->params;
  gint        phase  = call % 4;
  gint        half   = s->config.train_timesteps / s->steps / 2;
  gint        here   = (gint) s->timesteps[s->begin + call];

  if (phase == 0)
    {
      params = s->params = g_realloc (s->params, sizeof (PndmParams) + n * sizeof (gfloat));
      params->sum = memset (params + 1, 0, n * sizeof (gfloat));
      memcpy (pal_history_push (s, n), output, n * sizeof (gfloat));
      pal_keep (s, x, n);
    }

  for (gsize i = 0; i < n; i++)
    params->sum[i] += (gfloat) weights[phase] * output[i];

  transfer (s, (gint) s->timesteps[call / 4 * 4], here - (phase % 2 ? 0 : half),
            s->kept, phase == 3 ? params->sum : output, x, n);
}

/* Adams-Bashforth weights, over the newest outputs. */
static void
multistep_estimate (const PalSampling *s,
                    gint               n_outputs,
                    gfloat            *estimate,
                    gsize              n)
{
  static const gdouble weights[4][4] = {
    { 1.0 },
    { 3.0 / 2.0, -1.0 / 2.0 },
    { 23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0 },
    { 55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0 }
  };
  const gdouble *w = weights[n_outputs - 1];

  for (gsize i = 0; i < n; i++)
    {
      gdouble sum = 0.0;

      for (gint k = 0; k < n_outputs; k++)
        sum += w[k] * (gdouble) s->history[k][i];
      estimate[i] = (gfloat) sum;
    }
}

static void
step_pndm (PalSampling  *s,
           gint          call,
           const gfloat *output,
           const gfloat *noise,
           gfloat       *x,
           gsize         n)
{
  g_autofree gfloat *estimate = NULL;
  gint               stride   = s->config.train_timesteps / s->steps;
  gint               here     = (gint) s->timesteps[s->begin + call];

  if (call < ((PndmParams *) s->params)->n_runge_kutta)
    {
      step_runge_kutta (s, call, output, x, n);
      return;
    }

  estimate = g_new (gfloat, n);

  if (call == 1)
    {
      /* Again from the first point, with the mean of both ends (eq. 12). */
      for (gsize i = 0; i < n; i++)
        estimate[i] = (output[i] + s->history[0][i]) / 2.0f;
      transfer (s, here + stride, here, s->kept, estimate, x, n);
      return;
    }

  if (call == 0)
    pal_keep (s, x, n);
  memcpy (pal_history_push (s, n), output, n * sizeof (gfloat));
  multistep_estimate (s, s->n_history, estimate, n);
  transfer (s, here, here - stride, x, estimate, x, n);
}

const PalSampler pal_sampler_pndm = {
  .info    = { "pndm", "PNDM" },
  .classes = { "PNDMScheduler", NULL },
  .order   = 1,
  .spacing = PAL_SPACING_LEADING,
  .prepare = prepare_pndm,
  .step    = step_pndm
};
