/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Results into the image. Main thread alone. */

#ifndef PAL_PLUGIN_LAYER_WRITE_H
#define PAL_PLUGIN_LAYER_WRITE_H

#include "layer-io.h"

G_BEGIN_DECLS

/* A layer with the picture result [rect.height, rect.width, 3], the source's alpha
 * and a mask with the region; not yet part of the image. */
GimpLayer *pal_layer_from_image (const PalCapture  *capture,
                                 const PalImage    *result,
                                 const gchar       *name,
                                 GError           **error);

/* Inserts layers above another one (NULL: on top), the last on top, as one undo step; in a
 * group of that name unless NULL, and with the canvas growing to hold them when grows.
 * After an error, as for an image that was closed meanwhile, nothing has changed. */
gboolean   pal_layers_insert    (GimpImage         *image,
                                 GimpLayer         *above,
                                 GPtrArray         *layers,
                                 gboolean           grows,
                                 const gchar       *group_name,
                                 GError           **error);

G_END_DECLS

#endif
