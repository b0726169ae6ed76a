/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The schedules of the multistep solvers DPM-Solver, DEIS and UniPC.
 *
 * Reference: set_timesteps () of huggingface/diffusers
 * src/diffusers/schedulers/scheduling_{dpmsolver,deis,unipc}_multistep.py
 * @58eb52c, Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: timesteps are integers at the end
 * of it all, cut after some respacings and rounded after others. */

#include "sample/solver.h"

#include <math.h>

/* log (alpha / sigma) is not finite at sigma 1. */
#define MOST_FLOW_SIGMA (1.0 - 1e-6)

static gboolean
fill_own_flow (PalSampling         *s,
               const PalMultistep  *kind,
               GError             **error)
{
  gdouble train = s->config.train_timesteps, end = 0.0;
  gint    n     = s->steps;

  if (! pal_config_refuse (s, "use_dynamic_shifting", error) ||
      ! pal_final_sigma (s, &end, error))
    return FALSE;

  pal_sampling_resize (s, (gsize) n, (gsize) n + 1);
  for (gint i = 0; i < n; i++)
    {
      gdouble sigma = kind->flow_from_below ? 1.0 - pal_even (1.0, 1.0 / train, n - i, n + 1)
                                            : pal_even (1.0, 1.0 / train, i, n + 1);

      s->sigmas[i]    = MIN (pal_shifted (sigma, s->config.flow_shift), MOST_FLOW_SIGMA);
      s->timesteps[i] = trunc (s->sigmas[i] * train);
    }

  if (kind->stops_noisy || (kind->respaced_end && end > 0.0))
    end = s->sigmas[n - 1];
  s->sigmas[n] = end;
  pal_sigmas_round (s);

  return TRUE;
}

/* The schedule that a flow-matching model comes with, from another class. */
static gboolean
fill_model_flow (PalSampling  *s,
                 GError      **error)
{
  if (! pal_flow_fill (s, error))
    return FALSE;

  s->sigmas[0] = MIN (s->sigmas[0], MOST_FLOW_SIGMA);

  return TRUE;
}

/* These solvers divide by the length of a step, which is 0 where the schedule lists as
 * many timesteps as there are and its offset cuts the first two to one. */
static gboolean
check_lengths (const PalSampling  *s,
               GError            **error)
{
  for (gsize i = 1; i < s->n_timesteps; i++)
    if (! (s->sigmas[i] < s->sigmas[i - 1]))
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                     "the sampler \"%s\" takes fewer than %d steps with this model: two of them "
                     "have the same noise", s->sampler->info.id, s->steps);
        return FALSE;
      }

  return TRUE;
}

gboolean
pal_multistep_fill (PalSampling         *s,
                    const PalMultistep  *kind,
                    gint                 last,
                    GError             **error)
{
  PalWhole whole = s->schedule ? s->schedule->whole : PAL_TIMESTEPS_CUT;
  gdouble  end   = 0.0;
  gsize    n;

  if (pal_config_flag (s, "use_flow_sigmas", FALSE))
    {
      s->space = PAL_SPACE_FLOW;
      return fill_own_flow (s, kind, error);
    }
  if (s->space == PAL_SPACE_FLOW)
    return fill_model_flow (s, error);

  pal_timesteps_fill_multistep (s, last);
  if (! pal_sigmas_fill (s, TRUE, error) || ! pal_final_sigma (s, &end, error))
    return FALSE;

  n = s->n_timesteps;
  if (kind->stops_noisy)
    end = (gdouble) pal_sigma_of (s, 0);
  if (kind->respaced_end && s->schedule && end > 0.0)
    end = s->sigmas[n - 1];
  s->sigmas[n] = end;
  pal_sigmas_round (s);

  for (gsize i = 0; i < n; i++)
    {
      gboolean cut = kind->fractional_cosine && s->config.betas == PAL_BETAS_COSINE;

      if (whole == PAL_TIMESTEPS_ROUNDED && ! cut)
        s->timesteps[i] = rint (s->timesteps[i]);
      if (whole != PAL_TIMESTEPS_BROKEN)
        s->timesteps[i] = trunc (s->timesteps[i]);
    }

  return check_lengths (s, error);
}
