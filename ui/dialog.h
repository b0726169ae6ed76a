/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialog of all procedures. It knows what to show; what to do is the client's. */

#ifndef PAL_UI_DIALOG_H
#define PAL_UI_DIALOG_H

#include <libgimp/gimp.h>

#include "result.h"

G_BEGIN_DECLS

typedef struct _PalDialog PalDialog;

/* Of one run. */
typedef struct
{
  guint   n_results;
  gint    seed;                 /* of the first */
  gdouble seconds;
  gchar  *note;                 /* a line for the user, or NULL; the dialog frees it */
} PalDialogReport;

typedef struct
{
  /* One run; returns when it is done, having iterated the main context and called
   * pal_dialog_set_progress () and pal_dialog_add_result () meanwhile. */
  gboolean   (*run)         (PalDialog           *dialog,
                             GimpProcedureConfig *config,
                             GCancellable        *cancellable,
                             PalDialogReport     *report,
                             gpointer             data,
                             GError             **error);

  /* What a run with these settings would work on. */
  PalScene  *(*look)        (GimpProcedureConfig *config,
                             const PalModelInfo  *info,
                             gpointer             data,
                             GError             **error);

  /* Results of earlier dialogs for the same image, oldest first; of PalResult. */
  GPtrArray *(*recall)      (gpointer             data);

  /* Adds results to the image, as one step to undo. */
  gboolean   (*apply)       (GPtrArray           *results,
                             gpointer             data,
                             GError             **error);

  /* Forgets a result for good. */
  void       (*discard)     (PalResult           *result,
                             gpointer             data);

  /* Paths of the known models, the default first; element type gchar*. */
  GPtrArray *(*list_models) (void);

  /* Remembers a folder that holds models. */
  gboolean   (*add_models)  (const gchar         *folder,
                             GError             **error);

  /* FALSE and an error when a folder that the user chose can't be read. */
  gboolean   (*check_models) (GError             **error);
} PalDialogClient;

/* Shows the dialog until it is closed; it stays open for any number of runs.
 * TRUE when a result was applied. Needs gimp_ui_init (). */
gboolean pal_dialog_run          (GimpProcedure         *procedure,
                                  GimpProcedureConfig   *config,
                                  const PalDialogClient *client,
                                  gpointer               data);

/* variant counts from 0; fraction is of the whole run. */
void     pal_dialog_set_progress (PalDialog             *dialog,
                                  const PalProgress     *progress,
                                  gint                   variant,
                                  gint                   n_variants,
                                  gdouble                fraction);

void     pal_dialog_add_result   (PalDialog             *dialog,
                                  PalResult             *result);

G_END_DECLS

#endif
