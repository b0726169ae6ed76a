/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the denoiser is told of a prompt: the states of all text encoders side by side,
 * and beside them the pooled state and the sizes of the picture.
 *
 * Paper: Podell et al., SDXL (arXiv 2307.01952), section 2.2: sizes and crop.
 * Reference: huggingface/diffusers:src/diffusers/pipelines/stable_diffusion_xl/
 *   pipeline_stable_diffusion_xl{,_img2img}.py @58eb52c0 (Apache-2.0).
 * Easy to get wrong, guarded by the sdxl-* cases: heights come before widths; the pooled
 *   state is the last encoder's; without a negative prompt the denoiser gets zeros, not
 *   the states of an empty text, where the index says "force_zeros_for_empty_prompt". */

#include "family/family.h"

#include <string.h>

/* Of pictures and of what they should not be like, as the refiner's training rated them. */
#define GOOD_SCORE 6.0f
#define POOR_SCORE 2.5f

/* Original, crop and target; or original, crop and a score. */
#define WITH_TARGET 6
#define WITH_SCORE  5

gboolean
pal_sizes_known (gint n)
{
  return n == WITH_TARGET || n == WITH_SCORE;
}

void
pal_condition_place (PalCondition *condition, const PalPlacement *p, gboolean negative)
{
  gfloat *sizes = condition->sizes;

  sizes[0] = (gfloat) p->original_height;
  sizes[1] = (gfloat) p->original_width;
  sizes[2] = (gfloat) p->top;
  sizes[3] = (gfloat) p->left;
  sizes[4] = (gfloat) p->height;
  sizes[5] = (gfloat) p->width;

  if (condition->n_sizes == WITH_SCORE)
    sizes[4] = negative ? POOR_SCORE : GOOD_SCORE;
}

void
pal_condition_clear (PalCondition *condition)
{
  g_clear_pointer (&condition->states, g_free);
  g_clear_pointer (&condition->vector, g_free);
}

void
pal_condition_init (PalModel *model, gint64 tokens, PalCondition *out)
{
  *out = (PalCondition) {
    .tokens = tokens,
    .channels = pal_model_unet (model)->cross_channels,
    .vector_channels = pal_model_unet (model)->vector_channels,
    .n_sizes = pal_model_unet (model)->n_sizes,
  };

  out->states = g_new0 (gfloat, out->tokens * out->channels);
  if (out->vector_channels > 0)
    out->vector = g_new0 (gfloat, out->vector_channels);
}

void
pal_condition_put (PalCondition *out, gint64 from, gint64 n, gint64 first, gint64 width,
                   const gfloat *states)
{
  for (gint64 t = 0; t < n; t++)
    memcpy (out->states + (from + t) * out->channels + first, states + t * width,
            (gsize) width * sizeof (gfloat));
}

/* Encoder i's part. *cut: the larger of itself and the tokens cut off here. */
static gboolean
add_encoder (PalModel *model, const gchar *prompt, guint i, gint64 first, PalCondition *out,
             gsize *cut, GCancellable *cancellable, GError **error)
{
  const PalModelTraits *traits = pal_model_traits (model);
  gint64 width = pal_model_clip (model, i)->width;
  gboolean last = i + 1 == pal_model_n_encoders (model);
  g_autofree gint32 *ids = g_new (gint32, out->tokens);
  g_autofree gfloat *states = g_new (gfloat, out->tokens * width);
  PalTextCall call = { .encoder = i, .tokens = out->tokens, .ids = ids,
                       .skip = traits->text_skip, .raw = traits->text_raw };

  *cut = MAX (*cut, pal_model_tokenize (model, i, prompt, ids));
  if (! pal_model_encode_ids (model, &call, states, last ? out->vector : NULL, cancellable, error))
    return FALSE;

  pal_condition_put (out, 0, out->tokens, first, width, states);
  return TRUE;
}

gboolean
pal_model_condition (PalModel *model, const gchar *prompt, PalCondition *out, gchar **note,
                     GCancellable *cancellable, GError **error)
{
  gint64 first = 0;
  gsize cut = 0;

  pal_condition_init (model, pal_model_clip (model, 0)->positions, out);
  if (! prompt && pal_model_traits (model)->zero_empty)
    return TRUE;

  for (guint i = 0; i < pal_model_n_encoders (model); i++)
    {
      if (! add_encoder (model, prompt ? prompt : "", i, first, out, &cut, cancellable, error))
        {
          pal_condition_clear (out);
          return FALSE;
        }
      first += pal_model_clip (model, i)->width;
    }

  if (note && cut > 0)
    {
      g_free (*note);
      *note = g_strdup_printf ("the prompt is too long: its last %" G_GSIZE_FORMAT
                               " tokens were left out", cut);
    }

  return TRUE;
}
