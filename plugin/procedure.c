/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the procedures: their registration, the three run modes, and what a caller
 * is told in the end.
 *
 * Cancel on GIMP's own progress bar kills the process, and so does a user who
 * runs out of patience: nothing is open in GIMP while the engine computes, so
 * that is safe, only not polite. Interactive runs therefore show progress and
 * Stop in their own dialog; the others stop on SIGTERM and SIGINT. */

#include "procedure.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <libgimp/gimpui.h>
#include <unistd.h>

#include "arguments.h"
#include "dialog.h"
#include "history.h"
#include "layer-io.h"
#include "models.h"
#include "run.h"

/* Non-interactive runs */

/* GIMP shows it on its own bar, or on the terminal. */
static void
show_progress (const PalProgress *progress, gint variant, gint n_variants, gdouble fraction,
               gpointer data)
{
  gimp_progress_update (fraction);
}

typedef struct
{
  GCancellable *cancellable;
  pid_t         parent;
} Watch;

static gboolean
stop_run (gpointer data)
{
  Watch *watch = data;

  g_cancellable_cancel (watch->cancellable);
  return G_SOURCE_CONTINUE;
}

/* The wire to GIMP is not read while computing: without this, a plug-in whose
 * GIMP is gone would go on to the end. */
static gboolean
stop_orphan (gpointer data)
{
  Watch *watch = data;

  if (getppid () != watch->parent)
    g_cancellable_cancel (watch->cancellable);
  return G_SOURCE_CONTINUE;
}

static gboolean
run_quietly (PalRun *run, GimpProcedureConfig *config, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Watch                    watch       = { cancellable, getppid () };
  guint                    sources[]   = { g_unix_signal_add (SIGTERM, stop_run, &watch),
                                           g_unix_signal_add (SIGINT, stop_run, &watch),
                                           g_timeout_add_seconds (1, stop_orphan, &watch) };
  g_autoptr (GPtrArray)    results     = NULL;
  const PalRunClient       client      = { .progress = show_progress };

  gimp_progress_init (_("Palimpsest"));
  results = pal_run_compute (run, config, &client, cancellable, error);
  gimp_progress_end ();

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);

  return results && pal_run_apply (run, results, FALSE, error);
}

/* Interactive runs */

/* What is done while the dialog computes. */
typedef struct
{
  PalDialog *dialog;
  PalRun    *run;
} Shown;

static void
show_in_dialog (const PalProgress *progress, gint variant, gint n_variants, gdouble fraction,
                gpointer data)
{
  pal_dialog_set_progress (((Shown *) data)->dialog, progress, variant, n_variants, fraction);
}

static void
show_result (PalResult *result, gpointer data)
{
  Shown *shown = data;

  pal_history_keep (pal_run_image (shown->run), result);
  pal_dialog_add_result (shown->dialog, result);
}

static gboolean
dialog_run (PalDialog *dialog, GimpProcedureConfig *config, GCancellable *cancellable,
            PalDialogReport *report, gpointer data, GError **error)
{
  Shown                 shown   = { dialog, data };
  const PalRunClient    client  = { show_in_dialog, show_result, &shown, TRUE };
  gint64                start   = g_get_monotonic_time ();
  g_autoptr (GPtrArray) results = pal_run_compute (data, config, &client, cancellable, error);

  if (! results)
    return FALSE;

  report->n_results = results->len;
  report->seed      = ((PalResult *) results->pdata[0])->seed;
  report->seconds   = (gdouble) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  report->note      = g_strdup (pal_run_note (data));
  return TRUE;
}

static PalScene *
dialog_look (GimpProcedureConfig *config, const PalModelInfo *info, gpointer data, GError **error)
{
  return pal_run_look (data, config, info, error);
}

static GPtrArray *
dialog_recall (gpointer data)
{
  return pal_history_read (pal_run_image (data));
}

static gboolean
dialog_apply (GPtrArray *results, gpointer data, GError **error)
{
  return pal_run_apply (data, results, TRUE, error);
}

static void
dialog_discard (PalResult *result, gpointer data)
{
  pal_history_forget (result);
}

static const PalDialogClient dialog_client = {
  .run          = dialog_run,
  .look         = dialog_look,
  .recall       = dialog_recall,
  .apply        = dialog_apply,
  .discard      = dialog_discard,
  .list_models  = pal_models_list,
  .add_models   = pal_models_add,
  .check_models = pal_models_check
};

/* gimp_ui_init () ends the process where there is no display, as in gimp-console. */
static gboolean
init_ui (GError **error)
{
  if (! gimp_display_name () && ! gtk_init_check (NULL, NULL))
    {
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                           _("There is no display to show a dialog on. Call the procedure with "
                             "the run mode non-interactive."));
      return FALSE;
    }

  gimp_ui_init ("palimpsest");
  return TRUE;
}

/* A number to begin with: half as wide again. */
static void
propose_growth (GimpProcedureConfig *config, GimpImage *image)
{
  gint quarter = MAX (gimp_image_get_width (image) / 4 / 8 * 8, 8);
  gint left, right, top, bottom;

  g_object_get (config, "extend-left", &left, "extend-right", &right, "extend-top", &top,
                "extend-bottom", &bottom, NULL);
  if (left + right + top + bottom == 0)
    g_object_set (config, "extend-left", quarter, "extend-right", quarter, NULL);
}

static gboolean
run_dialog (PalRun *run, const PalPurposeInfo *purpose, GimpProcedure *procedure,
            GimpProcedureConfig *config, GError **error)
{
  if (! init_ui (error))
    return FALSE;

  /* The last dialog may have been left at another purpose; a menu entry means its own. */
  g_object_set (config, "purpose", purpose->id, NULL);
  propose_growth (config, pal_run_image (run));
  if (pal_dialog_run (procedure, config, &dialog_client, run))
    return TRUE;

  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "closed without a result");
  return FALSE;
}

/* Results */

static GimpValueArray *
return_error (GimpProcedure *procedure, GError *error)
{
  GimpPDBStatusType status = GIMP_PDB_EXECUTION_ERROR;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      status = GIMP_PDB_CANCEL;
      g_clear_error (&error);
    }
  else if (g_error_matches (error, PAL_ERROR, PAL_ERROR_ARGUMENT))
    status = GIMP_PDB_CALLING_ERROR;

  return gimp_procedure_new_return_values (procedure, status, error);
}

static GimpValueArray *
return_layers (GimpProcedure *procedure, PalRun *run)
{
  GimpValueArray *values = gimp_procedure_new_return_values (procedure, GIMP_PDB_SUCCESS, NULL);

  GIMP_VALUES_SET_LAYER (values, 1, pal_run_layers (run)->pdata[0]);
  GIMP_VALUES_SET_INT (values, 2, pal_run_seed (run));

  return values;
}

static GimpValueArray *
run_procedure (GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image,
               GimpDrawable **drawables, GimpProcedureConfig *config, gpointer run_data)
{
  const PalPurposeInfo *purpose = run_data;
  g_autoptr (PalRun) run   = NULL;
  GError            *error = NULL;
  GimpLayer         *layer;

  gegl_init (NULL, NULL);

  layer = pal_layer_check (image, drawables, &error);
  if (! layer)
    return return_error (procedure, error);

  run = pal_run_new (image, layer);
  if (! (run_mode == GIMP_RUN_INTERACTIVE
           ? run_dialog (run, purpose, procedure, config, &error)
           : run_quietly (run, config, &error)))
    return return_error (procedure, error);

  return return_layers (procedure, run);
}

/* Registration */

GList *
pal_procedure_names (void)
{
  GList *names = NULL;

  for (guint i = 0; i < PAL_N_PURPOSES; i++)
    names = g_list_append (names, g_strdup (pal_purpose_info ((PalPurpose) i)->procedure));

  return names;
}

GimpProcedure *
pal_procedure_new (GimpPlugIn *plug_in, const gchar *name)
{
  for (guint i = 0; i < PAL_N_PURPOSES; i++)
    {
      const PalPurposeInfo *self = pal_purpose_info ((PalPurpose) i);
      GimpProcedure        *procedure;

      if (g_strcmp0 (name, self->procedure) != 0)
        continue;

      procedure = gimp_image_procedure_new (plug_in, name, GIMP_PDB_PROC_TYPE_PLUGIN,
                                            run_procedure, (gpointer) self, NULL);
      gimp_procedure_set_image_types (procedure, "RGB*, GRAY*");
      gimp_procedure_set_sensitivity_mask (procedure, GIMP_PROCEDURE_SENSITIVE_DRAWABLE);
      gimp_procedure_set_menu_label (procedure, _(self->label));
      gimp_procedure_add_menu_path (procedure, "<Image>/Filters/AI/");
      gimp_procedure_set_documentation (procedure, _(self->blurb), _(self->help), name);
      gimp_procedure_set_attribution (procedure, "The Palimpsest authors",
                                      "The Palimpsest authors", "2025");
      pal_arguments_add (procedure, (PalPurpose) i);

      return procedure;
    }

  return NULL;
}
