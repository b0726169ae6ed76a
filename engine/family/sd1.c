/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The families that share the parts of Stable Diffusion 1.x: a CLIP text encoder, a
 * U-Net with cross-attention, an autoencoder. They differ in data alone.
 *
 * Paper: Rombach et al. (arXiv 2112.10752).
 * Reference: huggingface/diffusers:src/diffusers/pipelines/stable_diffusion/ @58eb52c0
 *   (Apache-2.0).
 * Easy to get wrong: an inpainting checkpoint is known by its first convolution, which
 *   takes latent, mask and masked latent (2 L + 1 channels), not by its name. */

#include "family/family.h"

/* Fits everything that pal_parts_open () accepts; the others know better. */
static gint
detect_sd1 (const PalParts *parts)
{
  return 1;
}

/* 2.x changed the text encoder to OpenCLIP's, which has the exact GELU. */
static gint
detect_sd2 (const PalParts *parts)
{
  return parts->encoders[0].clip.act == PAL_ACT_GELU ? 2 : 0;
}

/* Ours lists its words in its index, where others say at most how they want to be fed; none
 * of the others was trained for a flow. */
static gint
detect_small (const PalParts *parts)
{
  gboolean words = parts->extra && pal_json_has (parts->extra, "vocabulary");

  return words || parts->schedule.flow ? 3 : 0;
}

const PalFamily pal_family_sd1 = {
  .id = "sd1",
  .title = "Stable Diffusion 1.x",
  .detect = detect_sd1,
  .trained_px = 512,
  .least_px = 512,
  .most_px = 768,
  .steps = 20,
  .guidance = 7.5,
  .fill_strength = 1.0,
  .restyle_strength = 0.6,
  .mask_strength = 0.5,
  .sampler = "dpmpp-2m",
  .ays = PAL_AYS_SD1,
};

const PalFamily pal_family_sd2 = {
  .id = "sd2",
  .title = "Stable Diffusion 2.x",
  .detect = detect_sd2,
  .trained_px = 768,
  .least_px = 640,
  .most_px = 1024,
  .steps = 20,
  .guidance = 7.5,
  .fill_strength = 1.0,
  .restyle_strength = 0.6,
  .mask_strength = 0.5,
  .sampler = "dpmpp-2m",
};

const PalFamily pal_family_small = {
  .id = "small",
  .title = "Small model with a closed vocabulary",
  .detect = detect_small,
  .trained_px = 128,
  .least_px = 96,
  .most_px = 192,
  .steps = 20,
  .guidance = 3.0,
  .fill_strength = 1.0,
  .restyle_strength = 1.0,
  .sampler = "euler",
};
