/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bottom line: what was done, or progress with a Stop button. */

#ifndef PAL_UI_STATUS_ROW_H
#define PAL_UI_STATUS_ROW_H

#include <libgimp/gimp.h>
#include <libgimp/gimpui.h>

#include "pal.h"

G_BEGIN_DECLS

GtkWidget *pal_status_row_new          (GCallback          stop,
                                        gpointer           data);

/* Switches between the text and the progress bar. */
void       pal_status_row_set_running  (GtkWidget         *row,
                                        gboolean           running);
void       pal_status_row_set_stopping (GtkWidget         *row);
void       pal_status_row_set_text     (GtkWidget         *row,
                                        const gchar       *text);
void       pal_status_row_set_progress (GtkWidget         *row,
                                        const PalProgress *progress,
                                        gint               variant,
                                        gint               n_variants,
                                        gdouble            fraction);

G_END_DECLS

#endif
