/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The diffusion loop: noise to strength, denoise with guidance, hold what lies
 * outside the mask. */

#ifndef PAL_DRIVE_DIFFUSION_H
#define PAL_DRIVE_DIFFUSION_H

#include "drive/preview.h"
#include "drive/recall.h"
#include "family/model.h"
#include "sample/sampler.h"

/* Where the loop's N(0,1) numbers come from: n values as [h, w, L]. Real runs draw
 * them from a PalRandom in [L, h, w] order, as the reference does; replays hand back
 * recorded ones. */
typedef struct
{
  gboolean (*draw) (gpointer data, gfloat *out, gint width, gint height, gint channels,
                    GError **error);
  gpointer   data;
} PalNoise;

/* Called after each model call; for progress, previews and replays. */
typedef struct
{
  gint          call, n_calls;
  const gfloat *input;        /* [batch, h, w, in_channels] */
  gdouble       timestep;
  const gfloat *output;       /* [batch, h, w, L], before guidance */
  gint          batch;
  const gfloat *latents;      /* [h, w, L] after the step, and after blending */
} PalDiffusionStep;

typedef void (*PalDiffusionFunc) (const PalDiffusionStep *step, gpointer data);

/* What is told at a call, where it changes: *uncond is left alone without guidance. */
typedef void (*PalTellFunc) (gpointer data, gint call, const PalCondition **cond,
                             const PalCondition **uncond);

typedef struct
{
  gint                width, height;    /* latent px */
  const PalCondition *cond;
  const PalCondition *uncond;           /* NULL = no guidance: batch 1 */
  gdouble             guidance;
  gdouble             image_guidance;   /* towards the shown image, for models that edit */
  const gfloat       *image;            /* [h, w, L] scaled latents; NULL = start from pure noise */
  gboolean            pure_noise;       /* start from noise though there is an image: strength 1 */
  const gfloat       *mask;             /* [h, w], 1 = repaint; NULL = everywhere */
  const gfloat       *strengths;        /* [h, w], the part of the walk that each latent takes
                                         * part in; NULL = mask, for models without mask input */
  const gfloat       *masked_image;     /* [h, w, L] what models with more input are shown: scaled
                                         * latents behind a mask, or unscaled ones to edit */
  gint                window, overlap;  /* latent px: denoise in windows of this side; 0 = whole */
  PalRecall          *recall;           /* placed; or NULL */
  PalPreview         *preview;          /* likewise */
  PalSampling        *sampling;
  PalNoise            noise;            /* drawn once at the start, then when the sampler wants */
  PalTellFunc         tell;             /* of cond's and uncond's sizes; NULL: these all along */
  gpointer            tell_data;
  PalDiffusionFunc    observe;
  gpointer            observe_data;
} PalDiffusion;

/* A denoiser as the loop sees it; see pal_model_denoise (). */
typedef struct
{
  gint64   in_channels, channels;       /* 2 L + 1 and L when it takes a mask, 2 L and L when it
                                         * edits a picture, else L and L */
  gboolean (*denoise) (gpointer data, const PalDenoise *call, gfloat *out,
                       GCancellable *cancellable, GError **error);
  gpointer data;
} PalDenoiser;

/* latents: [h, w, L], the result, scaled. In a model without mask input, or with strengths,
 * what a latent does not take part in is the image, renoised and put back after each call. */
gboolean pal_diffuse (PalModel *model, const PalDiffusion *diffusion, gfloat *latents,
                      GCancellable *cancellable, GError **error);

/* The same with any denoiser. */
gboolean pal_diffuse_with (const PalDenoiser *denoiser, const PalDiffusion *diffusion,
                           gfloat *latents, GCancellable *cancellable, GError **error);

/* A PalNoise that draws from random. */
PalNoise pal_noise_from_random (gpointer /* PalRandom* */ random);

#endif
