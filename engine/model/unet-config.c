/* SPDX-License-Identifier: GPL-3.0-or-later */
/* unet/config.json → PalUnetConfig.
 *
 * Reference: huggingface/diffusers:src/diffusers/models/unets/unet_2d_condition.py
 *   @58eb52c0 (Apache-2.0), constructor and its defaults.
 * Easy to get wrong: "attention_head_dim" is the number of heads, not their width
 *   (a naming fault of the format that 40,000 published files depend on);
 *   "up_block_types" runs from the inside out. Guarded by trace-unet-sd15-tiny. */

#include "model/unet.h"

#include "base/error.h"
#include "model/blocks.h"

/* Fields that change the network in ways not built. */
static const PalFixedField fixed_fields[] = {
  { "act_fn", "silu" },
  { "attention_type", "default" },
  { "center_input_sample", "false" },
  { "class_embeddings_concat", "false" },
  { "cross_attention_norm", "null" },
  { "downsample_padding", "1" },
  { "dual_cross_attention", "false" },
  { "encoder_hid_dim", "null" },
  { "encoder_hid_dim_type", "null" },
  { "mid_block_only_cross_attention", "false" },
  { "mid_block_scale_factor", "1" },
  { "num_attention_heads", "null" },
  { "num_class_embeds", "null" },
  { "only_cross_attention", "false" },
  { "resnet_out_scale_factor", "1" },
  { "resnet_skip_time_act", "false" },
  { "reverse_transformer_layers_per_block", "null" },
  { "time_embedding_act_fn", "null" },
  { "time_embedding_type", "positional" },
  { "timestep_post_act", "null" },
};

static gboolean
unsupported (const PalJson *json, const gchar *field, const gchar *value, const gchar *built,
             GError **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
               "%s: \"%s\" has %s, and only %s are supported",
               pal_json_label (json), field, value, built);
  return FALSE;
}

/* *is_second: whether the field holds the second of the two values that are built. first
 * NULL: no value at all. */
static gboolean
read_choice (const PalJson *json, const gchar *field, const gchar *first, const gchar *second,
             gboolean *is_second, GError **error)
{
  g_autofree gchar *value = NULL;

  if (! pal_json_string (json, field, &value, error))
    return FALSE;

  *is_second = g_strcmp0 (value, second) == 0;
  if (! value || *is_second || g_strcmp0 (value, first) == 0)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
               "%s: \"%s\" is %s, and only %s and %s are supported",
               pal_json_label (json), field, value, first ? first : "a model without it", second);
  return FALSE;
}

/* A width that has no default, with the field that asks for it. */
static gboolean
read_width (const PalJson *json, const gchar *field, const gchar *asking, gint64 *out,
            GError **error)
{
  if (pal_json_has (json, field))
    return pal_config_range (json, field, 1, 65536, out, error);

  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
               "%s: \"%s\" is set, and \"%s\" is missing", pal_json_label (json), asking, field);
  return FALSE;
}

/* The vector beside the text: class labels, or the pooled text with sizes. */
static gboolean
read_vector (const PalJson *json, PalUnetConfig *config, GError **error)
{
  const gchar *width = "projection_class_embeddings_input_dim";
  gboolean labels, sizes;

  if (! read_choice (json, "class_embed_type", NULL, "projection", &labels, error) ||
      ! read_choice (json, "addition_embed_type", NULL, "text_time", &sizes, error))
    return FALSE;

  if (labels && sizes)
    return unsupported (json, "class_embed_type", "a value beside \"addition_embed_type\"",
                        "models with one of the two", error);

  config->vector_module = sizes ? "add_embedding" : "class_embedding";
  if (labels && ! read_width (json, width, "class_embed_type", &config->vector_width, error))
    return FALSE;
  if (sizes && (! read_width (json, width, "addition_embed_type", &config->vector_width, error) ||
                ! read_width (json, "addition_time_embed_dim", "addition_embed_type",
                              &config->size_channels, error)))
    return FALSE;

  config->vector_channels = config->vector_width;
  return TRUE;
}

gboolean
pal_unet_config_vector (PalUnetConfig *config, gint64 pooled)
{
  gint64 rest = config->vector_width - pooled;

  if (config->size_channels == 0)
    return rest == 0;
  if (rest < 0 || rest % config->size_channels != 0)
    return FALSE;

  config->vector_channels = pooled;
  config->n_sizes = (gint) (rest / config->size_channels);
  return TRUE;
}

/* out[i]: whether block i has attention. plain and attending: the two class names. */
static gboolean
read_block_types (const PalJson *json, const gchar *field, const gchar *plain,
                  const gchar *attending, guint n, gboolean *out, GError **error)
{
  g_auto (GStrv) types = NULL;

  if (! pal_json_strings (json, field, &types, error))
    return FALSE;

  if (! types || g_strv_length (types) != n)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"%s\" has %u entries, and \"block_out_channels\" has %u",
                   pal_json_label (json), field, types ? g_strv_length (types) : 0, n);
      return FALSE;
    }

  for (guint i = 0; i < n; i++)
    {
      out[i] = g_str_equal (types[i], attending);
      if (! out[i] && ! g_str_equal (types[i], plain))
        {
          g_autofree gchar *built = g_strdup_printf ("%s and %s", plain, attending);

          return unsupported (json, field, types[i], built, error);
        }
    }

  return TRUE;
}

static gboolean
read_mid_block (const PalJson *json, PalUnetConfig *config, GError **error)
{
  g_autofree gchar *type = NULL;

  if (! pal_json_string (json, "mid_block_type", &type, error))
    return FALSE;

  if (! type)
    {
      /* Absent means the default; null means none, and only fields tell them apart. */
      g_auto (GStrv) fields = pal_json_fields (json);
      gboolean none = g_strv_contains ((const gchar *const *) fields, "mid_block_type");

      config->mid_attention = ! none;
      config->mid_resnets = none ? 0 : 2;
    }
  else if (g_str_equal (type, "UNetMidBlock2DCrossAttn"))
    {
      config->mid_attention = TRUE;
      config->mid_resnets = 2;
    }
  else if (g_str_equal (type, "UNetMidBlock2D"))
    {
      config->mid_resnets = 1;
    }
  else
    {
      return unsupported (json, "mid_block_type", type,
                          "UNetMidBlock2DCrossAttn and UNetMidBlock2D", error);
    }

  return TRUE;
}

/* A number for all levels or one for each, which then must agree where it is used:
 * there is only one context. */
static gboolean
read_cross_channels (const PalJson *json, PalUnetConfig *config, GError **error)
{
  gint64 values[PAL_UNET_MAX_LEVELS];

  for (guint i = 0; i < config->n_levels; i++)
    values[i] = 1280;

  if (! pal_config_list (json, "cross_attention_dim", config->n_levels, 1, 65536, values, error))
    return FALSE;

  for (guint i = 1; i < config->n_levels; i++)
    if (values[i] != values[0])
      return unsupported (json, "cross_attention_dim", "different widths", "equal ones", error);

  config->cross_channels = values[0];
  return TRUE;
}

/* Everything that is given once for each level. */
static gboolean
read_levels (const PalJson *json, PalUnetConfig *config, GError **error)
{
  gint64 channels[PAL_UNET_MAX_LEVELS], heads[PAL_UNET_MAX_LEVELS];
  gint64 layers[PAL_UNET_MAX_LEVELS], blocks[PAL_UNET_MAX_LEVELS];
  gboolean down[PAL_UNET_MAX_LEVELS], up[PAL_UNET_MAX_LEVELS];
  guint n = 0;

  if (! pal_json_ints (json, "block_out_channels", channels, PAL_UNET_MAX_LEVELS, &n, error))
    return FALSE;
  if (n == 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"block_out_channels\" is missing or empty", pal_json_label (json));
      return FALSE;
    }

  config->n_levels = n;
  for (guint i = 0; i < n; i++)
    {
      heads[i] = 8;
      layers[i] = 2;
      blocks[i] = 1;
    }

  if (! pal_config_list (json, "block_out_channels", n, 1, 65536, channels, error) ||
      ! pal_config_list (json, "attention_head_dim", n, 1, 1024, heads, error) ||
      ! pal_config_list (json, "layers_per_block", n, 1, PAL_UNET_MAX_LAYERS, layers, error) ||
      ! pal_config_list (json, "transformer_layers_per_block", n, 1, 64, blocks, error) ||
      ! read_block_types (json, "down_block_types", "DownBlock2D", "CrossAttnDownBlock2D", n,
                          down, error) ||
      ! read_block_types (json, "up_block_types", "UpBlock2D", "CrossAttnUpBlock2D", n, up, error))
    return FALSE;

  for (guint i = 0; i < n; i++)
    config->levels[i] = (PalUnetLevel) {
      .channels = channels[i],
      .attention = down[i],
      .up_attention = up[n - 1 - i],
      .heads = (gint) heads[i],
      .transformer_layers = (gint) blocks[i],
      .layers = (gint) layers[i],
    };

  return TRUE;
}

/* What the group norms and the attentions divide must divide. */
static gboolean
check_levels (const PalJson *json, const PalUnetConfig *config, GError **error)
{
  for (guint i = 0; i < config->n_levels; i++)
    {
      const PalUnetLevel *level = &config->levels[i];
      gboolean attends = level->attention || level->up_attention ||
                         (config->mid_attention && i + 1 == config->n_levels);

      if (level->channels % config->norm_groups != 0 ||
          (attends && level->channels % level->heads != 0))
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                       "%s: the %" G_GINT64_FORMAT " channels of level %u are not a multiple of "
                       "\"norm_num_groups\" %d and of the %d heads in \"attention_head_dim\"",
                       pal_json_label (json), level->channels, i, config->norm_groups,
                       level->heads);
          return FALSE;
        }
    }

  return TRUE;
}

gboolean
pal_unet_config_read (const PalJson *json, PalUnetConfig *config, GError **error)
{
  gint64 groups = 32, size[2] = { 0, 0 };
  gdouble eps = 1e-5, shift = 0.0;
  guint n = 0;

  *config = (PalUnetConfig) { .in_channels = 4, .out_channels = 4, .flip_sin_to_cos = TRUE };

  if (! pal_config_fixed (json, fixed_fields, G_N_ELEMENTS (fixed_fields), error) ||
      ! pal_config_range (json, "in_channels", 1, 4096, &config->in_channels, error) ||
      ! pal_config_range (json, "out_channels", 1, 4096, &config->out_channels, error) ||
      ! pal_config_range (json, "norm_num_groups", 1, 4096, &groups, error) ||
      ! pal_json_double (json, "norm_eps", &eps, error) ||
      ! pal_json_double (json, "freq_shift", &shift, error) ||
      ! pal_json_bool (json, "flip_sin_to_cos", &config->flip_sin_to_cos, error) ||
      (pal_json_has (json, "time_cond_proj_dim") &&
       ! pal_config_range (json, "time_cond_proj_dim", 4, 65536, &config->guidance_channels,
                           error)) ||
      ! pal_json_ints (json, "sample_size", size, G_N_ELEMENTS (size), &n, error) ||
      ! read_choice (json, "resnet_time_scale_shift", "default", "scale_shift",
                     &config->time_modulates, error) ||
      ! read_vector (json, config, error) ||
      ! read_levels (json, config, error) ||
      ! read_mid_block (json, config, error) ||
      ! read_cross_channels (json, config, error))
    return FALSE;

  config->norm_groups = (gint) groups;
  config->norm_eps = (gfloat) eps;
  config->freq_shift = (gfloat) shift;
  config->sample_size = (gint) CLAMP (size[0], 0, 4096);

  return check_levels (json, config, error);
}
