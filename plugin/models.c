/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the search for models: beside the executable, in the build's source tree,
 * in the user's data folder, and in folders that the user chose. Those are kept
 * in palimpsest/settings.ini below the user's configuration folder:
 *
 *   [models]
 *   folders=/media/models;/home/me/diffusers;
 */

#include "models.h"

#include <glib/gi18n-lib.h>
#include <libgimp/gimp.h>

#include "pal.h"

#define GROUP "models"
#define KEY   "folders"

static gchar *
settings_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "palimpsest", "settings.ini", NULL);
}

static gchar **
chosen_folders (GKeyFile *settings)
{
  g_autofree gchar *path = settings_path ();

  if (! g_key_file_load_from_file (settings, path, G_KEY_FILE_KEEP_COMMENTS, NULL))
    return NULL;

  return g_key_file_get_string_list (settings, GROUP, KEY, NULL, NULL);
}

/* NULL-terminated, in the order of precedence. */
static gchar **
search_folders (void)
{
  g_autoptr (GStrvBuilder) folders = g_strv_builder_new ();
  g_autoptr (GKeyFile)     settings = g_key_file_new ();
  g_auto (GStrv)           chosen  = chosen_folders (settings);
  g_autofree gchar        *program = g_path_get_dirname (gimp_get_progname ());

  g_strv_builder_take (folders, g_build_filename (program, "models", NULL));
  g_strv_builder_add (folders, PAL_SOURCE_MODELS);
  g_strv_builder_take (folders, g_build_filename (g_get_user_data_dir (), "palimpsest",
                                                  "models", NULL));
  if (chosen)
    g_strv_builder_addv (folders, (const gchar **) chosen);

  return g_strv_builder_end (folders);
}

static gboolean
is_default (const gchar *path)
{
  g_autofree gchar *name = g_path_get_basename (path);

  return g_strcmp0 (name, "default") == 0;
}

GPtrArray *
pal_models_list (void)
{
  g_auto (GStrv)        folders = search_folders ();
  g_autoptr (GPtrArray) found   = pal_model_find ((const gchar *const *) folders);
  GPtrArray            *list    = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < found->len; i++)
    if (! g_ptr_array_find_with_equal_func (list, found->pdata[i], g_str_equal, NULL))
      {
        /* The first one called "default" goes before all others. */
        gboolean first = is_default (found->pdata[i]) &&
                         ! (list->len > 0 && is_default (list->pdata[0]));

        g_ptr_array_insert (list, first ? 0 : -1, g_strdup (found->pdata[i]));
      }

  return list;
}

gchar *
pal_models_resolve (const gchar *text, GError **error)
{
  g_autoptr (GPtrArray) list    = NULL;
  g_auto (GStrv)        folders = NULL;
  g_autofree gchar     *searched = NULL;

  if (text && g_path_is_absolute (text))
    return g_strdup (text);
  if (text && g_str_has_prefix (text, "~/"))
    return g_build_filename (g_get_home_dir (), text + 2, NULL);

  list = pal_models_list ();
  for (guint i = 0; i < list->len; i++)
    {
      g_autofree gchar *name = g_path_get_basename (list->pdata[i]);

      if (! text || ! *text || g_strcmp0 (name, text) == 0)
        return g_strdup (list->pdata[i]);
    }

  folders  = search_folders ();
  searched = g_strjoinv (", ", folders);
  if (text && *text)
    g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
                 /* TRANSLATORS: %1$s is a name, %2$s a list of folders. */
                 _("There is no model called “%1$s” in %2$s. Give the full path of its folder, "
                   "or an empty text for the default model."), text, searched);
  else
    g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
                 _("No model was found in %s. Choose the folder of a model (it has a "
                   "model_index.json), or put one into one of these folders."), searched);
  return NULL;
}

gboolean
pal_models_check (GError **error)
{
  g_autoptr (GKeyFile) settings = g_key_file_new ();
  g_auto (GStrv)       chosen   = chosen_folders (settings);

  for (gchar **folder = chosen; folder && *folder; folder++)
    {
      g_autoptr (GError) problem = NULL;
      g_autoptr (GDir)   dir     = g_dir_open (*folder, 0, &problem);

      if (! dir)
        {
          g_set_error_literal (error, PAL_ERROR, PAL_ERROR_IO, problem->message);
          return FALSE;
        }
    }

  return TRUE;
}

gboolean
pal_models_add (const gchar *folder, GError **error)
{
  const gchar *const       one[]    = { folder, NULL };
  g_autoptr (GPtrArray)    found    = pal_model_find (one);
  g_autoptr (GKeyFile)     settings = g_key_file_new ();
  g_auto (GStrv)           chosen   = chosen_folders (settings);
  g_autoptr (GStrvBuilder) folders  = g_strv_builder_new ();
  g_auto (GStrv)           all      = NULL;
  g_autofree gchar        *path     = settings_path ();
  g_autofree gchar        *parent   = g_path_get_dirname (path);

  if (found->len == 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
                   _("The folder %s holds no model: neither it nor a folder in it has a "
                     "model_index.json."), folder);
      return FALSE;
    }

  if (chosen && g_strv_contains ((const gchar *const *) chosen, folder))
    return TRUE;

  if (chosen)
    g_strv_builder_addv (folders, (const gchar **) chosen);
  g_strv_builder_add (folders, folder);
  all = g_strv_builder_end (folders);
  g_key_file_set_string_list (settings, GROUP, KEY, (const gchar *const *) all,
                              g_strv_length (all));

  if (g_mkdir_with_parents (parent, 0700) != 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_IO, _("The folder %s can't be made: %s"), parent,
                   g_strerror (errno));
      return FALSE;
    }

  return g_key_file_save_to_file (settings, path, error);
}
