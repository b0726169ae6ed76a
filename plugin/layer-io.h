/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pixels between GIMP and the engine. Main thread alone. */

#ifndef PAL_PLUGIN_LAYER_IO_H
#define PAL_PLUGIN_LAYER_IO_H

#include <libgimp/gimp.h>

#include "arguments.h"

G_BEGIN_DECLS

/* What was read for a run: nothing of it changes when the user goes on working
 * on the image meanwhile. */
typedef struct
{
  GimpImage  *image;            /* borrowed, as libgimp's proxies are */
  GimpLayer  *layer;
  PalRect     rect;             /* the part to be painted, in image coordinates */
  GeglBuffer *pixels;           /* that part of the layer, its own format; NULL to generate */
  GeglBuffer *region;           /* what to change, the selection's own format; NULL = all */
  PalImage   *source;           /* pixels as sRGB [height, width, 3 or 4]; NULL to generate */
  PalImage   *mask;             /* region [height, width, 1]; NULL = all */
} PalCapture;

/* The one layer that a run can work on. Fails with a message for no drawable,
 * several, a channel, a layer mask, a group, a floating selection and for an
 * indexed image. */
GimpLayer  *pal_layer_check     (GimpImage           *image,
                                 GimpDrawable       **drawables,
                                 GError             **error);

/* Reads the region and the context that the model needs around it. strength:
 * (0, 1]. Fails when the region is empty or outside the layer. */
PalCapture *pal_capture_new     (GimpImage           *image,
                                 GimpLayer           *layer,
                                 PalIntent            intent,
                                 PalRegion            region,
                                 gdouble              strength,
                                 const PalModelInfo  *info,
                                 GError             **error);
void        pal_capture_free    (PalCapture          *capture);

/* A layer with the picture result [rect.height, rect.width, 3], the source's alpha
 * and a mask with the region; not yet part of the image. */
GimpLayer  *pal_layer_from_image (const PalCapture   *capture,
                                  const PalImage     *result,
                                  const gchar        *name,
                                  GError            **error);

/* Inserts layers above another one, the last on top, as one undo step. An image
 * or a layer that was closed meanwhile is an error or means the top. */
gboolean    pal_layers_insert   (GimpImage           *image,
                                 GimpLayer           *above,
                                 GPtrArray           *layers,
                                 GError             **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalCapture, pal_capture_free)

G_END_DECLS

#endif
