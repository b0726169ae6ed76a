/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of model families, and a model folder opened without a device. For
 * engine/family alone; drivers see model.h. */

#ifndef PAL_FAMILY_FAMILY_H
#define PAL_FAMILY_FAMILY_H

#include "family/model.h"
#include "family/source.h"
#include "io/weights.h"

/* The networks of a model; each has its folder, configuration and weights. */
typedef enum
{
  PAL_PART_DENOISER,
  PAL_PART_CODEC,
  PAL_PART_TEXT,
  PAL_PART_TEXT_2,
  PAL_N_PARTS
} PalPart;

#define PAL_MAX_ENCODERS 2

/* A text encoder; its weights are those of the part PAL_PART_TEXT + its index. */
typedef struct
{
  const gchar       *folder, *tokenizer_folder;
  PalClipConfig      clip;
  PalClipTokenizer  *tokenizer;
  gint64             pooled;              /* channels of its pooled state */
} PalTextEncoder;

typedef struct
{
  gchar             *path;
  PalJson           *index;               /* model_index.json */
  PalJson           *extra;               /* its object "palimpsest", or NULL */
  const PalFamily   *family;
  PalUnetConfig      unet;
  PalVaeConfig       vae;
  PalTextEncoder     encoders[PAL_MAX_ENCODERS];   /* in the order of their states */
  guint              n_encoders;
  PalScheduleConfig  schedule;
  PalWeights        *weights[PAL_N_PARTS];         /* NULL for an encoder that it has not */
  PalExemplars      *exemplars;           /* NULL without the folder "exemplars" */
  gboolean           takes_mask;
  gboolean           edits;               /* by instruction: it is shown the picture to change */
  PalModelTraits     traits;
} PalParts;

/* Opens and checks all parts of a folder; the error names the missing or wrong one
 * and what to do. */
PalParts *pal_parts_open (const gchar *path, GError **error);
void      pal_parts_free (PalParts *parts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalParts, pal_parts_free)

/* encoders.c: which encoders the index names, with their configurations; their tokenizers;
 * whether they fit the denoiser, when all weights are open. */
gboolean  pal_encoders_find            (PalParts *parts, const PalSource *source, GError **error);
gboolean  pal_encoders_open_tokenizers (PalParts *parts, const PalSource *source, GError **error);
gboolean  pal_encoders_check           (PalParts *parts, GError **error);
void      pal_encoders_clear           (PalParts *parts);

/* condition.c: zeros for so many tokens; states: [n, width] → tokens from .. from + n - 1,
 * channels first .. first + width - 1. */
void      pal_condition_init           (PalModel *model, gint64 tokens, PalCondition *out);
void      pal_condition_put            (PalCondition *out, gint64 from, gint64 n, gint64 first,
                                        gint64 width, const gfloat *states);

/* Whether it is known what a denoiser that is told n sizes means by them. */
gboolean  pal_sizes_known              (gint n);

/* One family: data first. */
struct _PalFamily
{
  const gchar *id, *title;
  gint       (*detect) (const PalParts *parts);   /* score; 0 = not ours */

  /* How its text is read: see PalModelTraits. */
  gint         text_skip;
  gboolean     text_raw;
  gboolean     zero_empty;        /* when the index does not say */

  /* Sides of squares; when a model was trained at another side, in proportion. */
  gint         trained_px, least_px, most_px;
  gdouble      most_megapixels;   /* 0: the square of most_px */

  /* When the model's files do not say. */
  gint         steps;
  gdouble      guidance, fill_strength, restyle_strength;
  gdouble      mask_strength;     /* see PalModelTraits */
  const gchar *sampler;
  PalAys       ays;                               /* whose tuned noise levels fit */
};

extern const PalFamily pal_family_sd1, pal_family_sd2, pal_family_sdxl, pal_family_refiner,
                       pal_family_small;

/* The family whose detect () scores highest. */
const PalFamily *pal_family_find   (const PalParts *parts);

/* UNSUPPORTED, naming the family, when a pipeline's class is one that is known but
 * not built; TRUE otherwise. label: file, for the message. */
gboolean         pal_family_built  (const gchar *class_name, const gchar *label, GError **error);

/* A way of distilling a model for few steps: how it is known, and what it wants. Of the
 * signs all that are given must be there. */
typedef struct
{
  gboolean     told_guidance;     /* the denoiser embeds the guidance */
  const gchar *scheduler;         /* class that the model comes with */
  gboolean     from_end;          /* whose steps are counted from the end */
  const gchar *word;              /* in the name of its folder or file */

  const gchar *sampler;
  gint         steps;
  gdouble      guidance;
  gboolean     trailing;          /* wants steps counted from the end */
} PalDistilled;

/* NULL for a model that was not; the number of steps that its name says, or 0. */
const PalDistilled *pal_distilled_find  (const PalParts *parts);
gint                pal_distilled_steps (const PalParts *parts);

/* What the family, the index and the way of distilling say of an open folder. */
gboolean         pal_traits_settle (PalParts *parts, GError **error);

/* The object "palimpsest": traits, and what it changes of the facts. */
gboolean         pal_traits_read   (const PalJson *extra, PalModelTraits *traits, GError **error);
gboolean         pal_info_read     (const PalJson *extra, PalModelInfo *info, GError **error);

/* The facts of a folder; NULL and an error when its "palimpsest" object is wrong. */
PalModelInfo    *pal_info_new      (const PalParts *parts, GError **error);

/* The words of a model that has a vocabulary, from the object "palimpsest" and the
 * folder's "synonyms.json", into info->words. */
gboolean         pal_words_read    (const PalJson *extra, const gchar *folder, PalModelInfo *info,
                                    GError **error);

#endif
