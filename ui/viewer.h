/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The left part of the dialog: the preview, how it is looked at, and the strip of results
 * below; or, in place of the preview, why there can be none. */

#ifndef PAL_UI_VIEWER_H
#define PAL_UI_VIEWER_H

#include "state-page.h"
#include "strip.h"

G_BEGIN_DECLS

/* strip: what its buttons do; its shown () is called beside the viewer's own. choose is
 * what the button of a state does. */
GtkWidget *pal_viewer_new         (const PalStripClient *strip,
                                   GCallback             choose,
                                   gpointer              data);

/* scene: taken. Leaves a state. */
void       pal_viewer_set_scene   (GtkWidget            *viewer,
                                   PalScene             *scene);
void       pal_viewer_set_state   (GtkWidget            *viewer,
                                   PalState              state,
                                   const gchar          *detail);
void       pal_viewer_set_forming (GtkWidget            *viewer,
                                   const PalImage       *image);

/* Back from a forming picture to the chosen result, or to the image. */
void       pal_viewer_end_forming (GtkWidget            *viewer);

GtkWidget *pal_viewer_get_strip   (GtkWidget            *viewer);

G_END_DECLS

#endif
