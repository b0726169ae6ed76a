/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The small distilled autoencoder (TAESD, AutoencoderTiny).
 *
 * Source: madebyollin/taesd:taesd.py (MIT); no paper.
 * Reference: huggingface/diffusers:src/diffusers/models/autoencoders/
 *   autoencoder_tiny.py, vae.py, ../unets/unet_2d_blocks.py @58eb52c0 (Apache-2.0).
 * Easy to get wrong, all guarded by taesd-tiny4:
 *   - the network works on [0, 1]; the reference wraps it to [-1, 1];
 *   - the decoder first squeezes its input by 3 tanh (z / 3);
 *   - weights are numbered by their place in a list that also counts activations and
 *     upsamplers;
 *   - down- and upsampling convolutions have no bias. */

#include "model/vae.h"

/* x: [B, H, W, C] → [B, H, W, C] */
static PalTensor *
block (PalTape *t, const PalVaeConfig *c, gint i, PalTensor *x)
{
  PalTensor *h;

  pal_enter (t, "layers.%d", i);
  h = pal_conv2d (t, x, "conv.0", &(PalConv) { .act = c->act });
  h = pal_conv2d (t, h, "conv.2", &(PalConv) { .act = c->act });
  h = pal_conv2d (t, h, "conv.4", &(PalConv) { .act = PAL_ACT_RELU, .residual = x,
                                               .act_last = TRUE });
  return pal_leave (t, h);
}

/* x: [B, H, W, C] → [B, H', W', C'] */
static PalTensor *
conv (PalTape *t, gint i, PalTensor *x, const PalConv *options)
{
  gchar name[24];

  g_snprintf (name, sizeof name, "layers.%d", i);
  return pal_conv2d (t, x, name, options);
}

PalTensor *
pal_vae_tiny_encode (PalTape *t, const PalVaeConfig *c, PalTensor *image)
{
  PalTensor *x = pal_affine (t, image, 0.5f, 0.5f);
  gint n = 0;

  pal_enter (t, "encoder");

  for (guint i = 0; i < c->n_levels; i++)
    {
      pal_segment (t);
      x = conv (t, n++, x, &(PalConv) { .stride = i == 0 ? 1 : 2 });
      for (gint j = 0; j < c->encoder_blocks[i]; j++)
        x = block (t, c, n++, x);
    }

  return pal_leave (t, conv (t, n, x, NULL));
}

PalTensor *
pal_vae_tiny_decode (PalTape *t, const PalVaeConfig *c, PalTensor *z)
{
  PalTensor *x = pal_soft_clamp (t, z, 3.0f);
  gint n = 0;

  pal_enter (t, "decoder");
  x = conv (t, n, x, &(PalConv) { .act = c->act });
  n += 2;

  for (guint i = 0; i < c->n_levels; i++)
    {
      gboolean last = i + 1 == c->n_levels;

      pal_segment (t);
      for (gint j = 0; j < c->decoder_blocks[i]; j++)
        x = block (t, c, n++, x);

      n += last ? 0 : 1;
      x = conv (t, n++, x, &(PalConv) { .upsample = ! last });
    }

  return pal_leave (t, pal_affine (t, x, 2.0f, -1.0f));
}
