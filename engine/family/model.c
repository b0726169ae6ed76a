/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open model: its parts and one function per network call. */

#include "family/family.h"

#include <string.h>

#include "base/debug.h"
#include "family/networks.h"

struct _PalModel
{
  gatomicrefcount refs;
  PalDevice      *device;
  PalParts       *parts;
  PalModelInfo   *info;
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

const PalClipConfig *
pal_model_clip (PalModel *model)
{
  return &model->parts->clip;
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
  const PalNetKey key = { .call = PAL_CALL_MATCH, .batch = 1, .height = size->n_queries,
                          .width = size->n_keys, .tokens = size->width };

  return pal_networks_measure_key (model->networks, &key, out, error);
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

gsize
pal_model_tokenize (PalModel *model, const gchar *prompt, gint32 *ids)
{
  return pal_clip_tokenizer_fixed (model->parts->tokenizer, prompt,
                                   (gsize) model->parts->clip.positions, ids);
}

gboolean
pal_model_encode_ids (PalModel *model, const gint32 *ids, gint64 tokens, gfloat *states,
                      GCancellable *cancellable, GError **error)
{
  PalNetKey key = { .call = PAL_CALL_TEXT, .batch = 1, .tokens = tokens };
  gsize n = (gsize) (tokens * model->parts->clip.width);

  g_return_val_if_fail (tokens >= 1 && tokens <= model->parts->clip.positions, FALSE);

  for (gint64 i = 0; i < tokens; i++)
    if (ids[i] < 0 || ids[i] >= model->parts->clip.vocab)
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                     "%s: the tokenizer gives the id %d, and the text encoder has %" G_GINT64_FORMAT
                     "; use the tokenizer folder that belongs to this model",
                     model->parts->path, ids[i], model->parts->clip.vocab);
        return FALSE;
      }

  return pal_networks_run_or_descend (model->networks, &key,
                                      (PalBinding[]) {
                                        { "ids", (gpointer) ids, (gsize) tokens * sizeof (gint32) },
                                        { "out", states, n * sizeof (gfloat) },
                                      }, 2, cancellable, error);
}

/* The pooled state: that of the end token. */
static void
pool (const PalClipConfig *clip, const gint32 *ids, PalCondition *out)
{
  gsize end = pal_clip_end (clip, ids, (gsize) out->tokens);

  out->vector_channels = out->channels;
  out->vector = g_memdup2 (out->states + end * (gsize) out->channels,
                           (gsize) out->channels * sizeof (gfloat));
}

gboolean
pal_model_condition (PalModel *model, const gchar *prompt, PalCondition *out, gchar **note,
                     GCancellable *cancellable, GError **error)
{
  gint64 tokens = model->parts->clip.positions;
  gint64 channels = model->parts->clip.width;
  g_autofree gint32 *ids = g_new (gint32, tokens);
  gsize cut = pal_model_tokenize (model, prompt ? prompt : "", ids);

  *out = (PalCondition) { .tokens = tokens, .channels = channels };
  out->states = g_new (gfloat, tokens * channels);

  if (! pal_model_encode_ids (model, ids, tokens, out->states, cancellable, error))
    {
      pal_condition_clear (out);
      return FALSE;
    }

  if (model->parts->unet.vector_channels > 0)
    pool (&model->parts->clip, ids, out);

  if (note && cut > 0)
    {
      g_free (*note);
      *note = g_strdup_printf ("the prompt is too long: its last %" G_GSIZE_FORMAT
                               " tokens were left out", cut);
    }

  return TRUE;
}

void
pal_condition_clear (PalCondition *condition)
{
  g_clear_pointer (&condition->states, g_free);
  g_clear_pointer (&condition->vector, g_free);
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
  PalNetKey key = { .call = PAL_CALL_ENCODE, .batch = 1, .height = height, .width = width };
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

  if (! pal_networks_run (model->networks, &key,
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
  PalNetKey key = { .call = PAL_CALL_DECODE, .batch = 1, .height = height, .width = width };
  gsize cells = (gsize) width * (gsize) height;
  gsize pixels = cells * (gsize) (vae->factor * vae->factor);

  g_return_val_if_fail (width > 0 && height > 0, FALSE);

  return pal_networks_run (model->networks, &key,
                           (PalBinding[]) {
                             { "x", (gpointer) latent,
                               cells * (gsize) vae->latent_channels * sizeof (gfloat) },
                             { "out", image, pixels * 3 * sizeof (gfloat) },
                           }, 2, cancellable, error);
}

static gboolean
denoise (PalModel *model, const PalDenoise *call, gfloat *out, GCancellable *cancellable,
         GError **error)
{
  const PalUnetConfig *unet = &model->parts->unet;
  PalNetKey key = { .call = PAL_CALL_DENOISE, .batch = call->batch, .height = call->height,
              .width = call->width, .tokens = call->tokens };
  gsize batch = (gsize) call->batch, cells = batch * (gsize) call->width * (gsize) call->height;
  gsize states = batch * (gsize) (call->tokens * unet->cross_channels);
  gsize labels = batch * (gsize) unet->vector_channels;
  g_autofree gfloat *timesteps = NULL;

  timesteps = g_new (gfloat, batch);
  for (gsize i = 0; i < batch; i++)
    timesteps[i] = (gfloat) call->timestep;

  return pal_networks_run (model->networks, &key,
                           (PalBinding[]) {
                             { "x", (gpointer) call->x,
                               cells * (gsize) unet->in_channels * sizeof (gfloat) },
                             { "timesteps", timesteps, batch * sizeof (gfloat) },
                             { "context", (gpointer) call->context, states * sizeof (gfloat) },
                             { "out", out, cells * (gsize) unet->out_channels * sizeof (gfloat) },
                             { "vector", (gpointer) call->vector, labels * sizeof (gfloat) },
                           }, labels > 0 ? 5 : 4, cancellable, error);
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

      if (! denoise (model, &one, out + b * cells * (gsize) unet->out_channels, cancellable, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
pal_model_denoise (PalModel *model, const PalDenoise *call, gfloat *out,
                   GCancellable *cancellable, GError **error)
{
  GError *local = NULL;

  g_return_val_if_fail (call->batch > 0 && call->width > 0 && call->height > 0, FALSE);
  g_return_val_if_fail (call->tokens > 0, FALSE);
  g_return_val_if_fail (model->parts->unet.vector_channels == 0 || call->vector, FALSE);

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
  PalNetKey key = { .call = PAL_CALL_MATCH, .batch = 1, .height = match->n_queries,
              .width = match->n_keys, .tokens = match->width };
  gsize row = (gsize) match->width * sizeof (gfloat);

  g_return_val_if_fail (match->n_queries > 0 && match->n_keys > 0 && match->width > 0, FALSE);

  return pal_networks_run_or_descend (
    model->networks, &key,
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
  PalCallSize size = { batch, width / unit, height / unit };

  g_return_val_if_fail (phase != PAL_PHASE_LOAD && phase < PAL_N_PHASES, FALSE);

  return pal_networks_work (model->networks, phase, &size, work, error);
}
