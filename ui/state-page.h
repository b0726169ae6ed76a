/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stands in place of the preview when a run is not possible: why, and what to do. */

#ifndef PAL_UI_STATE_PAGE_H
#define PAL_UI_STATE_PAGE_H

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef enum
{
  PAL_STATE_NO_DEVICE,
  PAL_STATE_NO_MODEL,
  PAL_STATE_BAD_MODEL,
  PAL_STATE_BAD_FOLDER,
  PAL_N_STATES
} PalState;

/* chosen is called, with data, by the button that some states have: it leads to the
 * choice of a model's folder. */
GtkWidget *pal_state_page_new (GCallback    chosen,
                               gpointer     data);

/* detail: the error's own words. */
void       pal_state_page_set (GtkWidget   *page,
                               PalState     state,
                               const gchar *detail);

G_END_DECLS

#endif
