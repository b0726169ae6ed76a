/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between a PNG's whole-number samples and the engine's float pictures. */

#ifndef CLI_PIXELS_H
#define CLI_PIXELS_H

#include "pal.h"
#include "png-io.h"

/* What the engine is given: RGB in [0, 1] of a part of the picture, transparent pixels
 * filled in. NULL when there is too little memory. */
PalImage *cli_pixels_source    (const CliPng *png, PalRect rect);

/* How much to change: the brightness of a picture without transparency, else its
 * transparency. 1 channel, 1 = change. */
PalImage *cli_pixels_mask      (const CliPng *png, gboolean invert);

/* TRUE when any pixel is not opaque. */
gboolean  cli_pixels_transparent (const CliPng *png);

/* The picture with result, which covers rect, laid over it through the mask (of the
 * picture's size; NULL = everywhere). Samples where the mask is 0 stay what they are; gray
 * becomes RGB. With opaque, pixels gain opacity by the mask; else alpha stays. */
CliPng   *cli_pixels_composite (const CliPng *png, const PalImage *result, PalRect rect,
                                const PalImage *mask, gboolean opaque);

/* An 8-bit sRGB picture of the result alone. */
CliPng   *cli_pixels_new       (const PalImage *result);

#endif
