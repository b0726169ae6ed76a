/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open model: its parts and one function per network call. */

#include "family/networks.h"

#include <string.h>

#include "base/debug.h"

struct _PalModel
{
  gatomicrefcount refs;
  PalDevice      *device;
  PalParts       *parts;
  PalModelInfo   *info;
  PalAdapters    *adapters;      /* NULL: none */
  PalNetworks    *networks;
  gpointer        memo;
  GDestroyNotify  memo_free;
  gfloat         *projection;
};

PalModel *
pal_model_open (PalDevice *device, const gchar *path, GError **error)
{
  g_autoptr (PalModel) model = NULL;
  PalStopwatch watch = pal_stopwatch_start ();

  g_return_val_if_fail (device != NULL && path != NULL, NULL);

  model = g_new0 (PalModel, 1);
  g_atomic_ref_count_init (&model->refs);
  model->device = pal_device_ref (device);

  model->parts = pal_parts_open (path, error);
  model->info = model->parts ? pal_info_new (model->parts, error) : NULL;
  if (! model->info)
    return NULL;

  model->networks = pal_networks_new (device, model->parts, error);
  if (! model->networks)
    return NULL;
  pal_debug_lap (PAL_DEBUG_START, &watch, "model folder");

  return g_steal_pointer (&model);
}

PalModel *
pal_model_ref (PalModel *model)
{
  g_atomic_ref_count_inc (&model->refs);
  return model;
}

void
pal_model_unref (PalModel *model)
{
  if (! g_atomic_ref_count_dec (&model->refs))
    return;

  pal_model_set_memo (model, NULL, NULL);
  g_clear_pointer (&model->networks, pal_networks_free);
  g_clear_pointer (&model->adapters, pal_adapters_free);
  g_clear_pointer (&model->info, pal_model_info_free);
  g_clear_pointer (&model->parts, pal_parts_free);
  pal_device_unref (model->device);
  g_free (model->projection);
  g_free (model);
}

gpointer
pal_model_memo (PalModel *model)
{
  return model->memo;
}

void
pal_model_set_memo (PalModel *model, gpointer memo, GDestroyNotify memo_free)
{
  if (model->memo)
    model->memo_free (model->memo);

  model->memo = memo;
  model->memo_free = memo_free;
}

const gfloat *
pal_model_projection (PalModel *model)
{
  return model->projection;
}

void
pal_model_keep_projection (PalModel *model, gfloat *projection)
{
  g_free (model->projection);
  model->projection = projection;
}

gboolean
pal_model_set_adapters (PalModel *model, const PalAdapter *adapters, gsize n, GError **error)
{
  PalAdapters *set = NULL;

  if (pal_adapters_equal (model->adapters, adapters, n))
    return TRUE;

  if (n > 0 && ! (set = pal_adapters_open (model->parts, adapters, n, error)))
    return FALSE;

  pal_model_set_memo (model, NULL, NULL);
  pal_networks_adapt (model->networks, set);
  g_clear_pointer (&model->adapters, pal_adapters_free);
  model->adapters = set;
  return TRUE;
}

const PalModelInfo *
pal_model_info (PalModel *model)
{
  return model->info;
}

PalDevice *
pal_model_device (PalModel *model)
{
  return model->device;
}

const PalUnetConfig *
pal_model_unet (PalModel *model)
{
  return &model->parts->unet;
}

const PalVaeConfig *
pal_model_vae (PalModel *model)
{
  return &model->parts->vae;
}

const PalScheduleConfig *
pal_model_schedule (PalModel *model)
{
  return &model->parts->schedule;
}

const PalModelTraits *
pal_model_traits (PalModel *model)
{
  return &model->parts->traits;
}

gboolean
pal_model_takes_mask (PalModel *model)
{
  return model->parts->takes_mask;
}

gboolean
pal_model_edits (PalModel *model)
{
  return model->parts->edits;
}

PalLadder *
pal_model_ladder (PalModel *model)
{
  return pal_networks_ladder (model->networks);
}

gboolean
pal_model_measure (PalModel *model, PalPhase phase, const PalCallSize *size, PalPlanReport *out,
                   GError **error)
{
  return pal_networks_measure (model->networks, phase, size, out, error);
}

gboolean
pal_model_measure_match (PalModel *model, const PalMatchSize *size, PalPlanReport *out,
                         GError **error)
{
  const PalCall call = { .kind = PAL_CALL_MATCH, .batch = 1, .height = size->n_queries,
                          .width = size->n_keys, .tokens = size->width };

  return pal_networks_measure_call (model->networks, &call, out, error);
}

gboolean
pal_model_recover (PalModel *model, PalPhase phase, gint size, GError **error)
{
  return pal_networks_recover (model->networks, phase, size, error);
}

void
pal_model_memory (PalModel *model, PalReport *report)
{
  pal_networks_memory (model->networks, report);
}

guint
pal_model_n_encoders (PalModel *model)
{
  return model->parts->n_encoders;
}

const PalClipConfig *
pal_model_clip (PalModel *model, guint encoder)
{
  return &model->parts->encoders[encoder].clip;
}

gint64
pal_model_pooled (PalModel *model, guint encoder)
{
  return model->parts->encoders[encoder].pooled;
}

const PalClipTokenizer *
pal_model_tokenizer (PalModel *model, guint encoder)
{
  return model->parts->encoders[encoder].tokenizer;
}

gsize
pal_model_tokenize (PalModel *model, guint encoder, const gchar *prompt, gint32 *ids)
{
  return pal_clip_tokenizer_fixed (pal_model_tokenizer (model, encoder), prompt,
                                   (gsize) pal_model_clip (model, encoder)->positions, ids);
}

static gboolean
check_ids (PalModel *model, const PalTextCall *call, GError **error)
{
  gint64 vocab = pal_model_clip (model, call->encoder)->vocab;

  for (gint64 i = 0; i < call->tokens; i++)
    if (call->ids[i] < 0 || call->ids[i] >= vocab)
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                     "%s: the tokenizer gives the id %d, and the text encoder has %" G_GINT64_FORMAT
                     "; use the tokenizer folder that belongs to this model",
                     model->parts->path, call->ids[i], vocab);
        return FALSE;
      }

  return TRUE;
}

gboolean
pal_model_encode_ids (PalModel *model, const PalTextCall *call, gfloat *states, gfloat *pooled,
                      GCancellable *cancellable, GError **error)
{
  const PalClipConfig *clip = pal_model_clip (model, call->encoder);
  gsize width = (gsize) pal_model_pooled (model, call->encoder);
  gsize tokens = (gsize) call->tokens;
  g_autofree gfloat *rows = pooled ? g_new (gfloat, tokens * width) : NULL;
  PalCall made = { .kind = PAL_CALL_TEXT, .batch = 1, .tokens = call->tokens,
                   .encoder = call->encoder,
                   .wanted = { call->skip, call->raw, pooled != NULL } };

  g_return_val_if_fail (call->encoder < model->parts->n_encoders, FALSE);
  g_return_val_if_fail (call->tokens >= 1 && call->tokens <= clip->positions, FALSE);

  if (! check_ids (model, call, error) ||
      ! pal_networks_run_or_descend (
          model->networks, &made,
          (PalBinding[]) {
            { "ids", (gpointer) call->ids, tokens * sizeof (gint32) },
            { "out", states, tokens * (gsize) clip->width * sizeof (gfloat) },
            { "pooled", rows, tokens * width * sizeof (gfloat) },
          }, pooled ? 3 : 2, cancellable, error))
    return FALSE;

  if (pooled)
    memcpy (pooled, rows + pal_clip_end (clip, call->ids, tokens) * width, width * sizeof (gfloat));

  return TRUE;
}

/* moments: [n, 2 L] → mean, logvar: [n, L] */
static void
split_moments (const gfloat *moments, gsize n, gsize channels, gfloat *mean, gfloat *logvar)
{
  for (gsize i = 0; i < n; i++, moments += 2 * channels)
    for (gsize c = 0; c < channels; c++)
      {
        mean[i * channels + c] = moments[c];
        if (logvar)
          logvar[i * channels + c] = CLAMP (moments[channels + c], -30.0f, 20.0f);
      }
}

gboolean
pal_model_encode (PalModel *model, const gfloat *image, gint width, gint height,
                  gfloat *mean, gfloat *logvar, GCancellable *cancellable, GError **error)
{
  const PalVaeConfig *vae = &model->parts->vae;
  PalCall call = { .kind = PAL_CALL_ENCODE, .batch = 1, .height = height, .width = width };
  gsize channels = (gsize) vae->latent_channels * (vae->kind == PAL_VAE_KL ? 2 : 1);
  gsize pixels = (gsize) width * (gsize) height;
  gsize latents = pixels / (gsize) (vae->factor * vae->factor);
  g_autofree gfloat *moments = NULL;

  g_return_val_if_fail (width > 0 && width % vae->factor == 0, FALSE);
  g_return_val_if_fail (height > 0 && height % vae->factor == 0, FALSE);

  moments = pal_try_alloc (latents * channels * sizeof (gfloat));
  if (! moments)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
                   "not enough memory for the latents of a picture of %d x %d px", width, height);
      return FALSE;
    }

  if (! pal_networks_run (model->networks, &call,
                          (PalBinding[]) {
                            { "x", (gpointer) image, pixels * 3 * sizeof (gfloat) },
                            { "out", moments, latents * channels * sizeof (gfloat) },
                          }, 2, cancellable, error))
    return FALSE;

  if (vae->kind == PAL_VAE_KL)
    {
      split_moments (moments, latents, (gsize) vae->latent_channels, mean, logvar);
    }
  else
    {
      memcpy (mean, moments, latents * channels * sizeof (gfloat));
      for (gsize i = 0; logvar && i < latents * channels; i++)
        logvar[i] = -30.0f;
    }

  return TRUE;
}

gboolean
pal_model_decode (PalModel *model, const gfloat *latent, gint width, gint height,
                  gfloat *image, GCancellable *cancellable, GError **error)
{
  const PalVaeConfig *vae = &model->parts->vae;
  PalCall call = { .kind = PAL_CALL_DECODE, .batch = 1, .height = height, .width = width };
  gsize cells = (gsize) width * (gsize) height;
  gsize pixels = cells * (gsize) (vae->factor * vae->factor);

  g_return_val_if_fail (width > 0 && height > 0, FALSE);

  return pal_networks_run (model->networks, &call,
                           (PalBinding[]) {
                             { "x", (gpointer) latent,
                               cells * (gsize) vae->latent_channels * sizeof (gfloat) },
                             { "out", image, pixels * 3 * sizeof (gfloat) },
                           }, 2, cancellable, error);
}

static gfloat *
repeat (gdouble value, gsize n)
{
  gfloat *values = g_new (gfloat, n);

  for (gsize i = 0; i < n; i++)
    values[i] = (gfloat) value;
  return values;
}

static PalBinding
bound (const gchar *name, const gfloat *values, gsize n)
{
  return (PalBinding) { name, (gpointer) values, n * sizeof (gfloat) };
}

static gboolean
denoise (PalModel *model, const PalDenoise *call, gfloat *out, GCancellable *cancellable,
         GError **error)
{
  const PalUnetConfig *unet = &model->parts->unet;
  PalCall made = { .kind = PAL_CALL_DENOISE, .batch = call->batch, .height = call->height,
                   .width = call->width, .tokens = call->tokens };
  gsize batch = (gsize) call->batch, cells = batch * (gsize) call->width * (gsize) call->height;
  gsize states = batch * (gsize) (call->tokens * unet->cross_channels);
  gsize labels = batch * (gsize) unet->vector_channels, sizes = batch * (gsize) unet->n_sizes;
  g_autofree gfloat *timesteps = NULL;
  g_autofree gfloat *guidance = NULL;
  PalBinding bindings[7];
  gsize n = 4;

  timesteps = repeat (call->timestep, batch);
  guidance = repeat ((call->guidance - 1.0) * 1000.0, batch);

  bindings[0] = bound ("x", call->x, cells * (gsize) unet->in_channels);
  bindings[1] = bound ("timesteps", timesteps, batch);
  bindings[2] = bound ("context", call->context, states);
  bindings[3] = bound ("out", out, cells * (gsize) unet->out_channels);
  if (labels > 0)
    bindings[n++] = bound ("vector", call->vector, labels);
  if (sizes > 0)
    bindings[n++] = bound ("sizes", call->sizes, sizes);
  if (unet->guidance_channels > 0)
    bindings[n++] = bound ("guidance", guidance, batch);

  return pal_networks_run (model->networks, &made, bindings, n, cancellable, error);
}

/* Each of the batch by itself. */
static gboolean
denoise_apart (PalModel *model, const PalDenoise *call, gfloat *out, GCancellable *cancellable,
               GError **error)
{
  const PalUnetConfig *unet = &model->parts->unet;
  gsize cells = (gsize) call->width * (gsize) call->height;

  for (gsize b = 0; b < (gsize) call->batch; b++)
    {
      PalDenoise one = *call;

      one.batch = 1;
      one.x += b * cells * (gsize) unet->in_channels;
      one.context += b * (gsize) (call->tokens * unet->cross_channels);
      if (one.vector)
        one.vector += b * (gsize) unet->vector_channels;
      if (one.sizes)
        one.sizes += b * (gsize) unet->n_sizes;

      if (! denoise (model, &one, out + b * cells * (gsize) unet->out_channels, cancellable, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
pal_model_denoise (PalModel *model, const PalDenoise *call, gfloat *out,
                   GCancellable *cancellable, GError **error)
{
  const PalUnetConfig *unet = &model->parts->unet;
  GError *local = NULL;

  g_return_val_if_fail (call->batch > 0 && call->width > 0 && call->height > 0, FALSE);
  g_return_val_if_fail (call->tokens > 0, FALSE);
  g_return_val_if_fail (unet->vector_channels == 0 || call->vector, FALSE);
  g_return_val_if_fail (unet->n_sizes == 0 || call->sizes, FALSE);

  while (! (pal_model_ladder (model)->split ? denoise_apart : denoise) (model, call, out,
                                                                        cancellable, &local))
    if (! pal_model_recover (model, PAL_PHASE_DENOISE, call->batch, &local))
      {
        g_propagate_error (error, local);
        return FALSE;
      }

  return TRUE;
}

const PalExemplars *
pal_model_exemplars (PalModel *model)
{
  return model->parts->exemplars;
}

gboolean
pal_model_match (PalModel *model, const PalMatch *match, gfloat *out, GCancellable *cancellable,
                 GError **error)
{
  PalCall call = { .kind = PAL_CALL_MATCH, .batch = 1, .height = match->n_queries,
                   .width = match->n_keys, .tokens = match->width };
  gsize row = (gsize) match->width * sizeof (gfloat);

  g_return_val_if_fail (match->n_queries > 0 && match->n_keys > 0 && match->width > 0, FALSE);

  return pal_networks_run_or_descend (
    model->networks, &call,
    (PalBinding[]) {
      { "queries", (gpointer) match->queries, (gsize) match->n_queries * row },
      { "keys", (gpointer) match->keys, (gsize) match->n_keys * row },
      { "values", (gpointer) match->values, (gsize) match->n_keys * row },
      { "out", out, (gsize) match->n_queries * row },
    }, 4, cancellable, error);
}

gboolean
pal_model_work (PalModel *model, PalPhase phase, gint batch, gint width, gint height,
                PalWork *work, GError **error)
{
  gint unit = phase == PAL_PHASE_ENCODE ? 1 : model->parts->vae.factor;
  PalCallSize size = { .batch = batch, .width = width / unit, .height = height / unit };

  g_return_val_if_fail (phase != PAL_PHASE_LOAD && phase < PAL_N_PHASES, FALSE);

  return pal_networks_work (model->networks, phase, &size, work, error);
}
