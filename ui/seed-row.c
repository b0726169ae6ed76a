/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the seed's widgets. */

#include "seed-row.h"

#include <glib/gi18n-lib.h>

typedef struct
{
  GimpProcedureConfig *config;
  GtkWidget           *spin, *random;
  gboolean             loading;       /* widgets follow the argument, not the other way */
} SeedRow;

static void
store (SeedRow *row)
{
  gboolean random = gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (row->random));
  gint     old, seed;

  if (row->loading)
    return;

  g_object_get (row->config, "seed", &old, NULL);
  seed = random ? -1 : gtk_spin_button_get_value_as_int (GTK_SPIN_BUTTON (row->spin));
  if (seed != old)
    g_object_set (row->config, "seed", seed, NULL);
}

static void
random_toggled (GtkToggleButton *button, gpointer data)
{
  SeedRow *row = data;

  gtk_widget_set_sensitive (row->spin, ! gtk_toggle_button_get_active (button));
  store (row);
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
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (row->random), FALSE);
}

static void
load (SeedRow *row)
{
  gint seed;

  g_object_get (row->config, "seed", &seed, NULL);
  row->loading = TRUE;
  if (seed >= 0)
    gtk_spin_button_set_value (GTK_SPIN_BUTTON (row->spin), seed);
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (row->random), seed < 0);
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
  row->random = gtk_check_button_new_with_mnemonic (_("Ne_w for each run"));
  gtk_widget_set_tooltip_text (dice, _("Draw a seed and keep it"));
  gtk_widget_set_tooltip_text (row->random,
                               _("Each run draws a seed of its own. Untick to keep the one "
                                 "shown and vary something else."));

  gtk_box_pack_start (GTK_BOX (box), row->spin, TRUE, TRUE, 0);
  gtk_box_pack_start (GTK_BOX (box), dice, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), row->random, FALSE, FALSE, 0);
  g_object_set_data_full (G_OBJECT (box), "seed-row", row, g_free);

  load (row);
  gtk_widget_set_sensitive (row->spin,
                            ! gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (row->random)));
  g_signal_connect (row->spin, "value-changed", G_CALLBACK (spin_changed), row);
  g_signal_connect (row->random, "toggled", G_CALLBACK (random_toggled), row);
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
