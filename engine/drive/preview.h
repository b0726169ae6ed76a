/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The picture while it forms: a linear projection of the latents to RGB. */

#ifndef PAL_DRIVE_PREVIEW_H
#define PAL_DRIVE_PREVIEW_H

#include "family/model.h"
#include "sample/sampler.h"

typedef struct _PalPreview PalPreview;

/* Fits the projection to the model's decoder, once for an open model. */
PalPreview     *pal_preview_new   (PalModel *model, GCancellable *cancellable, GError **error);
void            pal_preview_free  (PalPreview *preview);

/* The latents that follow are [height, width, L]; only what lies within content (latent
 * px) is shown. */
void            pal_preview_place (PalPreview *preview, gint width, gint content_width,
                                   gint content_height);

/* x: latents at a call; output: the model's guided output there. Does nothing when the
 * last look was less than 0.3 s ago. */
void            pal_preview_look  (PalPreview *preview, PalSamplingLevel level, const gfloat *x,
                                   const gfloat *output);

/* RGB [content height, content width], the picture as the last look foresees it; NULL when
 * it was taken before. The caller frees it. */
PalImage       *pal_preview_take  (PalPreview *preview);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalPreview, pal_preview_free)

#endif
