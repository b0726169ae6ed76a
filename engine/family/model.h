/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open model: its parts, and one function per network call. Programs are
 * recorded on first use of a shape and kept. Host arrays are channels last. */

#ifndef PAL_FAMILY_MODEL_H
#define PAL_FAMILY_MODEL_H

#include "pal.h"
#include "cl/device.h"
#include "family/exemplars.h"
#include "family/ladder.h"
#include "model/clip.h"
#include "model/unet.h"
#include "model/vae.h"
#include "run/tape.h"
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
  gint    n_sizes;            /* 0 for models that are told none */
  gfloat  sizes[6];           /* see pal_condition_place () */
} PalCondition;

/* Where the picture that is drawn lies in a whole one, as a crop of a picture that was
 * scaled from another size; px. */
typedef struct
{
  gint original_width, original_height;   /* before it was scaled */
  gint left, top;                         /* of the crop, in the scaled picture */
  gint width, height;                     /* of the crop */
} PalPlacement;

/* Fills in the sizes. negative: of the negative prompt, for which a low score is told. */
void pal_condition_place (PalCondition *condition, const PalPlacement *placement,
                          gboolean negative);
void pal_condition_clear (PalCondition *condition);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalCondition, pal_condition_clear)

/* Facts that drivers need. */
PalDevice               *pal_model_device   (PalModel *model);
const PalUnetConfig     *pal_model_unet     (PalModel *model);
const PalVaeConfig      *pal_model_vae      (PalModel *model);
const PalScheduleConfig *pal_model_schedule (PalModel *model);

/* What a driver remembers of the model's results; freed with the model, or when another
 * takes its place. What changes the weights must set NULL. */
gpointer pal_model_memo       (PalModel *model);
void     pal_model_set_memo   (PalModel *model, gpointer memo, GDestroyNotify memo_free);

/* Denoiser input = [noisy L, mask 1, masked image L] instead of [noisy L]. */
gboolean pal_model_takes_mask (PalModel *model);

/* Denoiser input = [noisy L, unscaled latents L of the picture to change]. */
gboolean pal_model_edits      (PalModel *model);

/* How a model wants to be fed, where models differ; from the object "palimpsest" of
 * its model_index.json, else as the reference pipelines do. */
typedef struct
{
  gboolean pooled_labels;     /* the denoiser's class labels are the text's pooled state */
  gboolean mask_area;         /* the mask goes to latent size by area means, not by nearest pixel */
  gint     window_px;         /* larger pictures are painted in windows of this side; 0 = whole */
  gint     window_overlap_px;
  gint     text_skip;         /* last layers of the text encoders that are left out, */
  gboolean text_raw;          /* and the final norm with them */
  gboolean zero_empty;        /* no prompt at all is zeros instead of the states of no words */
  gdouble  mask_strength;     /* least strength at which a mask input is shown a hole */
} PalModelTraits;

const PalModelTraits *pal_model_traits (PalModel *model);

/* Changes the weights by these adapters from now on, and by no others. On failure it has
 * those that it had. */
gboolean pal_model_set_adapters (PalModel *model, const PalAdapter *adapters, gsize n,
                                 GError **error);

/* A line for the user about how a prompt was read; NULL when there is nothing to say. */
gchar   *pal_prompt_reading_note (const PalPromptReading *reading, PalIntent intent);

/* prompt: NULL for no prompt at all, which some models take as zeros. note: a line for
 * the user when the prompt was cut, else left as it is; may be NULL. */
gboolean pal_model_condition (PalModel *model, const gchar *prompt, PalCondition *out, gchar **note,
                              GCancellable *cancellable, GError **error);

/* What pal_model_condition () is made of, for replays and for prompts of several parts.
 * Encoders are counted from 0, in the order in which their states are joined. */
guint    pal_model_n_encoders (PalModel *model);
const PalClipConfig    *pal_model_clip      (PalModel *model, guint encoder);
const PalClipTokenizer *pal_model_tokenizer (PalModel *model, guint encoder);
gint64   pal_model_pooled     (PalModel *model, guint encoder);    /* channels */

/* ids: [positions of its PalClipConfig]. Returns how many tokens were cut off. */
gsize    pal_model_tokenize   (PalModel *model, guint encoder, const gchar *prompt, gint32 *ids);

typedef struct
{
  guint         encoder;
  gint64        tokens;       /* at most its positions */
  const gint32 *ids;          /* [tokens] */
  gint          skip;         /* PalModelTraits's text_skip, or what a user asks for */
  gboolean      raw;
} PalTextCall;

/* → states: [tokens, width]; pooled: [pal_model_pooled ()] of the end token, may be NULL. */
gboolean pal_model_encode_ids (PalModel *model, const PalTextCall *call, gfloat *states,
                               gfloat *pooled, GCancellable *cancellable, GError **error);

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
  const gfloat *sizes;        /* [batch, n_sizes], or NULL */
  gdouble       guidance;     /* for models that are told it */
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

/* What one call does: a prompt read (PAL_PHASE_TEXT), a picture of width x height px encoded
 * or decoded, one call of the denoiser for it. Recorded alone: nothing is uploaded or run, and
 * no value of a weight is read. */
gboolean pal_model_work      (PalModel *model, PalPhase phase, gint batch, gint width, gint height,
                              PalWork *work, GError **error);

/* Memory: the ladder by which calls are made from now on. */
PalLadder *pal_model_ladder  (PalModel *model);

/* What a call of a phase's network will need: plans it, allocates nothing. */
gboolean pal_model_measure   (PalModel *model, PalPhase phase, const PalCallSize *size,
                              PalPlanReport *out, GError **error);

gboolean pal_model_measure_match (PalModel *model, const PalMatchSize *size, PalPlanReport *out,
                                  GError **error);

/* After a call that failed: whether to make it again, one rung further down, with all
 * memory given back. Then *error is cleared. size: see pal_ladder_descend () */
gboolean pal_model_recover   (PalModel *model, PalPhase phase, gint size, GError **error);

/* [L + 1, 3] from scaled latents, with a 1 behind them, to RGB in [0, 1], or NULL before it is
 * kept (taken) here. */
const gfloat *pal_model_projection      (PalModel *model);
void          pal_model_keep_projection (PalModel *model, gfloat *projection);

/* The most so far: the largest arena and its lower bound; weights at one time. */
void     pal_model_memory    (PalModel *model, PalReport *report);

#endif
