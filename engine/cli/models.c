/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where this program looks for models: the folder "models" beside the executable, in the
 * source tree it was built from and in the user's and the system's data folders, and the
 * folders that the plug-in's user chose (palimpsest/settings.ini). */

#include <string.h>

#include <glib/gi18n.h>

#include "cli.h"

static void
add_chosen (GStrvBuilder *folders)
{
  g_autofree gchar    *path = g_build_filename (g_get_user_config_dir (), "palimpsest",
                                                "settings.ini", NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_auto (GStrv)       list = NULL;

  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    list = g_key_file_get_string_list (file, "models", "folders", NULL, NULL);

  if (list)
    g_strv_builder_addv (folders, (const gchar **) list);
}

static gchar **
search_folders (void)
{
  g_autoptr (GStrvBuilder)  folders = g_strv_builder_new ();
  g_autofree gchar         *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree gchar         *beside  = program ? g_path_get_dirname (program) : NULL;
  const gchar *const       *system  = g_get_system_data_dirs ();

  if (beside)
    g_strv_builder_take (folders, g_build_filename (beside, "models", NULL));
  g_strv_builder_add (folders, PAL_PLUGIN_MODELS);
  g_strv_builder_add (folders, PAL_SOURCE_MODELS);
  g_strv_builder_take (folders, g_build_filename (g_get_user_data_dir (), "palimpsest",
                                                  "models", NULL));
  for (gsize i = 0; system[i]; i++)
    g_strv_builder_take (folders, g_build_filename (system[i], "palimpsest", "models", NULL));
  add_chosen (folders);

  return g_strv_builder_end (folders);
}

GPtrArray *
cli_models_list (void)
{
  g_auto (GStrv)        folders = search_folders ();
  g_autoptr (GPtrArray) found   = pal_model_find ((const gchar *const *) folders);
  GPtrArray            *list    = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < found->len; i++)
    {
      const gchar      *path = g_ptr_array_index (found, i);
      g_autofree gchar *name = g_path_get_basename (path);

      if (! g_ptr_array_find_with_equal_func (list, path, g_str_equal, NULL))
        g_ptr_array_insert (list, g_str_equal (name, "default") ? 0 : -1, g_strdup (path));
    }

  return list;
}

gchar *
cli_models_resolve (const gchar *text,
                    GError     **error)
{
  g_autoptr (GPtrArray) list = NULL;

  /* A path, even one that turns out not to be a model: its error says what it lacks. */
  if (text && g_file_test (text, G_FILE_TEST_EXISTS))
    return g_strdup (text);

  list = cli_models_list ();
  for (guint i = 0; i < list->len; i++)
    {
      const gchar      *path = g_ptr_array_index (list, i);
      g_autofree gchar *name = g_path_get_basename (path);

      if (! text || g_str_equal (name, text))
        return g_strdup (path);
    }

  if (text)
    g_set_error (error, CLI_ERROR, CLI_EXIT_MODEL,
                 _("there is no model folder or file \"%s\" and no model of that name;"
                   " \"palimpsest models\" lists those found"), text);
  else
    g_set_error (error, CLI_ERROR, CLI_EXIT_MODEL,
                 _("no model was found; name its folder with --model, or put it into %s"),
                 "~/.local/share/palimpsest/models");

  return NULL;
}
