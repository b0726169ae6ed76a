/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Samplers that call the model twice a step, at its start and in its middle: DPM2 and
 * DPM2 ancestral, DPM++ 2S ancestral, DPM++ SDE.
 *
 * Papers: arXiv 2206.00927 (DPM-Solver-2), 2211.01095 algorithm 1 (DPM-Solver++ 2S).
 * Reference: huggingface/diffusers src/diffusers/schedulers/scheduling_{k_dpm_2_discrete,
 * k_dpm_2_ancestral_discrete,dpmsolver_sde}.py @58eb52c, Apache-2.0, and
 * sample_dpmpp_2s_ancestral () of crowsonkb/k-diffusion k_diffusion/sampling.py, MIT. Of
 * flow-matching models they are the same steps along straight lines.
 *
 * Noise of DPM++ SDE: the reference cuts both noises of a step out of one Brownian path,
 * whose numbers come from a tree of seeds. Here the path's two pieces are drawn in turn
 * from the run's generator and the whole step's noise is their sum, which has the same
 * distribution and hangs on the seed alone.
 * Easy to get wrong, guarded by tests/unit/sample: the middle is the geometric mean, for
 * ancestral ones with the lower sigma of the step; the last step is Euler's and has no
 * middle. */

#include "sample/solver.h"

#include <math.h>
#include <string.h>

/* log SNR has no value at 1. */
#define MOST_FLOW_SIGMA (1.0 - 1e-6)

typedef struct
{
  gboolean ancestral;         /* goes below the next sigma, and up by noise */
  gboolean by_ratio;          /* the middle is one of sigma / alpha, not of sigma */
} Pair;

static gdouble
middle_of (const PalSampling *s,
           gsize              entry)
{
  const Pair *pair = s->sampler->variant;
  PalLevel    from = pal_level (s, entry), to = pal_level (s, entry + 1);
  gdouble     low  = to.sigma, ratio;

  if (pair->ancestral)
    low = pal_ancestral (s, from, to, FALSE).down;
  if (! pair->by_ratio || s->space != PAL_SPACE_FLOW)
    return sqrt (from.sigma * low);

  ratio = sqrt (from.sigma / from.alpha * low / (1.0 - low));

  return ratio / (1.0 + ratio);
}

/* [a, b, c] → [a, ab, b, bc, c] */
static void
add_middles (PalSampling *s)
{
  gsize n = s->n_timesteps, m = 2 * n - 1;
  g_autofree gdouble *t = g_memdup2 (s->timesteps, n * sizeof (gdouble));
  g_autofree gdouble *g = g_new (gdouble, m + 1);

  for (gsize i = 0; i < m; i++)
    g[i] = i % 2 ? middle_of (s, i / 2) : s->sigmas[i / 2];
  g[m] = s->sigmas[n];

  pal_sampling_resize (s, m, m + 1);
  memcpy (s->sigmas, g, (m + 1) * sizeof (gdouble));
  pal_sigmas_round (s);
  for (gsize i = 0; i < m; i++)
    s->timesteps[i] = i % 2 ? pal_timestep_of (s, s->sigmas[i]) : t[i / 2];
}

static gboolean
prepare_pair (PalSampling  *s,
              GError      **error)
{
  if (! pal_fill_by_sigmas (s, NULL, error))
    return FALSE;

  if (s->space == PAL_SPACE_FLOW)
    s->sigmas[0] = MIN (s->sigmas[0], MOST_FLOW_SIGMA);
  add_middles (s);

  return TRUE;
}

static gboolean
in_middle (const PalSampling *s,
           gint               call)
{
  return (s->begin + call) % 2 == 1;
}

static gboolean
before_last (const PalSampling *s,
             gint               call)
{
  return (gsize) (s->begin + call + 1) < s->n_timesteps;
}

/* From base at a sigma along the line to the clean image that the output for x at a level
 * means; scaled, and with noise. */
typedef struct
{
  PalAncestral step;
  gdouble      sigma;         /* of base */
  PalMix       clean;
} Line;

static void
follow (const PalSampling *s,
        const Line        *line,
        const gfloat      *base,
        const gfloat      *output,
        const gfloat      *noise,
        gfloat            *x,
        gsize              n)
{
  gdouble ratio = line->step.down / line->sigma;

  for (gsize i = 0; i < n; i++)
    {
      gdouble clean = pal_mixed (line->clean, x[i], output[i]);
      gdouble value = line->step.scale * (ratio * (gdouble) base[i] + (1.0 - ratio) * clean);

      if (noise)
        value += line->step.up * s->s_noise * (gdouble) noise[i];
      x[i] = (gfloat) value;
    }
}

/* To the middle, or to the end where there is none. */
static void
first_half (PalSampling  *s,
            gint          call,
            const gfloat *output,
            gfloat       *x,
            gsize         n)
{
  gsize    entry = (gsize) (s->begin + call);
  PalLevel from  = pal_level (s, entry);
  Line     line  = { { pal_level (s, entry + 1).sigma, 1.0, 0.0 }, from.sigma,
                     pal_mix_clean (s, from) };

  pal_keep (s, x, n);
  follow (s, &line, s->kept, output, NULL, x, n);
}

/* The whole step by the middle's slope. */
static void
step_dpm2 (PalSampling  *s,
           gint          call,
           const gfloat *output,
           const gfloat *noise,
           gfloat       *x,
           gsize         n)
{
  const Pair  *pair  = s->sampler->variant;
  gsize        entry = (gsize) (s->begin + call);
  PalLevel     here  = pal_level (s, entry), from, to = pal_level (s, entry + 1);
  PalMix       clean = pal_mix_clean (s, here);
  PalAncestral step  = { to.sigma, 1.0, 0.0 };

  if (! in_middle (s, call))
    {
      first_half (s, call, output, x, n);
      return;
    }

  from = pal_level (s, entry - 1);
  if (pair->ancestral)
    step = pal_ancestral (s, from, to, FALSE);

  for (gsize i = 0; i < n; i++)
    {
      gdouble slope = ((gdouble) x[i] - pal_mixed (clean, x[i], output[i])) / here.sigma;
      gdouble value = step.scale * ((gdouble) s->kept[i] + (step.down - from.sigma) * slope);

      if (noise)
        value += step.up * s->s_noise * (gdouble) noise[i];
      x[i] = (gfloat) value;
    }
}

/* The whole step by the middle's clean image. */
static void
step_dpmpp_2s_a (PalSampling  *s,
                 gint          call,
                 const gfloat *output,
                 const gfloat *noise,
                 gfloat       *x,
                 gsize         n)
{
  gsize    entry = (gsize) (s->begin + call);
  PalLevel from;
  Line     line;

  if (! in_middle (s, call))
    {
      first_half (s, call, output, x, n);
      return;
    }

  from = pal_level (s, entry - 1);
  line = (Line) { pal_ancestral (s, from, pal_level (s, entry + 1), FALSE), from.sigma,
                  pal_mix_clean (s, pal_level (s, entry)) };
  follow (s, &line, s->kept, output, noise, x, n);
}

/* noise becomes that of the whole step from the first half's, kept in the history, and
 * its own. */
static gfloat *
join_noise (const PalSampling *s,
            gsize              entry,
            const gfloat      *noise,
            gsize              n)
{
  gdouble first  = s->sigmas[entry - 1] - s->sigmas[entry];
  gdouble second = s->sigmas[entry] - s->sigmas[entry + 1];
  gfloat *joined = g_new (gfloat, n);

  for (gsize i = 0; i < n; i++)
    joined[i] = (gfloat) ((sqrt (first) * (gdouble) s->history[0][i] +
                           sqrt (second) * (gdouble) noise[i]) / sqrt (first + second));

  return joined;
}

static void
step_dpmpp_sde (PalSampling  *s,
                gint          call,
                const gfloat *output,
                const gfloat *noise,
                gfloat       *x,
                gsize         n)
{
  gsize              entry  = (gsize) (s->begin + call);
  PalLevel           here   = pal_level (s, entry), to = pal_level (s, entry + 1), from;
  Line               line   = { { 0.0, 1.0, 0.0 }, here.sigma, pal_mix_clean (s, here) };
  g_autofree gfloat *joined = NULL;

  if (! before_last (s, call))
    {
      first_half (s, call, output, x, n);
      return;
    }

  if (! in_middle (s, call))
    {
      memcpy (pal_history_push (s, n), noise, n * sizeof (gfloat));
      pal_keep (s, x, n);
      line.step = pal_ancestral (s, here, to, TRUE);
      follow (s, &line, s->kept, output, noise, x, n);
      return;
    }

  from       = pal_level (s, entry - 1);
  joined     = join_noise (s, entry, noise, n);
  line.step  = pal_ancestral (s, from, to, TRUE);
  line.sigma = from.sigma;
  follow (s, &line, s->kept, output, joined, x, n);
}

static const Pair plain = { FALSE, FALSE }, plain_ratio = { FALSE, TRUE },
                  ancestral = { TRUE, FALSE }, ancestral_ratio = { TRUE, TRUE };

const PalSampler pal_sampler_dpm2 = {
  .info    = { "dpm2", "DPM2", .takes_schedule = TRUE },
  .classes = { "KDPM2DiscreteScheduler", NULL },
  .order   = 2,
  .spacing = PAL_SPACING_LINSPACE,
  .flow    = TRUE,
  .variant = &plain,
  .prepare = prepare_pair,
  .step    = step_dpm2
};

const PalSampler pal_sampler_dpm2_a = {
  .info        = { "dpm2-a", "DPM2 ancestral", .stochastic = TRUE, .takes_schedule = TRUE,
                   .takes_eta = TRUE, .takes_s_noise = TRUE, .eta = 1.0 },
  .classes     = { "KDPM2AncestralDiscreteScheduler", NULL },
  .order       = 2,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .variant     = &ancestral,
  .prepare     = prepare_pair,
  .wants_noise = in_middle,
  .step        = step_dpm2
};

const PalSampler pal_sampler_dpmpp_2s_a = {
  .info        = { "dpmpp-2s-a", "DPM++ 2S ancestral", .stochastic = TRUE,
                   .takes_schedule = TRUE, .takes_eta = TRUE, .takes_s_noise = TRUE,
                   .eta = 1.0 },
  .classes     = { NULL },
  .order       = 2,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .variant     = &ancestral_ratio,
  .prepare     = prepare_pair,
  .wants_noise = in_middle,
  .step        = step_dpmpp_2s_a
};

const PalSampler pal_sampler_dpmpp_sde = {
  .info        = { "dpmpp-sde", "DPM++ SDE", .stochastic = TRUE, .takes_schedule = TRUE,
                   .takes_eta = TRUE, .takes_s_noise = TRUE, .eta = 1.0 },
  .classes     = { "DPMSolverSDEScheduler", NULL },
  .order       = 2,
  .spacing     = PAL_SPACING_LINSPACE,
  .flow        = TRUE,
  .variant     = &plain_ratio,
  .prepare     = prepare_pair,
  .wants_noise = before_last,
  .step        = step_dpmpp_sde
};
