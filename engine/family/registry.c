/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which families there are: the built ones, and those that are refused by name. */

#include "family/family.h"

static const PalFamily *const families[] = {
  &pal_family_sd1,
  &pal_family_sd2,
  &pal_family_sdxl,
  &pal_family_refiner,
  &pal_family_small,
};

/* Pipelines of the diffusers layout whose networks are others. The first prefix that
 * fits counts. */
static const struct
{
  const gchar *prefix, *title;
} not_built[] = {
  { "StableDiffusion3", "Stable Diffusion 3" },
  { "StableDiffusionUpscale", "the Stable Diffusion upscaler" },
  { "StableDiffusionLatentUpscale", "the Stable Diffusion upscaler" },
  { "StableDiffusionControlNet", "ControlNet" },
  { "StableDiffusionXLControlNet", "ControlNet" },
  { "StableDiffusionDepth2Img", "Stable Diffusion with depth" },
  { "StableCascade", "Stable Cascade" },
  { "StableUnCLIP", "Stable unCLIP" },
  { "Flux2", "FLUX.2" },
  { "Flux", "FLUX.1" },
  { "AuraFlow", "AuraFlow" },
  { "Chroma", "Chroma" },
  { "HiDream", "HiDream" },
  { "Hunyuan", "Hunyuan" },
  { "IF", "DeepFloyd IF" },
  { "Kandinsky", "Kandinsky" },
  { "Kolors", "Kolors" },
  { "Lumina", "Lumina" },
  { "PixArt", "PixArt" },
  { "QwenImage", "Qwen-Image" },
  { "Sana", "Sana" },
  { "Wan", "Wan" },
  { "Wuerstchen", "Würstchen" },
  { "ZImage", "Z-Image" },
};

const PalFamily *
pal_family_find (const PalParts *parts)
{
  const PalFamily *best = NULL;
  gint best_score = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (families); i++)
    {
      gint score = families[i]->detect (parts);

      if (score > best_score)
        {
          best = families[i];
          best_score = score;
        }
    }

  return best;
}

gboolean
pal_family_built (const gchar *class_name, const gchar *label, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (not_built); i++)
    if (g_str_has_prefix (class_name, not_built[i].prefix))
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                     "%s: this is a model of the family %s (%s), which is not built yet; "
                     "choose a Stable Diffusion 1.x, 2.x or XL model",
                     label, not_built[i].title, class_name);
        return FALSE;
      }

  return TRUE;
}
