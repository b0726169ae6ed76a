/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures for cairo and GDK. */

#ifndef PAL_UI_SURFACE_H
#define PAL_UI_SURFACE_H

#include <gtk/gtk.h>

#include "pal.h"

G_BEGIN_DECLS

/* The picture through the mask (scaled to it; NULL = all), at most most_px wide or high. */
cairo_surface_t *pal_surface_new      (const PalImage *image,
                                       const PalImage *mask,
                                       gint            most_px);

/* The mask in one colour. */
cairo_surface_t *pal_surface_new_tint (const PalImage *mask,
                                       const GdkRGBA  *colour);

/* The middle of what the mask shows of the picture (NULL = all), side px square. */
GdkPixbuf       *pal_thumbnail_new    (const PalImage *image,
                                       const PalImage *mask,
                                       gint            side);

/* 1, 3 or 4 channels. */
PalImage        *pal_image_from_pixbuf (const GdkPixbuf *pixbuf,
                                        gint             channels);

G_END_DECLS

#endif
