/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What users are told of a model, and where models lie. */

#include "family/family.h"

#include "base/dtype.h"
#include "family/script.h"
#include "text/known-words.h"

/* Of models that edit by instruction, as arXiv 2211.09800 has it. */
#define IMAGE_GUIDANCE 1.5

/* Folders deeper than this are not searched: a cache of downloaded models keeps its
 * folders three levels down. */
#define MAX_DEPTH 5

static void
set_defaults (const PalParts *parts, PalModelInfo *info)
{
  const PalFamily *family = parts->family;
  const PalDistilled *distilled = pal_distilled_find (parts);
  gint steps = distilled ? pal_distilled_steps (parts) : 0;

  info->steps = family->steps;
  info->guidance = family->guidance;
  info->fill_strength = family->fill_strength;
  info->restyle_strength = family->restyle_strength;

  info->sampler = g_strdup (distilled ? distilled->sampler : family->sampler);

  info->image_guidance = IMAGE_GUIDANCE;
  info->instructed = parts->edits;
  if (parts->edits)
    {
      info->source_restyle = TRUE;
      info->restyle_strength = 1.0;
    }

  if (distilled)
    {
      info->steps = steps > 0 ? steps : distilled->steps;
      info->guidance = distilled->guidance;
    }
}

/* Convolutional models carry over to somewhat other sizes than they were shown; a family's
 * range is that of its trained size. */
static void
set_range (const PalFamily *family, PalModelInfo *info)
{
  gdouble scale = (gdouble) info->trained_px / family->trained_px;

  info->trained_min_px = (gint) (family->least_px * scale);
  info->trained_max_px = (gint) (family->most_px * scale);
  info->trained_megapixels = family->most_megapixels * scale * scale;
}

PalModelInfo *
pal_info_new (const PalParts *parts, GError **error)
{
  const PalFamily *family = parts->family;
  g_autoptr (PalModelInfo) info = g_new0 (PalModelInfo, 1);
  PalDType precision;

  info->path = g_strdup (parts->path);
  info->title = g_path_get_basename (parts->path);
  info->family = g_strdup (family->id);
  info->family_title = g_strdup (family->title);
  info->prompt_rules = pal_prompt_rules (family->id);
  precision = pal_weights_precision (parts->weights[PAL_PART_DENOISER]);
  info->precision = g_strdup (pal_dtype_name (precision));
  info->inpainting = parts->takes_mask;
  info->multiple_px = parts->vae.factor;
  info->trained_px = parts->unet.sample_size > 0 ? parts->unet.sample_size * parts->vae.factor
                                                 : family->trained_px;
  set_defaults (parts, info);

  for (guint i = 0; i < PAL_N_PARTS && parts->weights[i]; i++)
    {
      info->parameters += pal_weights_parameters (parts->weights[i]);
      info->weight_bytes += pal_weights_bytes (parts->weights[i]);
    }

  if (parts->extra &&
      (! pal_info_read (parts->extra, info, error) ||
       (info->vocabulary && ! pal_words_read (parts->extra, parts->path, info, error))))
    return NULL;

  if (info->trained_min_px == 0)
    set_range (family, info);

  return g_steal_pointer (&info);
}

PalModelInfo *
pal_model_inspect (const gchar *path, GError **error)
{
  g_autoptr (PalParts) parts = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  parts = pal_parts_open (path, error);
  return parts ? pal_info_new (parts, error) : NULL;
}

void
pal_model_info_free (PalModelInfo *info)
{
  g_free (info->path);
  g_free (info->title);
  g_free (info->family);
  g_free (info->family_title);
  g_free (info->precision);
  g_free (info->sampler);
  g_strfreev (info->vocabulary);
  g_strfreev (info->styles);
  pal_known_words_free (info->words);
  g_free (info);
}

static void
find_below (const gchar *folder, gint depth, GPtrArray *found)
{
  g_autofree gchar *index = g_build_filename (folder, "model_index.json", NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = NULL;
  const gchar *name;

  if (g_file_test (index, G_FILE_TEST_IS_REGULAR))
    {
      g_autofree gchar *path = g_canonicalize_filename (folder, NULL);

      if (! g_ptr_array_find_with_equal_func (found, path, g_str_equal, NULL))
        g_ptr_array_add (found, g_steal_pointer (&path));
      return;
    }

  dir = depth > 0 ? g_dir_open (folder, 0, NULL) : NULL;
  while (dir && (name = g_dir_read_name (dir)))
    if (name[0] != '.')
      g_ptr_array_add (names, g_build_filename (folder, name, NULL));

  g_ptr_array_sort_values (names, (GCompareFunc) g_strcmp0);
  for (guint i = 0; i < names->len; i++)
    if (g_file_test (names->pdata[i], G_FILE_TEST_IS_DIR))
      find_below (names->pdata[i], depth - 1, found);
}

GPtrArray *
pal_model_find (const gchar *const *folders)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; folders && folders[i]; i++)
    find_below (folders[i], MAX_DEPTH, found);

  return found;
}
