/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The right part of the dialog: the prompt and all other arguments. */

#ifndef PAL_UI_SETTINGS_PANE_H
#define PAL_UI_SETTINGS_PANE_H

#include "model-row.h"
#include "result.h"

G_BEGIN_DECLS

typedef struct
{
  GPtrArray *(*list_models) (void);
  gboolean   (*add_models)  (const gchar *folder, GError **error);

  /* The model changed: NULL and an error when that one can't be used. */
  void       (*model_changed)  (const PalModelInfo *info, const GError *error, gpointer data);
  void       (*devices_failed) (const gchar *message, gpointer data);
  gpointer     data;
} PalSettingsClient;

GtkWidget *pal_settings_pane_new          (GimpProcedureConfig     *config,
                                           const PalSettingsClient *client);

/* Adds a widget at the end of the advanced settings. */
void       pal_settings_pane_add_advanced (GtkWidget               *pane,
                                           GtkWidget               *widget);

/* Reads the list of models and tells the client; once, when the dialog is complete. */
void       pal_settings_pane_start        (GtkWidget               *pane);

/* Gives the prompt the focus, all of it selected when to_change. */
void       pal_settings_pane_focus_prompt (GtkWidget               *pane,
                                           gboolean                 to_change);

/* Shows the seed that a run drew. */
void       pal_settings_pane_set_used     (GtkWidget               *pane,
                                           gint                     seed);

/* The settings and the seed of a result. */
void       pal_settings_pane_take         (GtkWidget               *pane,
                                           const PalResult         *result);

void       pal_settings_pane_choose_model (GtkWidget               *pane);

G_END_DECLS

#endif
