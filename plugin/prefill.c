/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the pre-fills: one function each, of which the mask takes its part. */

#include "prefill.h"

#define BLUR_SHARE 0.05       /* of the picture's longer side: sigma */
#define MID_GREY   0.5f

/* RGB of the picture's size, as it would be if all of it were to change. */
typedef PalImage *(*Filler) (const PalImage *picture, const PalImage *mask, guint32 seed);

static PalImage *
neutral (const PalImage *picture, const PalImage *mask, guint32 seed)
{
  PalImage *image = pal_image_new (picture->width, picture->height, 3);

  for (gsize i = 0; image && i < (gsize) image->width * (gsize) image->height * 3; i++)
    image->data[i] = MID_GREY;

  return image;
}

static PalImage *
blur (const PalImage *picture, const PalImage *mask, guint32 seed)
{
  PalImage *image = pal_image_to_rgb (picture);

  if (image && ! pal_image_blur (image, MAX (image->width, image->height) * BLUR_SHARE))
    g_clear_pointer (&image, pal_image_free);

  return image;
}

static PalImage *
spread (const PalImage *picture, const PalImage *mask, guint32 seed)
{
  return mask ? pal_image_spread (picture, mask) : neutral (picture, mask, seed);
}

static PalImage *
noise (const PalImage *picture, const PalImage *mask, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  PalImage         *image  = pal_image_new (picture->width, picture->height, 3);

  for (gsize i = 0; image && i < (gsize) image->width * (gsize) image->height * 3; i++)
    image->data[i] = (gfloat) g_rand_double (random);

  return image;
}

static const Filler fillers[PAL_N_PREFILLS] = {
  [PAL_PREFILL_NEUTRAL] = neutral,
  [PAL_PREFILL_BLUR]    = blur,
  [PAL_PREFILL_SPREAD]  = spread,
  [PAL_PREFILL_NOISE]   = noise,
};

PalImage *
pal_prefill (const PalImage *picture, const PalImage *mask, PalPrefill kind, guint32 seed)
{
  g_autoptr (PalImage) filled = NULL;

  if (! fillers[kind])
    return pal_image_copy (picture);

  filled = fillers[kind] (picture, mask, seed);
  if (! filled || ! mask)
    return g_steal_pointer (&filled);

  return pal_image_composite (picture, filled, mask);
}
