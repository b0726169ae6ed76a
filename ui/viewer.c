/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the left part of the dialog. */

#include "viewer.h"

#include <glib/gi18n-lib.h>
#include <libgimp/gimp.h>
#include <libgimp/gimpui.h>

#include "preview.h"

typedef struct
{
  PalStripClient client;
  PalResult     *result;        /* chosen in the strip, or NULL; the strip's */
  GtkWidget     *stack, *preview, *state, *before, *strip;
} Viewer;

static Viewer *
get_viewer (GtkWidget *box)
{
  return g_object_get_data (G_OBJECT (box), "viewer");
}

static void
result_shown (PalResult *result, gpointer data)
{
  Viewer *viewer = data;

  viewer->result = result;
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (viewer->before), FALSE);
  gtk_widget_set_sensitive (viewer->before, result != NULL);
  pal_preview_area_set_result (viewer->preview, result);
}

static void
results_applied (GPtrArray *results, gpointer data)
{
  Viewer *viewer = data;

  viewer->client.apply (results, viewer->client.data);
}

static void
results_discarded (GPtrArray *results, gpointer data)
{
  Viewer *viewer = data;

  viewer->client.discard (results, viewer->client.data);
}

static void
seed_kept (PalResult *result, gpointer data)
{
  Viewer *viewer = data;

  viewer->client.keep_seed (result, viewer->client.data);
}

static void
before_toggled (GtkToggleButton *button, gpointer data)
{
  pal_preview_area_set_before (((Viewer *) data)->preview, gtk_toggle_button_get_active (button));
}

static void
close_toggled (GtkToggleButton *button, gpointer data)
{
  pal_preview_area_set_close (((Viewer *) data)->preview, gtk_toggle_button_get_active (button));
}

static GtkWidget *
toggle_new (Viewer *viewer, const gchar *icon, const gchar *name, const gchar *tip,
            GCallback toggled)
{
  GtkWidget *button = gtk_toggle_button_new ();

  gtk_button_set_image (GTK_BUTTON (button),
                        gtk_image_new_from_icon_name (icon, GTK_ICON_SIZE_BUTTON));
  gtk_widget_set_tooltip_text (button, tip);
  atk_object_set_name (gtk_widget_get_accessible (button), name);
  g_signal_connect (button, "toggled", toggled, viewer);

  return button;
}

GtkWidget *
pal_viewer_new (const PalStripClient *client, GCallback choose, gpointer data)
{
  Viewer         *viewer = g_new0 (Viewer, 1);
  PalStripClient  strip  = { result_shown, results_applied, results_discarded, seed_kept, viewer };
  GtkWidget      *box    = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  GtkWidget      *frame  = gtk_frame_new (NULL);
  GtkWidget      *zoom   = toggle_new (viewer, GIMP_ICON_ZOOM_FIT_BEST, _("Zoom to the context"),
                                       _("Show only what the model sees: the dashed frame"),
                                       G_CALLBACK (close_toggled));

  viewer->client  = *client;
  viewer->preview = pal_preview_area_new ();
  viewer->state   = pal_state_page_new (choose, data);
  viewer->stack   = gtk_stack_new ();
  viewer->before  = toggle_new (viewer, GIMP_ICON_VISIBLE, _("Before"),
                                _("Show the picture as it was; or hold the mouse button on the "
                                  "preview"),
                                G_CALLBACK (before_toggled));
  viewer->strip   = pal_strip_new (&strip);

  gtk_widget_set_sensitive (viewer->before, FALSE);
  gtk_frame_set_shadow_type (GTK_FRAME (frame), GTK_SHADOW_IN);
  gtk_container_add (GTK_CONTAINER (frame), viewer->preview);
  gtk_stack_add_named (GTK_STACK (viewer->stack), frame, "preview");
  gtk_stack_add_named (GTK_STACK (viewer->stack), viewer->state, "state");
  pal_strip_add_tool (viewer->strip, zoom);
  pal_strip_add_tool (viewer->strip, viewer->before);
  gtk_box_pack_start (GTK_BOX (box), viewer->stack, TRUE, TRUE, 0);
  gtk_box_pack_start (GTK_BOX (box), viewer->strip, FALSE, FALSE, 0);
  g_object_set_data_full (G_OBJECT (box), "viewer", viewer, g_free);
  gtk_widget_show_all (viewer->stack);
  gtk_widget_show (box);

  return box;
}

void
pal_viewer_set_scene (GtkWidget *box, PalScene *scene)
{
  Viewer *viewer = get_viewer (box);

  pal_preview_area_set_scene (viewer->preview, scene);
  gtk_stack_set_visible_child_name (GTK_STACK (viewer->stack), "preview");
}

void
pal_viewer_set_state (GtkWidget *box, PalState state, const gchar *detail)
{
  Viewer *viewer = get_viewer (box);

  pal_state_page_set (viewer->state, state, detail);
  gtk_stack_set_visible_child_name (GTK_STACK (viewer->stack), "state");
}

void
pal_viewer_set_forming (GtkWidget *box, const PalImage *image)
{
  pal_preview_area_set_forming (get_viewer (box)->preview, image);
}

void
pal_viewer_end_forming (GtkWidget *box)
{
  Viewer *viewer = get_viewer (box);

  pal_preview_area_set_result (viewer->preview, viewer->result);
}

GtkWidget *
pal_viewer_get_strip (GtkWidget *box)
{
  return get_viewer (box)->strip;
}
