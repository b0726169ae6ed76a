/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A selection on a canvas.
 *
 * Paper: Levin & Fried, Differential Diffusion (arXiv 2306.00950): the selection's value
 * is a strength of its own for each pixel.
 * Easy to get wrong: a latent that holds an edge takes the largest of its pixels, so that a
 * hard selection stays hard. */

#include "drive/soft-mask.h"

#include "drive/floats.h"

/* Selected less than this is not: a feather's far end is no place to paint. */
#define LEAST 0x1p-6f

/* Selected more than this is wholly: what shines through would be noise. */
#define MOST 0.9f

static PalImage *
threshold (const PalImage *image,
           gfloat          least)
{
  PalImage *out = pal_image_copy (image);

  for (gsize i = 0; out && i < (gsize) out->width * (gsize) out->height; i++)
    out->data[i] = out->data[i] >= least ? 1.0f : 0.0f;

  return out;
}

gboolean
pal_soft_mask_place (PalSoftMask      *out,
                     const PalCanvas  *canvas,
                     const PalImage   *mask,
                     GError          **error)
{
  *out = (PalSoftMask) { NULL };
  if (! mask)
    return TRUE;

  out->soft     = pal_canvas_place (canvas, mask);
  out->touched  = out->soft ? threshold (out->soft, LEAST) : NULL;
  out->replaced = out->touched ? threshold (out->soft, MOST) : NULL;

  /* A selection that is faint all over is still one. */
  if (out->replaced && pal_image_bounds (out->touched).width == 0)
    {
      pal_image_free (out->touched);
      out->touched = threshold (out->soft, G_MINFLOAT);
    }

  if (out->replaced && out->touched)
    return TRUE;

  pal_soft_mask_clear (out);

  return pal_no_memory ("the selection", error);
}

void
pal_soft_mask_clear (PalSoftMask *mask)
{
  g_clear_pointer (&mask->soft, pal_image_free);
  g_clear_pointer (&mask->touched, pal_image_free);
  g_clear_pointer (&mask->replaced, pal_image_free);
}

gboolean
pal_mask_is_shown (PalModel *model,
                   gdouble   strength)
{
  return pal_model_takes_mask (model) && strength > pal_model_traits (model)->mask_strength;
}

static PalMaskRule
rule_of (PalModel *model)
{
  if (! pal_model_takes_mask (model))
    return PAL_MASK_ANY;

  return pal_model_traits (model)->mask_area ? PAL_MASK_AREA : PAL_MASK_NEAREST;
}

/* The strength of each latent as a part of the whole's. *soft: whether any is neither 0
 * nor 1. */
static gfloat *
strengths_of (const PalSoftMask *mask,
              gint               factor,
              gboolean          *soft)
{
  gsize   n   = (gsize) (mask->soft->width / factor) * (gsize) (mask->soft->height / factor);
  gfloat *out = pal_canvas_latent_mask (mask->soft, factor, PAL_MASK_ANY);

  *soft = FALSE;
  for (gsize i = 0; out && i < n; i++)
    {
      out[i] = out[i] >= MOST ? 1.0f : out[i] >= LEAST ? out[i] : 0.0f;
      *soft |= out[i] > 0.0f && out[i] < 1.0f;
    }

  return out;
}

gboolean
pal_soft_mask_latents (const PalSoftMask  *mask,
                       PalModel           *model,
                       gdouble             strength,
                       gfloat            **told,
                       gfloat            **strengths,
                       GError            **error)
{
  const gint factor = pal_model_vae (model)->factor;
  gboolean   shown  = pal_mask_is_shown (model, strength);
  gboolean   soft;

  if (! mask->soft)
    return TRUE;

  *told      = pal_canvas_latent_mask (mask->touched, factor, rule_of (model));
  *strengths = strengths_of (mask, factor, &soft);
  if (! *told || ! *strengths)
    return pal_no_memory ("the selection", error);

  /* One that is told how much of each latent is selected has soft edges from that. */
  if (shown && (pal_model_traits (model)->mask_area || ! soft))
    g_clear_pointer (strengths, g_free);
  if (pal_model_takes_mask (model) && ! shown)
    g_clear_pointer (told, g_free);

  return TRUE;
}
