/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stable Diffusion XL and its refiner: two text encoders (the refiner has the second
 * alone) read one layer before their last, the second's pooled text and the picture's sizes
 * beside them.
 *
 * Paper: Podell et al. (arXiv 2307.01952).
 * Reference: huggingface/diffusers:src/diffusers/pipelines/stable_diffusion_xl/ @58eb52c0
 *   (Apache-2.0).
 * Easy to get wrong: what tells the two apart is how many sizes the denoiser is told (the
 *   refiner has a score in place of the target), not their names. */

#include "family/family.h"

#define SIZES_OF_REFINER 5

static gint
detect_sdxl (const PalParts *parts)
{
  return parts->unet.n_sizes > 0 ? 4 : 0;
}

static gint
detect_refiner (const PalParts *parts)
{
  return parts->unet.n_sizes == SIZES_OF_REFINER ? 5 : 0;
}

const PalFamily pal_family_sdxl = {
  .id = "sdxl",
  .title = "Stable Diffusion XL",
  .detect = detect_sdxl,
  .text_skip = 1,
  .text_raw = TRUE,
  .zero_empty = TRUE,
  .trained_px = 1024,
  .least_px = 640,
  .most_px = 1280,
  .most_megapixels = 1.05,
  .steps = 25,
  .guidance = 6.0,
  .fill_strength = 1.0,
  .restyle_strength = 0.6,
  .mask_strength = 0.8,
  .sampler = "dpmpp-2m",
  .ays = PAL_AYS_SDXL,
};

/* Trained for the last fifth of the noise: it has nothing to say of more. */
const PalFamily pal_family_refiner = {
  .id = "sdxl-refiner",
  .title = "Stable Diffusion XL refiner",
  .detect = detect_refiner,
  .text_skip = 1,
  .text_raw = TRUE,
  .trained_px = 1024,
  .least_px = 640,
  .most_px = 1280,
  .most_megapixels = 1.05,
  .steps = 25,
  .guidance = 6.0,
  .fill_strength = 0.3,
  .restyle_strength = 0.3,
  .mask_strength = 0.8,
  .sampler = "dpmpp-2m",
  .ays = PAL_AYS_SDXL,
};
