/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures on the host: interleaved float, channels last, values [0, 1], straight
 * alpha. 1 channel = gray or mask, 2 = gray + alpha, 3 = RGB, 4 = RGBA. */

#ifndef PAL_BASE_IMAGE_H
#define PAL_BASE_IMAGE_H

#include "pal-types.h"

G_BEGIN_DECLS

struct _PalImage
{
  gint    width, height, channels;
  gfloat *data;               /* [height, width, channels] */
};

/* NULL when there is not enough memory or a size is not positive. */
PalImage *pal_image_new       (gint width, gint height, gint channels);
PalImage *pal_image_copy      (const PalImage *image);
void      pal_image_free      (PalImage *image);

/* rect must lie inside the image. */
PalImage *pal_image_crop      (const PalImage *image, PalRect rect);

/* Area average to shrink, Catmull-Rom cubic to grow;
 * separable, edges repeated. */
PalImage *pal_image_resize    (const PalImage *image, gint width, gint height);

/* RGB over what is transparent: the mean colour of the opaque pixels, spread
 * inwards, so that an encoder sees no hard edge. Gray becomes RGB. */
PalImage *pal_image_to_rgb    (const PalImage *image);

/* RGB of image with the hole (1 = missing) filled smoothly from its surroundings;
 * exactly image where hole is 0, mid-grey when all is missing. Of one size. */
PalImage *pal_image_spread    (const PalImage *image, const PalImage *hole);

/* Smallest rectangle that holds all pixels > 0 of channel 0; empty = width 0. */
PalRect   pal_image_bounds    (const PalImage *mask);

/* Gaussian of the given standard deviation in px on every channel, in place. */
gboolean  pal_image_blur      (PalImage *image, gdouble sigma_px);

/* source * (1 - mask) + over * mask on the colour channels, exactly source where
 * mask is 0; source's alpha is kept. All of one size. */
PalImage *pal_image_composite (const PalImage *source, const PalImage *over, const PalImage *mask);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalImage, pal_image_free)

G_END_DECLS

#endif
