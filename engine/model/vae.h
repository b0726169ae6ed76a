/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Latent codecs: AutoencoderKL (vae-kl.c) and AutoencoderTiny (vae-tiny.c). */

#ifndef PAL_MODEL_VAE_H
#define PAL_MODEL_VAE_H

#include "io/json.h"
#include "op/op.h"

#define PAL_VAE_MAX_LEVELS 8

typedef enum { PAL_VAE_KL, PAL_VAE_TINY, PAL_N_VAE_KINDS } PalVaeKind;

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
  /* Tiny */
  gint       encoder_blocks[PAL_VAE_MAX_LEVELS], decoder_blocks[PAL_VAE_MAX_LEVELS];
  PalAct     act;
} PalVaeConfig;

/* From vae/config.json, whose "_class_name" chooses the codec. */
gboolean   pal_vae_config_read (const PalJson *json, PalVaeConfig *config, GError **error);

/* image: [B, H, W, 3] in [-1, 1], H and W multiples of factor
 * → KL: [B, H/f, W/f, 2 L], mean then log variance (not clamped), unscaled;
 *   Tiny: [B, H/f, W/f, L]. */
PalTensor *pal_vae_encode (PalTape *tape, const PalVaeConfig *config, PalTensor *image);

/* z: [B, h, w, L] unscaled → [B, h f, w f, 3] about [-1, 1], not clamped. */
PalTensor *pal_vae_decode (PalTape *tape, const PalVaeConfig *config, PalTensor *z);

/* The codecs behind these two. */
PalTensor *pal_vae_kl_encode   (PalTape *tape, const PalVaeConfig *config, PalTensor *image);
PalTensor *pal_vae_kl_decode   (PalTape *tape, const PalVaeConfig *config, PalTensor *z);
PalTensor *pal_vae_tiny_encode (PalTape *tape, const PalVaeConfig *config, PalTensor *image);
PalTensor *pal_vae_tiny_decode (PalTape *tape, const PalVaeConfig *config, PalTensor *z);

#endif
