/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the integrators share: the walk's state, schedules, and the linear relations
 * between latents, model output, clean image and noise. Private to sample/. */

#ifndef PAL_SAMPLE_SOLVER_H
#define PAL_SAMPLE_SOLVER_H

#include "pal.h"
#include "sample/sampler.h"

/* How latents x are made of a clean image x0 and noise n at noise level sigma. */
typedef enum
{
  PAL_SPACE_VP,               /* x = (x0 + sigma n) / sqrt (1 + sigma^2) */
  PAL_SPACE_VE,               /* x = x0 + sigma n; scaled to VP for the model */
  PAL_SPACE_FLOW              /* x = (1 - sigma) x0 + sigma n */
} PalSpace;

/* x = alpha x0 + sigma n. */
typedef struct
{
  gdouble alpha, sigma;
} PalLevel;

/* A value as a sum of latents and model output. */
typedef struct
{
  gdouble x, output;
} PalMix;

#define PAL_HISTORY 4

struct _PalSampling
{
  const PalSampler *sampler;
  PalScheduleConfig config;
  gdouble           eta, s_noise;
  gboolean          asked;    /* the schedule is the request's, not the file's */
  gint              steps;
  gint              begin;    /* entry of the schedule at which the walk starts */
  PalSpace          space;
  const PalSchedule *schedule;              /* of the sigmas; NULL: as the timesteps give them */

  gfloat           *alphas;   /* cumulative products, [config.train_timesteps] */
  gdouble           final_alpha;
  gdouble          *timesteps, *sigmas;
  gsize             n_timesteps, n_sigmas;   /* n_sigmas may be 0 */

  gfloat           *history[PAL_HISTORY];    /* newest first */
  gint              n_history;
  gfloat           *kept;     /* latents that a later call goes back to */
  gpointer          params;   /* of the sampler, freed with g_free () */
};

struct _PalSampler
{
  PalSamplerInfo info;
  const gchar   *classes[4];  /* the reference's names, NULL-terminated */
  gint           order;       /* entries of the schedule for a step */
  PalSpacing     spacing;     /* unless the configuration says otherwise */
  gboolean       flow;        /* can follow a flow-matching model */
  gconstpointer  variant;     /* what tells rows apart that share their functions */

  /* Reads what only this sampler needs, fills timesteps, sigmas, space, params. */
  gboolean     (*prepare)     (PalSampling *s, GError **error);
  gboolean     (*wants_noise) (const PalSampling *s, gint call);   /* NULL = never */
  void         (*step)        (PalSampling *s, gint call, const gfloat *output,
                               const gfloat *noise, gfloat *x, gsize n);
};

/* The rows; each in the file of its solver. */
extern const PalSampler pal_sampler_ddim, pal_sampler_ddpm, pal_sampler_euler,
                        pal_sampler_euler_a, pal_sampler_heun, pal_sampler_dpmpp_2m,
                        pal_sampler_dpmpp_2m_sde, pal_sampler_dpmpp_2m_sde_heun,
                        pal_sampler_dpmpp_3m_sde, pal_sampler_dpmpp_sde,
                        pal_sampler_dpmpp_2s_a, pal_sampler_dpm2, pal_sampler_dpm2_a,
                        pal_sampler_lms, pal_sampler_deis, pal_sampler_unipc,
                        pal_sampler_pndm, pal_sampler_lcm, pal_sampler_tcd;

/* alphas.c */

/* Cumulative products of 1 - beta in the reference's float32; NULL on error. */
gfloat  *pal_alphas_new (const PalScheduleConfig *config, gboolean zero_snr_ends_finite,
                         GError **error);

/* spacing.c */

/* Training timesteps of DDIM, Euler and their like, descending. whole: rounded to
 * integers also with linspace spacing. */
void     pal_timesteps_fill  (PalSampling *s, gboolean whole);

/* Those of the multistep solvers, which divide by steps + 1; last: exclusive end. */
void     pal_timesteps_fill_multistep (PalSampling *s, gint last);

/* What a training timestep, not rounded, has for sigma. */
gdouble  pal_sigma_between   (const PalSampling *s, gdouble timestep);

/* The timestep, not rounded, whose sigma this is: linear in log sigma. */
gdouble  pal_timestep_of     (const PalSampling *s, gdouble sigma);

/* Sigmas for s->timesteps from the alphas, then respaced between the extremes of
 * these (whole_table: of all training sigmas), with the timesteps, not rounded, that
 * belong to them. There is one more sigma than timesteps; it is left at 0. */
gboolean pal_sigmas_fill     (PalSampling *s, gboolean whole_table, GError **error);

/* What the samplers in sigmas share, flow or not: float32 timesteps, sigmas that end at 0;
 * fill_sigmas: NULL = pal_sigmas_fill () between the schedule's extremes. */
gboolean pal_fill_by_sigmas  (PalSampling *s,
                              gboolean (*fill_sigmas) (PalSampling *s, GError **error),
                              GError **error);

/* To float32, as the reference stores them. */
void     pal_sigmas_round    (PalSampling *s);

/* Schedule of a multistep solver, which differ in details. */
typedef struct
{
  gboolean fractional_cosine; /* Karras timesteps of cosine betas are cut, not rounded */
  gboolean respaced_end;      /* "sigma_min" is the last of the respaced sigmas */
  gboolean flow_from_below;   /* flow sigmas are counted from the clean end */
  gboolean stops_noisy;       /* ends at the least trained sigma, whatever the file says */
} PalMultistep;

gboolean pal_multistep_fill  (PalSampling *s, const PalMultistep *kind, gint last, GError **error);

/* Schedule of a flow-matching model, FlowMatchEulerDiscreteScheduler. */
gboolean pal_flow_fill       (PalSampling *s, GError **error);

/* Point i of n evenly spaced ones, both ends included; a flow sigma after its shift. */
gdouble  pal_even            (gdouble first, gdouble last, gint i, gint n);
gdouble  pal_shifted         (gdouble sigma, gdouble shift);

/* sqrt ((1 - alpha) / alpha) of the cumulative alpha at a timestep, in float32. */
gfloat   pal_sigma_of        (const PalSampling *s, gint timestep);

/* *sigma = what ends the schedule by final_sigmas_type: 0, or the least one. */
gboolean pal_final_sigma     (const PalSampling *s, gdouble *sigma, GError **error);

/* alphas.c, for the samplers that walk by timesteps: refuses "thresholding"; alphas and the
 * final one. */
gboolean pal_prepare_alphas  (PalSampling *s, GError **error);

/* respacing.c */

/* How the multistep solvers make whole timesteps of those that a schedule gives. */
typedef enum { PAL_TIMESTEPS_CUT, PAL_TIMESTEPS_ROUNDED, PAL_TIMESTEPS_BROKEN } PalWhole;

struct _PalSchedule
{
  PalScheduleInfo info;
  const gchar    *flag;       /* the reference's boolean for it; NULL: it has none */
  PalWhole        whole;

  /* sigmas: [n_timesteps], from most to least or by their own rule. */
  gboolean      (*fill) (PalSampling *s, gdouble least, gdouble most, GError **error);
};

/* *schedule = the row whose flag is set in the file, or NULL. */
gboolean pal_schedule_of_flags (PalJson *json, const PalSchedule **schedule, GError **error);

/* solver.c */

/* A boolean of the configuration; fallback where it is not given. */
gboolean pal_config_flag     (const PalSampling *s, const gchar *field, gboolean fallback);

/* FALSE and UNSUPPORTED when the boolean field is set. */
gboolean pal_config_refuse   (const PalSampling *s, const gchar *field, GError **error);

/* One of the NULL-terminated names; *index is left alone when the field is absent. */
gboolean pal_config_choice   (const PalSampling *s, const gchar *field,
                              const gchar *const *names, gint *index, GError **error);

/* Allocates timesteps and sigmas (0: none). */
void     pal_sampling_resize (PalSampling *s, gsize n_timesteps, gsize n_sigmas);

/* Noise level of entry index of the schedule; its end (n_timesteps) is the last
 * sigma, or clean. */
PalLevel pal_level           (const PalSampling *s, gsize index);
PalLevel pal_level_at        (const PalSampling *s, gint timestep);   /* < 0: the final alpha */

/* The clean image and the noise that the model's output means at a level. */
PalMix   pal_mix_clean       (const PalSampling *s, PalLevel level);
PalMix   pal_mix_noise       (const PalSampling *s, PalLevel level);

/* A stochastic step to a level: down to a lower sigma, x scaled, fresh noise added. */
typedef struct
{
  gdouble down, scale, up;
} PalAncestral;

/* by_ratio: flow's lower sigma is chosen by sigma / alpha, else by sigma. */
PalAncestral pal_ancestral   (const PalSampling *s, PalLevel from, PalLevel to,
                              gboolean by_ratio);

static inline gdouble
pal_mixed (PalMix mix,
           gfloat x,
           gfloat output)
{
  return mix.x * (gdouble) x + mix.output * (gdouble) output;
}

/* out = mix of x and output; may alias. */
void     pal_mix             (PalMix mix, const gfloat *x, const gfloat *output, gfloat *out,
                              gsize n);

/* Clamps a clean image where the configuration says so. */
gdouble  pal_clipped         (const PalSampling *s, gdouble clean);

/* Room for a new entry in front of the history; the oldest goes. */
gfloat  *pal_history_push    (PalSampling *s, gsize n);
void     pal_keep            (PalSampling *s, const gfloat *x, gsize n);

#endif
