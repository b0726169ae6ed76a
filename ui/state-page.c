/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the states in which nothing can be run, and their remedies. */

#include "state-page.h"

#include <glib/gi18n-lib.h>

typedef struct
{
  GtkWidget *icon, *title, *detail, *remedy, *button;
} Page;

static const struct { const gchar *icon, *title, *remedy; gboolean chooses; } states[] = {
  [PAL_STATE_NO_DEVICE] = {
    "computer-fail-symbolic", N_("There is no device to compute on"),
    N_("Install the OpenCL driver of your graphics card, or the package pocl-opencl-icd to "
       "compute on the processor. Then close this dialog and open it again."), FALSE },
  [PAL_STATE_NO_MODEL] = {
    "folder-open-symbolic", N_("There is no model yet"),
    N_("Choose the folder of a Stable Diffusion model in the layout of the diffusers library: it "
       "holds a file model_index.json. Nothing is copied; the files are used where they are."),
    TRUE },
  [PAL_STATE_BAD_MODEL] = {
    "dialog-warning-symbolic", N_("This model can't be used"),
    N_("Choose another model in the list, or the folder of a complete one."), TRUE },
  [PAL_STATE_BAD_FOLDER] = {
    "folder-open-symbolic", N_("A folder of models can't be read"),
    N_("Make the folder readable for you, or choose another one."), TRUE },
};

static GtkWidget *
label_new (GtkWidget *box, const gchar *class)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_line_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_line_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 52);
  gtk_label_set_justify (GTK_LABEL (label), GTK_JUSTIFY_CENTER);
  if (class)
    gtk_style_context_add_class (gtk_widget_get_style_context (label), class);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);

  return label;
}

GtkWidget *
pal_state_page_new (GCallback chosen, gpointer data)
{
  Page          *page = g_new0 (Page, 1);
  GtkWidget     *box  = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  PangoAttrList *bold = pango_attr_list_new ();

  pango_attr_list_insert (bold, pango_attr_weight_new (PANGO_WEIGHT_BOLD));
  pango_attr_list_insert (bold, pango_attr_scale_new (PANGO_SCALE_LARGE));
  page->icon   = gtk_image_new ();
  page->button = gtk_button_new_with_mnemonic (_("Choose _Folder…"));
  gtk_image_set_pixel_size (GTK_IMAGE (page->icon), 48);
  gtk_style_context_add_class (gtk_widget_get_style_context (page->icon), "dim-label");
  gtk_box_pack_start (GTK_BOX (box), page->icon, FALSE, FALSE, 0);
  page->title  = label_new (box, NULL);
  page->remedy = label_new (box, NULL);
  page->detail = label_new (box, "dim-label");
  gtk_label_set_attributes (GTK_LABEL (page->title), bold);
  gtk_label_set_selectable (GTK_LABEL (page->detail), TRUE);
  gtk_widget_set_can_focus (page->detail, FALSE);
  pango_attr_list_unref (bold);

  gtk_widget_set_halign (page->button, GTK_ALIGN_CENTER);
  gtk_box_pack_start (GTK_BOX (box), page->button, FALSE, FALSE, 0);
  gtk_widget_set_valign (box, GTK_ALIGN_CENTER);
  g_object_set (box, "margin", 24, NULL);
  g_object_set_data_full (G_OBJECT (box), "state-page", page, g_free);
  g_signal_connect_swapped (page->button, "clicked", chosen, data);
  gtk_widget_show_all (box);

  return box;
}

void
pal_state_page_set (GtkWidget *box, PalState state, const gchar *detail)
{
  Page *page = g_object_get_data (G_OBJECT (box), "state-page");

  gtk_image_set_from_icon_name (GTK_IMAGE (page->icon), states[state].icon, GTK_ICON_SIZE_DIALOG);
  gtk_label_set_text (GTK_LABEL (page->title), _(states[state].title));
  gtk_label_set_text (GTK_LABEL (page->remedy), _(states[state].remedy));
  gtk_label_set_text (GTK_LABEL (page->detail), detail ? detail : "");
  gtk_widget_set_visible (page->detail, detail && *detail);
  gtk_widget_set_visible (page->button, states[state].chooses);
}
