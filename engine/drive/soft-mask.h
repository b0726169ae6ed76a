/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A selection on a canvas: where it changes something, and how much. */

#ifndef PAL_DRIVE_SOFT_MASK_H
#define PAL_DRIVE_SOFT_MASK_H

#include "drive/canvas.h"

typedef struct
{
  PalImage *soft;             /* as selected; NULL: all of the canvas is to change */
  PalImage *touched;          /* 1 where anything of it is to change, else 0 */
  PalImage *replaced;         /* 1 where next to nothing of the picture is to stay, else 0 */
} PalSoftMask;

/* mask: of the request's size, or NULL. MEMORY on failure. */
gboolean pal_soft_mask_place (PalSoftMask *out, const PalCanvas *canvas, const PalImage *mask,
                              GError **error);
void     pal_soft_mask_clear (PalSoftMask *mask);

/* Whether a model with mask input is shown a hole at this strength of a walk. With little
 * noise it sees enough, and is used as the model without mask input that it was made from. */
gboolean pal_mask_is_shown   (PalModel *model, gdouble strength);

/* told: what the denoiser is told of the mask, [h, w], or NULL for all of it; strengths:
 * see PalDiffusion, or NULL when the model answers for the whole picture itself. */
gboolean pal_soft_mask_latents (const PalSoftMask *mask, PalModel *model, gdouble strength,
                                gfloat **told, gfloat **strengths, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalSoftMask, pal_soft_mask_clear)

#endif
