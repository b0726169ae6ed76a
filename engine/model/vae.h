/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Latent codecs: AutoencoderKL (vae-kl.c), AutoencoderTiny (vae-tiny.c) and AutoencoderDC
 * (vae-dc.c). */

#ifndef PAL_MODEL_VAE_H
#define PAL_MODEL_VAE_H

#include "io/json.h"
#include "op/op.h"

#define PAL_VAE_MAX_LEVELS 8

typedef enum { PAL_VAE_KL, PAL_VAE_TINY, PAL_VAE_DC, PAL_N_VAE_KINDS } PalVaeKind;

typedef struct
{
  PalVaeKind kind;
  gint64     latent_channels;
  gint64     channels[PAL_VAE_MAX_LEVELS];   /* the decoder's, of Tiny in its own order */
  guint      n_levels;
  gint       factor;          /* image px per latent px */
  gfloat     scaling_factor;  /* model latent = (latent - shift_factor) * scaling_factor */
  gfloat     shift_factor;
  /* KL */
  gint       layers_per_block, norm_groups;
  gboolean   mid_attention, quant_conv, post_quant_conv;
  /* Tiny and DC */
  gint       encoder_blocks[PAL_VAE_MAX_LEVELS], decoder_blocks[PAL_VAE_MAX_LEVELS];
  PalAct     act;             /* Tiny: of all; DC: of the decoder's head */
  /* DC */
  gint64     encoder_channels[PAL_VAE_MAX_LEVELS];
  gint       acts[PAL_VAE_MAX_LEVELS];       /* PalAct of the decoder's blocks */
  gboolean   unshuffle, shuffle;             /* else convolve with stride 2, enlarge */
  gboolean   encoder_shortcut, decoder_shortcut;   /* around the two inner convolutions */
} PalVaeConfig;

/* From vae/config.json, whose "_class_name" chooses the codec. */
gboolean   pal_vae_config_read (const PalJson *json, PalVaeConfig *config, GError **error);

/* image: [B, H, W, 3] in [-1, 1], H and W multiples of factor
 * → KL: [B, H/f, W/f, 2 L], mean then log variance (not clamped), unscaled;
 *   Tiny, DC: [B, H/f, W/f, L]. */
PalTensor *pal_vae_encode (PalTape *tape, const PalVaeConfig *config, PalTensor *image);

/* z: [B, h, w, L] unscaled → [B, h f, w f, 3] about [-1, 1], not clamped. */
PalTensor *pal_vae_decode (PalTape *tape, const PalVaeConfig *config, PalTensor *z);

/* The codecs behind these two. */
PalTensor *pal_vae_kl_encode   (PalTape *tape, const PalVaeConfig *config, PalTensor *image);
PalTensor *pal_vae_kl_decode   (PalTape *tape, const PalVaeConfig *config, PalTensor *z);
PalTensor *pal_vae_tiny_encode (PalTape *tape, const PalVaeConfig *config, PalTensor *image);
PalTensor *pal_vae_tiny_decode (PalTape *tape, const PalVaeConfig *config, PalTensor *z);
PalTensor *pal_vae_dc_encode   (PalTape *tape, const PalVaeConfig *config, PalTensor *image);
PalTensor *pal_vae_dc_decode   (PalTape *tape, const PalVaeConfig *config, PalTensor *z);

#endif
