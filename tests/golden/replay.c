/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole run of a pipeline case on the engine's own intermediate results; only
 * the noise is recorded. */

#include "golden.h"

#include <math.h>
#include <string.h>

typedef struct
{
  GoldenCase   *c;
  PalModel     *model;
  GoldenResult *result;
  gint64        image;        /* of the batch */
  gint64        batch;
  gint          draws;        /* 0 = the starting noise, then one for each step */
  gint          calls;
} Replay;

static gsize
count3 (PalShape s)
{
  return (gsize) (s.d[1] * s.d[2] * s.d[3]);
}

/* Image b of a batch, or the only one there is. */
static const gfloat *
batch_item (GoldenCase *c, const PalTensorEntry *entry, gint64 b, PalShape *shape)
{
  const gfloat *x = golden_floats (c, entry, shape);

  return x + (gsize) (b % shape->d[0]) * count3 (*shape);
}

static gboolean
draw_recorded (gpointer data, gfloat *out, gint width, gint height, gint channels, GError **error)
{
  Replay *r = data;
  g_autofree gchar *name = r->draws == 0 ? g_strdup ("noise.init.0")
                                         : g_strdup_printf ("noise.step.%d", r->draws - 1);
  const PalTensorEntry *entry = golden_find (r->c, "%s", name);
  PalShape shape;
  const gfloat *noise;

  if (! entry)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "the engine asks for %s, which the case lacks", name);
      return FALSE;
    }

  noise = batch_item (r->c, entry, r->image, &shape);
  if (shape.d[1] != height || shape.d[2] != width || shape.d[3] != channels)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE, "%s has another shape than the latents",
                   name);
      return FALSE;
    }

  memcpy (out, noise, count3 (shape) * sizeof (gfloat));
  r->draws++;
  return TRUE;
}

/* Picks the rows of image b from a guided batch of the case, [uncond .., cond ..]. */
static void
check_rows (Replay *r, GoldenKind kind, const gchar *name, const gfloat *actual, gint batch,
            gint64 channels)
{
  const PalTensorEntry *entry = golden_find (r->c, "%s", name);
  PalShape shape;
  const gfloat *stored;
  g_autofree gfloat *expected = NULL;
  g_autofree gchar *label = g_strconcat ("replay.", name, NULL);
  gsize one;

  if (! entry)
    return;

  stored = golden_floats (r->c, entry, &shape);
  one = count3 (shape);
  if (shape.d[0] != batch * r->batch || shape.d[3] != channels)
    {
      golden_fail (r->result, label, "the engine's batch or channels differ from the case's");
      return;
    }

  expected = g_new (gfloat, (gsize) batch * one);
  for (gsize i = 0; i < (gsize) batch; i++)
    memcpy (expected + i * one, stored + (i * (gsize) r->batch + (gsize) r->image) * one,
            one * sizeof (gfloat));

  golden_compare (r->result, kind, label, expected, actual, (gsize) batch * one);
}

static void
observe (const PalDiffusionStep *step, gpointer data)
{
  Replay *r = data;
  const PalUnetConfig *unet = pal_model_unet (r->model);
  const PalTensorEntry *time = golden_find (r->c, "den.%d.timestep", step->call);
  g_autofree gchar *sample = g_strdup_printf ("den.%d.sample", step->call);
  g_autofree gchar *out = g_strdup_printf ("den.%d.out", step->call);
  g_autofree gchar *latents = g_strdup_printf ("latents.%d", step->call);

  r->calls++;
  if (time)
    {
      g_autofree gchar *name = g_strdup_printf ("den.%d.timestep", step->call);
      gfloat timestep = (gfloat) step->timestep;

      golden_check (r->result, r->c, GOLDEN_EXACT, name, PAL_SHAPE (1), &timestep);
    }

  check_rows (r, GOLDEN_LATENTS, sample, step->input, step->batch, unet->in_channels);
  check_rows (r, GOLDEN_LATENTS, out, step->output, step->batch, unet->out_channels);
  check_rows (r, GOLDEN_LATENTS, latents, step->latents, 1, unet->out_channels);
}

/* The engine's own scaled latents of vae.encode.in.i; NULL with *ok FALSE on error,
 * NULL alone when the case has no such encoding. */
static gfloat *
encode (Replay *r, gint i, gboolean *ok, GError **error)
{
  const PalVaeConfig *vae = pal_model_vae (r->model);
  const PalTensorEntry *in = golden_find (r->c, "vae.encode.in.%d", i);
  const PalTensorEntry *noise = golden_find (r->c, "noise.posterior.%d", i);
  g_autofree gfloat *mean = NULL;
  g_autofree gfloat *logvar = NULL;
  const gfloat *image;
  PalShape shape, unused;
  gsize n;

  *ok = TRUE;
  if (! in)
    return NULL;

  image = batch_item (r->c, in, r->image, &shape);
  n = (gsize) (shape.d[1] / vae->factor * (shape.d[2] / vae->factor) * vae->latent_channels);
  mean = g_new (gfloat, n);
  logvar = g_new (gfloat, n);

  *ok = pal_model_encode (r->model, image, (gint) shape.d[2], (gint) shape.d[1], mean, logvar,
                          NULL, error);
  if (! *ok)
    return NULL;

  for (gsize k = 0; k < n; k++)
    {
      gfloat z = mean[k];

      if (noise)
        z += expf (0.5f * logvar[k]) * batch_item (r->c, noise, r->image, &unused)[k];
      mean[k] = (z - vae->shift_factor) * vae->scaling_factor;
    }

  return g_steal_pointer (&mean);
}

/* The sizes that the case's call names, else those of the picture; heights come first. */
static void
place (Replay *r, PalCondition *condition)
{
  PalPlacement p = { .width = (gint) json_object_get_int_member (r->c->json, "width"),
                     .height = (gint) json_object_get_int_member (r->c->json, "height") };

  golden_call_pair (r->c, "target_size", &p.height, &p.width);
  p.original_width = p.width;
  p.original_height = p.height;
  golden_call_pair (r->c, "original_size", &p.original_height, &p.original_width);
  golden_call_pair (r->c, "crops_coords_top_left", &p.top, &p.left);
  if (condition->n_sizes > 0)
    pal_condition_place (condition, &p, FALSE);
}

/* states of the engine for a prompt of the case. */
static gboolean
condition (Replay *r, const gchar *member, PalCondition *out, GError **error)
{
  g_auto (GStrv) prompts = golden_prompts (r->c, member);
  gint64 n = g_strv_length (prompts);
  gboolean absent = golden_call_is_null (r->c, member);

  if (! pal_model_condition (r->model, absent ? NULL : prompts[r->image * n / r->batch], out,
                             NULL, NULL, error))
    return FALSE;

  place (r, out);
  return TRUE;
}

/* The decoder's input: the latents again, unscaled. Their tolerance is for scaled
 * ones, so both sides are scaled back. */
static void
check_unscaled (Replay *r, const PalTensorEntry *entry, const gfloat *z, gsize n)
{
  gfloat scale = pal_model_vae (r->model)->scaling_factor;
  g_autofree gfloat *expected = g_new (gfloat, n);
  g_autofree gfloat *actual = g_new (gfloat, n);
  PalShape shape;
  const gfloat *stored = batch_item (r->c, entry, r->image, &shape);

  for (gsize i = 0; i < n; i++)
    {
      expected[i] = stored[i] * scale;
      actual[i] = z[i] * scale;
    }

  golden_compare (r->result, GOLDEN_LATENTS, "replay.vae.decode.in.0", expected, actual, n);
}

/* Decodes the engine's latents and compares with the last pictures. */
static gboolean
check_picture (Replay *r, const gfloat *latents, PalShape shape, GError **error)
{
  const PalVaeConfig *vae = pal_model_vae (r->model);
  const PalTensorEntry *in = golden_find (r->c, "vae.decode.in.0");
  gint width = (gint) shape.d[2] * vae->factor, height = (gint) shape.d[1] * vae->factor;
  gsize n = count3 (shape), pixels = (gsize) width * (gsize) height * 3;
  g_autofree gfloat *z = g_new (gfloat, n);
  g_autofree gfloat *image = g_new (gfloat, pixels);
  g_autofree guint8 *png = NULL;
  gint png_width, png_height;

  for (gsize i = 0; i < n; i++)
    z[i] = latents[i] / vae->scaling_factor + vae->shift_factor;

  if (in)
    check_unscaled (r, in, z, n);

  if (! pal_model_decode (r->model, z, (gint) shape.d[2], (gint) shape.d[1], image, NULL, error))
    return FALSE;

  png = r->batch == 1 ? golden_png (r->c, "output.png", &png_width, &png_height) : NULL;
  if (png && png_width == width && png_height == height)
    {
      g_autofree gfloat *levels = g_new (gfloat, pixels);

      for (gsize i = 0; i < pixels; i++)
        {
          levels[i] = (gfloat) png[i];
          image[i] = rintf (CLAMP (image[i] / 2.0f + 0.5f, 0.0f, 1.0f) * 255.0f);
        }
      golden_compare (r->result, GOLDEN_PNG, "output.png", levels, image, pixels);
    }

  return TRUE;
}

/* What the masked image is encoded to, where the case holds it. */
static void
check_masked (Replay *r, const gfloat *masked)
{
  const PalTensorEntry *stored = golden_find (r->c, "masked_image_latents");
  const gfloat *expected;
  PalShape shape;

  if (! masked || ! stored)
    return;

  expected = batch_item (r->c, stored, r->image, &shape);
  golden_compare (r->result, GOLDEN_ENCODER, "masked_image_latents", expected, masked,
                  count3 (shape));
}

/* Where a case says by which words: a memory that finds nothing for them must not pass. */
static gboolean
recall_for (Replay *r, PalDiffusion *diffusion, PalRecall **recall, GError **error)
{
  g_auto (GStrv) words = golden_prompts (r->c, "recall");

  if (! *words[0])
    return TRUE;

  *recall = pal_recall_new (r->model, words[0],
                            (guint64) golden_call_number (r->c, "seed", 0.0));
  diffusion->recall = *recall;
  if (*recall)
    return pal_recall_place (*recall, diffusion->width, diffusion->height, diffusion->mask,
                             diffusion->masked_image, error);

  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "the model recalls nothing for \"%s\"",
               words[0]);
  return FALSE;
}

/* One image of the batch, from noise to picture. */
static gboolean
replay_image (Replay *r, PalSampling *sampling, PalShape shape, GError **error)
{
  const PalTensorEntry *mask = golden_find (r->c, "mask_latents");
  gboolean inpaint = mask != NULL, ok;
  gboolean guided = golden_guided (r->c);
  gboolean whole = golden_call_number (r->c, "strength", 1.0) >= 1.0;
  gint last = golden_find (r->c, "vae.encode.in.1") ? 1 : 0;
  g_auto (PalCondition) cond = { 0 };
  g_auto (PalCondition) uncond = { 0 };
  g_autoptr (PalRecall) recall = NULL;
  g_autofree gfloat *image = NULL;
  g_autofree gfloat *masked = NULL;
  g_autofree gfloat *latents = g_new0 (gfloat, count3 (shape));
  PalShape unused;
  PalDiffusion diffusion;

  if (! condition (r, "prompt", &cond, error) ||
      (guided && ! condition (r, "negative_prompt", &uncond, error)))
    return FALSE;

  /* The masked image is encoded last. A model that takes it, started from pure
   * noise, has no use for the image itself and the reference does not encode it. */
  if (inpaint)
    {
      masked = encode (r, last, &ok, error);
      if (! ok)
        return FALSE;
      check_masked (r, masked);
    }
  if (! inpaint || last == 1)
    {
      image = encode (r, 0, &ok, error);
      if (! ok)
        return FALSE;
    }

  diffusion = (PalDiffusion) {
    .width = (gint) shape.d[2],
    .height = (gint) shape.d[1],
    .cond = &cond,
    .uncond = guided ? &uncond : NULL,
    .guidance = golden_call_number (r->c, "guidance_scale", 7.5),
    .image = image,
    .pure_noise = inpaint && whole,
    .mask = mask ? batch_item (r->c, mask, r->image, &unused) : NULL,
    .masked_image = masked,
    .sampling = sampling,
    .noise = { draw_recorded, r },
    .observe = observe,
    .observe_data = r,
  };

  if (! recall_for (r, &diffusion, &recall, error))
    return FALSE;

  return pal_diffuse (r->model, &diffusion, latents, NULL, error) &&
         check_picture (r, latents, shape, error);
}

static void
check_doubles (Replay *r, GoldenKind kind, const gchar *name, const gdouble *values, gsize n)
{
  g_autofree gfloat *floats = g_new (gfloat, MAX (n, 1));

  for (gsize i = 0; i < n; i++)
    floats[i] = (gfloat) values[i];

  if (values)
    golden_check (r->result, r->c, kind, name, PAL_SHAPE ((gint64) n), floats);
}

gboolean
golden_replay (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error)
{
  Replay r = { .c = c, .model = model, .result = result };
  const PalTensorEntry *noise = golden_find (c, "noise.init.0");
  const gchar *scheduler = golden_string (c, "scheduler");
  const PalSampler *sampler;
  PalScheduleConfig config = { 0 };
  gint steps = (gint) golden_call_number (c, "num_inference_steps", 50);
  gdouble strength = golden_call_number (c, "strength", 1.0);
  PalShape shape;
  gboolean ok = TRUE;

  if (! noise || ! scheduler)
    return TRUE;

  golden_floats (c, noise, &shape);
  r.batch = shape.d[0];

  sampler = pal_sampler_find (scheduler, error);
  ok = sampler && golden_schedule (c, &config, error);

  for (r.image = 0; ok && r.image < r.batch; r.image++)
    {
      g_autoptr (PalSampling) sampling = NULL;
      const gdouble *values;
      gsize n = 0;

      sampling = pal_sampling_new (&(PalSamplingSetup) {
                                     .sampler = sampler, .steps = steps, .strength = strength,
                                     .eta = golden_call_number (c, "eta", 0.0)
                                   }, &config, error);
      if (! sampling)
        {
          ok = FALSE;
          break;
        }

      r.draws = r.calls = 0;
      values = pal_sampling_timesteps (sampling, &n);
      check_doubles (&r, GOLDEN_EXACT, "timesteps", values, n);
      values = pal_sampling_sigmas (sampling, &n);
      check_doubles (&r, GOLDEN_SIGMAS, "sigmas", values, n);

      ok = replay_image (&r, sampling, shape, error);
      if (ok && golden_find (c, "den.%d.sample", r.calls))
        golden_fail (result, "replay",
                     "the engine stops after %d denoiser calls, the case has more", r.calls);
    }

  pal_schedule_config_clear (&config);
  return ok;
}
