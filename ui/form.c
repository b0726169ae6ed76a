/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the look of the dialog's rows: alignment, spacing, labels from arguments. */

#include "form.h"

GtkWidget *
pal_form_new (GtkSizeGroup *labels)
{
  GtkWidget *form = gtk_grid_new ();

  gtk_grid_set_row_spacing (GTK_GRID (form), 6);
  gtk_grid_set_column_spacing (GTK_GRID (form), 12);
  g_object_set_data_full (G_OBJECT (form), "labels", g_object_ref (labels), g_object_unref);
  gtk_widget_show (form);

  return form;
}

static gint
next_row (GtkWidget *form)
{
  gint row = GPOINTER_TO_INT (g_object_get_data (G_OBJECT (form), "rows"));

  g_object_set_data (G_OBJECT (form), "rows", GINT_TO_POINTER (row + 1));
  return row;
}

void
pal_form_add (GtkWidget *form, GimpProcedureConfig *config, const gchar *argument,
              GtkWidget *widget, GtkWidget *focus)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (config), argument);
  GtkWidget  *label = gtk_label_new_with_mnemonic (g_param_spec_get_nick (pspec));
  gint        row   = next_row (form);

  gtk_label_set_mnemonic_widget (GTK_LABEL (label), focus);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0f);
  gtk_widget_set_valign (label, GTK_IS_SCROLLED_WINDOW (widget) ? GTK_ALIGN_START
                                                                : GTK_ALIGN_CENTER);
  if (GTK_IS_SCROLLED_WINDOW (widget))
    gtk_widget_set_margin_top (label, 6);
  gtk_size_group_add_widget (g_object_get_data (G_OBJECT (form), "labels"), label);

  gtk_widget_set_tooltip_text (widget, g_param_spec_get_blurb (pspec));
  gtk_widget_set_hexpand (widget, TRUE);

  gtk_grid_attach (GTK_GRID (form), label, 0, row, 1, 1);
  gtk_grid_attach (GTK_GRID (form), widget, 1, row, 1, 1);
  gtk_widget_show (label);
  gtk_widget_show (widget);
}

void
pal_form_add_plain (GtkWidget *form, GtkWidget *widget)
{
  gtk_widget_set_hexpand (widget, TRUE);
  gtk_grid_attach (GTK_GRID (form), widget, 1, next_row (form), 1, 1);
}

GtkWidget *
pal_text_box_new (GimpProcedureConfig *config, const gchar *argument, gint lines,
                  GtkWidget **view)
{
  g_autoptr (GtkTextBuffer) buffer = gimp_prop_text_buffer_new (G_OBJECT (config), argument, -1);
  GtkWidget                *scroll = gtk_scrolled_window_new (NULL, NULL);
  PangoLayout              *layout;
  gint                      height;

  *view = gtk_text_view_new_with_buffer (buffer);
  gtk_text_view_set_wrap_mode (GTK_TEXT_VIEW (*view), GTK_WRAP_WORD_CHAR);
  gtk_text_view_set_accepts_tab (GTK_TEXT_VIEW (*view), FALSE);
  gtk_text_view_set_top_margin (GTK_TEXT_VIEW (*view), 6);
  gtk_text_view_set_bottom_margin (GTK_TEXT_VIEW (*view), 6);
  gtk_text_view_set_left_margin (GTK_TEXT_VIEW (*view), 6);
  gtk_text_view_set_right_margin (GTK_TEXT_VIEW (*view), 6);

  layout = gtk_widget_create_pango_layout (*view, "Mg");
  pango_layout_get_pixel_size (layout, NULL, &height);
  g_object_unref (layout);

  gtk_scrolled_window_set_shadow_type (GTK_SCROLLED_WINDOW (scroll), GTK_SHADOW_IN);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroll), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (scroll), lines * height + 12);
  gtk_container_add (GTK_CONTAINER (scroll), *view);
  gtk_widget_show_all (scroll);

  return scroll;
}

GtkWidget *
pal_slider_new (GimpProcedureConfig *config, const gchar *argument, gdouble low, gdouble high,
                gdouble step, gint digits)
{
  GtkWidget *slider = gimp_prop_spin_scale_new (G_OBJECT (config), argument, step, step * 10,
                                                digits);

  gimp_spin_scale_set_label (GIMP_SPIN_SCALE (slider), NULL);
  gimp_spin_scale_set_scale_limits (GIMP_SPIN_SCALE (slider), low, high);

  return slider;
}

GtkWidget *
pal_hint_new (void)
{
  GtkWidget     *hint       = gtk_label_new (NULL);
  PangoAttrList *attributes = pango_attr_list_new ();

  pango_attr_list_insert (attributes, pango_attr_scale_new (PANGO_SCALE_SMALL));
  gtk_label_set_attributes (GTK_LABEL (hint), attributes);
  pango_attr_list_unref (attributes);

  gtk_label_set_xalign (GTK_LABEL (hint), 0.0f);
  gtk_label_set_line_wrap (GTK_LABEL (hint), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (hint), 48);
  gtk_style_context_add_class (gtk_widget_get_style_context (hint), "dim-label");

  return hint;
}
