/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the parts of a model lie in a checkpoint file and what their tensors are called
 * there.
 *
 * Reference: CompVis/latent-diffusion:ldm/modules/diffusionmodules/openaimodel.py, model.py
 *   (MIT), mlfoundations/open_clip:src/open_clip/transformer.py (MIT), whose names these are;
 *   huggingface/diffusers:src/diffusers/loaders/single_file_utils.py @58eb52c0 (Apache-2.0).
 * Easy to get wrong, guarded by tests/golden/checkpoints.py:
 *   - blocks of the U-Net are numbered through all levels, each level having one more than
 *     its layers: downwards the downsampler, upwards a layer;
 *   - an upsampler stands behind the attention when there is one, else in its place;
 *   - the decoder of the autoencoder numbers its levels from the outside;
 *   - OpenCLIP keeps queries, keys and values in one tensor, and its last projection
 *     transposed. */

#include "io/names.h"

#include <string.h>

/* pattern: the beginning of a name, "#" a number in it, "$" at its end the name's end.
 * name: what stands for it; "%a", "%b" the numbers, "%s" the first less first, "%l" and "%r"
 * that divided by the period and the rest, "%u" the number counted from the top. inner: for
 * what follows, which else stays. The first rule that fits counts. */
struct _PalNameRule
{
  const gchar       *pattern, *name;
  guint              first;
  const PalNameRule *inner;
};

#define END { NULL, NULL }

static const PalNameRule resnet_rules[] = {
  { "in_layers.0.", "norm1." },
  { "in_layers.2.", "conv1." },
  { "emb_layers.1.", "time_emb_proj." },
  { "out_layers.0.", "norm2." },
  { "out_layers.3.", "conv2." },
  { "skip_connection.", "conv_shortcut." },
  END
};

static const PalNameRule unet_rules[] = {
  { "time_embed.0.", "time_embedding.linear_1." },
  { "time_embed.2.", "time_embedding.linear_2." },
  { "label_emb.0.0.", "add_embedding.linear_1." },
  { "label_emb.0.2.", "add_embedding.linear_2." },
  { "input_blocks.0.0.", "conv_in." },
  { "input_blocks.#.0.op.", "down_blocks.%l.downsamplers.0.conv.", 1 },
  { "input_blocks.#.0.", "down_blocks.%l.resnets.%r.", 1, resnet_rules },
  { "input_blocks.#.1.", "down_blocks.%l.attentions.%r.", 1 },
  { "middle_block.0.", "mid_block.resnets.0.", 0, resnet_rules },
  { "middle_block.1.", "mid_block.attentions.0." },
  { "middle_block.2.", "mid_block.resnets.1.", 0, resnet_rules },
  { "output_blocks.#.0.", "up_blocks.%l.resnets.%r.", 0, resnet_rules },
  { "output_blocks.#.1.conv.", "up_blocks.%l.upsamplers.0.conv." },
  { "output_blocks.#.2.conv.", "up_blocks.%l.upsamplers.0.conv." },
  { "output_blocks.#.1.", "up_blocks.%l.attentions.%r." },
  { "out.0.", "conv_norm_out." },
  { "out.2.", "conv_out." },
  END
};

static const PalNameRule vae_block_rules[] = {
  { "nin_shortcut.", "conv_shortcut." },
  END
};

static const PalNameRule vae_attention_rules[] = {
  { "norm.", "group_norm." },
  { "q.", "to_q." },
  { "k.", "to_k." },
  { "v.", "to_v." },
  { "proj_out.", "to_out.0." },
  END
};

static const PalNameRule vae_mid_rules[] = {
  { "block_#.", "resnets.%s.", 1 },
  { "attn_1.", "attentions.0.", 0, vae_attention_rules },
  END
};

static const PalNameRule vae_rules[] = {
  { "encoder.down.#.block.#.", "encoder.down_blocks.%a.resnets.%b.", 0, vae_block_rules },
  { "encoder.down.#.downsample.", "encoder.down_blocks.%a.downsamplers.0." },
  { "encoder.mid.", "encoder.mid_block.", 0, vae_mid_rules },
  { "encoder.norm_out.", "encoder.conv_norm_out." },
  { "decoder.up.#.block.#.", "decoder.up_blocks.%u.resnets.%b.", 0, vae_block_rules },
  { "decoder.up.#.upsample.", "decoder.up_blocks.%u.upsamplers.0." },
  { "decoder.mid.", "decoder.mid_block.", 0, vae_mid_rules },
  { "decoder.norm_out.", "decoder.conv_norm_out." },
  END
};

/* The decoder's list begins with a clamp, which has no weights and no number in the engine. */
static const PalNameRule tiny_rules[] = {
  { "encoder.#.", "encoder.layers.%a." },
  { "decoder.#.", "decoder.layers.%s.", 1 },
  END
};

static const PalNameRule open_clip_block_rules[] = {
  { "ln_1.", "layer_norm1." },
  { "ln_2.", "layer_norm2." },
  { "attn.in_proj_weight$", "self_attn.{q,k,v}_proj.weight" },
  { "attn.in_proj_bias$", "self_attn.{q,k,v}_proj.bias" },
  { "attn.out_proj.", "self_attn.out_proj." },
  { "mlp.c_fc.", "mlp.fc1." },
  { "mlp.c_proj.", "mlp.fc2." },
  END
};

static const PalNameRule open_clip_rules[] = {
  { "transformer.resblocks.#.", "text_model.encoder.layers.%a.", 0, open_clip_block_rules },
  { "token_embedding.", "text_model.embeddings.token_embedding." },
  { "positional_embedding$", "text_model.embeddings.position_embedding.weight" },
  { "ln_final.", "text_model.final_layer_norm." },
  { "text_projection$", "text_projection.weight'" },
  END
};

#define CLIP_PROBE "text_model.embeddings.token_embedding.weight"

static const PalLayout layouts[] = {
  { "unet", "model.diffusion_model.", "input_blocks.0.0.weight", unet_rules },
  { "unet", "", "input_blocks.0.0.weight", unet_rules },
  { "unet", "", "down_blocks.0.resnets.0.norm1.weight", NULL },
  { "vae", "first_stage_model.", "decoder.conv_in.weight", vae_rules },
  { "vae", "", "decoder.up.0.block.0.norm1.weight", vae_rules },
  { "vae", "", "decoder.up_blocks.0.resnets.0.norm1.weight", NULL },
  { "vae", "", "decoder.layers.0.weight", NULL },
  { "vae", "", "decoder.1.weight", tiny_rules },
  { "text_encoder", "cond_stage_model.transformer.", CLIP_PROBE, NULL },
  { "text_encoder", "cond_stage_model.transformer.", "embeddings.token_embedding.weight", NULL },
  { "text_encoder", "conditioner.embedders.0.transformer.", CLIP_PROBE, NULL },
  { "text_encoder", "cond_stage_model.model.", "token_embedding.weight", open_clip_rules },
  { "text_encoder", "", CLIP_PROBE, NULL },
  { "text_encoder_2", "conditioner.embedders.1.model.", "token_embedding.weight", open_clip_rules },
  { "text_encoder_2", "conditioner.embedders.0.model.", "token_embedding.weight", open_clip_rules },
  { "text_encoder_2", "", "token_embedding.weight", open_clip_rules },
  { "text_encoder_2", "", CLIP_PROBE, NULL },
};

static gboolean
has (const PalTensorFile *file,
     const PalLayout     *layout,
     const gchar         *rest)
{
  g_autofree gchar *name = g_strconcat (layout->prefix, rest, NULL);

  return pal_tensor_file_find (file, name) != NULL;
}

const PalLayout *
pal_layout_find (const PalTensorFile *file,
                 const gchar         *part)
{
  for (gsize i = 0; i < G_N_ELEMENTS (layouts); i++)
    if (g_str_equal (layouts[i].part, part) && has (file, &layouts[i], layouts[i].probe))
      return &layouts[i];

  return NULL;
}

gboolean
pal_layout_is_open_clip (const PalLayout *layout)
{
  return layout->rules == open_clip_rules;
}

PalLayoutNumbers
pal_layout_numbers (const PalTensorFile *file,
                    const PalLayout     *layout)
{
  PalLayoutNumbers numbers = { .period = G_MAXINT };
  gchar            name[64];

  for (guint i = 1; i < 64 && numbers.period == G_MAXINT; i++)
    {
      g_snprintf (name, sizeof name, "input_blocks.%u.0.op.weight", i);
      if (has (file, layout, name))
        numbers.period = i;
    }

  for (guint i = 0; i < 64; i++)
    {
      g_snprintf (name, sizeof name, "decoder.up.%u.block.0.norm1.weight", i);
      if (has (file, layout, name))
        numbers.top = i;
    }

  return numbers;
}

/* What follows the pattern in the name, or NULL when it does not fit. */
static const gchar *
match (const gchar *pattern,
       const gchar *name,
       guint       *captured)
{
  guint n = 0;

  for (; *pattern; pattern++)
    if (*pattern == '$')
      {
        if (*name)
          return NULL;
      }
    else if (*pattern == '#')
      {
        gchar *end;

        if (! g_ascii_isdigit (*name))
          return NULL;
        captured[n++] = (guint) MIN (g_ascii_strtoull (name, &end, 10), 4096);
        name          = end;
      }
    else if (*pattern != *name++)
      {
        return NULL;
      }

  return name;
}

static guint
number (gchar                   code,
        const PalNameRule      *rule,
        const PalLayoutNumbers *numbers,
        const guint            *captured)
{
  const guint shifted = captured[0] >= rule->first ? captured[0] - rule->first : 0;

  switch (code)
    {
    case 'a':
      return captured[0];
    case 'b':
      return captured[1];
    case 's':
      return shifted;
    case 'l':
      return shifted / numbers->period;
    case 'r':
      return shifted % numbers->period;
    case 'u':
      return numbers->top >= captured[0] ? numbers->top - captured[0] : 0;
    default:
      g_assert_not_reached ();
    }
}

static void
rewrite (const PalNameRule      *rules,
         const PalLayoutNumbers *numbers,
         const gchar            *name,
         GString                *out)
{
  guint captured[2] = { 0, 0 };

  for (const PalNameRule *rule = rules; rule && rule->pattern; rule++)
    {
      const gchar *rest = match (rule->pattern, name, captured);

      if (! rest)
        continue;

      for (const gchar *at = rule->name; *at; at++)
        if (*at == '%')
          g_string_append_printf (out, "%u", number (*++at, rule, numbers, captured));
        else
          g_string_append_c (out, *at);
      rewrite (rule->inner, numbers, rest, out);
      return;
    }

  g_string_append (out, name);
}

gchar *
pal_layout_rename (const PalLayout        *layout,
                   const PalLayoutNumbers *numbers,
                   const gchar            *name)
{
  GString *out;

  if (! g_str_has_prefix (name, layout->prefix))
    return NULL;

  out = g_string_new (NULL);
  rewrite (layout->rules, numbers, name + strlen (layout->prefix), out);

  return g_string_free (out, FALSE);
}
