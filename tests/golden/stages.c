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

typedef struct
{
  GoldenCase   *c;
  PalModel     *model;
  GoldenResult *result;
  guint         encoder;
  const gchar  *name;         /* of the call, "te1.cond" */
  const gint32 *ids;          /* [batch, tokens] */
  gsize         batch, tokens;
} TextStage;

/* The ids that the engine makes of the prompts. */
static void
check_ids (const TextStage *s, gchar **prompts)
{
  g_autofree gchar *name = g_strconcat (s->name, ".ids", NULL);
  g_autofree gint32 *own = g_new (gint32, pal_model_clip (s->model, s->encoder)->positions);
  g_autofree gfloat *all = g_new (gfloat, s->batch * s->tokens);

  for (gsize b = 0; b < s->batch; b++)
    {
      pal_model_tokenize (s->model, s->encoder, prompts[MIN (b, g_strv_length (prompts) - 1)],
                          own);
      for (gsize i = 0; i < s->tokens; i++)
        all[b * s->tokens + i] = (gfloat) own[i];
    }

  golden_check (s->result, s->c, GOLDEN_EXACT, name,
                PAL_SHAPE ((gint64) (s->batch * s->tokens)), all);
}

/* The states of the layers but the last skip, and the pooled state. */
static gboolean
check_states (const TextStage *s, gint skip, const gchar *states_name, const gchar *pooled_name,
              GError **error)
{
  g_autofree gchar *states_of = g_strdup_printf ("%s.%s", s->name, states_name);
  g_autofree gchar *pooled_of = g_strdup_printf ("%s.%s", s->name, pooled_name);
  gsize width = (gsize) pal_model_clip (s->model, s->encoder)->width;
  gsize pooled_width = (gsize) pal_model_pooled (s->model, s->encoder);
  g_autofree gfloat *states = g_new (gfloat, s->batch * s->tokens * width);
  g_autofree gfloat *pooled = g_new (gfloat, s->batch * pooled_width);

  for (gsize b = 0; b < s->batch; b++)
    if (! pal_model_encode_ids (s->model,
                                &(PalTextCall) { .encoder = s->encoder,
                                                 .tokens = (gint64) s->tokens,
                                                 .ids = s->ids + b * s->tokens,
                                                 .skip = skip, .raw = skip > 0 },
                                states + b * s->tokens * width, pooled + b * pooled_width,
                                NULL, error))
      return FALSE;

  golden_check (s->result, s->c, GOLDEN_TEXT, states_of,
                PAL_SHAPE ((gint64) (s->batch * s->tokens * width)), states);
  golden_check (s->result, s->c, GOLDEN_TEXT, pooled_of,
                PAL_SHAPE ((gint64) (s->batch * pooled_width)), pooled);
  return TRUE;
}

/* One text encoder call of a batch of prompts: ids, states, pooled states. */
static gboolean
check_text (TextStage *s, const gchar *name, gchar **prompts, GError **error)
{
  const PalTensorEntry *entry = golden_find (s->c, "%s.ids", name);
  g_autofree gint32 *ids = NULL;
  gsize n;

  if (! entry)
    return TRUE;

  ids = int_ids (entry, &n);
  s->name = name;
  s->ids = ids;
  s->tokens = (gsize) entry->shape.d[entry->shape.n - 1];
  s->batch = n / s->tokens;
  if ((gint64) s->tokens > pal_model_clip (s->model, s->encoder)->positions)
    {
      golden_fail (s->result, name, "the case has more tokens than the text encoder takes");
      return TRUE;
    }

  check_ids (s, prompts);
  return check_states (s, 0, "last_hidden_state",
                       golden_find (s->c, "%s.text_embeds", name) ? "text_embeds"
                                                                  : "pooler_output", error) &&
         (! golden_find (s->c, "%s.hidden_states_m2", name) ||
          check_states (s, 1, "hidden_states_m2", "no pooled state", error));
}

gboolean
golden_stage_text (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  g_auto (GStrv) prompts = golden_prompts (c, "prompt");
  g_auto (GStrv) negative = golden_prompts (c, "negative_prompt");
  JsonArray *more = json_object_has_member (c->json, "text_prompts")
                      ? json_object_get_array_member (c->json, "text_prompts") : NULL;
  TextStage stage = { .c = c, .model = model, .result = result };

  for (; stage.encoder < pal_model_n_encoders (model); stage.encoder++)
    {
      g_autofree gchar *cond = g_strdup_printf ("te%u.cond", stage.encoder + 1);
      g_autofree gchar *uncond = g_strdup_printf ("te%u.uncond", stage.encoder + 1);

      if (! check_text (&stage, cond, prompts, error) ||
          ! check_text (&stage, uncond, negative, error))
        return FALSE;
    }

  stage.encoder = 0;
  for (guint i = 0; more && i < json_array_get_length (more); i++)
    {
      g_autofree gchar *name = g_strdup_printf ("text.%u", i);
      gchar *one[] = { (gchar *) json_array_get_string_element (more, i), NULL };

      if (! check_text (&stage, name, one, error))
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

/* One result of an encoder, [batch, ...], as the pipeline builds it: uncond first, each
 * prompt as often as it has pictures; zeros for an uncond that the case lacks. NULL when
 * it does not hold the cond. */
static gfloat *
build_text (GoldenCase *c, guint encoder, const gchar *what, gint64 batch, gboolean guided,
            PalShape *shape)
{
  const PalTensorEntry *entry[2] = {
    golden_find (c, "te%u.uncond.%s", encoder + 1, what),
    golden_find (c, "te%u.cond.%s", encoder + 1, what),
  };
  guint first = guided ? 0 : 1;
  gsize half = (gsize) batch / (2 - first);
  gfloat *all = NULL, *out = NULL;

  if (! entry[1])
    return NULL;

  for (guint k = first; k < 2; k++)
    {
      const gfloat *stored = golden_floats (c, entry[entry[k] ? k : 1], shape);
      gsize one = 0;

      pal_shape_count (*shape, &one);
      one /= (gsize) shape->d[0];
      if (! all)
        out = all = g_new0 (gfloat, (gsize) batch * one);

      for (gsize b = 0; b < half; b++, out += one)
        if (entry[k])
          memcpy (out, stored + b * (gsize) shape->d[0] / half * one, one * sizeof (gfloat));
    }

  return all;
}

/* The states of all encoders side by side, [batch, tokens, channels]. */
static gfloat *
build_context (GoldenCase *c, PalModel *model, PalDenoise *call, gboolean guided)
{
  const gchar *what = pal_model_traits (model)->text_skip > 0 ? "hidden_states_m2"
                                                              : "last_hidden_state";
  gsize channels = (gsize) pal_model_unet (model)->cross_channels, first = 0;
  gfloat *context = NULL;

  for (guint i = 0; i < pal_model_n_encoders (model); i++)
    {
      PalShape shape;
      g_autofree gfloat *one = build_text (c, i, what, call->batch, guided, &shape);
      gsize rows, width;

      if (! one)
        {
          g_free (context);
          return NULL;
        }

      width = (gsize) shape.d[2];
      rows = (gsize) (call->batch * shape.d[1]);
      call->tokens = shape.d[1];
      if (! context)
        context = g_new (gfloat, rows * channels);
      for (gsize r = 0; r < rows; r++)
        memcpy (context + r * channels + first, one + r * width, width * sizeof (gfloat));
      first += width;
    }

  return context;
}

/* What goes beside the states; FALSE when the case lacks it. */
static gboolean
build_vector (GoldenCase *c, PalModel *model, PalDenoise *call, gboolean guided, gfloat **vector)
{
  const PalUnetConfig *unet = pal_model_unet (model);
  const PalTensorEntry *sizes = golden_find (c, "den.0.added_cond_kwargs.time_ids");
  guint last = pal_model_n_encoders (model) - 1;
  PalShape unused;

  if (unet->vector_channels == 0)
    return TRUE;

  *vector = build_text (c, last, unet->n_sizes > 0 ? "text_embeds" : "pooler_output",
                        call->batch, guided, &unused);
  call->vector = *vector;
  if (sizes)
    call->sizes = golden_floats (c, sizes, &unused);

  return call->vector && (unet->n_sizes == 0 || call->sizes);
}

static gboolean
check_denoise (GoldenCase *c, PalModel *model, GoldenResult *result, guint i, GError **error)
{
  const PalUnetConfig *unet = pal_model_unet (model);
  const PalTensorEntry *time = golden_find (c, "den.%u.timestep", i);
  gboolean guided;
  g_autofree gchar *name = g_strdup_printf ("den.%u.out", i);
  g_autofree gfloat *context = NULL;
  g_autofree gfloat *vector = NULL;
  g_autofree gfloat *out = NULL;
  PalShape shape, unused;
  PalDenoise call = { .x = golden_floats (c, golden_find (c, "den.%u.sample", i), &shape),
                      .guidance = golden_call_number (c, "guidance_scale", 7.5) };

  if (shape.d[3] != unet->in_channels)
    {
      golden_fail (result, name,
                   "the case feeds %" G_GINT64_FORMAT " channels, the model takes "
                   "%" G_GINT64_FORMAT, shape.d[3], unet->in_channels);
      return TRUE;
    }

  call.batch = (gint) shape.d[0];
  call.height = (gint) shape.d[1];
  call.width = (gint) shape.d[2];
  guided = golden_guided (c);
  context = build_context (c, model, &call, guided);
  if (! context || ! time || ! build_vector (c, model, &call, guided, &vector))
    {
      golden_fail (result, name, "the case lacks the text states or the timestep of this call");
      return TRUE;
    }

  call.timestep = (gdouble) golden_floats (c, time, &unused)[0];
  call.context = context;
  shape.d[3] = unet->out_channels;
  out = g_new (gfloat, shape.d[0] * shape.d[1] * shape.d[2] * shape.d[3]);
  if (! pal_model_denoise (model, &call, out, NULL, error))
    return FALSE;

  golden_check (result, c, GOLDEN_DENOISER, name, shape, out);
  return TRUE;
}

gboolean
golden_stage_denoise (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  for (guint i = 0; golden_find (c, "den.%u.sample", i); i++)
    if (! check_denoise (c, model, result, i, error))
      return FALSE;

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
