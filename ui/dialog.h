/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialog of all three procedures. It knows what to show; what to do is the
 * client's. */

#ifndef PAL_UI_DIALOG_H
#define PAL_UI_DIALOG_H

#include <libgimp/gimp.h>

#include "pal.h"

G_BEGIN_DECLS

typedef struct _PalDialog PalDialog;

typedef struct
{
  gint         seed;            /* the one used for the first layer */
  guint        n_layers;
  gdouble      seconds;
  const gchar *note;            /* a line for the user, or NULL */
} PalDialogResult;

typedef struct
{
  /* One run; returns when it is done, having iterated the main context and called
   * pal_dialog_set_progress () meanwhile. */
  gboolean   (*run)         (PalDialog           *dialog,
                             GimpProcedureConfig *config,
                             GCancellable        *cancellable,
                             PalDialogResult     *result,
                             gpointer             data,
                             GError             **error);

  /* Paths of the known models, the default first; element type gchar*. */
  GPtrArray *(*list_models) (void);

  /* Remembers a folder that holds models. */
  gboolean   (*add_models)  (const gchar         *folder,
                             GError             **error);
} PalDialogClient;

/* Shows the dialog until it is closed; it stays open for any number of runs.
 * TRUE when at least one of them succeeded. Needs gimp_ui_init (). */
gboolean pal_dialog_run          (GimpProcedure         *procedure,
                                  GimpProcedureConfig   *config,
                                  PalIntent              intent,
                                  const PalDialogClient *client,
                                  gpointer               data);

/* variant counts from 0; fraction is of the whole run. */
void     pal_dialog_set_progress (PalDialog             *dialog,
                                  const PalProgress     *progress,
                                  gint                   variant,
                                  gint                   n_variants,
                                  gdouble                fraction);

G_END_DECLS

#endif
