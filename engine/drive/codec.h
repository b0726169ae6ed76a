/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures to scaled latents and back, whole or in tiles. */

#ifndef PAL_DRIVE_CODEC_H
#define PAL_DRIVE_CODEC_H

#include "family/model.h"

/* image: RGB, sides multiples of the codec's factor; values that are not finite count
 * as 0. → [h, w, L], (mean - shift) * scale, newly allocated. */
gfloat   *pal_codec_encode (PalModel *model, const PalImage *image, GCancellable *cancellable,
                            GError **error);

/* latents: [height, width, L] scaled → RGB clamped to [0, 1]. */
PalImage *pal_codec_decode (PalModel *model, const gfloat *latents, gint width, gint height,
                            GCancellable *cancellable, GError **error);

#endif
