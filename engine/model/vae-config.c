/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vae/config.json → PalVaeConfig, and the choice between the codecs.
 *
 * Reference: huggingface/diffusers:src/diffusers/models/autoencoders/
 *   autoencoder_kl.py, autoencoder_tiny.py @58eb52c0 (Apache-2.0), constructors and
 *   their defaults.
 * Easy to get wrong: "shift_factor" may be null; old files lack "use_quant_conv" and
 *   "mid_block_add_attention", which then are true. */

#include "model/vae.h"

#include "base/error.h"
#include "model/blocks.h"

static const PalFixedField kl_fixed[] = {
  { "act_fn", "silu" },
  { "in_channels", "3" },
  { "latents_mean", "null" },
  { "latents_std", "null" },
  { "out_channels", "3" },
};

static const PalFixedField tiny_fixed[] = {
  { "act_fn", "relu" },
  { "in_channels", "3" },
  { "out_channels", "3" },
  { "upsample_fn", "nearest" },
  { "upsampling_scaling_factor", "2" },
};

/* All entries of a list of block types must be the one that is built. */
static gboolean
check_block_types (const PalJson *json, const gchar *field, const gchar *built, GError **error)
{
  g_auto (GStrv) types = NULL;

  if (! pal_json_strings (json, field, &types, error))
    return FALSE;

  for (guint i = 0; types && types[i]; i++)
    if (! g_str_equal (types[i], built))
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                     "%s: \"%s\" has %s, and only %s is supported",
                     pal_json_label (json), field, types[i], built);
        return FALSE;
      }

  return TRUE;
}

/* The list whose length is the number of levels. */
static gboolean
read_channels (const PalJson *json, const gchar *field, PalVaeConfig *config, GError **error)
{
  if (! pal_json_ints (json, field, config->channels, PAL_VAE_MAX_LEVELS, &config->n_levels, error))
    return FALSE;

  if (config->n_levels == 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"%s\" is missing or empty", pal_json_label (json), field);
      return FALSE;
    }

  config->factor = 1 << (config->n_levels - 1);
  return pal_config_list (json, field, config->n_levels, 65536, config->channels, error);
}

static gboolean
read_kl (const PalJson *json, PalVaeConfig *config, GError **error)
{
  gint64 layers = 1, groups = 32;

  config->mid_attention = config->quant_conv = config->post_quant_conv = TRUE;

  if (! pal_config_fixed (json, kl_fixed, G_N_ELEMENTS (kl_fixed), error) ||
      ! check_block_types (json, "down_block_types", "DownEncoderBlock2D", error) ||
      ! check_block_types (json, "up_block_types", "UpDecoderBlock2D", error) ||
      ! read_channels (json, "block_out_channels", config, error) ||
      ! pal_config_range (json, "layers_per_block", 1, 64, &layers, error) ||
      ! pal_config_range (json, "norm_num_groups", 1, 4096, &groups, error) ||
      ! pal_json_bool (json, "mid_block_add_attention", &config->mid_attention, error) ||
      ! pal_json_bool (json, "use_quant_conv", &config->quant_conv, error) ||
      ! pal_json_bool (json, "use_post_quant_conv", &config->post_quant_conv, error))
    return FALSE;

  for (guint i = 0; i < config->n_levels; i++)
    if (config->channels[i] % groups != 0)
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                     "%s: the %" G_GINT64_FORMAT " channels of level %u are not a multiple of "
                     "\"norm_num_groups\" %" G_GINT64_FORMAT,
                     pal_json_label (json), config->channels[i], i, groups);
        return FALSE;
      }

  config->layers_per_block = (gint) layers;
  config->norm_groups = (gint) groups;
  return TRUE;
}

static gboolean
read_tiny (const PalJson *json, PalVaeConfig *config, GError **error)
{
  gint64 encoder[PAL_VAE_MAX_LEVELS], decoder[PAL_VAE_MAX_LEVELS];
  guint n;

  config->act = PAL_ACT_RELU;

  if (! pal_config_fixed (json, tiny_fixed, G_N_ELEMENTS (tiny_fixed), error) ||
      ! read_channels (json, "decoder_block_out_channels", config, error))
    return FALSE;

  n = config->n_levels;
  for (guint i = 0; i < n; i++)
    {
      encoder[i] = i == 0 ? 1 : 3;
      decoder[i] = i + 1 == n ? 1 : 3;
    }

  if (! pal_config_list (json, "num_encoder_blocks", n, 64, encoder, error) ||
      ! pal_config_list (json, "num_decoder_blocks", n, 64, decoder, error))
    return FALSE;

  for (guint i = 0; i < n; i++)
    {
      config->encoder_blocks[i] = (gint) encoder[i];
      config->decoder_blocks[i] = (gint) decoder[i];
    }

  return TRUE;
}

/* One row a codec. */
static const struct
{
  const gchar *class_name;
  gdouble      scaling_factor;   /* when the file does not say */
  gboolean   (*read)   (const PalJson *json, PalVaeConfig *config, GError **error);
  PalTensor *(*encode) (PalTape *tape, const PalVaeConfig *config, PalTensor *image);
  PalTensor *(*decode) (PalTape *tape, const PalVaeConfig *config, PalTensor *z);
} codecs[PAL_N_VAE_KINDS] = {
  [PAL_VAE_KL] = { "AutoencoderKL", 0.18215, read_kl, pal_vae_kl_encode, pal_vae_kl_decode },
  [PAL_VAE_TINY] = { "AutoencoderTiny", 1.0, read_tiny, pal_vae_tiny_encode, pal_vae_tiny_decode },
};

gboolean
pal_vae_config_read (const PalJson *json, PalVaeConfig *config, GError **error)
{
  g_autofree gchar *class_name = g_strdup (codecs[PAL_VAE_KL].class_name);
  gdouble scaling, shift = 0.0;
  guint kind = 0;

  *config = (PalVaeConfig) { .latent_channels = 4 };

  if (! pal_json_string (json, "_class_name", &class_name, error))
    return FALSE;

  while (kind < PAL_N_VAE_KINDS && ! g_str_equal (class_name, codecs[kind].class_name))
    kind++;

  if (kind == PAL_N_VAE_KINDS)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: the image codec %s is not supported yet; AutoencoderKL and "
                   "AutoencoderTiny are",
                   pal_json_label (json), class_name);
      return FALSE;
    }

  config->kind = (PalVaeKind) kind;
  scaling = codecs[kind].scaling_factor;

  if (! pal_config_range (json, "latent_channels", 1, 4096, &config->latent_channels, error) ||
      ! pal_json_double (json, "scaling_factor", &scaling, error) ||
      ! pal_json_double (json, "shift_factor", &shift, error))
    return FALSE;

  if (scaling <= 0.0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"scaling_factor\" is %g, and must be above zero",
                   pal_json_label (json), scaling);
      return FALSE;
    }

  config->scaling_factor = (gfloat) scaling;
  config->shift_factor = (gfloat) shift;
  return codecs[kind].read (json, config, error);
}

PalTensor *
pal_vae_encode (PalTape *tape, const PalVaeConfig *config, PalTensor *image)
{
  return codecs[config->kind].encode (tape, config, image);
}

PalTensor *
pal_vae_decode (PalTape *tape, const PalVaeConfig *config, PalTensor *z)
{
  return codecs[config->kind].decode (tape, config, z);
}
