/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the seed's widgets: the number, the dice, the lock. */

#include "seed-row.h"

#include <glib/gi18n-lib.h>

typedef struct
{
  GimpProcedureConfig *config;
  GtkWidget           *spin, *lock;
  gboolean             loading;       /* widgets follow the argument, not the other way */
} SeedRow;

static void
store (SeedRow *row)
{
  gboolean locked = gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (row->lock));
  gint     old, seed;

  if (row->loading)
    return;

  g_object_get (row->config, "seed", &old, NULL);
  seed = locked ? gtk_spin_button_get_value_as_int (GTK_SPIN_BUTTON (row->spin)) : -1;
  if (seed != old)
    g_object_set (row->config, "seed", seed, NULL);
}

static void
show_lock (SeedRow *row)
{
  gboolean   locked = gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (row->lock));
  GtkWidget *image  = gtk_button_get_image (GTK_BUTTON (row->lock));

  gtk_widget_set_sensitive (row->spin, locked);
  gtk_image_set_from_icon_name (GTK_IMAGE (image), locked ? "changes-prevent-symbolic"
                                                          : "changes-allow-symbolic",
                                GTK_ICON_SIZE_BUTTON);
}

static void
lock_toggled (GtkToggleButton *button, gpointer data)
{
  show_lock (data);
  store (data);
}

static void
spin_changed (GtkSpinButton *spin, gpointer data)
{
  store (data);
}

static void
dice_clicked (GtkButton *button, gpointer data)
{
  SeedRow *row = data;

  gtk_spin_button_set_value (GTK_SPIN_BUTTON (row->spin), g_random_int_range (0, G_MAXINT));
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (row->lock), TRUE);
}

static void
load (SeedRow *row)
{
  gint seed;

  g_object_get (row->config, "seed", &seed, NULL);
  row->loading = TRUE;
  if (seed >= 0)
    gtk_spin_button_set_value (GTK_SPIN_BUTTON (row->spin), seed);
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (row->lock), seed >= 0);
  row->loading = FALSE;
}

static void
config_changed (GimpProcedureConfig *config, GParamSpec *pspec, gpointer box)
{
  load (g_object_get_data (box, "seed-row"));
}

GtkWidget *
pal_seed_row_new (GimpProcedureConfig *config, GtkWidget **spin)
{
  GtkWidget *box  = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  GtkWidget *dice = gtk_button_new_from_icon_name (GIMP_ICON_VIEW_REFRESH, GTK_ICON_SIZE_BUTTON);
  SeedRow   *row  = g_new0 (SeedRow, 1);

  row->config = config;
  row->spin   = gtk_spin_button_new_with_range (0, G_MAXINT, 1);
  gtk_entry_set_width_chars (GTK_ENTRY (row->spin), 10);
  row->lock   = gtk_toggle_button_new ();
  gtk_button_set_image (GTK_BUTTON (row->lock), gtk_image_new ());
  gtk_widget_set_tooltip_text (dice, _("Draw a seed and keep it"));
  gtk_widget_set_tooltip_text (row->lock,
                               _("Keep the seed shown, to vary something else; open, each run "
                                 "draws a seed of its own"));
  atk_object_set_name (gtk_widget_get_accessible (dice), _("New seed"));
  atk_object_set_name (gtk_widget_get_accessible (row->lock), _("Keep the seed"));

  gtk_box_pack_start (GTK_BOX (box), row->spin, TRUE, TRUE, 0);
  gtk_box_pack_start (GTK_BOX (box), dice, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), row->lock, FALSE, FALSE, 0);
  g_object_set_data_full (G_OBJECT (box), "seed-row", row, g_free);

  load (row);
  show_lock (row);
  g_signal_connect (row->spin, "value-changed", G_CALLBACK (spin_changed), row);
  g_signal_connect (row->lock, "toggled", G_CALLBACK (lock_toggled), row);
  g_signal_connect (dice, "clicked", G_CALLBACK (dice_clicked), row);
  g_signal_connect_object (config, "notify::seed", G_CALLBACK (config_changed), box,
                           G_CONNECT_DEFAULT);
  gtk_widget_show_all (box);

  *spin = row->spin;
  return box;
}

void
pal_seed_row_set_used (GtkWidget *box, gint seed)
{
  SeedRow *row = g_object_get_data (G_OBJECT (box), "seed-row");

  gtk_spin_button_set_value (GTK_SPIN_BUTTON (row->spin), seed);
}
