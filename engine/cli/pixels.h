/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between a PNG's whole-number samples and the engine's float pictures. */

#ifndef CLI_PIXELS_H
#define CLI_PIXELS_H

#include "pal.h"
#include "png-io.h"

/* What the engine is given: RGB in [0, 1] of a part of the picture, transparent pixels
 * filled in. NULL when there is too little memory. */
PalImage *cli_pixels_source    (const CliPng *png, PalRect rect);

/* How much to change in a part: the brightness of a picture without transparency, else its
 * transparency. 1 channel, 1 = change. */
PalImage *cli_pixels_mask      (const CliPng *png, PalRect rect, gboolean invert);

/* Where that is above 0 in the whole picture; of width 0 when it is so nowhere. */
PalRect   cli_pixels_bounds    (const CliPng *png, gboolean invert);

/* TRUE when any pixel is not opaque. */
gboolean  cli_pixels_transparent (const CliPng *png);

/* The picture in RGB or RGBA. png is taken; NULL when there is too little memory. */
CliPng   *cli_pixels_to_colour (CliPng *png);

/* A copy of a part's samples. */
CliPng   *cli_pixels_part      (const CliPng *png, PalRect rect);

/* The part of a picture that results are laid over. */
typedef struct
{
  PalRect   rect;
  CliPng   *below;              /* its samples before */
  PalImage *mask;               /* of its size; NULL = everywhere */
  gboolean  opaque;             /* pixels gain opacity by the mask; else alpha stays */
} CliPatch;

/* Lays a result of the patch's size over a picture of 3 or 4 channels, in place of the one
 * before. Samples where the mask is 0 stay what they were. */
void      cli_pixels_lay       (CliPng *png, const CliPatch *patch, const PalImage *result);

/* An 8-bit sRGB picture of the result alone. */
CliPng   *cli_pixels_new       (const PalImage *result);

#endif
