/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configurations, in the form of the diffusers layout, from the shapes of the tensors of a
 * checkpoint that comes without any. For engine/family alone. */

#ifndef PAL_FAMILY_DERIVE_H
#define PAL_FAMILY_DERIVE_H

#include "io/json.h"
#include "io/weights.h"

/* The parts of a checkpoint; NULL for those that it lacks. */
typedef struct
{
  const gchar *path;
  PalWeights  *unet, *vae, *text, *text_2;
  gboolean     open_clip;       /* text is OpenCLIP's, which Stable Diffusion 2.x reads one layer
                                 * before the last */
  gboolean     v_prediction;    /* the file says so */
  gboolean     zero_snr;
} PalCheckpoint;

/* What the parts make together: model_index.json. */
PalJson *pal_derive_index    (const PalCheckpoint *checkpoint, GError **error);
PalJson *pal_derive_unet     (const PalCheckpoint *checkpoint, GError **error);
PalJson *pal_derive_vae      (const PalCheckpoint *checkpoint, GError **error);
PalJson *pal_derive_text     (const PalCheckpoint *checkpoint, GError **error);
PalJson *pal_derive_text_2   (const PalCheckpoint *checkpoint, GError **error);
PalJson *pal_derive_schedule (const PalCheckpoint *checkpoint, GError **error);

/* Whether the denoiser is of the kind that is told sizes and a pooled text, as Stable
 * Diffusion XL is; and whether it takes the states of the second text encoder alone. */
gboolean pal_derive_is_xl      (const PalCheckpoint *checkpoint);
gboolean pal_derive_is_refiner (const PalCheckpoint *checkpoint);

#endif
