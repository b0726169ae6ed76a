/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What adapters call a model's layers. The programs that write them join the same path with
 * dots or underscores, put another prefix in front of it, and of a U-Net take either this
 * layout's path or that of the original code. So names are compared as keys: without dots,
 * and without what is not the path.
 *
 * Reference: huggingface/diffusers:src/diffusers/loaders/lora_conversion_utils.py @58eb52c0
 *   (Apache-2.0), which lists the names in use. */

#include "family/adapter.h"

#include <stdio.h>
#include <string.h>

/* The longest first where one begins another. */
static const struct
{
  const gchar *prefix;
  PalPart      part;
} prefixes[] = {
  { "lora_unet_", PAL_PART_DENOISER },
  { "lora_te1_", PAL_PART_TEXT },
  { "lora_te2_", PAL_PART_TEXT_2 },
  { "lora_te_", PAL_PART_TEXT },
  { "base_model_model_unet_", PAL_PART_DENOISER },
  { "text_encoder_2_", PAL_PART_TEXT_2 },
  { "text_encoder_", PAL_PART_TEXT },
  { "unet_", PAL_PART_DENOISER },
};

static void
undot (gchar *text)
{
  g_strdelimit (text, ".", '_');
}

/* Every find in text goes. */
static void
leave_out (GString *text, const gchar *find)
{
  g_string_replace (text, find, "", 0);
}

gchar *
pal_adapter_layer_key (const gchar *name, guint n_encoders, PalPart *part)
{
  g_autofree gchar *flat = g_strdup (name);
  gsize i = 0;

  undot (flat);
  while (i < G_N_ELEMENTS (prefixes) && ! g_str_has_prefix (flat, prefixes[i].prefix))
    i++;
  if (i == G_N_ELEMENTS (prefixes))
    return NULL;

  *part = prefixes[i].part;
  if (*part == PAL_PART_TEXT_2 && n_encoders == 1)
    *part = PAL_PART_TEXT;

  return pal_weight_key (flat + strlen (prefixes[i].prefix));
}

gchar *
pal_weight_key (const gchar *weight)
{
  GString *key = g_string_new (weight);

  if (g_str_has_suffix (key->str, ".weight"))
    g_string_truncate (key, key->len - strlen (".weight"));
  undot (key->str);

  /* Files of other versions have these or not: of encoders, and of attentions, whose last
   * module has a number that older adapters lack. */
  leave_out (key, "text_model_");
  leave_out (key, "_processor");
  if (g_str_has_suffix (key->str, "_to_out"))
    g_string_append (key, "_0");

  return g_string_free (key, FALSE);
}

/* Modules of a residual block. */
static const struct
{
  const gchar *here, *original;
} resnet_modules[] = {
  { "norm1", "in_layers_0" },
  { "conv1", "in_layers_2" },
  { "time_emb_proj", "emb_layers_1" },
  { "norm2", "out_layers_0" },
  { "conv2", "out_layers_3" },
  { "conv_shortcut", "skip_connection" },
};

static const struct
{
  const gchar *here, *original;
} whole_names[] = {
  { "conv_in", "input_blocks_0_0" },
  { "conv_norm_out", "out_0" },
  { "conv_out", "out_2" },
  { "time_embedding_linear_1", "time_embed_0" },
  { "time_embedding_linear_2", "time_embed_2" },
  { "add_embedding_linear_1", "label_emb_0_0" },
  { "add_embedding_linear_2", "label_emb_0_2" },
};

/* A module of a residual block, or of an attention, whose names are the same. */
static const gchar *
module_name (const gchar *kind, const gchar *module)
{
  for (gsize i = 0; g_str_equal (kind, "resnets") && i < G_N_ELEMENTS (resnet_modules); i++)
    if (g_str_equal (module, resnet_modules[i].here))
      return resnet_modules[i].original;

  return module;
}

/* Blocks before level n on the way down or up, where each level adds one. */
static gint
blocks_before (const PalUnetConfig *unet, gint n, gboolean up)
{
  gint count = 0;

  for (gint i = 0; i < n; i++)
    count += unet->levels[up ? unet->n_levels - 1 - (guint) i : (guint) i].layers + 1;
  return count;
}

static gchar *
down_key (const PalUnetConfig *unet, gint level, const gchar *kind, gint i, const gchar *module)
{
  gint block = 1 + blocks_before (unet, level, FALSE);

  if (g_str_equal (kind, "downsamplers"))
    return g_strdup_printf ("input_blocks_%d_0_op", block + unet->levels[level].layers);

  return g_strdup_printf ("input_blocks_%d_%d_%s", block + i, g_str_equal (kind, "attentions"),
                          module_name (kind, module));
}

static gchar *
up_key (const PalUnetConfig *unet, gint level, const gchar *kind, gint i, const gchar *module)
{
  const PalUnetLevel *here = &unet->levels[unet->n_levels - 1 - (guint) level];
  gint block = blocks_before (unet, level, TRUE);

  if (g_str_equal (kind, "upsamplers"))
    return g_strdup_printf ("output_blocks_%d_%d_conv", block + here->layers,
                            here->up_attention ? 2 : 1);

  return g_strdup_printf ("output_blocks_%d_%d_%s", block + i, g_str_equal (kind, "attentions"),
                          module_name (kind, module));
}

/* Residual block, attention, residual block. */
static gchar *
middle_key (const gchar *kind, gint i, const gchar *module)
{
  gint block = g_str_equal (kind, "attentions") ? 1 : i * 2;

  return g_strdup_printf ("middle_block_%d_%s", block, module_name (kind, module));
}

gchar *
pal_unet_original_key (const PalUnetConfig *unet, const gchar *weight)
{
  g_autofree gchar *key = pal_weight_key (weight);
  gchar kind[16], side[8];
  gint level = 0, i = 0, module = 0;

  for (gsize k = 0; k < G_N_ELEMENTS (whole_names); k++)
    if (g_str_equal (key, whole_names[k].here))
      return g_strdup (whole_names[k].original);

  if (sscanf (key, "mid_block_%15[a-z]_%d_%n", kind, &i, &module) == 2 && module > 0)
    return middle_key (kind, i, key + module);
  if (sscanf (key, "%7[a-z]_blocks_%d_%15[a-z]_%d_%n", side, &level, kind, &i, &module) != 4 ||
      module == 0 || level < 0 || (guint) level >= unet->n_levels)
    return NULL;

  return g_str_equal (side, "up") ? up_key (unet, level, kind, i, key + module)
                                  : down_key (unet, level, kind, i, key + module);
}
