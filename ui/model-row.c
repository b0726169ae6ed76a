/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the model chooser. */

#include "model-row.h"

#include <glib/gi18n-lib.h>

typedef struct
{
  GimpProcedureConfig *config;
  PalModelRowClient    client;
  GtkWidget           *box, *combo, *hint;
  gchar               *first;         /* path that an empty argument means */
  gboolean             only;          /* there is no other */
  PalModelInfo        *info;          /* of the chosen model; NULL when it can't be used */
  gboolean             loading;
} ModelRow;

static void
free_row (gpointer data)
{
  ModelRow *row = data;

  g_free (row->first);
  g_clear_pointer (&row->info, pal_model_info_free);
  g_free (row);
}

/* "Stable Diffusion 1.x, 860 M parameters, F16, 512 px" */
static gchar *
describe (const ModelRow *row, const PalModelInfo *info)
{
  g_autofree gchar *size = NULL;

  if (row->only && info->words)
    return g_strdup (_("Knows a few materials and styles. For anything else, choose the folder of "
                       "a Stable Diffusion model."));

  if (info->parameters >= 100000000)
    size = g_strdup_printf ("%.2f G", (gdouble) info->parameters / 1e9);
  else
    size = g_strdup_printf ("%.1f M", (gdouble) info->parameters / 1e6);

  /* TRANSLATORS: %1$s is a model family, %2$s a count as in "860 M", %3$s a number
   * format as in F16, %4$d a size in pixels. */
  return g_strdup_printf (_("%s, %s parameters, %s, %d px"), info->family_title, size,
                          info->precision, info->trained_px);
}

/* The chosen path, or NULL when there is no model at all. */
static gchar *
chosen_path (ModelRow *row)
{
  g_autofree gchar *text = NULL;

  g_object_get (row->config, "model", &text, NULL);
  return text && *text ? g_steal_pointer (&text) : g_strdup (row->first);
}

static void
tell_client (ModelRow *row)
{
  g_autofree gchar        *path  = chosen_path (row);
  g_autoptr (PalModelInfo) info  = NULL;
  g_autoptr (GError)       error = NULL;
  g_autofree gchar        *text  = NULL;

  if (path)
    info = pal_model_inspect (path, &error);
  else
    error = g_error_new_literal (PAL_ERROR, PAL_ERROR_IO,
                                 _("No model is installed. Choose the folder of one with the "
                                   "button beside the list of models."));

  text = info ? describe (row, info) : NULL;
  gtk_label_set_text (GTK_LABEL (row->hint), text ? text : "");
  gtk_widget_set_tooltip_text (row->hint, text);
  gtk_widget_set_visible (row->hint, text != NULL);
  row->client.changed (info, error, row->client.data);

  /* The former one stays until the client has heard of the change. */
  g_clear_pointer (&row->info, pal_model_info_free);
  row->info = g_steal_pointer (&info);
}

static void
append (ModelRow *row, const gchar *path)
{
  g_autofree gchar *name   = g_path_get_basename (path);
  g_autofree gchar *parent = g_path_get_dirname (path);
  g_autofree gchar *place  = g_path_get_basename (parent);
  g_autofree gchar *text   = NULL;

  if (g_strcmp0 (path, row->first) == 0 && g_strcmp0 (name, "default") == 0)
    text = g_strdup (_("Bundled model"));
  else
    text = g_strdup_printf (g_strcmp0 (place, "models") == 0 ? "%s" : "%s (%s)", name, place);

  gtk_combo_box_text_append (GTK_COMBO_BOX_TEXT (row->combo), path, text);
}

void
pal_model_row_reload (GtkWidget *box)
{
  ModelRow             *row  = g_object_get_data (G_OBJECT (box), "model-row");
  g_autoptr (GPtrArray) list = row->client.list ();
  g_autofree gchar     *path = NULL;

  g_set_str (&row->first, list->len > 0 ? list->pdata[0] : NULL);
  row->only = list->len == 1;
  path      = chosen_path (row);

  row->loading = TRUE;
  gtk_combo_box_text_remove_all (GTK_COMBO_BOX_TEXT (row->combo));
  for (guint i = 0; i < list->len; i++)
    append (row, list->pdata[i]);
  if (path && ! g_ptr_array_find_with_equal_func (list, path, g_str_equal, NULL))
    append (row, path);
  gtk_combo_box_set_active_id (GTK_COMBO_BOX (row->combo), path);
  row->loading = FALSE;

  tell_client (row);
}

static void
combo_changed (GtkComboBox *combo, gpointer data)
{
  ModelRow    *row  = data;
  const gchar *path = gtk_combo_box_get_active_id (combo);

  if (row->loading || ! path)
    return;

  g_object_set (row->config, "model", g_strcmp0 (path, row->first) == 0 ? "" : path, NULL);
}

static void
config_changed (GimpProcedureConfig *config, GParamSpec *pspec, gpointer box)
{
  ModelRow         *row  = g_object_get_data (box, "model-row");
  g_autofree gchar *path = chosen_path (row);

  if (g_strcmp0 (path, gtk_combo_box_get_active_id (GTK_COMBO_BOX (row->combo))) == 0)
    tell_client (row);
  else
    pal_model_row_reload (box);
}

static void
choose_folder (ModelRow *row, const gchar *folder)
{
  const gchar *const    one[] = { folder, NULL };
  g_autoptr (GError)    error = NULL;
  g_autoptr (GPtrArray) found = NULL;

  if (! row->client.add (folder, &error))
    {
      row->client.changed (NULL, error, row->client.data);
      return;
    }

  found = pal_model_find (one);
  g_object_set (row->config, "model", found->len > 0 ? found->pdata[0] : folder, NULL);
}

void
pal_model_row_choose (GtkWidget *box)
{
  ModelRow         *row     = g_object_get_data (G_OBJECT (box), "model-row");
  GtkWidget        *window  = gtk_widget_get_toplevel (row->box);
  GtkWidget        *chooser = gtk_file_chooser_dialog_new (_("Folder of a Model, or of Several"),
                                                           GTK_WINDOW (window),
                                                           GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER,
                                                           _("_Cancel"), GTK_RESPONSE_CANCEL,
                                                           _("_Choose"), GTK_RESPONSE_ACCEPT,
                                                           NULL);
  g_autofree gchar *folder  = NULL;

  gtk_window_set_modal (GTK_WINDOW (chooser), TRUE);
  gtk_dialog_set_default_response (GTK_DIALOG (chooser), GTK_RESPONSE_ACCEPT);
  if (gtk_dialog_run (GTK_DIALOG (chooser)) == GTK_RESPONSE_ACCEPT)
    folder = gtk_file_chooser_get_filename (GTK_FILE_CHOOSER (chooser));
  gtk_widget_destroy (chooser);

  if (folder)
    choose_folder (row, folder);
}

GtkWidget *
pal_model_row_new (GimpProcedureConfig *config, const PalModelRowClient *client,
                   GtkWidget **combo, GtkWidget *hint)
{
  ModelRow  *row    = g_new0 (ModelRow, 1);
  GtkWidget *button = gtk_button_new_from_icon_name (GIMP_ICON_DOCUMENT_OPEN,
                                                     GTK_ICON_SIZE_BUTTON);

  row->config = config;
  row->client = *client;
  row->box    = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  row->combo  = *combo = gtk_combo_box_text_new ();
  row->hint   = hint;

  gtk_widget_set_tooltip_text (button, _("Choose the folder of a model (with a "
                                         "model_index.json), or one that holds several"));
  gtk_box_pack_start (GTK_BOX (row->box), row->combo, TRUE, TRUE, 0);
  gtk_box_pack_start (GTK_BOX (row->box), button, FALSE, FALSE, 0);
  g_object_set_data_full (G_OBJECT (row->box), "model-row", row, free_row);

  g_signal_connect (row->combo, "changed", G_CALLBACK (combo_changed), row);
  g_signal_connect_swapped (button, "clicked", G_CALLBACK (pal_model_row_choose), row->box);
  g_signal_connect_object (config, "notify::model", G_CALLBACK (config_changed), row->box,
                           G_CONNECT_DEFAULT);
  gtk_widget_show_all (row->box);

  return row->box;
}
