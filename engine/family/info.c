/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What users are told of a model, and where models lie. */

#include "family/family.h"

#include <string.h>

#include "base/dtype.h"
#include "family/script.h"
#include "family/source.h"
#include "text/known-words.h"

/* Of models that edit by instruction, as arXiv 2211.09800 has it. */
#define IMAGE_GUIDANCE 1.5

/* Folders deeper than this are not searched: a cache of downloaded models keeps its
 * folders three levels down. */
#define MAX_DEPTH 5

static void
part_info_free (gpointer data)
{
  PalPartInfo *part = data;

  g_free (part->path);
  g_free (part->precision);
  g_free (part);
}

/* As engine/run packs it: vectors as F32; matrices as stored, but those in blocks, in 8-bit
 * floats or in F64 as halves or floats. */
static guint64
memory_of (const PalWeightView *view)
{
  gsize n = 0;

  pal_shape_count (view->shape, &n);
  if (view->shape.n < 2 || view->dtype == PAL_F64)
    return 4 * (guint64) n;
  if (view->scale)
    return n + 4 * (guint64) view->shape.d[0];

  return (guint64) n * (pal_dtype_is_float (view->dtype) ? pal_dtype_size (view->dtype) : 2);
}

/* The folder that a part has in the diffusers layout. */
static const gchar *
part_name (const PalParts *parts, PalPart part)
{
  if (part >= PAL_PART_TEXT)
    return parts->encoders[part - PAL_PART_TEXT].folder;

  return part == PAL_PART_CODEC ? "vae" : "unet";
}

static PalPartInfo *
part_info_new (const gchar *name, PalWeights *weights)
{
  PalPartInfo *part = g_new0 (PalPartInfo, 1);

  part->name = name;
  part->path = g_strdup (pal_weights_label (weights));
  part->precision = g_strdup (pal_dtype_name (pal_weights_precision (weights)));
  part->parameters = pal_weights_parameters (weights);
  part->stored_bytes = pal_weights_bytes (weights);
  for (gsize i = 0; i < pal_weights_count (weights); i++)
    part->memory_bytes += memory_of (pal_weights_at (weights, i));

  return part;
}

/* Lists the parts, and sums them up. */
static void
add_parts (const PalParts *parts, PalModelInfo *info)
{
  info->parts = g_ptr_array_new_with_free_func (part_info_free);

  for (guint i = 0; i < PAL_N_PARTS; i++)
    if (parts->weights[i])
      {
        PalPartInfo *part = part_info_new (part_name (parts, (PalPart) i),
                                           parts->weights[i]);

        info->parameters += part->parameters;
        info->weight_bytes += part->stored_bytes;
        info->memory_bytes += part->memory_bytes;
        g_ptr_array_add (info->parts, part);
      }
}

/* A file's name without its ending. */
static gchar *
title_of (const gchar *path)
{
  gchar *title = g_path_get_basename (path);
  gchar *dot = pal_tensor_file_named (path) ? strrchr (title, '.') : NULL;

  if (dot && dot > title)
    *dot = '\0';

  return title;
}

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
  info->restyle_guidance = info->guidance;
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
  info->title = title_of (parts->path);
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

  add_parts (parts, info);

  if (parts->extra &&
      (! pal_info_read (parts->extra, info, error) ||
       (info->vocabulary && ! pal_words_read (parts->extra, parts->path, info, error))))
    return NULL;

  if (info->trained_min_px == 0)
    set_range (family, info);

  return g_steal_pointer (&info);
}

gdouble
pal_model_info_strength (const PalModelInfo *info, PalIntent intent)
{
  return intent == PAL_RESTYLE ? info->restyle_strength : info->fill_strength;
}

gdouble
pal_model_info_guidance (const PalModelInfo *info, PalIntent intent)
{
  return intent == PAL_RESTYLE ? info->restyle_guidance : info->guidance;
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
  g_clear_pointer (&info->parts, g_ptr_array_unref);
  g_strfreev (info->vocabulary);
  g_strfreev (info->styles);
  pal_known_words_free (info->words);
  g_free (info);
}

gboolean
pal_model_is_path (const gchar *path)
{
  return g_file_test (path, G_FILE_TEST_IS_DIR) || pal_tensor_file_named (path);
}

static void
add_found (GPtrArray *found, const gchar *path)
{
  g_autofree gchar *canonical = g_canonicalize_filename (path, NULL);

  if (! g_ptr_array_find_with_equal_func (found, canonical, g_str_equal, NULL))
    g_ptr_array_add (found, g_steal_pointer (&canonical));
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
      add_found (found, folder);
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
    else if (pal_source_is_model (names->pdata[i]))
      add_found (found, names->pdata[i]);
}

GPtrArray *
pal_model_find (const gchar *const *folders)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; folders && folders[i]; i++)
    find_below (folders[i], MAX_DEPTH, found);

  return found;
}
