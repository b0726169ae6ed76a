/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vae/config.json → PalVaeConfig, and the choice between the codecs.
 *
 * Reference: huggingface/diffusers:src/diffusers/models/autoencoders/
 *   autoencoder_kl.py, autoencoder_tiny.py, autoencoder_dc.py @58eb52c0 (Apache-2.0),
 *   constructors and their defaults.
 * Easy to get wrong: "shift_factor" may be null; old files lack "use_quant_conv" and
 *   "mid_block_add_attention", which then are true; AutoencoderDC gives one word for all
 *   levels or a list. */

#include "model/vae.h"

#include <string.h>

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

static const PalFixedField dc_fixed[] = {
  { "in_channels", "3" },
};

static const PalConfigWord kl_down[] = { { "DownEncoderBlock2D", 0 }, { NULL, 0 } };
static const PalConfigWord kl_up[] = { { "UpDecoderBlock2D", 0 }, { NULL, 0 } };
static const PalConfigWord dc_blocks[] = { { "ResBlock", 0 }, { NULL, 0 } };
static const PalConfigWord dc_norms[] = { { "rms_norm", 0 }, { NULL, 0 } };

static const PalConfigWord dc_down[] = {
  { "pixel_unshuffle", TRUE },
  { "Conv", FALSE },
  { NULL, 0 }
};

static const PalConfigWord dc_up[] = {
  { "pixel_shuffle", TRUE },
  { "interpolate", FALSE },
  { NULL, 0 }
};

static const PalConfigWord dc_acts[] = {
  { "silu", PAL_ACT_SILU },
  { "swish", PAL_ACT_SILU },
  { "gelu", PAL_ACT_GELU },
  { "relu", PAL_ACT_RELU },
  { NULL, 0 }
};

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
  return pal_config_list (json, field, config->n_levels, 1, 65536, config->channels, error);
}

static gboolean
read_kl (const PalJson *json, PalVaeConfig *config, GError **error)
{
  gint64 layers = 1, groups = 32;
  gint unused[PAL_VAE_MAX_LEVELS];

  config->mid_attention = config->quant_conv = config->post_quant_conv = TRUE;

  if (! pal_config_fixed (json, kl_fixed, G_N_ELEMENTS (kl_fixed), error) ||
      ! read_channels (json, "block_out_channels", config, error) ||
      ! pal_config_words (json, "down_block_types", config->n_levels, kl_down, unused, error) ||
      ! pal_config_words (json, "up_block_types", config->n_levels, kl_up, unused, error) ||
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

/* How many residual blocks each level has. *out holds the defaults; min 0 or 1. */
static gboolean
read_blocks (const PalJson *json, const gchar *field, guint n, gint64 min, gint *out,
             GError **error)
{
  gint64 blocks[PAL_VAE_MAX_LEVELS];

  for (guint i = 0; i < n; i++)
    blocks[i] = out[i];

  if (! pal_config_list (json, field, n, min, 64, blocks, error))
    return FALSE;

  for (guint i = 0; i < n; i++)
    out[i] = (gint) blocks[i];

  return TRUE;
}

static gboolean
read_tiny (const PalJson *json, PalVaeConfig *config, GError **error)
{
  guint n;

  config->act = PAL_ACT_RELU;

  if (! pal_config_fixed (json, tiny_fixed, G_N_ELEMENTS (tiny_fixed), error) ||
      ! read_channels (json, "decoder_block_out_channels", config, error))
    return FALSE;

  n = config->n_levels;
  for (guint i = 0; i < n; i++)
    {
      config->encoder_blocks[i] = i == 0 ? 1 : 3;
      config->decoder_blocks[i] = i + 1 == n ? 1 : 3;
    }

  return read_blocks (json, "num_encoder_blocks", n, 1, config->encoder_blocks, error) &&
         read_blocks (json, "num_decoder_blocks", n, 1, config->decoder_blocks, error);
}

static gboolean
unfit (const PalJson *json, const gchar *field, const gchar *rule, GError **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "%s: \"%s\": %s", pal_json_label (json),
               field, rule);
  return FALSE;
}

/* A level without blocks has no change of size either, which only the outermost one, whose
 * change the first or last convolution makes, and the innermost one can do without. */
static gboolean
check_dc_levels (const PalJson *json, const gchar *field, const gint *blocks, guint n,
                 GError **error)
{
  for (guint i = 1; i + 1 < n; i++)
    if (blocks[i] == 0)
      return unfit (json, field, "only the first and the last level may have 0 layers", error);

  if (n == 1 && blocks[0] == 0)
    return unfit (json, field, "a model of one level needs a layer", error);

  return TRUE;
}

/* Shortcuts share a square's channels evenly among those of the next level. */
static gboolean
check_dc_channels (const PalJson *json, const gchar *field, const gint64 *channels,
                   const gint *blocks, guint n, GError **error)
{
  for (guint i = blocks[0] > 0 ? 0 : 1; i + 1 < n; i++)
    if (channels[i] * 4 % channels[i + 1] != 0)
      return unfit (json, field,
                    "four times a level's channels must be a multiple of the next level's", error);

  return TRUE;
}

static gboolean
check_dc (const PalJson *json, const PalVaeConfig *c, GError **error)
{
  const guint n = c->n_levels;

  if (! check_dc_levels (json, "encoder_layers_per_block", c->encoder_blocks, n, error) ||
      ! check_dc_levels (json, "decoder_layers_per_block", c->decoder_blocks, n, error) ||
      ! check_dc_channels (json, "encoder_block_out_channels", c->encoder_channels,
                           c->encoder_blocks, n, error) ||
      ! check_dc_channels (json, "decoder_block_out_channels", c->channels,
                           c->decoder_blocks, n, error))
    return FALSE;

  if ((c->encoder_shortcut && c->encoder_channels[n - 1] % c->latent_channels != 0) ||
      (c->decoder_shortcut && c->channels[n - 1] % c->latent_channels != 0))
    return unfit (json, "latent_channels", "the innermost level's channels must be a multiple",
                  error);

  return TRUE;
}

static gboolean
read_dc (const PalJson *json, PalVaeConfig *config, GError **error)
{
  gint act = PAL_ACT_RELU, unused[PAL_VAE_MAX_LEVELS];
  guint n;

  config->unshuffle = config->shuffle = TRUE;
  config->encoder_shortcut = config->decoder_shortcut = TRUE;

  if (! pal_config_fixed (json, dc_fixed, G_N_ELEMENTS (dc_fixed), error) ||
      ! read_channels (json, "encoder_block_out_channels", config, error))
    return FALSE;

  n = config->n_levels;
  memcpy (config->encoder_channels, config->channels, sizeof config->channels);
  for (guint i = 0; i < n; i++)
    {
      config->encoder_blocks[i] = i < 3 ? 2 : 3;
      config->decoder_blocks[i] = 3;
      config->acts[i] = PAL_ACT_SILU;
    }

  if (! pal_config_list (json, "decoder_block_out_channels", n, 1, 65536, config->channels,
                         error) ||
      ! pal_config_words (json, "encoder_block_types", n, dc_blocks, unused, error) ||
      ! pal_config_words (json, "decoder_block_types", n, dc_blocks, unused, error) ||
      ! pal_config_words (json, "decoder_norm_types", n, dc_norms, unused, error) ||
      ! pal_config_words (json, "decoder_act_fns", n, dc_acts, config->acts, error) ||
      ! pal_config_words (json, "decoder_conv_act_fn", 1, dc_acts, &act, error) ||
      ! pal_config_words (json, "downsample_block_type", 1, dc_down, &config->unshuffle, error) ||
      ! pal_config_words (json, "upsample_block_type", 1, dc_up, &config->shuffle, error) ||
      ! read_blocks (json, "encoder_layers_per_block", n, 0, config->encoder_blocks, error) ||
      ! read_blocks (json, "decoder_layers_per_block", n, 0, config->decoder_blocks, error) ||
      ! pal_json_bool (json, "encoder_out_shortcut", &config->encoder_shortcut, error) ||
      ! pal_json_bool (json, "decoder_in_shortcut", &config->decoder_shortcut, error))
    return FALSE;

  config->act = (PalAct) act;
  return check_dc (json, config, error);
}

/* One row a codec. */
static const struct
{
  const gchar *class_name;
  gint64       latent_channels;  /* these two when the file does not say */
  gdouble      scaling_factor;
  gboolean   (*read)   (const PalJson *json, PalVaeConfig *config, GError **error);
  PalTensor *(*encode) (PalTape *tape, const PalVaeConfig *config, PalTensor *image);
  PalTensor *(*decode) (PalTape *tape, const PalVaeConfig *config, PalTensor *z);
} codecs[PAL_N_VAE_KINDS] = {
  [PAL_VAE_KL] = { "AutoencoderKL", 4, 0.18215, read_kl, pal_vae_kl_encode, pal_vae_kl_decode },
  [PAL_VAE_TINY] = { "AutoencoderTiny", 4, 1.0, read_tiny, pal_vae_tiny_encode,
                     pal_vae_tiny_decode },
  [PAL_VAE_DC] = { "AutoencoderDC", 32, 1.0, read_dc, pal_vae_dc_encode, pal_vae_dc_decode },
};

gboolean
pal_vae_config_read (const PalJson *json, PalVaeConfig *config, GError **error)
{
  g_autofree gchar *class_name = g_strdup (codecs[PAL_VAE_KL].class_name);
  gdouble scaling, shift = 0.0;
  guint kind = 0;

  *config = (PalVaeConfig) { 0 };

  if (! pal_json_string (json, "_class_name", &class_name, error))
    return FALSE;

  while (kind < PAL_N_VAE_KINDS && ! g_str_equal (class_name, codecs[kind].class_name))
    kind++;

  if (kind == PAL_N_VAE_KINDS)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: the image codec %s is not supported yet; AutoencoderKL, "
                   "AutoencoderTiny and AutoencoderDC are",
                   pal_json_label (json), class_name);
      return FALSE;
    }

  config->kind = (PalVaeKind) kind;
  config->latent_channels = codecs[kind].latent_channels;
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
