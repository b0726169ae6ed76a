/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DPM-Solver and DPM-Solver++, multistep, of order 1 to 3, also as SDE.
 *
 * Papers: arXiv 2206.00927 (DPM-Solver), 2211.01095 (DPM-Solver++, algorithm 2 is
 * the "2M" solver). Reference: huggingface/diffusers
 * src/diffusers/schedulers/scheduling_dpmsolver_multistep.py @58eb52c, Apache-2.0; eta
 * as in sample_dpmpp_2m_sde () and _3m_sde () of crowsonkb/k-diffusion
 * k_diffusion/sampling.py, MIT, where it is a share of the noise that keeps the marginals.
 * Easy to get wrong, guarded by tests/unit/sample: the order falls to 1 at the last
 * step where sigma is 0, whatever lower_order_final says, and to 2 before it only in
 * schedules under 15 steps. */

#include "sample/solver.h"

#include <math.h>

#define SHORT_SCHEDULE 15

typedef enum { DPM_PP, DPM_PLAIN, DPM_SDE_PP, DPM_SDE } Algorithm;

typedef struct
{
  Algorithm algorithm;
  gint      order;
  gboolean  heun, euler_at_final;
} DpmParams;

/* What a row of the table means, whatever the configuration says. */
typedef struct
{
  gint     order;
  gboolean heun;
} SdeVariant;

/* x' = x_scale x + d0 D0 + d1 D1 + d2 D2 + noise n; D are divided differences of the
 * converted outputs. */
typedef struct
{
  gdouble x_scale, d0, d1, d2, noise;
} Update;

static gdouble
lambda_of (PalLevel level)
{
  return log (level.alpha) - log (level.sigma);
}

/* Timesteps whose log SNR is under the clip are left out from the noisy end. */
static gint
last_timestep (const PalSampling *s)
{
  gdouble clip = -HUGE_VAL;
  gint    last = s->config.train_timesteps;

  /* The reference writes -Infinity, which is not JSON's, for "no clip". */
  if (s->config.json)
    pal_json_double (s->config.json, "lambda_min_clipped", &clip, NULL);

  while (last > 1 && lambda_of (pal_level_at (s, last - 1)) < clip)
    last--;

  return last;
}

static gboolean
read_params (PalSampling  *s,
             DpmParams    *params,
             GError      **error)
{
  static const gchar *const algorithms[] = { "dpmsolver++", "dpmsolver", "sde-dpmsolver++",
                                             "sde-dpmsolver", "deis", NULL };
  static const gchar *const types[] = { "midpoint", "heun", "logrho", "bh1", "bh2", NULL };
  static const gchar *const ends[]  = { "zero", "sigma_min", NULL };
  static const gchar *const none[]  = { NULL };
  gint algorithm = 0, type = 0, end = 0;

  if (! pal_config_refuse (s, "thresholding", error) ||
      ! pal_config_refuse (s, "use_lu_lambdas", error) ||
      ! pal_config_choice (s, "variance_type", none, &type, error) ||
      ! pal_config_choice (s, "algorithm_type", algorithms, &algorithm, error) ||
      ! pal_config_choice (s, "solver_type", types, &type, error) ||
      ! pal_config_choice (s, "final_sigmas_type", ends, &end, error))
    return FALSE;

  params->algorithm      = algorithm == 4 ? DPM_PP : (Algorithm) algorithm;
  params->heun           = type == 1;
  params->order          = s->config.solver_order;
  params->euler_at_final = pal_config_flag (s, "euler_at_final", FALSE);

  if (s->sampler->variant)
    {
      const SdeVariant *variant = s->sampler->variant;

      params->algorithm = DPM_SDE_PP;
      params->order     = variant->order;
      params->heun      = variant->heun;
    }

  if ((params->algorithm == DPM_PLAIN || params->algorithm == DPM_SDE) && end == 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "algorithm_type \"%s\" can't end at final_sigmas_type \"zero\"; "
                   "set it to \"sigma_min\"", algorithms[algorithm]);
      return FALSE;
    }
  if (params->algorithm == DPM_SDE && params->order == 3)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "algorithm_type \"sde-dpmsolver\" has no solver_order 3; use 1 or 2");
      return FALSE;
    }

  return TRUE;
}

static gboolean
prepare_dpm (PalSampling  *s,
             GError      **error)
{
  static const PalMultistep kind = { .fractional_cosine = TRUE, .flow_from_below = TRUE };
  DpmParams                *params = g_new0 (DpmParams, 1);

  s->params = params;
  if (! read_params (s, params, error))
    return FALSE;

  s->alphas = pal_alphas_new (&s->config, TRUE, error);

  return s->alphas && pal_multistep_fill (s, &kind, last_timestep (s), error);
}

static gboolean
dpm_wants_noise (const PalSampling *s,
                 gint               call)
{
  const DpmParams *params = s->params;

  return params->algorithm == DPM_SDE_PP || params->algorithm == DPM_SDE;
}

/* The integrals of the exponential integrator over a step h in log SNR. */
static Update
update_of (const PalSampling *s,
           PalLevel           from,
           PalLevel           to,
           gboolean           second_order)
{
  const DpmParams *params = s->params;
  gdouble          h      = lambda_of (to) - lambda_of (from);
  gdouble          k      = params->algorithm == DPM_SDE_PP ? h + s->eta * h : h;
  gdouble          e, scale, heun;
  Update           u      = { 0 };

  if (params->algorithm == DPM_PP || params->algorithm == DPM_SDE_PP)
    {
      /* -expm1 (-k), and its means over the step */
      e         = -expm1 (-k);
      scale     = to.alpha;
      heun      = 1.0 - e / k;
      u.x_scale = to.sigma / from.sigma;
      u.d2      = scale * (0.5 - (k - e) / (k * k));
      if (params->algorithm == DPM_SDE_PP)
        {
          u.x_scale *= exp (-s->eta * h);
          u.d2       = scale * ((e - k) / (k * k) - 0.5);
          u.noise    = to.sigma * sqrt (-expm1 (-2.0 * s->eta * h));
        }
    }
  else
    {
      e         = expm1 (h);
      scale     = params->algorithm == DPM_SDE ? -2.0 * to.sigma : -to.sigma;
      heun      = e / h - 1.0;
      u.x_scale = to.alpha / from.alpha;
      u.d2      = scale * ((e - h) / (h * h) - 0.5);
      if (params->algorithm == DPM_SDE)
        u.noise = to.sigma * sqrt (expm1 (2.0 * h));
    }

  u.d0 = scale * e;
  u.d1 = second_order && ! params->heun ? 0.5 * scale * e : scale * heun;

  return u;
}

static gint
order_at (const PalSampling *s,
          gsize              entry)
{
  const DpmParams *params = s->params;
  gboolean         short_ = s->config.lower_order_final && s->n_timesteps < SHORT_SCHEDULE;
  gint             order  = MIN (params->order, s->n_history);

  if (entry == s->n_timesteps - 1 &&
      (params->euler_at_final || short_ || ! (s->sigmas[s->n_sigmas - 1] > 0.0)))
    return 1;
  if (s->n_timesteps > 1 && entry == s->n_timesteps - 2 && short_)
    return MIN (order, 2);

  return order;
}

/* weights: of the newest outputs, so that x' = x_scale x + sum w m + noise n. */
static Update
weigh_outputs (const PalSampling *s,
               gsize              entry,
               gint               order,
               gdouble            weights[3])
{
  PalLevel from = pal_level (s, entry), to = pal_level (s, entry + 1);
  Update   u    = update_of (s, from, to, order == 2);
  gdouble  h    = lambda_of (to) - lambda_of (from), r0, r1, w0, w1 = 0.0;

  weights[0] = u.d0;
  weights[1] = weights[2] = 0.0;
  if (order == 1)
    return u;

  r0 = (lambda_of (from) - lambda_of (pal_level (s, entry - 1))) / h;
  w0 = u.d1;
  if (order == 3)
    {
      r1 = (lambda_of (pal_level (s, entry - 1)) - lambda_of (pal_level (s, entry - 2))) / h;
      w0 = u.d1 * (1.0 + r0 / (r0 + r1)) + u.d2 / (r0 + r1);
      w1 = -(u.d1 * r0 + u.d2) / (r0 + r1) / r1;
    }

  weights[0] += w0 / r0;
  weights[1]  = -w0 / r0 + w1;
  weights[2]  = -w1;

  return u;
}

static void
step_dpm (PalSampling  *s,
          gint          call,
          const gfloat *output,
          const gfloat *noise,
          gfloat       *x,
          gsize         n)
{
  const DpmParams *params = s->params;
  gsize            entry  = (gsize) (s->begin + call);
  PalLevel         level  = pal_level (s, entry);
  gboolean         clean  = params->algorithm == DPM_PP || params->algorithm == DPM_SDE_PP;
  gfloat          *newest = pal_history_push (s, n);
  gint             order  = order_at (s, entry);
  gdouble          w[3];
  Update           u      = weigh_outputs (s, entry, order, w);

  pal_mix (clean ? pal_mix_clean (s, level) : pal_mix_noise (s, level), x, output, newest, n);

  for (gsize i = 0; i < n; i++)
    {
      gdouble value = u.x_scale * (gdouble) x[i];

      for (gint k = 0; k < order; k++)
        value += w[k] * (gdouble) s->history[k][i];
      if (noise)
        value += u.noise * s->s_noise * (gdouble) noise[i];
      x[i] = (gfloat) value;
    }
}

static const SdeVariant second = { 2, FALSE }, second_heun = { 2, TRUE }, third = { 3, FALSE };

const PalSampler pal_sampler_dpmpp_2m = {
  .info        = { "dpmpp-2m", "DPM++ 2M", .takes_schedule = TRUE, .eta = 1.0 },
  .classes     = { "DPMSolverMultistepScheduler", NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .prepare     = prepare_dpm,
  .wants_noise = dpm_wants_noise,
  .step        = step_dpm
};

const PalSampler pal_sampler_dpmpp_2m_sde = {
  .info        = { "dpmpp-2m-sde", "DPM++ 2M SDE", .stochastic = TRUE, .takes_schedule = TRUE,
                   .takes_eta = TRUE, .takes_s_noise = TRUE, .eta = 1.0 },
  .classes     = { NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .variant     = &second,
  .prepare     = prepare_dpm,
  .wants_noise = dpm_wants_noise,
  .step        = step_dpm
};

const PalSampler pal_sampler_dpmpp_2m_sde_heun = {
  .info        = { "dpmpp-2m-sde-heun", "DPM++ 2M SDE Heun", .stochastic = TRUE,
                   .takes_schedule = TRUE, .takes_eta = TRUE, .takes_s_noise = TRUE, .eta = 1.0 },
  .classes     = { NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .variant     = &second_heun,
  .prepare     = prepare_dpm,
  .wants_noise = dpm_wants_noise,
  .step        = step_dpm
};

const PalSampler pal_sampler_dpmpp_3m_sde = {
  .info        = { "dpmpp-3m-sde", "DPM++ 3M SDE", .stochastic = TRUE, .takes_schedule = TRUE,
                   .takes_eta = TRUE, .takes_s_noise = TRUE, .eta = 1.0 },
  .classes     = { NULL },
  .order       = 1,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .variant     = &third,
  .prepare     = prepare_dpm,
  .wants_noise = dpm_wants_noise,
  .step        = step_dpm
};
