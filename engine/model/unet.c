/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The U-Net of latent diffusion.
 *
 * Paper: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion
 *   Models (arXiv 2112.10752), appendix D; GEGLU: Shazeer (arXiv 2002.05202).
 * Reference: huggingface/diffusers:src/diffusers/models/unets/unet_2d_condition.py,
 *   unet_2d_blocks.py, ../attention.py @58eb52c0 (Apache-2.0).
 * Easy to get wrong, all guarded by trace-unet-sd15-tiny:
 *   - the norm before a transformer has eps 1e-6, whatever norm_eps is; its layer
 *     norms have 1e-5;
 *   - queries, keys and values have no bias, the output has one;
 *   - the down path keeps a skip of conv_in, of every layer and of every
 *     downsampler; the up path takes them from the end, one layer more a level;
 *   - growing back from an odd side goes to the skip's size, not to twice the side
 *     (guarded by trace-unet-odd-*);
 *   - the vector's embedding is added before the SiLU that all residual blocks share
 *     (guarded by trace-unet-labels-*);
 *   - of the vector that the "text_time" models take, the pooled text comes first and then
 *     the sinusoids of the sizes, one after the other (guarded by trace-unet-sdxl-tiny). */

#include "model/unet.h"

#include "model/blocks.h"

#define MAX_SKIPS (PAL_UNET_MAX_LEVELS * (PAL_UNET_MAX_LAYERS + 1) + 1)

/* What every block is told. */
typedef struct
{
  const PalUnetConfig *config;
  PalTensor           *emb;       /* [B, E], activated */
  PalTensor           *context;   /* [B, S, K] */
  PalTensor           *skips[MAX_SKIPS];
  guint                n_skips;
} Unet;

static PalTensor *
push (Unet *u, PalTensor *x)
{
  g_assert (u->n_skips < MAX_SKIPS);
  return u->skips[u->n_skips++] = x;
}

static PalTensor *
pop (Unet *u)
{
  g_assert (u->n_skips > 0);
  return u->skips[--u->n_skips];
}

/* x: [B, K] → [B, E], plus what is embedded already or NULL */
static PalTensor *
embed (PalTape *t, const gchar *name, PalTensor *x, PalTensor *others)
{
  pal_enter (t, "%s", name);
  x = pal_linear (t, x, "linear_1", &(PalLinear) { .act = PAL_ACT_SILU });
  x = pal_leave (t, pal_linear (t, x, "linear_2", NULL));

  return others ? pal_add (t, x, others) : x;
}

/* The vector with what it is told of sizes: [B, vector_width] */
static PalTensor *
whole_vector (PalTape *t, const PalUnetConfig *c, const PalUnetInputs *inputs)
{
  PalTensor *sizes;

  if (c->n_sizes == 0)
    return inputs->vector;

  sizes = pal_timestep_embed (t, inputs->sizes, c->size_channels, c->flip_sin_to_cos,
                              c->freq_shift);
  sizes = pal_reshape (t, sizes, PAL_SHAPE (pal_shape_of (inputs->vector).d[0],
                                            c->n_sizes * c->size_channels));
  return pal_concat (t, inputs->vector, sizes);
}

/* sinusoids: [B, C] → [B, C], plus the guidance's where the model was distilled for it.
 * These have sines first and the last frequency exactly at 1 / 10000. */
static PalTensor *
add_guidance (PalTape *t, const PalUnetConfig *c, PalTensor *sinusoids, PalTensor *guidance)
{
  PalTensor *x;

  if (c->guidance_channels == 0)
    return sinusoids;

  x = pal_timestep_embed (t, guidance, c->guidance_channels, FALSE, 1.0f);
  pal_enter (t, "time_embedding");
  return pal_leave (t, pal_linear (t, x, "cond_proj", &(PalLinear) { .residual = sinusoids }));
}

/* Time, and the vector when there is one: [B, E], not activated */
static PalTensor *
embedding (PalTape *t, const PalUnetConfig *c, const PalUnetInputs *inputs)
{
  PalTensor *x;

  x = pal_timestep_embed (t, inputs->timesteps, c->levels[0].channels, c->flip_sin_to_cos,
                          c->freq_shift);
  x = add_guidance (t, c, pal_publish (t, "time_proj", x), inputs->guidance);
  x = embed (t, "time_embedding", x, NULL);

  return c->vector_channels > 0 ? embed (t, c->vector_module, whole_vector (t, c, inputs), x) : x;
}

/* h: [B, T, C], context: [B, S, K] → x + attention, [B, T, C] */
static PalTensor *
attend (PalTape *t, const gchar *name, PalTensor *x, PalTensor *h, PalTensor *context, gint heads)
{
  PalTensor *q, *k, *v;

  pal_enter (t, "%s", name);
  q = pal_linear (t, h, "to_q", NULL);
  k = pal_linear (t, context, "to_k", NULL);
  v = pal_linear (t, context, "to_v", NULL);
  h = pal_attention (t, q, k, v, &(PalAttention) { .heads = heads });
  return pal_leave (t, pal_linear (t, h, "to_out.0", &(PalLinear) { .residual = x }));
}

/* x: [B, T, C] → [B, T, C] */
static PalTensor *
transformer_block (PalTape *t, const Unet *u, PalTensor *x, gint heads)
{
  const gfloat eps = 1e-5f;
  PalTensor *h;

  h = pal_layer_norm (t, x, "norm1", eps);
  x = attend (t, "attn1", x, h, h, heads);

  h = pal_layer_norm (t, x, "norm2", eps);
  x = attend (t, "attn2", x, h, u->context, heads);

  h = pal_layer_norm (t, x, "norm3", eps);
  h = pal_geglu (t, pal_linear (t, h, "ff.net.0.proj", NULL));
  return pal_linear (t, h, "ff.net.2", &(PalLinear) { .residual = x });
}

/* x: [B, H, W, C] → [B, H, W, C] */
static PalTensor *
transformer (PalTape *t, const Unet *u, const PalUnetLevel *level, PalTensor *x)
{
  PalShape image = pal_shape_of (x);
  PalShape tokens = PAL_SHAPE (image.d[0], image.d[1] * image.d[2], image.d[3]);
  PalTensor *h;

  x = pal_reshape (t, x, tokens);
  h = pal_group_norm (t, x, "norm", &(PalGroupNorm) { .groups = u->config->norm_groups,
                                                      .eps = 1e-6f });
  h = pal_linear (t, h, "proj_in", NULL);

  for (gint i = 0; i < level->transformer_layers; i++)
    {
      pal_enter (t, "transformer_blocks.%d", i);
      h = pal_leave (t, transformer_block (t, u, h, level->heads));
    }

  h = pal_linear (t, h, "proj_out", &(PalLinear) { .residual = x });
  return pal_reshape (t, h, image);
}

/* Layer i of a block: a residual block and, where the level has it, a transformer.
 * x: [B, H, W, C] → [B, H, W, C'] */
static PalTensor *
layer (PalTape *t, const Unet *u, const PalUnetLevel *level, gboolean attention, gint i,
       PalTensor *x)
{
  const PalResBlock block = { .groups = u->config->norm_groups, .eps = u->config->norm_eps,
                              .modulate = u->config->time_modulates };

  pal_segment (t);
  pal_enter (t, "resnets.%d", i);
  x = pal_leave (t, pal_res_block (t, x, u->emb, &block));

  if (attention)
    {
      pal_segment (t);
      pal_enter (t, "attentions.%d", i);
      x = pal_leave (t, transformer (t, u, level, x));
    }

  return x;
}

/* x: [B, H, W, C] → [B, (H + 1) / 2, (W + 1) / 2, C'], or H, W at the last level */
static PalTensor *
down_block (PalTape *t, Unet *u, guint i, PalTensor *x)
{
  const PalUnetLevel *level = &u->config->levels[i];

  for (gint j = 0; j < level->layers; j++)
    x = push (u, layer (t, u, level, level->attention, j, x));

  if (i + 1 < u->config->n_levels)
    {
      pal_segment (t);
      pal_enter (t, "downsamplers.0");
      x = push (u, pal_leave (t, pal_conv2d (t, x, "conv", &(PalConv) { .stride = 2 })));
    }

  return x;
}

/* x: [B, H, W, C] → [B, H, W, C] */
static PalTensor *
mid_block (PalTape *t, const Unet *u, PalTensor *x)
{
  const PalUnetConfig *c = u->config;

  for (gint i = 0; i < c->mid_resnets; i++)
    x = layer (t, u, &c->levels[c->n_levels - 1], c->mid_attention && i == 0, i, x);

  return x;
}

/* x: [B, h, w, C] → [B, H, W, C'] of the next level outwards, or h, w at level 0 */
static PalTensor *
up_block (PalTape *t, Unet *u, guint i, PalTensor *x)
{
  const PalUnetLevel *level = &u->config->levels[i];
  PalShape skip;

  for (gint j = 0; j < level->layers + 1; j++)
    x = layer (t, u, level, level->up_attention, j, pal_concat (t, x, pop (u)));

  if (i == 0)
    return x;

  pal_segment (t);
  skip = pal_shape_of (u->skips[u->n_skips - 1]);
  pal_enter (t, "upsamplers.0");
  x = pal_conv2d (t, x, "conv",
                  &(PalConv) { .upsample = TRUE, .height = skip.d[1], .width = skip.d[2] });
  return pal_leave (t, x);
}

PalTensor *
pal_unet (PalTape *t, const PalUnetConfig *c, const PalUnetInputs *inputs)
{
  Unet u = { .config = c, .context = inputs->context };
  PalTensor *x;

  u.emb = pal_act (t, embedding (t, c, inputs), PAL_ACT_SILU);
  x = push (&u, pal_publish (t, "conv_in", pal_conv2d (t, inputs->x, "conv_in", NULL)));

  for (guint i = 0; i < c->n_levels; i++)
    {
      pal_segment (t);
      pal_enter (t, "down_blocks.%u", i);
      x = pal_leave (t, down_block (t, &u, i, x));
    }

  pal_segment (t);
  pal_enter (t, "mid_block");
  x = pal_leave (t, mid_block (t, &u, x));

  for (guint i = 0; i < c->n_levels; i++)
    {
      pal_segment (t);
      pal_enter (t, "up_blocks.%u", i);
      x = pal_leave (t, up_block (t, &u, c->n_levels - 1 - i, x));
    }

  x = pal_group_norm (t, x, "conv_norm_out",
                      &(PalGroupNorm) { .groups = c->norm_groups, .eps = c->norm_eps,
                                        .act = PAL_ACT_SILU });
  x = pal_publish (t, "conv_norm_out", x);
  return pal_publish (t, "conv_out", pal_conv2d (t, x, "conv_out", NULL));
}
