/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The size a model works at for a picture, and the way of pixels there and back. */

#ifndef PAL_DRIVE_CANVAS_H
#define PAL_DRIVE_CANVAS_H

#include "family/model.h"

/* The picture is scaled to content, in the canvas's top left corner; the rest of the
 * canvas repeats its edge, to whole multiples of what the model takes. */
typedef struct
{
  gint     content_width, content_height;
  gint     width, height;     /* multiples of info->multiple_px and the codec's factor */
  gint     window, overlap;   /* px; 0 = the whole canvas at once */
  gboolean reduced;           /* content is smaller than the picture for want of capacity */
} PalCanvas;

/* whole: fit into what the model takes at once; else windows, at the picture's own
 * scale as far as their number allows. */
PalCanvas pal_canvas_plan  (const PalModelInfo *info, const PalModelTraits *traits, gint factor,
                            gint width, gint height, gboolean whole);

/* Whether one look at the whole, then a refinement in windows is better than either
 * alone for a picture of this size. */
gboolean  pal_canvas_wants_two_passes (const PalModelInfo *info, const PalModelTraits *traits,
                                       gint width, gint height);

/* NULL when there is not enough memory. */
PalImage *pal_canvas_place (const PalCanvas *canvas, const PalImage *image);
PalImage *pal_canvas_take  (const PalCanvas *canvas, const PalImage *image, gint width,
                            gint height);

/* mask: a canvas of pixels → [height / factor, width / factor] of 0 .. 1 */
typedef enum
{
  PAL_MASK_ANY,               /* a cell that holds a pixel to change is changed */
  PAL_MASK_NEAREST,           /* as its top left pixel */
  PAL_MASK_AREA               /* the part of its pixels */
} PalMaskRule;

gfloat   *pal_canvas_latent_mask (const PalImage *mask, gint factor, PalMaskRule rule);

#endif
