/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the device chooser. */

#include "device-row.h"

#include <glib/gi18n-lib.h>

#include "pal.h"

typedef struct
{
  PalDevicesFailed failed;
  gpointer         data;
} Failure;

static void
append (GtkComboBoxText *combo, const gchar *id, const gchar *text)
{
  gtk_combo_box_text_append (combo, id, text);
}

/* "NVIDIA H200 (139.1 GiB, NVIDIA CUDA)" */
static void
append_device (GtkComboBoxText *combo, const PalDeviceInfo *info)
{
  g_autofree gchar *memory = g_format_size_full (info->memory_bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *name   = g_strstrip (g_strdup (info->name));
  g_autofree gchar *text   = NULL;

  /* TRANSLATORS: a device's name, then its memory and its OpenCL implementation. */
  text = g_strdup_printf (_("%s (%s, %s)"), name, memory, info->platform);
  append (combo, info->id, text);
}

static void
select_id (GtkComboBox *combo, GimpProcedureConfig *config)
{
  g_autofree gchar *id = NULL;

  g_object_get (config, "device", &id, NULL);
  if (gtk_combo_box_set_active_id (combo, id ? id : ""))
    return;

  /* A selector in words, or a device that is not there now. */
  append (GTK_COMBO_BOX_TEXT (combo), id, id);
  gtk_combo_box_set_active_id (combo, id);
}

static void
list_devices (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError    *error   = NULL;
  GPtrArray *devices = pal_device_list (&error);

  if (devices)
    g_task_return_pointer (task, devices, (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

static void
devices_listed (GObject *source, GAsyncResult *result, gpointer data)
{
  GtkComboBox          *combo   = GTK_COMBO_BOX (source);
  g_autoptr (GError)    error   = NULL;
  g_autoptr (GPtrArray) devices = g_task_propagate_pointer (G_TASK (result), &error);
  g_autofree gchar     *active  = g_strdup (gtk_combo_box_get_active_id (combo));

  /* The dialog may have been closed meanwhile. */
  if (! gtk_widget_get_parent (GTK_WIDGET (combo)))
    return;

  if (! devices)
    {
      Failure *failure = g_object_get_data (source, "failure");

      failure->failed (error->message, failure->data);
      return;
    }

  for (guint i = 0; i < devices->len; i++)
    {
      const PalDeviceInfo *info = devices->pdata[i];

      append_device (GTK_COMBO_BOX_TEXT (combo), info);
      if (g_strcmp0 (info->id, active) == 0)
        {
          /* It stood there by its number until now. */
          gtk_combo_box_text_remove (GTK_COMBO_BOX_TEXT (combo), 1);
          gtk_combo_box_set_active_id (combo, active);
        }
    }
}

static void
combo_changed (GtkComboBox *combo, gpointer data)
{
  const gchar      *id  = gtk_combo_box_get_active_id (combo);
  g_autofree gchar *old = NULL;

  g_object_get (data, "device", &old, NULL);
  if (id && g_strcmp0 (id, old) != 0)
    g_object_set (data, "device", id, NULL);
}

static void
config_changed (GimpProcedureConfig *config, GParamSpec *pspec, gpointer combo)
{
  select_id (combo, config);
}

GtkWidget *
pal_device_row_new (GimpProcedureConfig *config, PalDevicesFailed failed, gpointer data)
{
  GtkWidget        *combo = gtk_combo_box_text_new ();
  g_autoptr (GTask) task  = NULL;
  Failure          *failure = g_new (Failure, 1);
  GList            *cells;

  *failure = (Failure) { failed, data };
  g_object_set_data_full (G_OBJECT (combo), "failure", failure, g_free);
  append (GTK_COMBO_BOX_TEXT (combo), "", _("The fastest one"));
  select_id (GTK_COMBO_BOX (combo), config);

  /* Long names must not make the dialog wide. */
  cells = gtk_cell_layout_get_cells (GTK_CELL_LAYOUT (combo));
  g_object_set (cells->data, "ellipsize", PANGO_ELLIPSIZE_END, "width-chars", 24, NULL);
  g_list_free (cells);

  g_signal_connect (combo, "changed", G_CALLBACK (combo_changed), config);
  g_signal_connect_object (config, "notify::device", G_CALLBACK (config_changed), combo,
                           G_CONNECT_DEFAULT);

  task = g_task_new (combo, NULL, devices_listed, NULL);
  g_task_run_in_thread (task, list_devices);

  return combo;
}
