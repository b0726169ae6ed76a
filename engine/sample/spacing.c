/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which timesteps a walk visits, as training timesteps and as sigmas.
 *
 * Papers: arXiv 2305.08891 section 3.3 (leading, trailing, linspace), 2403.03206 eq. 23
 * (shift). Reference: huggingface/diffusers
 * src/diffusers/schedulers/scheduling_{ddim,euler_discrete,dpmsolver_multistep,
 * flow_match_euler_discrete}.py @58eb52c, Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: halves round to even; trailing
 * steps accumulate from a rounded difference; Karras sigmas span the schedule for
 * Euler and Heun but the whole table for the multistep solvers; a flow schedule is
 * shifted twice. */

#include "sample/solver.h"

#include <math.h>

gdouble
pal_even (gdouble first,
          gdouble last,
          gint    i,
          gint    n)
{
  if (n < 2)
    return first;

  return i == n - 1 ? last : first + i * ((last - first) / (n - 1));
}

/* From last down in steps of train / steps, the first excluded, all less 1. */
static void
fill_trailing (PalSampling *s,
               gint         last)
{
  gdouble ratio = (gdouble) s->config.train_timesteps / s->steps;
  gdouble next  = last - ratio;
  gdouble delta = next - last;
  gint    n     = CLAMP ((gint) ceil (last / ratio), 1, s->steps);

  pal_sampling_resize (s, (gsize) n, 0);
  for (gint i = 0; i < n; i++)
    s->timesteps[i] = rint (i == 1 ? next : last + i * delta) - 1.0;
}

void
pal_timesteps_fill (PalSampling *s,
                    gboolean     whole)
{
  gint train = s->config.train_timesteps, n = s->steps;

  if (s->config.spacing == PAL_SPACING_TRAILING)
    {
      fill_trailing (s, train);
      return;
    }

  pal_sampling_resize (s, (gsize) n, 0);
  for (gint i = 0; i < n; i++)
    {
      gdouble t = (n - 1 - i) * (train / n) + s->config.steps_offset;

      if (s->config.spacing == PAL_SPACING_LINSPACE)
        t = pal_even (0.0, train - 1.0, n - 1 - i, n);

      s->timesteps[i] = whole ? rint (t) : (gdouble) (gfloat) t;
    }
}

void
pal_timesteps_fill_multistep (PalSampling *s,
                              gint         last)
{
  gint n = s->steps;

  if (s->config.spacing == PAL_SPACING_TRAILING)
    {
      fill_trailing (s, last);
      return;
    }

  pal_sampling_resize (s, (gsize) n, 0);
  for (gint i = 0; i < n; i++)
    {
      gdouble t = (n - i) * (last / (n + 1)) + s->config.steps_offset;

      if (s->config.spacing == PAL_SPACING_LINSPACE)
        t = rint (pal_even (0.0, last - 1.0, n - i, n + 1));

      s->timesteps[i] = t;
    }
}

gfloat
pal_sigma_of (const PalSampling *s,
              gint               timestep)
{
  gfloat alpha = s->alphas[timestep];

  return sqrtf ((1.0f - alpha) / alpha);
}

gdouble
pal_sigma_between (const PalSampling *s,
                   gdouble            timestep)
{
  gdouble t     = CLAMP (timestep, 0.0, s->config.train_timesteps - 1.0);
  gint    below = MIN ((gint) t, MAX (s->config.train_timesteps - 2, 0));
  gdouble low;

  if (s->space == PAL_SPACE_FLOW)
    return pal_shifted ((t + 1.0) / s->config.train_timesteps, s->config.flow_shift);

  low = (gdouble) pal_sigma_of (s, below);
  if (t == below)
    return low;

  return low + (t - below) * ((gdouble) pal_sigma_of (s, below + 1) - low);
}

gdouble
pal_timestep_of (const PalSampling *s,
                 gdouble            sigma)
{
  gdouble log_sigma = log (MAX (sigma, 1e-10));
  gint    below = 0, above = s->config.train_timesteps - 1;
  gfloat  low, high;
  gdouble w;

  if (s->space == PAL_SPACE_FLOW)
    return sigma * s->config.train_timesteps;

  while (above - below > 1)
    {
      gint middle = (below + above) / 2;

      if (log_sigma >= (gdouble) logf (pal_sigma_of (s, middle)))
        below = middle;
      else
        above = middle;
    }

  low  = logf (pal_sigma_of (s, below));
  high = logf (pal_sigma_of (s, above));
  w    = CLAMP (((gdouble) low - log_sigma) / (gdouble) (low - high), 0.0, 1.0);

  return (1.0 - w) * below + w * above;
}

/* sigma_min and sigma_max of the configuration go before the schedule's own. */
static gboolean
read_extremes (const PalSampling *s,
               gdouble           *least,
               gdouble           *most,
               GError           **error)
{
  if (! s->config.json)
    return TRUE;

  if (! pal_json_double (s->config.json, "sigma_min", least, error) ||
      ! pal_json_double (s->config.json, "sigma_max", most, error))
    return FALSE;

  if (*least > 0.0 && *most >= *least)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
               "%s: sigma_min %g and sigma_max %g should be above 0 and in that order",
               pal_json_label (s->config.json), *least, *most);

  return FALSE;
}

gboolean
pal_sigmas_fill (PalSampling  *s,
                 gboolean      whole_table,
                 GError      **error)
{
  gsize   n = s->n_timesteps;
  gdouble least, most;

  pal_sampling_resize (s, n, n + 1);
  for (gsize i = 0; i < n; i++)
    s->sigmas[i] = pal_sigma_between (s, s->timesteps[i]);
  s->sigmas[n] = 0.0;

  if (! s->schedule)
    return TRUE;

  least = whole_table ? (gdouble) pal_sigma_of (s, 0) : s->sigmas[n - 1];
  most  = whole_table ? (gdouble) pal_sigma_of (s, s->config.train_timesteps - 1) : s->sigmas[0];
  if (! read_extremes (s, &least, &most, error) ||
      ! s->schedule->fill (s, least, most, error))
    return FALSE;

  for (gsize i = 0; i < n; i++)
    s->timesteps[i] = pal_timestep_of (s, s->sigmas[i]);

  return TRUE;
}

static gboolean
fill_between_own (PalSampling  *s,
                  GError      **error)
{
  return pal_sigmas_fill (s, FALSE, error);
}

gboolean
pal_fill_by_sigmas (PalSampling  *s,
                    gboolean    (*fill_sigmas) (PalSampling *s, GError **error),
                    GError      **error)
{
  if (s->space == PAL_SPACE_FLOW)
    return pal_flow_fill (s, error);

  s->space  = PAL_SPACE_VE;
  s->alphas = pal_alphas_new (&s->config, TRUE, error);
  if (! s->alphas)
    return FALSE;

  pal_timesteps_fill (s, FALSE);
  if (! (fill_sigmas ? fill_sigmas : fill_between_own) (s, error))
    return FALSE;

  pal_sigmas_round (s);
  for (gsize i = 0; i < s->n_timesteps; i++)
    s->timesteps[i] = (gdouble) (gfloat) s->timesteps[i];

  return TRUE;
}

void
pal_sigmas_round (PalSampling *s)
{
  for (gsize i = 0; i < s->n_sigmas; i++)
    s->sigmas[i] = (gdouble) (gfloat) s->sigmas[i];
}

gboolean
pal_final_sigma (const PalSampling  *s,
                 gdouble            *sigma,
                 GError            **error)
{
  static const gchar *const names[] = { "zero", "sigma_min", NULL };
  gint                      index   = 0;

  if (! pal_config_choice (s, "final_sigmas_type", names, &index, error))
    return FALSE;

  *sigma = index == 1 ? (gdouble) pal_sigma_of (s, 0) : 0.0;

  return TRUE;
}

gdouble
pal_shifted (gdouble sigma,
             gdouble shift)
{
  return shift * sigma / (1.0 + (shift - 1.0) * sigma);
}

/* 1 down to 1 / steps or, as the reference does by itself, to the least trained one,
 * which has been shifted once already. */
static void
fill_flow_sigmas (PalSampling *s)
{
  gdouble train = s->config.train_timesteps, shift = s->config.flow_shift;
  gdouble least = (gdouble) (gfloat) pal_shifted ((gdouble) (gfloat) (1.0 / train), shift);
  gint    n     = s->steps;

  if (s->config.spacing == PAL_SPACING_TRAILING)
    least = 1.0 / n;

  for (gint i = 0; i < n; i++)
    s->sigmas[i] = pal_shifted (pal_even (1.0, least, i, n), shift);
}

/* Stretched so that the last one is terminal. */
static void
stretch_to (PalSampling *s,
            gdouble      terminal)
{
  gdouble scale = (1.0 - s->sigmas[s->n_timesteps - 1]) / (1.0 - terminal);

  for (gsize i = 0; i < s->n_timesteps; i++)
    s->sigmas[i] = 1.0 - (1.0 - s->sigmas[i]) / scale;
}

gboolean
pal_flow_fill (PalSampling  *s,
               GError      **error)
{
  gdouble train = s->config.train_timesteps, terminal = 0.0, least, most;
  gsize   n     = (gsize) s->steps;

  if (! pal_config_refuse (s, "use_dynamic_shifting", error) ||
      ! pal_config_refuse (s, "invert_sigmas", error) ||
      (s->config.json && ! pal_json_double (s->config.json, "shift_terminal", &terminal, error)))
    return FALSE;

  pal_sampling_resize (s, n, n + 1);
  fill_flow_sigmas (s);
  s->sigmas[n] = 0.0;

  if (terminal > 0.0 && terminal < 1.0 && n > 1)
    stretch_to (s, terminal);

  least = s->sigmas[n - 1];
  most  = s->sigmas[0];
  if (s->schedule && (! read_extremes (s, &least, &most, error) ||
                      ! s->schedule->fill (s, least, most, error)))
    return FALSE;

  pal_sigmas_round (s);
  for (gsize i = 0; i < n; i++)
    s->timesteps[i] = (gdouble) ((gfloat) s->sigmas[i] * (gfloat) train);

  return TRUE;
}
