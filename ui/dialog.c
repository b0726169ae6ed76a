/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the dialog: its two halves, which keys do what, and the two states, waiting and
 * running. GimpProcedureDialog brings Reset, saved settings and the tie to GIMP's window. */

#include "dialog.h"

#include <gdk/gdkkeysyms.h>
#include <glib/gi18n-lib.h>
#include <libgimp/gimpui.h>

#include "settings-pane.h"
#include "status-row.h"
#include "viewer.h"

#define WIDTH_PX     1040
#define HEIGHT_PX    640
#define LOOK_DELAY_MS 150     /* between the last change and a new look at the image */

/* Arguments that decide what a run looks at. */
static const gchar *const look_arguments[] = {
  "purpose", "region", "strength", "grow", "feather",
  "extend-left", "extend-right", "extend-top", "extend-bottom"
};

struct _PalDialog
{
  GimpProcedureConfig   *config;
  const PalDialogClient *client;
  gpointer               data;

  GtkWidget             *window, *message, *message_text, *halves, *viewer, *pane, *status;

  const PalModelInfo    *model;         /* NULL when there is none to run */
  gchar                 *model_error, *device_error;
  GCancellable          *cancellable;   /* while running */
  guint                  look_source;
  gboolean               applied;
};

/* Messages */

static void
show_message (PalDialog *dialog, GtkMessageType type, const gchar *text)
{
  gtk_info_bar_set_message_type (GTK_INFO_BAR (dialog->message), type);
  gtk_label_set_text (GTK_LABEL (dialog->message_text), text);
  gtk_widget_show (dialog->message);
  gtk_info_bar_set_revealed (GTK_INFO_BAR (dialog->message), TRUE);
}

static void
hide_message (PalDialog *dialog)
{
  gtk_widget_hide (dialog->message);
}

static GtkWidget *
message_new (PalDialog *dialog)
{
  GtkWidget *bar = gtk_info_bar_new ();

  dialog->message      = bar;
  dialog->message_text = gtk_label_new (NULL);
  gtk_label_set_xalign (GTK_LABEL (dialog->message_text), 0.0f);
  gtk_label_set_line_wrap (GTK_LABEL (dialog->message_text), TRUE);
  gtk_label_set_line_wrap_mode (GTK_LABEL (dialog->message_text), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_selectable (GTK_LABEL (dialog->message_text), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (dialog->message_text), 56);
  gtk_widget_set_can_focus (dialog->message_text, FALSE);

  gtk_container_add (GTK_CONTAINER (gtk_info_bar_get_content_area (GTK_INFO_BAR (bar))),
                     dialog->message_text);
  gtk_info_bar_set_show_close_button (GTK_INFO_BAR (bar), TRUE);
  g_signal_connect_swapped (bar, "response", G_CALLBACK (hide_message), dialog);
  gtk_widget_show (dialog->message_text);

  return bar;
}

/* What there is to see: the image, or why nothing can be run */

static void
update_ok (PalDialog *dialog)
{
  gtk_dialog_set_response_sensitive (GTK_DIALOG (dialog->window), GTK_RESPONSE_OK,
                                     dialog->model && ! dialog->device_error &&
                                     ! dialog->cancellable);
}

/* FALSE when nothing can be run. */
static gboolean
show_state (PalDialog *dialog)
{
  g_autoptr (GPtrArray) models = NULL;
  g_autoptr (GError)    error  = NULL;

  if (dialog->device_error)
    pal_viewer_set_state (dialog->viewer, PAL_STATE_NO_DEVICE, dialog->device_error);
  else if (! dialog->client->check_models (&error) && ! dialog->model)
    pal_viewer_set_state (dialog->viewer, PAL_STATE_BAD_FOLDER, error->message);
  else if (! dialog->model)
    {
      models = dialog->client->list_models ();
      pal_viewer_set_state (dialog->viewer, models->len > 0 ? PAL_STATE_BAD_MODEL
                                                            : PAL_STATE_NO_MODEL,
                            dialog->model_error);
    }
  else
    {
      if (error)
        show_message (dialog, GTK_MESSAGE_WARNING, error->message);
      return TRUE;
    }

  return FALSE;
}

static gboolean
look (gpointer data)
{
  PalDialog         *dialog = data;
  g_autoptr (GError) error  = NULL;
  PalScene          *scene;

  dialog->look_source = 0;
  update_ok (dialog);
  if (! show_state (dialog))
    return G_SOURCE_REMOVE;

  scene = dialog->client->look (dialog->config, dialog->model, dialog->data, &error);
  if (! scene)
    show_message (dialog, GTK_MESSAGE_WARNING, error->message);
  pal_viewer_set_scene (dialog->viewer, scene);

  return G_SOURCE_REMOVE;
}

static void
look_soon (PalDialog *dialog)
{
  g_clear_handle_id (&dialog->look_source, g_source_remove);
  dialog->look_source = g_timeout_add (LOOK_DELAY_MS, look, dialog);
}

static void
model_changed (const PalModelInfo *info, const GError *error, gpointer data)
{
  PalDialog *dialog = data;

  dialog->model = info;
  g_set_str (&dialog->model_error, error ? error->message : NULL);
  hide_message (dialog);
  look_soon (dialog);
  update_ok (dialog);
}

static void
devices_failed (const gchar *message, gpointer data)
{
  PalDialog *dialog = data;

  g_set_str (&dialog->device_error, message);
  look_soon (dialog);
}

/* The image may have been worked on in GIMP's own window meanwhile. */
static gboolean
window_focused (GtkWidget *window, GdkEventFocus *event, gpointer data)
{
  PalDialog *dialog = data;

  if (! dialog->cancellable)
    look_soon (dialog);
  return GDK_EVENT_PROPAGATE;
}

/* Results */

static void
no_result_shown (PalResult *result, gpointer data)
{
}

static void
apply_results (GPtrArray *results, gpointer data)
{
  PalDialog         *dialog = data;
  g_autoptr (GError) error  = NULL;
  g_autofree gchar  *text   = NULL;

  if (! dialog->client->apply (results, dialog->data, &error))
    {
      show_message (dialog, GTK_MESSAGE_ERROR, error->message);
      return;
    }

  dialog->applied = TRUE;
  hide_message (dialog);
  text = g_strdup_printf (ngettext ("%u layer added; Undo in GIMP takes it back",
                                    "%u layers added as a group; Undo in GIMP takes them back",
                                    results->len), results->len);
  pal_status_row_set_text (dialog->status, text);
}

static void
discard_results (GPtrArray *results, gpointer data)
{
  PalDialog *dialog = data;

  for (guint i = 0; i < results->len; i++)
    {
      pal_strip_remove (pal_viewer_get_strip (dialog->viewer), results->pdata[i]);
      dialog->client->discard (results->pdata[i], dialog->data);
    }
}

static void
keep_seed (PalResult *result, gpointer data)
{
  PalDialog *dialog = data;

  pal_settings_pane_take (dialog->pane, result);
  pal_settings_pane_focus_prompt (dialog->pane, TRUE);
  pal_status_row_set_text (dialog->status, _("The seed is kept: change one thing and generate"));
}

/* Running */

static void
stop (PalDialog *dialog)
{
  if (! dialog->cancellable || g_cancellable_is_cancelled (dialog->cancellable))
    return;

  g_cancellable_cancel (dialog->cancellable);
  pal_status_row_set_stopping (dialog->status);
}

/* Escape and the window's cross mean Stop while running; the waiting loop of
 * GimpProcedureDialog takes them otherwise. */
static void
dialog_response (GtkDialog *window, gint response, gpointer data)
{
  if (response == GTK_RESPONSE_DELETE_EVENT || response == GTK_RESPONSE_CANCEL)
    stop (data);
}

static gboolean
key_pressed (GtkWidget *window, GdkEventKey *event, gpointer data)
{
  if ((event->state & GDK_CONTROL_MASK) &&
      (event->keyval == GDK_KEY_Return || event->keyval == GDK_KEY_KP_Enter))
    {
      PalDialog *dialog = data;

      if (dialog->model && ! dialog->device_error && ! dialog->cancellable)
        gtk_dialog_response (GTK_DIALOG (window), GTK_RESPONSE_OK);
      return GDK_EVENT_STOP;
    }

  return GDK_EVENT_PROPAGATE;
}

static gchar *
window_title (PalDialog *dialog)
{
  g_autofree gchar *id = NULL;

  g_object_get (dialog->config, "purpose", &id, NULL);
  return g_strdup (_(pal_purpose_info (pal_purpose_find (id))->title));
}

static void
update_title (PalDialog *dialog)
{
  g_autofree gchar *title = window_title (dialog);

  gtk_window_set_title (GTK_WINDOW (dialog->window), title);
}

/* The settings sleep while running; what was made before can be looked at. */
static void
set_running (PalDialog *dialog, GCancellable *cancellable)
{
  GtkDialog *window = GTK_DIALOG (dialog->window);
  GtkWidget *close  = gtk_dialog_get_widget_for_response (window, GTK_RESPONSE_CANCEL);

  dialog->cancellable = cancellable;
  pal_status_row_set_running (dialog->status, cancellable != NULL);
  gtk_widget_set_sensitive (dialog->pane, cancellable == NULL);

  gtk_widget_set_sensitive (gtk_widget_get_parent (close), cancellable == NULL);

  update_ok (dialog);
  if (! cancellable)
    {
      pal_viewer_end_forming (dialog->viewer);
      update_title (dialog);
      pal_settings_pane_focus_prompt (dialog->pane, FALSE);
    }
}

static void
show_report (PalDialog *dialog, const PalDialogReport *report)
{
  g_autofree gchar *text = NULL;

  if (report->n_results == 1)
    /* TRANSLATORS: the random seed, then a time. */
    text = g_strdup_printf (_("Seed %d, %.1f s; Apply adds it to the image"), report->seed,
                            report->seconds);
  else
    text = g_strdup_printf (ngettext ("%u result, seeds from %d, %.1f s",
                                      "%u results, seeds from %d, %.1f s", report->n_results),
                            report->n_results, report->seed, report->seconds);
  pal_status_row_set_text (dialog->status, text);
  pal_settings_pane_set_used (dialog->pane, report->seed);

  if (report->note)
    show_message (dialog, GTK_MESSAGE_INFO, report->note);
}

static void
run_once (PalDialog *dialog)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError)       error       = NULL;
  PalDialogReport          report      = { 0 };
  gboolean                 ok;

  hide_message (dialog);
  g_clear_handle_id (&dialog->look_source, g_source_remove);
  look (dialog);
  set_running (dialog, cancellable);
  ok = dialog->client->run (dialog, dialog->config, cancellable, &report, dialog->data, &error);
  set_running (dialog, NULL);

  if (ok)
    show_report (dialog, &report);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    pal_status_row_set_text (dialog->status, _("Stopped; the image is as it was"));
  else
    {
      pal_status_row_set_text (dialog->status, "");
      show_message (dialog, GTK_MESSAGE_ERROR, error->message);
    }
  g_free (report.note);
}

/* Assembly */

static void
add_halves (PalDialog *dialog, GtkWidget *area)
{
  const PalStripClient    strip    = { no_result_shown, apply_results, discard_results, keep_seed,
                                       dialog };
  const PalSettingsClient settings = { dialog->client->list_models, dialog->client->add_models,
                                       model_changed, devices_failed, dialog };
  g_autoptr (GPtrArray)   earlier  = dialog->client->recall (dialog->data);

  dialog->pane   = pal_settings_pane_new (dialog->config, &settings);
  dialog->viewer = pal_viewer_new (&strip, G_CALLBACK (pal_settings_pane_choose_model),
                                   dialog->pane);
  for (guint i = 0; i < earlier->len; i++)
    pal_strip_add (pal_viewer_get_strip (dialog->viewer), earlier->pdata[i], FALSE);

  dialog->halves = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  gtk_box_pack_start (GTK_BOX (dialog->halves), dialog->viewer, TRUE, TRUE, 0);
  gtk_box_pack_start (GTK_BOX (dialog->halves), dialog->pane, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (area), dialog->halves, TRUE, TRUE, 0);
  gtk_widget_show (dialog->halves);
}

/* GimpProcedureDialog's buttons to load and save settings take a line of their own below
 * everything: that height is better spent on the preview. */
static void
move_saved_settings (PalDialog *dialog, GtkWidget *area)
{
  GtkWidget        *actions  = gtk_widget_get_parent (
                                 gtk_dialog_get_widget_for_response (GTK_DIALOG (dialog->window),
                                                                     GTK_RESPONSE_OK));
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (area));

  for (GList *iter = children; iter; iter = iter->next)
    {
      GtkWidget *child = iter->data;

      if (child == dialog->message || child == dialog->halves || child == dialog->status ||
          gtk_widget_is_ancestor (actions, child) || child == actions)
        continue;

      g_object_ref (child);
      gtk_container_remove (GTK_CONTAINER (area), child);
      pal_settings_pane_add_advanced (dialog->pane, child);
      g_object_unref (child);
    }
}

static void
connect (PalDialog *dialog)
{
  for (guint i = 0; i < G_N_ELEMENTS (look_arguments); i++)
    {
      g_autofree gchar *signal = g_strconcat ("notify::", look_arguments[i], NULL);

      g_signal_connect_swapped (dialog->config, signal, G_CALLBACK (look_soon), dialog);
    }
  g_signal_connect_swapped (dialog->config, "notify::purpose", G_CALLBACK (update_title), dialog);
  g_signal_connect (dialog->window, "focus-in-event", G_CALLBACK (window_focused), dialog);
  g_signal_connect (dialog->window, "response", G_CALLBACK (dialog_response), dialog);
  g_signal_connect (dialog->window, "key-press-event", G_CALLBACK (key_pressed), dialog);
}

static void
dialog_init (PalDialog *dialog, GimpProcedure *procedure)
{
  g_autofree gchar *title = window_title (dialog);
  GtkWidget        *area, *close;

  dialog->window = gimp_procedure_dialog_new (procedure, dialog->config, title);
  gimp_procedure_dialog_set_ok_label (GIMP_PROCEDURE_DIALOG (dialog->window), _("_Generate"));
  close = gtk_dialog_get_widget_for_response (GTK_DIALOG (dialog->window), GTK_RESPONSE_CANCEL);
  gtk_button_set_label (GTK_BUTTON (close), _("_Close"));
  gtk_window_set_default_size (GTK_WINDOW (dialog->window), WIDTH_PX, HEIGHT_PX);

  area = gtk_dialog_get_content_area (GTK_DIALOG (dialog->window));
  gtk_box_set_spacing (GTK_BOX (area), 12);
  gtk_box_pack_start (GTK_BOX (area), message_new (dialog), FALSE, FALSE, 0);
  add_halves (dialog, area);
  dialog->status = pal_status_row_new (G_CALLBACK (stop), dialog);
  gtk_box_pack_start (GTK_BOX (area), dialog->status, FALSE, FALSE, 0);
  move_saved_settings (dialog, area);

  pal_status_row_set_text (dialog->status, _("Ctrl+Enter generates, Escape stops or closes"));
  connect (dialog);
  pal_settings_pane_start (dialog->pane);
  pal_settings_pane_focus_prompt (dialog->pane, FALSE);
}

gboolean
pal_dialog_run (GimpProcedure *procedure, GimpProcedureConfig *config,
                const PalDialogClient *client, gpointer data)
{
  PalDialog dialog = { .config = config, .client = client, .data = data };

  dialog_init (&dialog, procedure);
  while (gimp_procedure_dialog_run (GIMP_PROCEDURE_DIALOG (dialog.window)))
    run_once (&dialog);

  g_clear_handle_id (&dialog.look_source, g_source_remove);
  g_signal_handlers_disconnect_by_data (config, &dialog);
  gtk_widget_destroy (dialog.window);
  g_free (dialog.model_error);
  g_free (dialog.device_error);

  return dialog.applied;
}

void
pal_dialog_set_progress (PalDialog *dialog, const PalProgress *progress, gint variant,
                         gint n_variants, gdouble fraction)
{
  g_autofree gchar *name  = window_title (dialog);
  g_autofree gchar *title = NULL;

  pal_status_row_set_progress (dialog->status, progress, variant, n_variants, fraction);
  if (progress->preview)
    pal_viewer_set_forming (dialog->viewer, progress->preview);

  /* TRANSLATORS: the dialog's title while it works: percent done, name. */
  title = g_strdup_printf (_("%d%% – %s"), (gint) (fraction * 100), name);
  gtk_window_set_title (GTK_WINDOW (dialog->window), title);
}

void
pal_dialog_add_result (PalDialog *dialog, PalResult *result)
{
  pal_strip_add (pal_viewer_get_strip (dialog->viewer), result, TRUE);
}
