/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every stage of a pipeline fed with what the reference recorded as its input, so
 * that an error shows where it arises. */

#include "golden.h"

#include <string.h>

#include "drive/canvas.h"

static gint32 *
int_ids (const PalTensorEntry *entry, gsize *n)
{
  g_autofree gfloat *values = NULL;
  gint32 *ids;

  pal_shape_count (entry->shape, n);
  values = g_new (gfloat, *n);
  ids = g_new (gint32, *n);
  pal_to_float (entry->dtype, entry->data, values, *n);
  for (gsize i = 0; i < *n; i++)
    ids[i] = (gint32) values[i];

  return ids;
}

/* One text encoder call of a batch of prompts: ids, states, pooled states. */
static gboolean
check_text (GoldenCase *c, PalModel *model, GoldenResult *result, const gchar *name,
            gchar **prompts, GError **error)
{
  const PalClipConfig *clip = pal_model_clip (model);
  const PalTensorEntry *entry = golden_find (c, "%s.ids", name);
  g_autofree gchar *ids_name = g_strconcat (name, ".ids", NULL);
  g_autofree gchar *states_name = g_strconcat (name, ".last_hidden_state", NULL);
  g_autofree gchar *pooled_name = g_strconcat (name, ".pooler_output", NULL);
  g_autofree gint32 *own = NULL;
  g_autofree gint32 *ids = NULL;
  g_autofree gfloat *own_ids = NULL;
  g_autofree gfloat *states = NULL;
  g_autofree gfloat *pooled = NULL;
  gsize n, tokens, batch, width = (gsize) clip->width;

  if (! entry)
    return TRUE;

  ids = int_ids (entry, &n);
  tokens = (gsize) entry->shape.d[entry->shape.n - 1];
  batch = n / tokens;
  if ((gint64) tokens > clip->positions)
    {
      golden_fail (result, ids_name,
                   "the case has %" G_GSIZE_FORMAT " tokens, the text encoder %" G_GINT64_FORMAT,
                   tokens, clip->positions);
      return TRUE;
    }

  own = g_new (gint32, clip->positions);
  own_ids = g_new (gfloat, batch * (gsize) clip->positions);
  states = g_new (gfloat, n * width);
  pooled = g_new (gfloat, batch * width);

  for (gsize b = 0; b < batch; b++)
    {
      gsize end = pal_clip_end (clip, ids + b * tokens, tokens);

      pal_model_tokenize (model, prompts[MIN (b, g_strv_length (prompts) - 1)], own);
      for (gsize i = 0; i < tokens; i++)
        own_ids[b * tokens + i] = (gfloat) own[i];

      if (! pal_model_encode_ids (model, ids + b * tokens, (gint64) tokens,
                                  states + b * tokens * width,
                                  NULL, error))
        return FALSE;
      memcpy (pooled + b * width, states + (b * tokens + end) * width, width * sizeof (gfloat));
    }

  golden_check (result, c, GOLDEN_EXACT, ids_name, PAL_SHAPE ((gint64) n), own_ids);
  golden_check (result, c, GOLDEN_TEXT, states_name, PAL_SHAPE ((gint64) (n * width)), states);
  golden_check (result, c, GOLDEN_TEXT, pooled_name, PAL_SHAPE ((gint64) (batch * width)), pooled);
  return TRUE;
}

gboolean
golden_stage_text (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  g_auto (GStrv) prompts = golden_prompts (c, "prompt");
  g_auto (GStrv) negative = golden_prompts (c, "negative_prompt");
  JsonArray *more = json_object_has_member (c->json, "text_prompts")
                      ? json_object_get_array_member (c->json, "text_prompts") : NULL;

  if (! check_text (c, model, result, "te1.cond", prompts, error) ||
      ! check_text (c, model, result, "te1.uncond", negative, error))
    return FALSE;

  for (guint i = 0; more && i < json_array_get_length (more); i++)
    {
      g_autofree gchar *name = g_strdup_printf ("text.%u", i);
      gchar *one[] = { (gchar *) json_array_get_string_element (more, i), NULL };

      if (! check_text (c, model, result, name, one, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
golden_stage_encode (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  const PalVaeConfig *vae = pal_model_vae (model);
  const PalTensorEntry *entry;

  for (guint i = 0; (entry = golden_find (c, "vae.encode.in.%u", i)); i++)
    {
      g_autofree gchar *mean_name = g_strdup_printf ("vae.encode.mean.%u", i);
      g_autofree gchar *logvar_name = g_strdup_printf ("vae.encode.logvar.%u", i);
      g_autofree gfloat *mean = NULL;
      g_autofree gfloat *logvar = NULL;
      PalShape in, out;
      const gfloat *image = golden_floats (c, entry, &in);
      gsize pixels, latents;

      out = PAL_SHAPE (in.d[0], in.d[1] / vae->factor, in.d[2] / vae->factor, vae->latent_channels);
      pixels = (gsize) (in.d[1] * in.d[2] * 3);
      latents = (gsize) (out.d[1] * out.d[2] * out.d[3]);
      mean = g_new (gfloat, (gsize) in.d[0] * latents);
      logvar = g_new (gfloat, (gsize) in.d[0] * latents);

      for (gsize b = 0; b < (gsize) in.d[0]; b++)
        if (! pal_model_encode (model, image + b * pixels, (gint) in.d[2], (gint) in.d[1],
                                mean + b * latents, logvar + b * latents, NULL, error))
          return FALSE;

      golden_check (result, c, GOLDEN_ENCODER, mean_name, out, mean);
      golden_check (result, c, GOLDEN_ENCODER, logvar_name, out, logvar);
    }

  return TRUE;
}

/* The mask at latent size; guidance doubles the recorded batch. */
gboolean
golden_stage_mask (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  const PalTensorEntry *entry = golden_find (c, "mask_preprocessed");
  const PalTensorEntry *small = golden_find (c, "mask_latents");
  PalMaskRule rule = pal_model_traits (model)->mask_area ? PAL_MASK_AREA : PAL_MASK_NEAREST;
  g_autofree gfloat *own = NULL;
  PalShape in, out;
  const gfloat *mask;
  gsize cells, pixels;

  if (! entry || ! small)
    return TRUE;

  mask = golden_floats (c, entry, &in);
  golden_floats (c, small, &out);
  cells = (gsize) (out.d[1] * out.d[2]);
  pixels = (gsize) (in.d[1] * in.d[2]);
  own = g_new (gfloat, (gsize) out.d[0] * cells);

  for (gsize b = 0; b < (gsize) out.d[0]; b++)
    {
      g_autoptr (PalImage) image = pal_image_new ((gint) in.d[2], (gint) in.d[1], 1);
      g_autofree gfloat *one = NULL;

      memcpy (image->data, mask + b % (gsize) in.d[0] * pixels, pixels * sizeof (gfloat));
      one = pal_canvas_latent_mask (image, (gint) (in.d[1] / out.d[1]), rule);
      memcpy (own + b * cells, one, cells * sizeof (gfloat));
    }

  golden_check (result, c, rule == PAL_MASK_AREA ? GOLDEN_RANDOM : GOLDEN_EXACT, "mask_latents",
                out, own);
  return TRUE;
}

/* One result of the text encoder, [batch, ...], as the pipeline builds it: uncond first,
 * each prompt as often as it has pictures. NULL when the case does not hold it. */
static gfloat *
build_text (GoldenCase *c, const gchar *what, gint64 batch, PalShape *shape)
{
  const PalTensorEntry *entry[2] = {
    golden_find (c, "te1.uncond.%s", what),
    golden_find (c, "te1.cond.%s", what),
  };
  guint first = entry[0] && batch % 2 == 0 ? 0 : 1;
  gsize half = (gsize) batch / (2 - first);
  gfloat *all = NULL, *out = NULL;

  if (! entry[1])
    return NULL;

  for (guint k = first; k < 2; k++)
    {
      const gfloat *stored = golden_floats (c, entry[k], shape);
      gsize one = 0;

      pal_shape_count (*shape, &one);
      one /= (gsize) shape->d[0];
      if (! all)
        out = all = g_new (gfloat, (gsize) batch * one);

      for (gsize b = 0; b < half; b++, out += one)
        memcpy (out, stored + b * (gsize) shape->d[0] / half * one, one * sizeof (gfloat));
    }

  return all;
}

gboolean
golden_stage_denoise (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  const PalUnetConfig *unet = pal_model_unet (model);
  const PalTensorEntry *entry;

  for (guint i = 0; (entry = golden_find (c, "den.%u.sample", i)); i++)
    {
      const PalTensorEntry *time = golden_find (c, "den.%u.timestep", i);
      g_autofree gchar *name = g_strdup_printf ("den.%u.out", i);
      g_autofree gfloat *context = NULL;
      g_autofree gfloat *vector = NULL;
      g_autofree gfloat *out = NULL;
      PalShape shape, text, unused;
      PalDenoise call = { .x = golden_floats (c, entry, &shape) };

      context = build_text (c, "last_hidden_state", shape.d[0], &text);
      if (unet->vector_channels > 0)
        vector = build_text (c, "pooler_output", shape.d[0], &unused);
      if (! context || ! time || (unet->vector_channels > 0 && ! vector))
        {
          golden_fail (result, name, "the case lacks the text states or the timestep of this call");
          return TRUE;
        }
      if (shape.d[3] != unet->in_channels)
        {
          golden_fail (result, name,
                       "the case feeds %" G_GINT64_FORMAT " channels, the model takes "
                       "%" G_GINT64_FORMAT,
                       shape.d[3], unet->in_channels);
          return TRUE;
        }

      call.batch = (gint) shape.d[0];
      call.height = (gint) shape.d[1];
      call.width = (gint) shape.d[2];
      call.timestep = (gdouble) golden_floats (c, time, &unused)[0];
      call.tokens = text.d[1];
      call.context = context;
      call.vector = vector;
      shape.d[3] = unet->out_channels;
      out = g_new (gfloat, shape.d[0] * shape.d[1] * shape.d[2] * shape.d[3]);
      if (! pal_model_denoise (model, &call, out, NULL, error))
        return FALSE;

      golden_check (result, c, GOLDEN_DENOISER, name, shape, out);
    }

  return TRUE;
}

gboolean
golden_stage_decode (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  gint factor = pal_model_vae (model)->factor;
  const PalTensorEntry *entry;

  for (guint i = 0; (entry = golden_find (c, "vae.decode.in.%u", i)); i++)
    {
      g_autofree gchar *name = g_strdup_printf ("vae.decode.out.%u", i);
      g_autofree gfloat *image = NULL;
      PalShape in, out;
      const gfloat *z = golden_floats (c, entry, &in);
      gsize latents, pixels;

      out = PAL_SHAPE (in.d[0], in.d[1] * factor, in.d[2] * factor, 3);
      latents = (gsize) (in.d[1] * in.d[2] * in.d[3]);
      pixels = (gsize) (out.d[1] * out.d[2] * 3);
      image = g_new (gfloat, (gsize) in.d[0] * pixels);

      for (gsize b = 0; b < (gsize) in.d[0]; b++)
        if (! pal_model_decode (model, z + b * latents, (gint) in.d[2], (gint) in.d[1],
                                image + b * pixels, NULL, error))
          return FALSE;

      golden_check (result, c, GOLDEN_DECODER, name, out, image);
    }

  return TRUE;
}
