/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open model: its parts, and one function per network call. Programs are
 * recorded on first use of a shape and kept. Host arrays are channels last. */

#ifndef PAL_FAMILY_MODEL_H
#define PAL_FAMILY_MODEL_H

#include "pal.h"
#include "family/exemplars.h"
#include "model/clip.h"
#include "model/unet.h"
#include "model/vae.h"
#include "sample/schedule.h"
#include "text/clip-tokens.h"

typedef struct _PalFamily PalFamily;

/* What the denoiser is told of the prompt. */
typedef struct
{
  gint64  tokens, channels;
  gfloat *states;             /* [tokens, channels] */
  gint64  vector_channels;
  gfloat *vector;             /* [vector_channels] beside the states; NULL for models without */
} PalCondition;

void pal_condition_clear (PalCondition *condition);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalCondition, pal_condition_clear)

/* Facts that drivers need. */
PalDevice               *pal_model_device   (PalModel *model);
const PalUnetConfig     *pal_model_unet     (PalModel *model);
const PalVaeConfig      *pal_model_vae      (PalModel *model);
const PalScheduleConfig *pal_model_schedule (PalModel *model);

/* Denoiser input = [noisy L, mask 1, masked image L] instead of [noisy L]. */
gboolean pal_model_takes_mask (PalModel *model);

/* How a model wants to be fed, where models differ; from the object "palimpsest" of
 * its model_index.json, else as the reference pipelines do. */
typedef struct
{
  gboolean pooled_labels;     /* the denoiser's class labels are the text's pooled state */
  gboolean mask_area;         /* the mask goes to latent size by area means, not by nearest pixel */
  gdouble  restyle_guidance;  /* 0 = PalModelInfo's guidance */
  gint     window_px;         /* larger pictures are painted in windows of this side; 0 = whole */
  gint     window_overlap_px;
} PalModelTraits;

const PalModelTraits *pal_model_traits (PalModel *model);

/* A line for the user about how a prompt was read; NULL when there is nothing to say. */
gchar   *pal_prompt_reading_note (const PalPromptReading *reading, PalIntent intent);

/* note: a line for the user when the prompt was cut, else left as it is; may be NULL. */
gboolean pal_model_condition (PalModel *model, const gchar *prompt, PalCondition *out, gchar **note,
                              GCancellable *cancellable, GError **error);

/* The two halves of pal_model_condition (), for replays. The first gives positions
 * ids and returns how many tokens it cut off. ids: [tokens], tokens at most
 * pal_model_clip ()->positions; states: [tokens, width]. */
const PalClipConfig *pal_model_clip (PalModel *model);
const PalClipTokenizer *pal_model_tokenizer (PalModel *model);
gsize    pal_model_tokenize  (PalModel *model, const gchar *prompt, gint32 *ids);
gboolean pal_model_encode_ids (PalModel *model, const gint32 *ids, gint64 tokens, gfloat *states,
                               GCancellable *cancellable, GError **error);

/* The same without the encoder's last skip layers; skip below its number of layers. */
gboolean pal_model_encode_skipping (PalModel *model, const gint32 *ids, gint64 tokens, gint skip,
                                    gfloat *states, GCancellable *cancellable, GError **error);

/* image: [height, width, 3] in [-1, 1], sides multiples of the codec's factor
 * → mean: [h, w, L], unscaled; logvar: the same, clamped to [-30, 20], or NULL (Tiny
 * and DC give none: filled with -30). */
gboolean pal_model_encode    (PalModel *model, const gfloat *image, gint width, gint height,
                              gfloat *mean, gfloat *logvar,
                              GCancellable *cancellable, GError **error);

/* latent: [h, w, L] unscaled → image: [h f, w f, 3], not clamped. */
gboolean pal_model_decode    (PalModel *model, const gfloat *latent, gint width, gint height,
                              gfloat *image, GCancellable *cancellable, GError **error);

/* What one call of the denoiser is given. */
typedef struct
{
  gint          batch, width, height;
  const gfloat *x;            /* [batch, h, w, in_channels] */
  gdouble       timestep;
  gint64        tokens;
  const gfloat *context;      /* [batch, tokens, channels] */
  const gfloat *vector;       /* [batch, vector_channels], or NULL: see PalCondition */
} PalDenoise;

/* → out: [batch, h, w, out_channels]. */
gboolean pal_model_denoise   (PalModel *model, const PalDenoise *call, gfloat *out,
                              GCancellable *cancellable, GError **error);

/* The model's exemplar memory, or NULL. */
const PalExemplars *pal_model_exemplars (PalModel *model);

/* One softmax attention: what each query finds among keys. */
typedef struct
{
  gint          n_queries, n_keys, width;
  const gfloat *queries;      /* [n_queries, width] */
  const gfloat *keys;         /* [n_keys, width] */
  const gfloat *values;       /* [n_keys, width] */
} PalMatch;

/* → out: [n_queries, width], softmax (queries keys') values. */
gboolean pal_model_match     (PalModel *model, const PalMatch *match, gfloat *out,
                              GCancellable *cancellable, GError **error);

/* Of all programs recorded so far: the largest arena and its lower bound; weights. */
void     pal_model_memory    (PalModel *model, PalReport *report);

#endif
