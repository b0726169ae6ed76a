/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which part of an image a request is given as its source. */

#include "pal.h"

#include <math.h>

/* Of the selection's mean side, for restyling: enough to see what borders it. */
#define RESTYLE_PADDING 0.06
#define LEAST_RESTYLE_PADDING_PX 32

/* Of the image's longest side and of the selection's mean side, for filling. */
#define IMAGE_SHARE (1.0 / 16.0)
#define SELECTION_SHARE 0.5

/* A span of the wanted length, a multiple where there is room, that holds [first,
 * first + length) and stays within [0, limit). */
static void
widen (gint *first,
       gint *length,
       gint  wanted,
       gint  multiple,
       gint  limit)
{
  gint whole = (wanted + multiple - 1) / multiple * multiple;
  gint span  = whole <= limit ? whole : limit;
  gint start = *first + *length / 2 - span / 2;

  *first  = CLAMP (start, 0, limit - span);
  *length = span;
}

PalRect
pal_context_rect (const PalModelInfo *info,
                  PalIntent           intent,
                  gdouble             strength,
                  gint                image_width,
                  gint                image_height,
                  PalRect             selection)
{
  PalRect rect     = selection;
  gdouble mean     = (selection.width + selection.height) / 2.0;
  gdouble longest  = MAX (image_width, image_height);
  gdouble padding  = MAX (longest * IMAGE_SHARE, mean * SELECTION_SHARE);
  gint    multiple = MAX (info->multiple_px, 1), both;

  if (selection.width < 1 || selection.height < 1)
    return (PalRect) { 0, 0, image_width, image_height };

  g_return_val_if_fail (selection.x >= 0 && selection.y >= 0 &&
                        selection.width <= image_width - selection.x &&
                        selection.height <= image_height - selection.y, selection);

  if (intent == PAL_GENERATE)
    return rect;

  /* Little noise keeps what is there: less of the surroundings decides. */
  if (intent == PAL_RESTYLE || strength < 1.0)
    padding = MAX (mean * RESTYLE_PADDING, LEAST_RESTYLE_PADDING_PX);

  both = 2 * (gint) ceil (padding);
  widen (&rect.x, &rect.width, MAX (selection.width + both, info->trained_px), multiple,
         image_width);
  widen (&rect.y, &rect.height, MAX (selection.height + both, info->trained_px), multiple,
         image_height);

  return rect;
}
