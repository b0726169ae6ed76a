/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The autoencoder of latent diffusion (AutoencoderKL).
 *
 * Paper: Rombach et al. (arXiv 2112.10752), section 3.1 and appendix G; the network
 *   is VQGAN's, Esser et al. (arXiv 2012.09841).
 * Reference: huggingface/diffusers:src/diffusers/models/autoencoders/
 *   autoencoder_kl.py, vae.py @58eb52c0 (Apache-2.0).
 * Easy to get wrong, all guarded by vae-sd15-tiny:
 *   - all norms have eps 1e-6;
 *   - the downsampler pads one pixel at the right and bottom only;
 *   - the attention has one head over all channels, with biases;
 *   - the decoder's blocks have one layer more than the encoder's. */

#include "model/vae.h"

#include "model/blocks.h"

#define EPS 1e-6f

/* Names in the files of today and of diffusers before 0.13. */
static const struct
{
  const gchar *q, *k, *v, *out;
} attention_names[] = {
  { "to_q", "to_k", "to_v", "to_out.0" },
  { "query", "key", "value", "proj_attn" },
};

/* x: [B, H, W, C] → [B, H, W, C] */
static PalTensor *
attention (PalTape *t, const PalVaeConfig *c, PalTensor *x)
{
  guint old = pal_has_weight (t, "query.weight") ? 1 : 0;
  PalShape image = pal_shape_of (x);
  PalShape tokens = PAL_SHAPE (image.d[0], image.d[1] * image.d[2], image.d[3]);
  PalTensor *h, *q, *k, *v;

  x = pal_reshape (t, x, tokens);
  h = pal_group_norm (t, x, "group_norm", &(PalGroupNorm) { .groups = c->norm_groups, .eps = EPS });
  q = pal_linear (t, h, attention_names[old].q, NULL);
  k = pal_linear (t, h, attention_names[old].k, NULL);
  v = pal_linear (t, h, attention_names[old].v, NULL);
  h = pal_attention (t, q, k, v, &(PalAttention) { .heads = 1 });
  h = pal_linear (t, h, attention_names[old].out, &(PalLinear) { .residual = x });

  return pal_reshape (t, h, image);
}

/* x: [B, H, W, C] → [B, H, W, C'] */
static PalTensor *
resnets (PalTape *t, const PalVaeConfig *c, gint first, gint n, PalTensor *x)
{
  const PalResBlock norm = { .groups = c->norm_groups, .eps = EPS };

  for (gint i = first; i < first + n; i++)
    {
      pal_enter (t, "resnets.%d", i);
      x = pal_leave (t, pal_res_block (t, x, NULL, &norm));
    }

  return x;
}

/* x: [B, H, W, C] → [B, H, W, C] */
static PalTensor *
mid_block (PalTape *t, const PalVaeConfig *c, PalTensor *x)
{
  pal_enter (t, "mid_block");
  x = resnets (t, c, 0, 1, x);

  if (c->mid_attention)
    {
      pal_enter (t, "attentions.0");
      x = pal_leave (t, attention (t, c, x));
    }

  return pal_leave (t, resnets (t, c, 1, 1, x));
}

/* x: [B, H, W, C] → [B, H, W, C'] */
static PalTensor *
head (PalTape *t, const PalVaeConfig *c, PalTensor *x)
{
  x = pal_group_norm (t, x, "conv_norm_out",
                      &(PalGroupNorm) { .groups = c->norm_groups, .eps = EPS,
                                        .act = PAL_ACT_SILU });
  x = pal_publish (t, "conv_norm_out", x);
  return pal_publish (t, "conv_out", pal_conv2d (t, x, "conv_out", NULL));
}

/* x: [B, H, W, 3] → [B, H/f, W/f, 2 L] */
static PalTensor *
encoder (PalTape *t, const PalVaeConfig *c, PalTensor *x)
{
  x = pal_publish (t, "conv_in", pal_conv2d (t, x, "conv_in", NULL));

  for (guint i = 0; i < c->n_levels; i++)
    {
      pal_segment (t);
      pal_enter (t, "down_blocks.%u", i);
      x = resnets (t, c, 0, c->layers_per_block, x);

      if (i + 1 < c->n_levels)
        {
          pal_enter (t, "downsamplers.0");
          x = pal_leave (t, pal_conv2d (t, x, "conv",
                                        &(PalConv) { .stride = 2, .pad_end_only = TRUE }));
        }
      x = pal_leave (t, x);
    }

  pal_segment (t);
  return head (t, c, mid_block (t, c, x));
}

/* z: [B, h, w, L] → [B, h f, w f, 3] */
static PalTensor *
decoder (PalTape *t, const PalVaeConfig *c, PalTensor *z)
{
  PalTensor *x = pal_publish (t, "conv_in", pal_conv2d (t, z, "conv_in", NULL));

  x = mid_block (t, c, x);

  for (guint i = 0; i < c->n_levels; i++)
    {
      pal_segment (t);
      pal_enter (t, "up_blocks.%u", i);
      x = resnets (t, c, 0, c->layers_per_block + 1, x);

      if (i + 1 < c->n_levels)
        {
          pal_enter (t, "upsamplers.0");
          x = pal_leave (t, pal_conv2d (t, x, "conv", &(PalConv) { .upsample = TRUE }));
        }
      x = pal_leave (t, x);
    }

  pal_segment (t);
  return head (t, c, x);
}

PalTensor *
pal_vae_kl_encode (PalTape *t, const PalVaeConfig *c, PalTensor *image)
{
  PalTensor *x;

  pal_enter (t, "encoder");
  x = pal_leave (t, encoder (t, c, image));

  if (c->quant_conv)
    x = pal_publish (t, "quant_conv", pal_conv2d (t, x, "quant_conv", NULL));

  return x;
}

PalTensor *
pal_vae_kl_decode (PalTape *t, const PalVaeConfig *c, PalTensor *z)
{
  if (c->post_quant_conv)
    z = pal_publish (t, "post_quant_conv", pal_conv2d (t, z, "post_quant_conv", NULL));

  pal_enter (t, "decoder");
  return pal_leave (t, decoder (t, c, z));
}
