/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model folder or file: opens every part and checks that they fit
 * each other. Each missing or wrong part has a message of its own. */

#include "family/family.h"

#include "family/source.h"

/* What must lie in the folder, besides the weights. */
static const struct
{
  const gchar *folder, *file, *what;
} required[] = {
  { "unet", "config.json", "the denoiser's configuration" },
  { "vae", "config.json", "the image codec's configuration" },
  { "scheduler", "scheduler_config.json", "the noise schedule" },
};

static const struct
{
  const gchar *folder, *stem, *what;
} part_files[PAL_N_PARTS] = {
  [PAL_PART_DENOISER] = { "unet", "diffusion_pytorch_model", "the denoiser's weights" },
  [PAL_PART_CODEC] = { "vae", "diffusion_pytorch_model", "the image codec's weights" },
  [PAL_PART_TEXT] = { NULL, "model", "the text encoder's weights" },
  [PAL_PART_TEXT_2] = { NULL, "model", "the second text encoder's weights" },
};

/* The path must be a file of tensors or a folder with a model_index.json. */
static gboolean
check_path (const gchar *path, GError **error)
{
  g_autofree gchar *index = g_build_filename (path, "model_index.json", NULL);

  if (! g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
                   "%s does not exist; choose a checkpoint file or a model folder that holds "
                   "model_index.json", path);
      return FALSE;
    }

  if (! g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      if (pal_tensor_file_named (path))
        return TRUE;

      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s is neither a folder nor a checkpoint (.safetensors, .gguf, .ckpt, .pt); "
                   "choose one of these or a model folder that holds model_index.json", path);
      return FALSE;
    }

  if (! g_file_test (index, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s has no model_index.json, so it is not a model folder in the diffusers "
                   "layout; choose the folder that holds model_index.json beside unet, vae and "
                   "text_encoder", path);
      return FALSE;
    }

  return TRUE;
}

/* Refuses pipelines of other families by name, and those with no U-Net. */
static gboolean
check_class (const PalJson *index, GError **error)
{
  g_autofree gchar *class_name = g_strdup ("a pipeline without a name");

  if (! pal_json_string (index, "_class_name", &class_name, error) ||
      ! pal_family_built (class_name, pal_json_label (index), error))
    return FALSE;

  if (! pal_json_has (index, "unet"))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: %s has no \"unet\", so its family is not built yet; "
                   "choose a Stable Diffusion 1.x, 2.x or XL model",
                   pal_json_label (index), class_name);
      return FALSE;
    }

  return TRUE;
}

static gboolean
check_files (const gchar *path, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (required); i++)
    {
      g_autofree gchar *file = g_build_filename (path, required[i].folder, required[i].file, NULL);

      if (g_file_test (file, G_FILE_TEST_EXISTS))
        continue;

      g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
                   "%s is missing (%s); copy or download the whole model folder again",
                   file, required[i].what);
      return FALSE;
    }

  return TRUE;
}

static gboolean
read_configs (PalParts *parts, const PalSource *source, GError **error)
{
  g_autoptr (PalJson) unet = pal_source_config (source, "unet", "config.json", error);
  g_autoptr (PalJson) vae = unet ? pal_source_config (source, "vae", "config.json", error) : NULL;
  g_autoptr (PalJson) schedule =
    vae ? pal_source_config (source, "scheduler", "scheduler_config.json", error) : NULL;

  return schedule &&
         pal_unet_config_read (unet, &parts->unet, error) &&
         pal_vae_config_read (vae, &parts->vae, error) &&
         pal_schedule_config_read (schedule, &parts->schedule, error);
}

/* Says what a weights error is about, and what helps when files are missing. */
static void
explain (GError *weights_error, const gchar *what, GError **error)
{
  gboolean missing = g_error_matches (weights_error, PAL_ERROR, PAL_ERROR_IO);

  g_set_error (error, weights_error->domain, weights_error->code, "%s: %s%s", what,
               weights_error->message,
               missing ? "; copy or download the whole model folder again" : "");
  g_error_free (weights_error);
}

static gboolean
open_weights (PalParts *parts, const PalSource *source, GError **error)
{
  for (guint i = 0; i < PAL_PART_TEXT + parts->n_encoders; i++)
    {
      const gchar *name = i < PAL_PART_TEXT ? part_files[i].folder
                                            : parts->encoders[i - PAL_PART_TEXT].folder;
      GError *local = NULL;

      parts->weights[i] = pal_source_weights (source, name, part_files[i].stem, &local);
      if (! parts->weights[i])
        {
          explain (local, part_files[i].what, error);
          return FALSE;
        }
    }

  return pal_encoders_open_tokenizers (parts, source, error);
}

/* What the denoiser takes is read from its first convolution; the configuration of
 * a converted checkpoint may be stale. */
static gboolean
check_denoiser (PalParts *parts, GError **error)
{
  PalWeights *weights = parts->weights[PAL_PART_DENOISER];
  const PalWeightView *conv_in = pal_weights_find (weights, "conv_in.weight");
  gint64 latent = parts->vae.latent_channels;
  gint64 in;

  if (! conv_in || conv_in->shape.n != 4)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_WEIGHT,
                   "%s has no tensor conv_in.weight of four dimensions, so these are not a U-Net's "
                   "weights; copy or download the unet folder again", pal_weights_label (weights));
      return FALSE;
    }

  in = parts->unet.in_channels = conv_in->shape.d[1];
  parts->takes_mask = in == 2 * latent + 1;
  parts->edits = in == 2 * latent;

  if (parts->unet.out_channels != latent)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
                   "%s: the denoiser makes latents of %" G_GINT64_FORMAT " channels, and the "
                   "image codec in vae has %" G_GINT64_FORMAT "; use the vae folder that belongs "
                   "to this model",
                   parts->path, parts->unet.out_channels, latent);
      return FALSE;
    }

  if (in != latent && ! parts->takes_mask && ! parts->edits)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: the denoiser takes %" G_GINT64_FORMAT " channels; supported are "
                   "%" G_GINT64_FORMAT " (latents), %" G_GINT64_FORMAT " (latents, image to edit) "
                   "and %" G_GINT64_FORMAT " (latents, mask, masked image)",
                   pal_weights_label (weights), in, latent, 2 * latent, 2 * latent + 1);
      return FALSE;
    }

  return TRUE;
}

/* The folder "exemplars", where there is one. */
static gboolean
open_exemplars (PalParts *parts, GError **error)
{
  g_autofree gchar *folder = g_build_filename (parts->path, "exemplars", NULL);

  if (! g_file_test (folder, G_FILE_TEST_IS_DIR))
    return TRUE;

  parts->exemplars = pal_exemplars_open (folder, parts->vae.latent_channels, error);
  return parts->exemplars != NULL;
}

PalParts *
pal_parts_open (const gchar *path, GError **error)
{
  g_autoptr (PalParts) parts = g_new0 (PalParts, 1);
  g_autoptr (PalSource) source = NULL;

  parts->path = g_canonicalize_filename (path, NULL);

  source = check_path (path, error) ? pal_source_open (path, error) : NULL;
  if (! source)
    return NULL;

  parts->index = pal_source_index (source, error);
  if (! parts->index || ! check_class (parts->index, error))
    return NULL;

  if (! pal_json_child (parts->index, "palimpsest", &parts->extra, error) ||
      (parts->extra && ! pal_traits_read (parts->extra, &parts->traits, error)) ||
      (! pal_source_is_file (source) && ! check_files (path, error)) ||
      ! read_configs (parts, source, error) ||
      ! pal_encoders_find (parts, source, error) ||
      ! open_weights (parts, source, error) ||
      ! check_denoiser (parts, error) ||
      ! pal_encoders_check (parts, error) ||
      ! open_exemplars (parts, error))
    return NULL;

  parts->family = pal_family_find (parts);
  parts->schedule.ays = parts->family->ays;
  return pal_traits_settle (parts, error) ? g_steal_pointer (&parts) : NULL;
}

void
pal_parts_free (PalParts *parts)
{
  g_free (parts->path);
  g_clear_pointer (&parts->index, pal_json_unref);
  g_clear_pointer (&parts->extra, pal_json_unref);
  pal_encoders_clear (parts);
  g_clear_pointer (&parts->exemplars, pal_exemplars_free);
  pal_schedule_config_clear (&parts->schedule);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    g_clear_pointer (&parts->weights[i], pal_weights_unref);
  g_free (parts);
}
