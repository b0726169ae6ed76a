/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the strip of thumbnails and its buttons. */

#include "strip.h"

#include <gdk/gdkkeysyms.h>
#include <glib/gi18n-lib.h>

#include "surface.h"

#define SIDE_PX 72

enum { COLUMN_THUMBNAIL, COLUMN_LABEL, COLUMN_TIP, COLUMN_RESULT, N_COLUMNS };

typedef struct
{
  PalStripClient client;
  GtkListStore  *store;
  GtkWidget     *buttons, *view, *stack, *apply, *keep, *discard;
} Strip;

static void
free_strip (gpointer data)
{
  Strip *strip = data;

  g_object_unref (strip->store);
  g_free (strip);
}

static PalResult *
get_result (Strip *strip, GtkTreeIter *iter)
{
  PalResult *result;

  gtk_tree_model_get (GTK_TREE_MODEL (strip->store), iter, COLUMN_RESULT, &result, -1);
  return result;
}

/* Of those selected, oldest first; element type PalResult. */
static GPtrArray *
selected (Strip *strip)
{
  GPtrArray   *results = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_result_unref);
  GtkTreeModel *model  = GTK_TREE_MODEL (strip->store);
  GtkTreeIter  iter;

  for (gboolean more = gtk_tree_model_get_iter_first (model, &iter); more;
       more = gtk_tree_model_iter_next (model, &iter))
    {
      g_autoptr (GtkTreePath) path = gtk_tree_model_get_path (model, &iter);

      if (gtk_icon_view_path_is_selected (GTK_ICON_VIEW (strip->view), path))
        g_ptr_array_add (results, pal_result_ref (get_result (strip, &iter)));
    }

  return results;
}

/* The one under the cursor goes before the others of a selection. */
static PalResult *
shown (Strip *strip, GPtrArray *results)
{
  g_autoptr (GtkTreePath) path = NULL;
  GtkTreeIter             iter;

  if (gtk_icon_view_get_cursor (GTK_ICON_VIEW (strip->view), &path, NULL) &&
      gtk_icon_view_path_is_selected (GTK_ICON_VIEW (strip->view), path) &&
      gtk_tree_model_get_iter (GTK_TREE_MODEL (strip->store), &iter, path))
    return get_result (strip, &iter);

  return results->len > 0 ? results->pdata[results->len - 1] : NULL;
}

static void
selection_changed (GtkIconView *view, gpointer data)
{
  Strip                *strip   = data;
  g_autoptr (GPtrArray) results = selected (strip);
  g_autofree gchar     *label   = NULL;

  if (results->len > 1)
    label = g_strdup_printf (ngettext ("_Apply %u as Group", "_Apply %u as Group", results->len),
                             results->len);
  gtk_button_set_label (GTK_BUTTON (strip->apply), label ? label : _("_Apply"));
  gtk_widget_set_sensitive (strip->apply, results->len > 0);
  gtk_widget_set_sensitive (strip->discard, results->len > 0);
  gtk_widget_set_sensitive (strip->keep, results->len == 1);
  strip->client.shown (shown (strip, results), strip->client.data);
}

static void
apply (Strip *strip)
{
  g_autoptr (GPtrArray) results = selected (strip);

  if (results->len > 0)
    strip->client.apply (results, strip->client.data);
}

static void
discard (Strip *strip)
{
  g_autoptr (GPtrArray) results = selected (strip);

  if (results->len > 0)
    strip->client.discard (results, strip->client.data);
}

static void
keep_seed (Strip *strip)
{
  g_autoptr (GPtrArray) results = selected (strip);

  if (results->len > 0)
    strip->client.keep_seed (results->pdata[0], strip->client.data);
}

static gboolean
key_pressed (GtkWidget *view, GdkEventKey *event, gpointer data)
{
  if (event->keyval == GDK_KEY_Delete)
    {
      discard (data);
      return GDK_EVENT_STOP;
    }
  if ((event->keyval == GDK_KEY_Return || event->keyval == GDK_KEY_KP_Enter) &&
      ! (event->state & GDK_CONTROL_MASK))
    {
      apply (data);
      return GDK_EVENT_STOP;
    }

  return GDK_EVENT_PROPAGATE;
}

/* Before the parts go: they would tell of a selection that changes. */
static void
strip_destroyed (GtkWidget *box, gpointer data)
{
  Strip        *strip = data;
  GtkTreeModel *model = GTK_TREE_MODEL (strip->store);
  GtkTreeIter   iter;

  if (! strip->view)
    return;

  g_signal_handlers_disconnect_by_data (strip->view, strip);
  strip->view = NULL;
  for (gboolean more = gtk_tree_model_get_iter_first (model, &iter); more;
       more = gtk_tree_model_iter_next (model, &iter))
    pal_result_unref (get_result (strip, &iter));
  gtk_list_store_clear (strip->store);
}

static gboolean
find (Strip *strip, PalResult *result, GtkTreeIter *iter)
{
  GtkTreeModel *model = GTK_TREE_MODEL (strip->store);

  for (gboolean more = gtk_tree_model_get_iter_first (model, iter); more;
       more = gtk_tree_model_iter_next (model, iter))
    if (get_result (strip, iter) == result)
      return TRUE;

  return FALSE;
}

static void
count_changed (Strip *strip)
{
  gint n = gtk_tree_model_iter_n_children (GTK_TREE_MODEL (strip->store), NULL);

  gtk_icon_view_set_columns (GTK_ICON_VIEW (strip->view), MAX (n, 1));
  gtk_stack_set_visible_child_name (GTK_STACK (strip->stack), n > 0 ? "results" : "empty");
}

void
pal_strip_add (GtkWidget *box, PalResult *result, gboolean choose)
{
  Strip                  *strip = g_object_get_data (G_OBJECT (box), "strip");
  g_autoptr (GdkPixbuf)   thumb = pal_thumbnail_new (result->image, result->mask, SIDE_PX);
  g_autofree gchar       *label = g_strdup_printf ("%d", result->seed);
  g_autofree gchar       *plain = NULL;
  g_autofree gchar       *tip   = NULL;
  g_autoptr (GtkTreePath) path  = NULL;
  GtkTreeIter             iter;

  /* TRANSLATORS: what a picture was made from: a purpose as "Restyle", then the random seed,
   * then the prompt. */
  plain = g_strdup_printf (_("%s, seed %d\n%s"), _(pal_purpose_info (result->purpose)->title),
                           result->seed, result->prompt ? result->prompt : "");
  tip   = g_markup_escape_text (g_strchomp (plain), -1);
  gtk_list_store_insert_with_values (strip->store, &iter, -1, COLUMN_THUMBNAIL, thumb,
                                     COLUMN_LABEL, label, COLUMN_TIP, tip,
                                     COLUMN_RESULT, pal_result_ref (result), -1);
  count_changed (strip);
  if (! choose)
    return;

  path = gtk_tree_model_get_path (GTK_TREE_MODEL (strip->store), &iter);
  gtk_icon_view_unselect_all (GTK_ICON_VIEW (strip->view));
  gtk_icon_view_set_cursor (GTK_ICON_VIEW (strip->view), path, NULL, FALSE);
  gtk_icon_view_select_path (GTK_ICON_VIEW (strip->view), path);
  gtk_icon_view_scroll_to_path (GTK_ICON_VIEW (strip->view), path, FALSE, 0, 0);
}

void
pal_strip_add_tool (GtkWidget *box, GtkWidget *tool)
{
  Strip *strip = g_object_get_data (G_OBJECT (box), "strip");

  gtk_box_pack_end (GTK_BOX (strip->buttons), tool, FALSE, FALSE, 0);
  gtk_widget_show (tool);
}

void
pal_strip_remove (GtkWidget *box, PalResult *result)
{
  Strip      *strip = g_object_get_data (G_OBJECT (box), "strip");
  GtkTreeIter iter;

  if (! find (strip, result, &iter))
    return;

  gtk_list_store_remove (strip->store, &iter);
  pal_result_unref (result);
  count_changed (strip);
  selection_changed (GTK_ICON_VIEW (strip->view), strip);
}

/* Assembly */

static GtkWidget *
view_new (Strip *strip)
{
  GtkWidget   *scroll = gtk_scrolled_window_new (NULL, NULL);
  GtkIconView *view;

  strip->store = gtk_list_store_new (N_COLUMNS, GDK_TYPE_PIXBUF, G_TYPE_STRING, G_TYPE_STRING,
                                     G_TYPE_POINTER);
  strip->view  = gtk_icon_view_new_with_model (GTK_TREE_MODEL (strip->store));
  view         = GTK_ICON_VIEW (strip->view);
  gtk_icon_view_set_pixbuf_column (view, COLUMN_THUMBNAIL);
  gtk_icon_view_set_text_column (view, COLUMN_LABEL);
  gtk_icon_view_set_tooltip_column (view, COLUMN_TIP);
  gtk_icon_view_set_selection_mode (view, GTK_SELECTION_MULTIPLE);
  gtk_icon_view_set_item_width (view, SIDE_PX + 8);
  gtk_icon_view_set_item_padding (view, 3);
  gtk_icon_view_set_spacing (view, 0);
  gtk_icon_view_set_column_spacing (view, 2);
  gtk_icon_view_set_margin (view, 2);
  atk_object_set_name (gtk_widget_get_accessible (strip->view), _("Results"));
  g_signal_connect (view, "selection-changed", G_CALLBACK (selection_changed), strip);
  g_signal_connect (view, "key-press-event", G_CALLBACK (key_pressed), strip);
  g_signal_connect_swapped (view, "item-activated", G_CALLBACK (apply), strip);

  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroll), GTK_POLICY_AUTOMATIC,
                                  GTK_POLICY_NEVER);
  gtk_scrolled_window_set_shadow_type (GTK_SCROLLED_WINDOW (scroll), GTK_SHADOW_IN);
  gtk_container_add (GTK_CONTAINER (scroll), strip->view);

  return scroll;
}

static GtkWidget *
button_new (Strip *strip, const gchar *label, const gchar *tip, GCallback clicked)
{
  GtkWidget *button = gtk_button_new_with_mnemonic (label);

  gtk_widget_set_tooltip_text (button, tip);
  gtk_widget_set_sensitive (button, FALSE);
  g_signal_connect_swapped (button, "clicked", clicked, strip);

  return button;
}

GtkWidget *
pal_strip_new (const PalStripClient *client)
{
  Strip     *strip   = g_new0 (Strip, 1);
  GtkWidget *box     = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  GtkWidget *empty   = gtk_label_new (_("Results gather here: the image stays as it is until you "
                                        "apply one"));

  strip->client  = *client;
  strip->buttons = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  strip->stack   = gtk_stack_new ();
  strip->apply   = button_new (strip, _("_Apply"), _("Add the selected results to the image, "
                                                     "each as a layer with a mask (Enter)"),
                               G_CALLBACK (apply));
  strip->keep    = button_new (strip, _("_Keep Seed"), _("Take this result's settings and seed, "
                                                         "to change one thing and run again"),
                               G_CALLBACK (keep_seed));
  strip->discard = button_new (strip, _("_Discard"), _("Forget the selected results (Delete)"),
                               G_CALLBACK (discard));

  gtk_label_set_line_wrap (GTK_LABEL (empty), TRUE);
  gtk_label_set_justify (GTK_LABEL (empty), GTK_JUSTIFY_CENTER);
  gtk_style_context_add_class (gtk_widget_get_style_context (empty), "dim-label");
  gtk_stack_set_vhomogeneous (GTK_STACK (strip->stack), FALSE);
  gtk_stack_add_named (GTK_STACK (strip->stack), empty, "empty");
  gtk_stack_add_named (GTK_STACK (strip->stack), view_new (strip), "results");

  gtk_box_pack_start (GTK_BOX (strip->buttons), strip->apply, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (strip->buttons), strip->keep, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (strip->buttons), strip->discard, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), strip->buttons, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), strip->stack, FALSE, FALSE, 0);
  g_object_set_data_full (G_OBJECT (box), "strip", strip, free_strip);
  g_signal_connect (box, "destroy", G_CALLBACK (strip_destroyed), strip);
  gtk_widget_show_all (box);

  return box;
}
