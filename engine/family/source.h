/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a model's parts come from: a folder in the diffusers layout, or one checkpoint file
 * with what lies beside it. Parts are called by their folders, "unet". For engine/family
 * alone. */

#ifndef PAL_FAMILY_SOURCE_H
#define PAL_FAMILY_SOURCE_H

#include "io/json.h"
#include "io/weights.h"
#include "text/clip-tokens.h"

typedef struct _PalSource PalSource;

/* path: a folder that exists, or a file of tensors */
PalSource        *pal_source_open      (const gchar *path, GError **error);
void              pal_source_free      (PalSource *source);

/* Whether this is a checkpoint file, for which missing files are no fault. */
gboolean          pal_source_is_file   (const PalSource *source);

PalJson          *pal_source_index     (const PalSource *source, GError **error);
/* folder/file, or what stands for it; the error says which file is missing. */
PalJson          *pal_source_config    (const PalSource *source, const gchar *folder,
                                        const gchar *file, GError **error);
PalWeights       *pal_source_weights   (const PalSource *source, const gchar *folder,
                                        const gchar *stem, GError **error);
PalClipTokenizer *pal_source_tokenizer (const PalSource *source, const gchar *folder,
                                        GError **error);

/* Whether a file is a checkpoint that holds a denoiser; one of a folder in the diffusers
 * layout, which is known by its names, counts as the folder's. */
gboolean          pal_source_is_model  (const gchar *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalSource, pal_source_free)

#endif
