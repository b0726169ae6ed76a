/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The model: a list of those found, a button to choose another folder, and a line
 * about the chosen one. */

#ifndef PAL_UI_MODEL_ROW_H
#define PAL_UI_MODEL_ROW_H

#include <libgimp/gimp.h>
#include <libgimp/gimpui.h>

#include "pal.h"

G_BEGIN_DECLS

typedef struct
{
  /* Paths, the default one first; element type gchar*. */
  GPtrArray *(*list) (void);
  gboolean   (*add)  (const gchar *folder, GError **error);

  /* The choice changed: info is NULL, with an error, when that model can't be used; else
   * it stays until the next call. */
  void       (*changed) (const PalModelInfo *info, const GError *error, gpointer data);
  gpointer     data;
} PalModelRowClient;

/* For the argument "model". *combo is set to the list; hint, a label, gets the line. */
GtkWidget *pal_model_row_new    (GimpProcedureConfig     *config,
                                 const PalModelRowClient *client,
                                 GtkWidget              **combo,
                                 GtkWidget               *hint);

/* Reads the list and tells the client; once, when the dialog is complete. */
void       pal_model_row_reload (GtkWidget               *row);

/* Asks the user for a folder, as the button does. */
void       pal_model_row_choose (GtkWidget               *row);

G_END_DECLS

#endif
