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
row_for (GtkWidget *form, PalFormPlace place)
{
  gint rows = GPOINTER_TO_INT (g_object_get_data (G_OBJECT (form), "rows"));

  if (place == PAL_FORM_RIGHT)
    return rows - 1;

  g_object_set_data (G_OBJECT (form), "rows", GINT_TO_POINTER (rows + 1));
  return rows;
}

/* Columns: label, widget, label, widget. */
static void
attach (GtkWidget *form, PalFormPlace place, GtkWidget *label, GtkWidget *widget)
{
  gint row  = row_for (form, place);
  gint left = place == PAL_FORM_RIGHT ? 2 : 0;

  gtk_widget_set_hexpand (widget, TRUE);
  if (place == PAL_FORM_WHOLE)
    {
      gtk_grid_attach (GTK_GRID (form), widget, 0, row, 4, 1);
      return;
    }

  if (label)
    gtk_grid_attach (GTK_GRID (form), label, left, row, 1, 1);
  gtk_grid_attach (GTK_GRID (form), widget, label || place != PAL_FORM_RIGHT ? left + 1 : left,
                   row, place == PAL_FORM_ROW ? 3 : label ? 1 : 2, 1);
}

void
pal_form_add (GtkWidget *form, PalFormPlace place, GimpProcedureConfig *config,
              const gchar *argument, GtkWidget *widget, GtkWidget *focus)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (config), argument);
  GtkWidget  *label = gtk_label_new_with_mnemonic (g_param_spec_get_nick (pspec));

  gtk_label_set_mnemonic_widget (GTK_LABEL (label), focus);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0f);
  gtk_widget_set_tooltip_text (widget, g_param_spec_get_blurb (pspec));

  if (GTK_IS_SCROLLED_WINDOW (widget))
    {
      gtk_widget_set_valign (label, GTK_ALIGN_START);
      gtk_widget_set_margin_top (label, 6);
    }
  if (place != PAL_FORM_RIGHT)
    gtk_size_group_add_widget (g_object_get_data (G_OBJECT (form), "labels"), label);

  attach (form, place, label, widget);
  gtk_widget_show (label);
  gtk_widget_show (widget);
}

void
pal_form_add_plain (GtkWidget *form, PalFormPlace place, GtkWidget *widget)
{
  attach (form, place, NULL, widget);
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
  gtk_label_set_lines (GTK_LABEL (hint), 3);
  gtk_label_set_ellipsize (GTK_LABEL (hint), PANGO_ELLIPSIZE_END);
  gtk_style_context_add_class (gtk_widget_get_style_context (hint), "dim-label");

  return hint;
}
