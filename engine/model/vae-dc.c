/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The deep compression autoencoder (AutoencoderDC) with residual blocks.
 *
 * Paper: Chen et al. (arXiv 2410.10733), section 3.2, figure 4: shortcuts without weights
 *   around every change of size, by squares of pixels as channels.
 * Reference: huggingface/diffusers:src/diffusers/models/autoencoders/
 *   autoencoder_dc.py @58eb52c0 (Apache-2.0). Its EfficientViTBlock is not built.
 * Easy to get wrong, all guarded by dcae-tiny and dcae-conv-tiny:
 *   - a level's change of size comes after its blocks in the encoder, before them in the
 *     decoder, and is numbered with them;
 *   - without blocks at the outermost level, conv_in halves and conv_out doubles the size,
 *     both without a shortcut, and the level's own channels are not used;
 *   - the shortcut averages neighbouring channels after the squares were made channels,
 *     and repeats them before they become squares;
 *   - a block's norm comes after its second convolution, inside the residual;
 *   - there is no distribution: the encoder's output is the latent. */

#include "model/vae.h"

#include "model/blocks.h"

#define EPS 1e-5f

/* x: [B, H, W, C] → [B, H, W, C]; the blocks first .. first + n - 1 of a level. */
static PalTensor *
blocks (PalTape *t, gint first, gint n, PalAct act, PalTensor *x)
{
  for (gint i = first; i < first + n; i++)
    {
      PalTensor *h;

      pal_enter (t, "%d", i);
      h = pal_conv2d (t, x, "conv1", &(PalConv) { .act = act });
      h = pal_conv2d (t, h, "conv2", NULL);
      x = pal_leave (t, pal_rms_norm (t, h, "norm", &(PalRmsNorm) { .eps = EPS, .residual = x }));
    }

  return x;
}

static gint64
width_of (const PalTensor *x)
{
  return pal_shape_of (x).d[3];
}

/* x: [B, H, W, C] → [B, H/2, W/2, channels] */
static PalTensor *
down (PalTape *t, const PalVaeConfig *c, PalTensor *x, gint64 channels, gboolean shortcut)
{
  PalTensor *h = pal_conv2d (t, x, "conv", &(PalConv) { .stride = c->unshuffle ? 1 : 2 });

  if (c->unshuffle)
    h = pal_pixel_unshuffle (t, h, &(PalPixels) { .factor = 2, .channels = 4 * width_of (h) });

  return ! shortcut ? h :
         pal_pixel_unshuffle (t, x, &(PalPixels) { .factor = 2, .channels = channels,
                                                   .residual = h });
}

/* x: [B, H, W, C] → [B, 2 H, 2 W, channels] */
static PalTensor *
up (PalTape *t, const PalVaeConfig *c, PalTensor *x, gint64 channels, gboolean shortcut)
{
  PalTensor *h = pal_conv2d (t, x, "conv", &(PalConv) { .upsample = ! c->shuffle });

  if (c->shuffle)
    h = pal_pixel_shuffle (t, h, &(PalPixels) { .factor = 2, .channels = width_of (h) / 4 });

  return ! shortcut ? h :
         pal_pixel_shuffle (t, x, &(PalPixels) { .factor = 2, .channels = channels,
                                                 .residual = h });
}

PalTensor *
pal_vae_dc_encode (PalTape *t, const PalVaeConfig *c, PalTensor *image)
{
  PalTensor *x = image, *h;

  pal_enter (t, "encoder");

  if (c->encoder_blocks[0] > 0)
    {
      x = pal_conv2d (t, x, "conv_in", NULL);
    }
  else
    {
      pal_enter (t, "conv_in");
      x = pal_leave (t, down (t, c, x, c->encoder_channels[1], FALSE));
    }

  for (guint i = 0; i < c->n_levels; i++)
    {
      const gint n = c->encoder_blocks[i];

      pal_segment (t);
      pal_enter (t, "down_blocks.%u", i);
      x = blocks (t, 0, n, PAL_ACT_SILU, x);

      if (i + 1 < c->n_levels && n > 0)
        {
          pal_enter (t, "%d", n);
          x = pal_leave (t, down (t, c, x, c->encoder_channels[i + 1], TRUE));
        }
      x = pal_leave (t, x);
    }

  h = pal_conv2d (t, x, "conv_out", NULL);
  if (c->encoder_shortcut)
    h = pal_pixel_unshuffle (t, x, &(PalPixels) { .factor = 1, .channels = c->latent_channels,
                                                  .residual = h });

  return pal_leave (t, h);
}

/* x: [B, h f, w f, C] → [B, h f, w f, 3]; half the size comes in when the outermost level
 * has no blocks. */
static PalTensor *
head (PalTape *t, const PalVaeConfig *c, PalTensor *x)
{
  x = pal_rms_norm (t, x, "norm_out", &(PalRmsNorm) { .eps = EPS, .act = c->act });

  if (c->decoder_blocks[0] > 0)
    return pal_conv2d (t, x, "conv_out", NULL);

  pal_enter (t, "conv_out");
  return pal_leave (t, up (t, c, x, 3, FALSE));
}

PalTensor *
pal_vae_dc_decode (PalTape *t, const PalVaeConfig *c, PalTensor *z)
{
  const guint last = c->n_levels - 1;
  PalTensor *x;

  pal_enter (t, "decoder");
  x = pal_conv2d (t, z, "conv_in", NULL);
  if (c->decoder_shortcut)
    x = pal_pixel_shuffle (t, z, &(PalPixels) { .factor = 1, .channels = c->channels[last],
                                                .residual = x });

  for (gint i = (gint) last; i >= 0; i--)
    {
      const gint n = c->decoder_blocks[i];
      const gboolean grows = i < (gint) last && n > 0;

      pal_segment (t);
      pal_enter (t, "up_blocks.%d", i);
      if (grows)
        {
          pal_enter (t, "0");
          x = pal_leave (t, up (t, c, x, c->channels[i], TRUE));
        }
      x = pal_leave (t, blocks (t, grows ? 1 : 0, n, (PalAct) c->acts[i], x));
    }

  pal_segment (t);
  return pal_leave (t, head (t, c, x));
}
