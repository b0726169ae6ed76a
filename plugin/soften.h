/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The edge of what is to be changed. */

#ifndef PAL_PLUGIN_SOFTEN_H
#define PAL_PLUGIN_SOFTEN_H

#include "pal.h"

G_BEGIN_DECLS

typedef struct
{
  gint grow_px, feather_px;     /* 0 = as selected */
} PalEdge;

/* Pixels by which a mask may come to reach further. */
gint     pal_edge_reach (PalEdge   edge);

/* Grows the mask (1 channel), then softens its edge over feather_px, in place; scale: of the
 * mask's pixels to those of the edge. FALSE when there is not enough memory. */
gboolean pal_edge_apply (PalEdge   edge,
                         PalImage *mask,
                         gdouble   scale);

G_END_DECLS

#endif
