/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UniPC: a multistep predictor and, from each new output, a corrector of the step
 * that led to it.
 *
 * Paper: arXiv 2302.04867 (algorithms 5 to 8, eq. 5 for the weights). Reference:
 * huggingface/diffusers src/diffusers/schedulers/scheduling_unipc_multistep.py
 * @58eb52c, Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: the output is converted with the
 * latents before correction, the corrector has the order of the step it corrects,
 * and order 2's predictor weight is 1/2 and not the solved one. */

#include "sample/solver.h"

#include <math.h>
#include <string.h>

#define MAX_ORDER 3
#define MAX_DISABLED 1000

typedef struct
{
  gint     order, last_order;
  gboolean predict_noise, bh1;
  guint    n_disabled;
  gint64   disabled[];        /* entries after which no corrector runs */
} UnipcParams;

/* x' = x_scale x + sum of weights[k] history[k] + fresh m, m the output at x'. */
typedef struct
{
  gdouble x_scale, weights[MAX_ORDER], fresh;
} Update;

static gboolean
read_params (PalSampling  *s,
             UnipcParams  *params,
             GError      **error)
{
  static const gchar *const types[] = { "bh2", "bh1", "midpoint", "heun", "logrho", NULL };
  g_autoptr (PalJson)       other   = NULL;
  gint                      type    = 0;

  if (! pal_config_refuse (s, "thresholding", error) ||
      ! pal_config_choice (s, "solver_type", types, &type, error))
    return FALSE;

  params->order         = s->config.solver_order;
  params->bh1           = type == 1;
  params->predict_noise = ! pal_config_flag (s, "predict_x0", TRUE);

  if (! s->config.json)
    return TRUE;

  if (pal_json_has (s->config.json, "solver_p"))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: solver_p is set, which the sampler \"unipc\" does not support",
                   pal_json_label (s->config.json));
      return FALSE;
    }

  return pal_json_ints (s->config.json, "disable_corrector", params->disabled, MAX_DISABLED,
                        &params->n_disabled, error);
}

static gboolean
prepare_unipc (PalSampling  *s,
               GError      **error)
{
  static const PalMultistep kind = { .respaced_end = TRUE };

  s->params = g_malloc0 (sizeof (UnipcParams) + MAX_DISABLED * sizeof (gint64));
  if (! read_params (s, s->params, error))
    return FALSE;

  s->alphas = pal_alphas_new (&s->config, TRUE, error);

  return s->alphas && pal_multistep_fill (s, &kind, s->config.train_timesteps, error);
}

/* Solves sum_k r[k]^i rho[k] = b[i] by elimination; n <= MAX_ORDER. */
static void
solve_vandermonde (const gdouble *r,
                   const gdouble *b,
                   gdouble       *rho,
                   gint           n)
{
  gdouble a[MAX_ORDER][MAX_ORDER + 1];

  for (gint i = 0; i < n; i++)
    {
      for (gint k = 0; k < n; k++)
        a[i][k] = pow (r[k], i);
      a[i][n] = b[i];
    }

  for (gint p = 0; p < n; p++)
    {
      gint best = p;

      for (gint i = p + 1; i < n; i++)
        if (fabs (a[i][p]) > fabs (a[best][p]))
          best = i;
      for (gint k = 0; k <= n; k++)
        {
          gdouble swap = a[p][k];

          a[p][k]    = a[best][k];
          a[best][k] = swap;
        }
      for (gint i = 0; i < n; i++)
        if (i != p)
          for (gint k = n; k >= p; k--)
            a[i][k] -= a[i][p] / a[p][p] * a[p][k];
    }

  for (gint i = 0; i < n; i++)
    rho[i] = a[i][n] / a[i][i];
}

static gdouble
lambda_of (const PalSampling *s,
           gsize              entry)
{
  PalLevel level = pal_level (s, entry);

  return log (level.alpha) - log (level.sigma);
}

/* The step from entry to the next, by the outputs at entry and before; corrector:
 * also by the one at the end. */
static Update
weigh_outputs (const PalSampling *s,
               gsize              entry,
               gint               order,
               gboolean           corrector)
{
  const UnipcParams *params = s->params;
  PalLevel from = pal_level (s, entry), to = pal_level (s, entry + 1);
  gdouble  here = lambda_of (s, entry), h = lambda_of (s, entry + 1) - here;
  gdouble  hh = params->predict_noise ? h : -h, phi_1 = expm1 (hh), phi = phi_1 / hh - 1.0;
  gdouble  base = params->bh1 ? hh : phi_1, factorial = 1.0, scale;
  gdouble  r[MAX_ORDER], b[MAX_ORDER], rho[MAX_ORDER] = { 0.5, 0.0, 0.0 };
  gint     unknowns = corrector ? order : order - 1;
  Update   u = { 0 };

  for (gint k = 0; k < order; k++)
    {
      r[k] = k < order - 1 ? (lambda_of (s, entry - (gsize) k - 1) - here) / h : 1.0;
      b[k] = phi * factorial / base;
      factorial *= k + 2;
      phi = phi / hh - 1.0 / factorial;
    }

  if (corrector ? order > 1 : order > 2)
    solve_vandermonde (r, b, rho, unknowns);

  u.x_scale    = params->predict_noise ? to.alpha / from.alpha : to.sigma / from.sigma;
  scale        = params->predict_noise ? -to.sigma : -to.alpha;
  u.weights[0] = scale * phi_1;

  for (gint k = 0; k < order - 1; k++)
    {
      gdouble w = scale * base * rho[k] / r[k];

      u.weights[k + 1] = w;
      u.weights[0]    -= w;
    }

  if (corrector)
    {
      u.fresh       = scale * base * rho[order - 1];
      u.weights[0] -= u.fresh;
    }

  return u;
}

static void
apply (const PalSampling *s,
       const Update      *u,
       gint               order,
       const gfloat      *base,
       const gfloat      *fresh,
       gfloat            *x,
       gsize              n)
{
  for (gsize i = 0; i < n; i++)
    {
      gdouble value = u->x_scale * (gdouble) base[i];

      for (gint k = 0; k < order; k++)
        value += u->weights[k] * (gdouble) s->history[k][i];
      if (fresh)
        value += u->fresh * (gdouble) fresh[i];
      x[i] = (gfloat) value;
    }
}

static gboolean
corrects (const UnipcParams *params,
          gsize              entry)
{
  for (guint i = 0; i < params->n_disabled; i++)
    if (params->disabled[i] == (gint64) entry - 1)
      return FALSE;

  return entry > 0;
}

static void
step_unipc (PalSampling  *s,
            gint          call,
            const gfloat *output,
            const gfloat *noise,
            gfloat       *x,
            gsize         n)
{
  UnipcParams       *params    = s->params;
  gsize              entry     = (gsize) (s->begin + call);
  PalLevel           level     = pal_level (s, entry);
  g_autofree gfloat *converted = g_new (gfloat, n);
  gint               order     = params->order;
  Update             u;

  pal_mix (params->predict_noise ? pal_mix_noise (s, level) : pal_mix_clean (s, level),
           x, output, converted, n);

  if (call > 0 && corrects (params, entry))
    {
      u = weigh_outputs (s, entry - 1, params->last_order, TRUE);
      apply (s, &u, params->last_order, s->kept, converted, x, n);
    }

  memcpy (pal_history_push (s, n), converted, n * sizeof (gfloat));
  pal_keep (s, x, n);

  /* A step to sigma 0 is infinitely long in log SNR: order 1 is the limit. */
  if (s->config.lower_order_final)
    order = MIN (order, (gint) (s->n_timesteps - entry));
  if (! (pal_level (s, entry + 1).sigma > 0.0))
    order = 1;
  order = MIN (order, s->n_history);

  u = weigh_outputs (s, entry, order, FALSE);
  apply (s, &u, order, s->kept, NULL, x, n);
  params->last_order = order;
}

const PalSampler pal_sampler_unipc = {
  .info    = { "unipc", "UniPC", .takes_schedule = TRUE },
  .classes = { "UniPCMultistepScheduler", NULL },
  .order   = 1,
  .spacing = PAL_SPACING_LINSPACE,
  .flow    = TRUE,
  .prepare = prepare_unipc,
  .step    = step_unipc
};
