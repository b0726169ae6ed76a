/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of model families, and a model folder opened without a device. For
 * engine/family alone; drivers see model.h. */

#ifndef PAL_FAMILY_FAMILY_H
#define PAL_FAMILY_FAMILY_H

#include "family/model.h"
#include "io/weights.h"

/* The networks of a model; each has its folder, configuration and weights. */
typedef enum
{
  PAL_PART_DENOISER,
  PAL_PART_CODEC,
  PAL_PART_TEXT,
  PAL_N_PARTS
} PalPart;

typedef struct
{
  gchar             *path;
  PalJson           *index;               /* model_index.json */
  PalJson           *extra;               /* its object "palimpsest", or NULL */
  const PalFamily   *family;
  PalUnetConfig      unet;
  PalVaeConfig       vae;
  PalClipConfig      clip;
  PalScheduleConfig  schedule;
  PalWeights        *weights[PAL_N_PARTS];
  PalClipTokenizer  *tokenizer;
  PalExemplars      *exemplars;           /* NULL without the folder "exemplars" */
  gboolean           takes_mask;
  PalModelTraits     traits;
} PalParts;

/* Opens and checks all parts of a folder; the error names the missing or wrong one
 * and what to do. */
PalParts *pal_parts_open (const gchar *path, GError **error);
void      pal_parts_free (PalParts *parts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalParts, pal_parts_free)

/* One family: data first. */
struct _PalFamily
{
  const gchar *id, *title;
  gint       (*detect) (const PalParts *parts);   /* score; 0 = not ours */

  /* When the model's files do not say. */
  gint         trained_px;
  gint         steps;
  gdouble      guidance, fill_strength, restyle_strength;
  const gchar *sampler;
  PalAys       ays;                               /* whose tuned noise levels fit */
};

extern const PalFamily pal_family_sd1, pal_family_sd2, pal_family_small;

/* The family whose detect () scores highest. */
const PalFamily *pal_family_find   (const PalParts *parts);

/* UNSUPPORTED, naming the family, when a pipeline's class is one that is known but
 * not built; TRUE otherwise. label: file, for the message. */
gboolean         pal_family_built  (const gchar *class_name, const gchar *label, GError **error);

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
