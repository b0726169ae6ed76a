/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The results so far, to look at, choose, apply and discard. */

#ifndef PAL_UI_STRIP_H
#define PAL_UI_STRIP_H

#include <gtk/gtk.h>

#include "result.h"

G_BEGIN_DECLS

typedef struct
{
  /* The one to look at changed; NULL = none is selected. */
  void   (*shown)     (PalResult *result, gpointer data);

  /* Buttons; results: of PalResult, oldest first, at least one. */
  void   (*apply)     (GPtrArray *results, gpointer data);
  void   (*discard)   (GPtrArray *results, gpointer data);
  void   (*keep_seed) (PalResult *result, gpointer data);
  gpointer data;
} PalStripClient;

GtkWidget *pal_strip_new    (const PalStripClient *client);

/* At the end; selects it when choose. */
void       pal_strip_add    (GtkWidget *strip, PalResult *result, gboolean choose);

/* Another button, at the end of the strip's own. */
void       pal_strip_add_tool (GtkWidget *strip, GtkWidget *tool);

void       pal_strip_remove (GtkWidget *strip, PalResult *result);

G_END_DECLS

#endif
