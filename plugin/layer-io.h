/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pixels from GIMP to the engine. Main thread alone. */

#ifndef PAL_PLUGIN_LAYER_IO_H
#define PAL_PLUGIN_LAYER_IO_H

#include <libgimp/gimp.h>

#include "arguments.h"

G_BEGIN_DECLS

/* What was read for a run: nothing of it changes when the user goes on working
 * on the image meanwhile. Counted references. */
typedef struct
{
  GimpImage  *image;            /* borrowed, as libgimp's proxies are */
  GimpLayer  *layer;            /* NULL for a picture that was kept */
  gint        layer_x, layer_y; /* its place then */
  PalRect     rect;             /* the part to be painted, in image coordinates */
  gboolean    grows;            /* beyond the canvas, which is to grow */
  gboolean    alpha;            /* pixels have alpha, which the result takes */
  GeglBuffer *pixels;           /* that part of the layer, its own format; NULL to generate */
  GeglBuffer *region;           /* what to change, the selection's own format; NULL = all */
  PalImage   *source;           /* pixels as sRGB [height, width, 3 or 4]; NULL to generate,
                                 * and when it is no longer needed */
  PalImage   *mask;             /* region [height, width, 1]; NULL = all */
} PalCapture;

/* The one layer that a run can work on. Fails with a message for no drawable,
 * several, a channel, a layer mask, a group, a floating selection and for an
 * indexed image. */
GimpLayer  *pal_layer_check     (GimpImage           *image,
                                 GimpDrawable       **drawables,
                                 GError             **error);

/* Where a run with these settings would change the layer, and what it would look at, in
 * image coordinates; cheap. strength must be above 0. bounds may be larger than what is
 * selected, and has no width for all that is new of a grown canvas. */
gboolean    pal_capture_place   (GimpImage           *image,
                                 GimpLayer           *layer,
                                 const PalSettings   *settings,
                                 const PalModelInfo  *info,
                                 PalRect             *bounds,
                                 PalRect             *context,
                                 GError             **error);

/* Reads the region and the context that the model needs around it. strength must be above
 * 0. Fails when the region is empty or outside the layer. */
PalCapture *pal_capture_new     (GimpImage           *image,
                                 GimpLayer           *layer,
                                 const PalSettings   *settings,
                                 const PalModelInfo  *info,
                                 GError             **error);

/* One that knows only where a picture that was kept belongs. */
PalCapture *pal_capture_new_kept (GimpImage          *image,
                                  PalRect             rect,
                                  const PalImage     *mask,
                                  gboolean            grows);

PalCapture *pal_capture_ref     (PalCapture          *capture);
void        pal_capture_unref   (PalCapture          *capture);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalCapture, pal_capture_unref)

G_END_DECLS

#endif
