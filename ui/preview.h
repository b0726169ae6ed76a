/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The picture before and after, with what the model sees and what it may change. */

#ifndef PAL_UI_PREVIEW_H
#define PAL_UI_PREVIEW_H

#include <gtk/gtk.h>

#include "result.h"

G_BEGIN_DECLS

GtkWidget *pal_preview_area_new         (void);

/* scene: taken; NULL shows nothing. */
void       pal_preview_area_set_scene   (GtkWidget       *area,
                                         PalScene        *scene);

/* Shows a result in place of what was there, with a divider between both; NULL goes back
 * to the picture and its mask. */
void       pal_preview_area_set_result  (GtkWidget       *area,
                                         PalResult       *result);

/* Shows a rough picture over all of the scene's frame, through its mask, until the next
 * result. */
void       pal_preview_area_set_forming (GtkWidget       *area,
                                         const PalImage  *image);

/* While TRUE, what was there before is shown alone. */
void       pal_preview_area_set_before  (GtkWidget       *area,
                                         gboolean         before);

/* Fills the widget with the frame instead of the whole picture. */
void       pal_preview_area_set_close   (GtkWidget       *area,
                                         gboolean         close);

G_END_DECLS

#endif
