/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the progress bar and its words. Text and bar share one place, so that the
 * dialog keeps its size. */

#include "status-row.h"

#include <glib/gi18n-lib.h>

typedef struct
{
  GtkWidget *bar, *stop, *text;
  gboolean   stopping;
  gint64     start_us;          /* of the first variant's painting; 0 = not yet */
  gdouble    start_fraction;
} StatusRow;

static const gchar *const phases[PAL_N_PHASES] = {
  [PAL_PHASE_LOAD]    = N_("Reading the model"),
  [PAL_PHASE_TEXT]    = N_("Reading the prompt"),
  [PAL_PHASE_ENCODE]  = N_("Encoding the layer"),
  [PAL_PHASE_DENOISE] = N_("Painting"),
  [PAL_PHASE_DECODE]  = N_("Decoding the picture")
};

static StatusRow *
get_row (GtkWidget *stack)
{
  return g_object_get_data (G_OBJECT (stack), "status-row");
}

GtkWidget *
pal_status_row_new (GCallback stop, gpointer data)
{
  GtkWidget *stack = gtk_stack_new ();
  GtkWidget *box   = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  StatusRow *row   = g_new0 (StatusRow, 1);

  row->bar  = gtk_progress_bar_new ();
  row->stop = gtk_button_new_with_mnemonic (_("_Stop"));
  row->text = gtk_label_new (NULL);

  gtk_progress_bar_set_show_text (GTK_PROGRESS_BAR (row->bar), TRUE);
  gtk_progress_bar_set_ellipsize (GTK_PROGRESS_BAR (row->bar), PANGO_ELLIPSIZE_END);
  gtk_widget_set_valign (row->bar, GTK_ALIGN_CENTER);
  gtk_label_set_xalign (GTK_LABEL (row->text), 0.0f);
  gtk_label_set_ellipsize (GTK_LABEL (row->text), PANGO_ELLIPSIZE_END);
  gtk_label_set_selectable (GTK_LABEL (row->text), TRUE);
  gtk_widget_set_can_focus (row->text, FALSE);
  gtk_widget_set_tooltip_text (row->stop, _("Stop after the current step; the image stays as it "
                                            "is (Escape)"));

  gtk_box_pack_start (GTK_BOX (box), row->bar, TRUE, TRUE, 0);
  gtk_box_pack_start (GTK_BOX (box), row->stop, FALSE, FALSE, 0);
  gtk_stack_add_named (GTK_STACK (stack), row->text, "text");
  gtk_stack_add_named (GTK_STACK (stack), box, "progress");
  g_object_set_data_full (G_OBJECT (stack), "status-row", row, g_free);
  g_signal_connect_swapped (row->stop, "clicked", stop, data);
  gtk_widget_show_all (stack);

  return stack;
}

void
pal_status_row_set_running (GtkWidget *stack, gboolean running)
{
  StatusRow *row = get_row (stack);

  row->stopping = FALSE;
  gtk_stack_set_visible_child_name (GTK_STACK (stack), running ? "progress" : "text");
  gtk_widget_set_sensitive (row->stop, TRUE);
  row->start_us = 0;
  if (running)
    {
      gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (row->bar), 0.0);
      gtk_progress_bar_set_text (GTK_PROGRESS_BAR (row->bar), _(phases[PAL_PHASE_LOAD]));
      gtk_widget_grab_focus (row->stop);
    }
}

void
pal_status_row_set_stopping (GtkWidget *stack)
{
  StatusRow *row = get_row (stack);

  row->stopping = TRUE;
  gtk_widget_set_sensitive (row->stop, FALSE);
  gtk_progress_bar_set_text (GTK_PROGRESS_BAR (row->bar), _("Stopping…"));
}

void
pal_status_row_set_text (GtkWidget *stack, const gchar *text)
{
  StatusRow *row = get_row (stack);

  gtk_label_set_text (GTK_LABEL (row->text), text);
  gtk_widget_set_tooltip_text (row->text, text);
}

/* From the pace since painting began: what comes before says nothing of it. */
static void
append_time_left (StatusRow *row, GString *text, const PalProgress *progress, gdouble fraction)
{
  gint64 now = g_get_monotonic_time (), left;

  if (row->start_us == 0)
    {
      if (progress->phase != PAL_PHASE_DENOISE || progress->step < 1)
        return;
      row->start_us       = now;
      row->start_fraction = fraction;
    }
  if (fraction <= row->start_fraction || now - row->start_us < G_USEC_PER_SEC)
    return;

  left = (gint64) ((gdouble) (now - row->start_us) / G_USEC_PER_SEC * (1.0 - fraction) /
                   (fraction - row->start_fraction));
  if (left >= 60)
    g_string_append_printf (text, ngettext (" – %d minute left", " – %d minutes left",
                                            (gulong) (left + 30) / 60), (gint) (left + 30) / 60);
  else
    g_string_append_printf (text, ngettext (" – %d second left", " – %d seconds left",
                                            (gulong) left), (gint) left);
}

void
pal_status_row_set_progress (GtkWidget *stack, const PalProgress *progress, gint variant,
                             gint n_variants, gdouble fraction)
{
  StatusRow *row  = get_row (stack);
  GString   *text = g_string_new (NULL);

  if (n_variants > 1)
    g_string_append_printf (text, _("Variant %d of %d: "), variant + 1, n_variants);
  g_string_append (text, _(phases[progress->phase]));
  if (progress->phase == PAL_PHASE_DENOISE && progress->n_steps > 0)
    g_string_append_printf (text, _(", step %d of %d"),
                            MIN (progress->step + 1, progress->n_steps), progress->n_steps);

  append_time_left (row, text, progress, fraction);

  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (row->bar), CLAMP (fraction, 0.0, 1.0));
  if (! row->stopping)
    gtk_progress_bar_set_text (GTK_PROGRESS_BAR (row->bar), text->str);
  g_string_free (text, TRUE);
}
