/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text encoders of a model: which there are, their files, and whether they fit
 * the denoiser.
 *
 * Easy to get wrong: a model may have the second encoder alone (the refiner of Stable
 * Diffusion XL does), and then its index names the first as null. */

#include "family/family.h"

/* In the order in which the denoiser is given their states. */
static const struct
{
  const gchar *folder, *tokenizer;
} known[PAL_MAX_ENCODERS] = {
  { "text_encoder", "tokenizer" },
  { "text_encoder_2", "tokenizer_2" },
};

static gboolean
check_file (const PalParts *parts, const gchar *folder, const gchar *name, const gchar *what,
            GError **error)
{
  g_autofree gchar *file = g_build_filename (parts->path, folder, name, NULL);

  if (g_file_test (file, G_FILE_TEST_EXISTS))
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
               "%s is missing (%s); copy or download the whole model folder again", file, what);
  return FALSE;
}

/* Of a folder; what a checkpoint file lacks has other sources. */
static gboolean
check_files (const PalParts *parts, const PalTextEncoder *encoder, GError **error)
{
  const gchar *tokenizer = encoder->tokenizer_folder;

  return check_file (parts, encoder->folder, "config.json", "the text encoder's configuration",
                     error) &&
         check_file (parts, tokenizer, "vocab.json", "the tokenizer's vocabulary", error) &&
         check_file (parts, tokenizer, "merges.txt", "the tokenizer's list of merges", error);
}

static gboolean
read_config (const PalSource *source, PalTextEncoder *encoder, GError **error)
{
  g_autoptr (PalJson) json = pal_source_config (source, encoder->folder, "config.json", error);

  return json && pal_clip_config_read (json, &encoder->clip, error);
}

/* Whether the index names a class for the part, not null. */
static gboolean
is_named (const PalParts *parts, const gchar *part)
{
  g_auto (GStrv) classes = NULL;

  return pal_json_has (parts->index, part) &&
         pal_json_strings (parts->index, part, &classes, NULL);
}

gboolean
pal_encoders_find (PalParts *parts, const PalSource *source, GError **error)
{
  for (guint i = 0; i < PAL_MAX_ENCODERS; i++)
    if (is_named (parts, known[i].folder))
      parts->encoders[parts->n_encoders++] = (PalTextEncoder) {
        .folder = known[i].folder, .tokenizer_folder = known[i].tokenizer
      };

  if (parts->n_encoders == 0)
    parts->encoders[parts->n_encoders++] = (PalTextEncoder) {
      .folder = known[0].folder, .tokenizer_folder = known[0].tokenizer
    };

  for (guint i = 0; i < parts->n_encoders; i++)
    {
      PalTextEncoder *encoder = &parts->encoders[i];

      if ((! pal_source_is_file (source) && ! check_files (parts, encoder, error)) ||
          ! read_config (source, encoder, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
pal_encoders_open_tokenizers (PalParts *parts, const PalSource *source, GError **error)
{
  for (guint i = 0; i < parts->n_encoders; i++)
    {
      PalTextEncoder *encoder = &parts->encoders[i];

      encoder->tokenizer = pal_source_tokenizer (source, encoder->tokenizer_folder, error);
      if (! encoder->tokenizer)
        return FALSE;
    }

  return TRUE;
}

/* A denoiser with class labels needs to be told what they are; the files of other
 * programs do not say. */
static gboolean
check_labels (const PalParts *parts, GError **error)
{
  const PalTextEncoder *encoder = &parts->encoders[parts->n_encoders - 1];
  gint64 needed = parts->unet.vector_width;

  if (! parts->traits.pooled_labels)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: the denoiser takes class labels (unet/config.json, \"class_embed_type\"), "
                   "and %s does not say where they come from; if they are the text encoder's "
                   "pooled state, add \"palimpsest\": { \"class_labels\": \"pooled-text\" }",
                   parts->path, pal_json_label (parts->index));
      return FALSE;
    }

  if (encoder->pooled != needed)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
                   "%s: the text encoder's pooled state has %" G_GINT64_FORMAT " channels "
                   "(%s/config.json, \"hidden_size\"), and the denoiser expects class "
                   "labels of %" G_GINT64_FORMAT " (unet/config.json, "
                   "\"projection_class_embeddings_input_dim\"); use the %s folder that "
                   "belongs to this model",
                   parts->path, encoder->pooled, encoder->folder, needed, encoder->folder);
      return FALSE;
    }

  return TRUE;
}

/* The vector that goes beside the states comes from the last encoder. */
static gboolean
check_vector (PalParts *parts, GError **error)
{
  const PalTextEncoder *encoder = &parts->encoders[parts->n_encoders - 1];
  PalUnetConfig *unet = &parts->unet;

  if (unet->vector_width > 0 && unet->size_channels == 0 && ! check_labels (parts, error))
    return FALSE;

  if (unet->vector_width == 0 ||
      (pal_unet_config_vector (unet, encoder->pooled) &&
       (unet->size_channels == 0 || pal_sizes_known (unet->n_sizes))))
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
               "%s: the text encoder's pooled state has %" G_GINT64_FORMAT " channels "
               "(%s, \"text_projection\"), which with 5 or 6 sizes of %" G_GINT64_FORMAT " does "
               "not make the %" G_GINT64_FORMAT " that the denoiser expects (unet/config.json, "
               "\"projection_class_embeddings_input_dim\"); use the %s folder that belongs to "
               "this model",
               parts->path, encoder->pooled, encoder->folder, unet->size_channels,
               unet->vector_width, encoder->folder);
  return FALSE;
}

/* Of all encoders together; the message is about the only one, or about the sum. */
static gboolean
check_width (const PalParts *parts, GError **error)
{
  gint64 width = 0;

  for (guint i = 0; i < parts->n_encoders; i++)
    width += parts->encoders[i].clip.width;

  if (width == parts->unet.cross_channels)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
               "%s: the text encoder%s %" G_GINT64_FORMAT " channels%s (%s/config.json, "
               "\"hidden_size\"), and the denoiser expects %" G_GINT64_FORMAT
               " (unet/config.json, \"cross_attention_dim\"); use the %s folder that belongs to "
               "this model",
               parts->path, parts->n_encoders > 1 ? "s have" : " has", width,
               parts->n_encoders > 1 ? " together" : "",
               parts->encoders[0].folder, parts->unet.cross_channels, parts->encoders[0].folder);
  return FALSE;
}

static gboolean
check_tokenizer (const PalParts *parts, const PalTextEncoder *encoder, GError **error)
{
  gsize ids = pal_clip_tokenizer_size (encoder->tokenizer);

  if (ids <= (gsize) encoder->clip.vocab)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
               "%s: the tokenizer has %" G_GSIZE_FORMAT " entries, and the text encoder knows "
               "%" G_GINT64_FORMAT "; use the %s folder that belongs to this model",
               parts->path, ids, encoder->clip.vocab, encoder->tokenizer_folder);
  return FALSE;
}

/* All encoders' states are joined token by token. */
static gboolean
check_positions (const PalParts *parts, GError **error)
{
  for (guint i = 1; i < parts->n_encoders; i++)
    if (parts->encoders[i].clip.positions != parts->encoders[0].clip.positions)
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
                     "%s: \"max_position_embeddings\" is %" G_GINT64_FORMAT " in %s/config.json "
                     "and %" G_GINT64_FORMAT " in %s/config.json; both encoders must read as many "
                     "tokens, use those that belong to this model",
                     parts->path, parts->encoders[0].clip.positions, parts->encoders[0].folder,
                     parts->encoders[i].clip.positions, parts->encoders[i].folder);
        return FALSE;
      }

  return TRUE;
}

/* The pooled state is projected where the weights say so. */
static gint64
pooled_width (const PalParts *parts, guint i)
{
  const PalWeightView *projection = pal_weights_find (parts->weights[PAL_PART_TEXT + i],
                                                      "text_projection.weight");

  return projection && projection->shape.n == 2 ? projection->shape.d[0]
                                                : parts->encoders[i].clip.width;
}

gboolean
pal_encoders_check (PalParts *parts, GError **error)
{
  for (guint i = 0; i < parts->n_encoders; i++)
    parts->encoders[i].pooled = pooled_width (parts, i);

  if (! check_width (parts, error) || ! check_vector (parts, error) ||
      ! check_positions (parts, error))
    return FALSE;

  for (guint i = 0; i < parts->n_encoders; i++)
    if (! check_tokenizer (parts, &parts->encoders[i], error))
      return FALSE;

  return TRUE;
}

void
pal_encoders_clear (PalParts *parts)
{
  for (guint i = 0; i < parts->n_encoders; i++)
    g_clear_pointer (&parts->encoders[i].tokenizer, pal_clip_tokenizer_free);
}
