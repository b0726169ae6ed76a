/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a model's parts come from: a folder in the diffusers layout, or one checkpoint file
 * with what lies beside it. */

#include "family/source.h"

#include <string.h>

#include "family/single-file.h"

struct _PalSource
{
  gchar         *folder;        /* of the model, or that beside the file; NULL without */
  PalSingleFile *file;          /* NULL for a folder */
};

/* "x" beside "x.safetensors", or NULL. */
static gchar *
folder_beside (const gchar *path)
{
  const gchar *dot = strrchr (path, '.');
  g_autofree gchar *folder = dot ? g_strndup (path, (gsize) (dot - path)) : NULL;

  return folder && g_file_test (folder, G_FILE_TEST_IS_DIR) ? g_steal_pointer (&folder) : NULL;
}

PalSource *
pal_source_open (const gchar *path, GError **error)
{
  g_autoptr (PalSource) source = g_new0 (PalSource, 1);

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      source->folder = g_strdup (path);
      return g_steal_pointer (&source);
    }

  source->folder = folder_beside (path);
  source->file = pal_single_file_open (path, source->folder, error);
  return source->file ? g_steal_pointer (&source) : NULL;
}

void
pal_source_free (PalSource *source)
{
  g_clear_pointer (&source->file, pal_single_file_free);
  g_free (source->folder);
  g_free (source);
}

gboolean
pal_source_is_file (const PalSource *source)
{
  return source->file != NULL;
}

PalJson *
pal_source_index (const PalSource *source, GError **error)
{
  g_autofree gchar *path = NULL;

  if (source->file)
    return pal_single_file_index (source->file, error);

  path = g_build_filename (source->folder, "model_index.json", NULL);
  return pal_json_load (path, error);
}

PalJson *
pal_source_config (const PalSource *source, const gchar *folder, const gchar *file, GError **error)
{
  g_autofree gchar *path = NULL;

  if (source->file)
    return pal_single_file_config (source->file, folder, error);

  path = g_build_filename (source->folder, folder, file, NULL);
  return pal_json_load (path, error);
}

PalWeights *
pal_source_weights (const PalSource *source, const gchar *folder, const gchar *stem,
                    GError **error)
{
  g_autofree gchar *path = NULL;

  if (source->file)
    return pal_single_file_weights (source->file, folder);

  path = g_build_filename (source->folder, folder, NULL);
  return pal_weights_open_folder (path, stem, error);
}

PalClipTokenizer *
pal_source_tokenizer (const PalSource *source, const gchar *folder, GError **error)
{
  const gchar *encoder = g_str_has_suffix (folder, "_2") ? "text_encoder_2" : "text_encoder";
  g_autofree gchar *path = source->folder ? g_build_filename (source->folder, folder, NULL) : NULL;

  if (! source->file || (path && g_file_test (path, G_FILE_TEST_IS_DIR)))
    return pal_clip_tokenizer_open (path, error);

  return pal_clip_tokenizer_standard (pal_single_file_is_open_clip (source->file, encoder));
}

gboolean
pal_source_is_model (const gchar *path)
{
  g_autoptr (PalTensorFile) file = pal_tensor_file_named (path) ? pal_tensor_file_open (path, NULL)
                                                               : NULL;
  const PalLayout *layout = file ? pal_layout_find (file, "unet") : NULL;

  return layout && layout->rules;
}
