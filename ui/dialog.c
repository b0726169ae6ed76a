/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the dialog: what stands where, which keys do what, and the two states,
 * waiting and running. GimpProcedureDialog brings Reset, saved settings and the
 * tie to GIMP's window. */

#include "dialog.h"

#include <gdk/gdkkeysyms.h>
#include <glib/gi18n-lib.h>
#include <libgimp/gimpui.h>

#include "device-row.h"
#include "form.h"
#include "model-row.h"
#include "seed-row.h"
#include "status-row.h"
#include "words-row.h"

#define WIDTH_PX        560
#define MIN_ADVANCED_PX 160
#define OTHER_PX        470     /* all but the advanced part, with the window's frame */

struct _PalDialog
{
  GimpProcedureConfig   *config;
  PalIntent              intent;
  const PalDialogClient *client;
  gpointer               data;

  GtkWidget             *window, *message, *message_text, *content, *prompt, *words_row;
  GtkWidget             *words_list, *model_row, *model_hint, *eta, *seed_row, *status;

  PalModelInfo           defaults;      /* the numbers of the chosen model; no strings */
  gchar                 *sampler;       /* its sampler's id */
  gchar                 *title;
  gboolean               usable;        /* there is a model to run */
  GCancellable          *cancellable;   /* while running */
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

static void
message_response (GtkInfoBar *bar, gint response, gpointer data)
{
  hide_message (data);
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
  g_signal_connect (bar, "response", G_CALLBACK (message_response), dialog);
  gtk_widget_show (dialog->message_text);

  return bar;
}

/* Numbers: 0 means the model's default, and the dialog shows which that is. */

static void
fill_default (PalDialog *dialog, const gchar *argument, gdouble old, gdouble new)
{
  GParamSpec *pspec;
  gdouble     value;

  pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (dialog->config), argument);
  if (! pspec)
    return;

  if (G_IS_PARAM_SPEC_INT (pspec))
    {
      gint integer;

      g_object_get (dialog->config, argument, &integer, NULL);
      value = integer;
    }
  else
    g_object_get (dialog->config, argument, &value, NULL);

  /* A value that only repeats the former model's default follows the model. */
  if (ABS (value - new) <= 1e-6 || (value > 0 && ABS (value - old) > 1e-6))
    return;

  if (G_IS_PARAM_SPEC_INT (pspec))
    g_object_set (dialog->config, argument, (gint) new, NULL);
  else
    g_object_set (dialog->config, argument, new, NULL);
}

static gdouble
default_strength (PalDialog *dialog, const PalModelInfo *info)
{
  return dialog->intent == PAL_RESTYLE ? info->restyle_strength : info->fill_strength;
}

static void
fill_defaults (PalDialog *dialog, const PalModelInfo *info)
{
  const PalModelInfo *old = &dialog->defaults;

  fill_default (dialog, "strength", default_strength (dialog, old),
                default_strength (dialog, info));
  fill_default (dialog, "steps", old->steps, info->steps);
  fill_default (dialog, "guidance", old->guidance, info->guidance);
}

/* Reset puts the zeros back. */
static void
number_changed (GimpProcedureConfig *config, GParamSpec *pspec, gpointer data)
{
  PalDialog *dialog = data;

  if (dialog->usable)
    fill_defaults (dialog, &dialog->defaults);
}

static void
update_eta (PalDialog *dialog)
{
  g_autofree gchar *sampler = NULL;

  g_object_get (dialog->config, "sampler", &sampler, NULL);
  if (g_strcmp0 (sampler, "default") == 0)
    g_set_str (&sampler, dialog->sampler);
  gtk_widget_set_sensitive (dialog->eta, g_strcmp0 (sampler, "ddim") == 0);
}

static void
update_ok (PalDialog *dialog)
{
  gtk_dialog_set_response_sensitive (GTK_DIALOG (dialog->window), GTK_RESPONSE_OK,
                                     dialog->usable && ! dialog->cancellable);
}

static void
model_changed (const PalModelInfo *info, const GError *error, gpointer data)
{
  PalDialog *dialog = data;

  dialog->usable = info != NULL;
  pal_words_row_set_model (dialog->words_row, info);
  update_ok (dialog);
  if (! info)
    {
      show_message (dialog, GTK_MESSAGE_ERROR, error->message);
      return;
    }

  hide_message (dialog);
  fill_defaults (dialog, info);
  dialog->defaults.fill_strength    = info->fill_strength;
  dialog->defaults.restyle_strength = info->restyle_strength;
  dialog->defaults.steps            = info->steps;
  dialog->defaults.guidance         = info->guidance;
  g_set_str (&dialog->sampler, info->sampler);
  update_eta (dialog);
}

/* Assembly */

static void
add_main (PalDialog *dialog, GtkSizeGroup *labels)
{
  const PalModelRowClient client = { dialog->client->list_models, dialog->client->add_models,
                                     model_changed, dialog };
  GtkWidget *form = pal_form_new (labels);
  GtkWidget *box, *combo;

  box = pal_text_box_new (dialog->config, "prompt", 3, &dialog->prompt);
  pal_form_add (form, PAL_FORM_ROW, dialog->config, "prompt", box, dialog->prompt);
  dialog->words_row = pal_words_row_new (dialog->config, dialog->intent,
                                         &dialog->words_list);
  pal_form_add_plain (form, PAL_FORM_ROW, dialog->words_row);

  if (dialog->intent != PAL_GENERATE)
    {
      GtkWidget *strength = pal_slider_new (dialog->config, "strength", 0.05, 1.0, 0.01, 2);

      pal_form_add (form, PAL_FORM_ROW, dialog->config, "strength", strength, strength);
    }

  dialog->model_hint = pal_hint_new ();
  dialog->model_row  = pal_model_row_new (dialog->config, &client, &combo, dialog->model_hint);
  pal_form_add (form, PAL_FORM_ROW, dialog->config, "model", dialog->model_row, combo);
  pal_form_add_plain (form, PAL_FORM_ROW, dialog->model_hint);

  gtk_box_pack_start (GTK_BOX (dialog->content), form, TRUE, TRUE, 0);
}

static void
add_widget (PalDialog *dialog, GtkWidget *form, PalFormPlace place, const gchar *argument,
            GtkWidget *widget)
{
  pal_form_add (form, place, dialog->config, argument, widget, widget);
}

static GtkWidget *
advanced_form (PalDialog *dialog, GtkSizeGroup *labels)
{
  GObject   *config = G_OBJECT (dialog->config);
  GtkWidget *form   = pal_form_new (labels);
  GtkWidget *box, *focus;

  box = pal_text_box_new (dialog->config, "negative-prompt", 2, &focus);
  pal_form_add (form, PAL_FORM_ROW, dialog->config, "negative-prompt", box, focus);
  add_widget (dialog, form, PAL_FORM_LEFT, "steps",
              pal_slider_new (dialog->config, "steps", 1, 100, 1, 0));
  add_widget (dialog, form, PAL_FORM_RIGHT, "guidance",
              pal_slider_new (dialog->config, "guidance", 1.0, 20.0, 0.1, 1));
  add_widget (dialog, form, PAL_FORM_LEFT, "sampler",
              gimp_prop_choice_combo_box_new (config, "sampler"));
  dialog->eta = pal_slider_new (dialog->config, "eta", 0.0, 1.0, 0.01, 2);
  add_widget (dialog, form, PAL_FORM_RIGHT, "eta", dialog->eta);

  dialog->seed_row = pal_seed_row_new (dialog->config, &focus);
  pal_form_add (form, PAL_FORM_ROW, dialog->config, "seed", dialog->seed_row, focus);
  add_widget (dialog, form, PAL_FORM_LEFT, "random",
              gimp_prop_choice_combo_box_new (config, "random"));
  add_widget (dialog, form, PAL_FORM_RIGHT, "schedule",
              gimp_prop_choice_combo_box_new (config, "schedule"));

  add_widget (dialog, form, PAL_FORM_LEFT, "count",
              pal_slider_new (dialog->config, "count", 1, 16, 1, 0));
  if (dialog->intent != PAL_GENERATE)
    add_widget (dialog, form, PAL_FORM_RIGHT, "region",
                gimp_prop_choice_combo_box_new (config, "region"));
  add_widget (dialog, form, PAL_FORM_ROW, "device", pal_device_row_new (dialog->config));

  return form;
}

/* Where the screen is too low for both, opening one part closes the other. */
static void
make_room (GtkExpander *opened, GParamSpec *pspec, gpointer other)
{
  GtkWidget   *window  = gtk_widget_get_toplevel (GTK_WIDGET (opened));
  GdkMonitor  *monitor = gdk_display_get_monitor (gdk_display_get_default (), 0);
  GdkRectangle area;
  gint         height;

  gdk_monitor_get_workarea (monitor, &area);
  gtk_widget_get_preferred_height (window, &height, NULL);
  if (gtk_expander_get_expanded (opened) && height > area.height)
    gtk_expander_set_expanded (other, FALSE);
}

/* As high as it needs, but scrolled on a screen that is too low for it. */
static void
add_advanced (PalDialog *dialog, GtkSizeGroup *labels)
{
  GtkWidget   *expander = gtk_expander_new_with_mnemonic (_("Ad_vanced"));
  GtkWidget   *scroll   = gtk_scrolled_window_new (NULL, NULL);
  GtkWidget   *form     = advanced_form (dialog, labels);
  GdkMonitor  *monitor  = gdk_display_get_monitor (gdk_display_get_default (), 0);
  GdkRectangle area;
  gint         height;

  gdk_monitor_get_workarea (monitor, &area);
  gtk_widget_get_preferred_height (form, NULL, &height);
  height = MIN (height, MAX (MIN_ADVANCED_PX, area.height - OTHER_PX));

  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroll), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_overlay_scrolling (GTK_SCROLLED_WINDOW (scroll), FALSE);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (scroll), height);
  gtk_widget_set_margin_top (scroll, 6);
  gtk_container_add (GTK_CONTAINER (scroll), form);
  gtk_widget_show (scroll);

  gtk_expander_set_resize_toplevel (GTK_EXPANDER (expander), TRUE);
  gtk_container_add (GTK_CONTAINER (expander), scroll);
  gtk_widget_show (expander);
  g_signal_connect (expander, "notify::expanded", G_CALLBACK (make_room), dialog->words_list);
  g_signal_connect (dialog->words_list, "notify::expanded", G_CALLBACK (make_room), expander);
  gtk_box_pack_start (GTK_BOX (dialog->content), expander, FALSE, FALSE, 0);
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
  PalDialog *dialog = data;

  if ((event->state & GDK_CONTROL_MASK) &&
      (event->keyval == GDK_KEY_Return || event->keyval == GDK_KEY_KP_Enter))
    {
      if (dialog->usable && ! dialog->cancellable)
        gtk_dialog_response (GTK_DIALOG (window), GTK_RESPONSE_OK);
      return GDK_EVENT_STOP;
    }

  return GDK_EVENT_PROPAGATE;
}

/* Everything but Stop sleeps while running. */
static void
set_running (PalDialog *dialog, GCancellable *cancellable)
{
  GtkDialog *window = GTK_DIALOG (dialog->window);
  GtkWidget *close  = gtk_dialog_get_widget_for_response (window, GTK_RESPONSE_CANCEL);
  GtkWidget *area   = gtk_dialog_get_content_area (window);
  GList     *children;

  dialog->cancellable = cancellable;
  pal_status_row_set_running (dialog->status, cancellable != NULL);

  /* The content area also holds GimpProcedureDialog's own buttons. */
  children = gtk_container_get_children (GTK_CONTAINER (area));
  for (GList *iter = children; iter; iter = iter->next)
    if (iter->data != dialog->status && iter->data != dialog->message)
      gtk_widget_set_sensitive (iter->data, cancellable == NULL);
  g_list_free (children);
  gtk_widget_set_sensitive (gtk_widget_get_parent (close), cancellable == NULL);

  update_ok (dialog);
  if (! cancellable)
    {
      gtk_window_set_title (GTK_WINDOW (dialog->window), dialog->title);
      gtk_widget_grab_focus (dialog->prompt);
    }
}

static void
show_result (PalDialog *dialog, const PalDialogResult *result)
{
  g_autofree gchar *text = NULL;

  if (result->n_layers == 1)
    /* TRANSLATORS: the random seed, then a time. */
    text = g_strdup_printf (_("New layer, seed %d, %.1f s"), result->seed, result->seconds);
  else
    text = g_strdup_printf (ngettext ("%u new layer, seeds from %d, %.1f s",
                                      "%u new layers, seeds from %d, %.1f s",
                                      result->n_layers),
                            result->n_layers, result->seed, result->seconds);
  pal_status_row_set_text (dialog->status, text);
  pal_seed_row_set_used (dialog->seed_row, result->seed);

  if (result->note)
    show_message (dialog, GTK_MESSAGE_INFO, result->note);
}

static gboolean
run_once (PalDialog *dialog)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError)       error       = NULL;
  PalDialogResult          result      = { 0 };
  gboolean                 ok;

  hide_message (dialog);
  set_running (dialog, cancellable);
  ok = dialog->client->run (dialog, dialog->config, cancellable, &result, dialog->data, &error);
  set_running (dialog, NULL);

  if (ok)
    show_result (dialog, &result);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    pal_status_row_set_text (dialog->status, _("Stopped; the image is as it was"));
  else
    {
      pal_status_row_set_text (dialog->status, "");
      show_message (dialog, GTK_MESSAGE_ERROR, error->message);
    }

  return ok;
}

/* The menu's words without mnemonic and dots. */
static gchar *
window_title (GimpProcedure *procedure)
{
  gchar *title = gimp_strip_uline (gimp_procedure_get_menu_label (procedure));

  if (g_str_has_suffix (title, "…"))
    title[strlen (title) - strlen ("…")] = '\0';

  return title;
}

static void
dialog_init (PalDialog *dialog, GimpProcedure *procedure)
{
  g_autoptr (GtkSizeGroup) labels = gtk_size_group_new (GTK_SIZE_GROUP_HORIZONTAL);
  GtkWidget               *area, *close;

  dialog->title  = window_title (procedure);
  dialog->window = gimp_procedure_dialog_new (procedure, dialog->config, dialog->title);
  gimp_procedure_dialog_set_ok_label (GIMP_PROCEDURE_DIALOG (dialog->window), _("_Generate"));
  close = gtk_dialog_get_widget_for_response (GTK_DIALOG (dialog->window), GTK_RESPONSE_CANCEL);
  gtk_button_set_label (GTK_BUTTON (close), _("_Close"));
  gtk_window_set_default_size (GTK_WINDOW (dialog->window), WIDTH_PX, -1);

  area = gtk_dialog_get_content_area (GTK_DIALOG (dialog->window));
  gtk_box_set_spacing (GTK_BOX (area), 12);
  gtk_box_pack_start (GTK_BOX (area), message_new (dialog), FALSE, FALSE, 0);

  dialog->content = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  gtk_box_pack_start (GTK_BOX (area), dialog->content, TRUE, TRUE, 0);
  gtk_widget_show (dialog->content);
  add_main (dialog, labels);
  add_advanced (dialog, labels);

  dialog->status = pal_status_row_new (G_CALLBACK (stop), dialog);
  gtk_box_pack_start (GTK_BOX (area), dialog->status, FALSE, FALSE, 0);

  pal_status_row_set_text (dialog->status, _("Ctrl+Enter starts, Escape stops or closes"));
  pal_model_row_reload (dialog->model_row);
  g_signal_connect (dialog->config, "notify", G_CALLBACK (number_changed), dialog);
  g_signal_connect_swapped (dialog->config, "notify::sampler", G_CALLBACK (update_eta), dialog);
  g_signal_connect (dialog->window, "response", G_CALLBACK (dialog_response), dialog);
  g_signal_connect (dialog->window, "key-press-event", G_CALLBACK (key_pressed), dialog);
  gtk_widget_grab_focus (dialog->prompt);
}

gboolean
pal_dialog_run (GimpProcedure *procedure, GimpProcedureConfig *config, PalIntent intent,
                const PalDialogClient *client, gpointer data)
{
  PalDialog dialog  = { .config = config, .intent = intent, .client = client, .data = data };
  gboolean  success = FALSE;

  dialog_init (&dialog, procedure);
  while (gimp_procedure_dialog_run (GIMP_PROCEDURE_DIALOG (dialog.window)))
    success = run_once (&dialog) || success;

  g_signal_handlers_disconnect_by_data (config, &dialog);
  gtk_widget_destroy (dialog.window);
  g_free (dialog.sampler);
  g_free (dialog.title);

  return success;
}

void
pal_dialog_set_progress (PalDialog *dialog, const PalProgress *progress, gint variant,
                         gint n_variants, gdouble fraction)
{
  g_autofree gchar *title = NULL;

  pal_status_row_set_progress (dialog->status, progress, variant, n_variants, fraction);

  /* TRANSLATORS: the dialog's title while it works: percent done, name. */
  title = g_strdup_printf (_("%d%% – %s"), (gint) (fraction * 100), dialog->title);
  gtk_window_set_title (GTK_WINDOW (dialog->window), title);
}
