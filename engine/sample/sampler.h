/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Integrators: from noise to latents by calls of a denoiser. Host float, pure but
 * for the noise that is asked of the caller; the same on every device. */

#ifndef PAL_SAMPLE_SAMPLER_H
#define PAL_SAMPLE_SAMPLER_H

#include "sample/schedule.h"

typedef struct _PalSampler  PalSampler;    /* a row of the table: constant */
typedef struct _PalSampling PalSampling;   /* one walk */

/* id as in pal_sampler_list (), or a reference scheduler's class name,
 * "EulerDiscreteScheduler". NULL and an error that lists the ids when unknown. */
const PalSampler *pal_sampler_find (const gchar *id, GError **error);

typedef struct
{
  const PalSampler  *sampler;
  const PalSchedule *schedule;  /* NULL = the configuration's */
  gint               steps;
  gdouble            strength;  /* (0, 1]: the walk starts at 1 - strength of the schedule */
  gdouble            eta;       /* [0, 1]; 0 = the sampler's own, see PalSamplerInfo */
  gdouble            s_noise;   /* scale of what noise is added; 0 = 1 */
} PalSamplingSetup;

/* UNSUPPORTED when the sampler can't follow the configuration's prediction, or not on
 * the schedule. */
PalSampling   *pal_sampling_new        (const PalSamplingSetup *setup,
                                        const PalScheduleConfig *config, GError **error);
void           pal_sampling_free       (PalSampling *sampling);

/* The whole schedule as the reference lists it, before strength cuts it. */
const gdouble *pal_sampling_timesteps  (const PalSampling *sampling, gsize *n);

/* NULL where the reference has none. */
const gdouble *pal_sampling_sigmas     (const PalSampling *sampling, gsize *n);

/* Model calls (not user steps: Heun makes two a step, PNDM repeats one) that the
 * walk will make. */
gint           pal_sampling_n_calls    (const PalSampling *sampling);

/* The user's step that a call belongs to, counted over the whole schedule. */
guint          pal_sampling_step_of    (const PalSampling *sampling, gint call);

/* x = starting latents, n values: noise alone (times the initial sigma) when image
 * is NULL, else the image noised to where the walk starts. */
void           pal_sampling_start      (const PalSampling *sampling, const gfloat *image,
                                        const gfloat *noise, gfloat *x, gsize n);

/* The image as it looks after call `call` is done (noised to the next level; clean
 * after the last): what the known region is replaced by in masked editing. */
void           pal_sampling_renoise    (const PalSampling *sampling, gint call, const gfloat *image,
                                        const gfloat *noise, gfloat *out, gsize n);

/* model input = x scaled for the model at this call; the timestep that it is told. */
void           pal_sampling_scale      (const PalSampling *sampling, gint call, const gfloat *x,
                                        gfloat *input, gsize n);
gdouble        pal_sampling_timestep   (const PalSampling *sampling, gint call);

/* At a call the latents are x = signal x0 + noise n, and the model's output says
 * x0 = of_latents x + of_output output. */
typedef struct
{
  gdouble signal, noise;
  gdouble of_latents, of_output;
} PalSamplingLevel;

PalSamplingLevel pal_sampling_level    (const PalSampling *sampling, gint call);

/* Whether pal_sampling_step () will want noise at this call. */
gboolean       pal_sampling_wants_noise (const PalSampling *sampling, gint call);

/* x: latents, advanced in place; output: the (guided) model output for this call;
 * noise: [n] or NULL when not wanted. Calls go 0, 1, 2 ... once each. */
void           pal_sampling_step       (PalSampling *sampling, gint call, const gfloat *output,
                                        const gfloat *noise, gfloat *x, gsize n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalSampling, pal_sampling_free)

#endif
