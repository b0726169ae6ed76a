/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open model: weights on the device, programs by shape, one function per network
 * call. */

#include "family/adapter.h"
#include "family/call.h"

#include <string.h>

#include "base/debug.h"
#include "run/tape.h"

/* Programs kept. A run needs four: text, encoder, denoiser, decoder; and one for each
 * stage of an exemplar memory. */
#define MAX_PROGRAMS 9

typedef struct
{
  PalCall key;
  PalProgram *program;
} Entry;

struct _PalModel
{
  gatomicrefcount refs;
  PalDevice      *device;
  PalParts       *parts;
  PalModelInfo   *info;
  PalAdapters    *adapters;      /* NULL: none */
  PalResidency   *residency[PAL_N_PARTS];
  GQueue          programs;      /* of Entry, last used first */
  guint64         arena_bytes, bound_bytes;   /* largest so far */
};

static PalTape *
record (PalModel *model, const PalCall *key)
{
  PalTape *tape = pal_tape_new (model->residency[pal_call_part (key)]);

  pal_call_record (tape, model->parts, key);
  return tape;
}

static gboolean
check_call (PalModel *model, const PalCall *key, GError **error)
{
  const gchar *label = pal_weights_label (model->parts->weights[pal_call_part (key)]);
  PalTape *tape = record (model, key);
  PalProgram *program;
  GError *local = NULL;

  if (! pal_tape_failed (tape))
    {
      pal_tape_free (tape);
      return TRUE;
    }

  program = pal_tape_finish (tape, 0, &local);
  g_assert (program == NULL);
  if (! strstr (local->message, label))
    g_prefix_error (&local, "%s: ", label);
  g_propagate_error (error, local);
  return FALSE;
}

/* Records every call once at a small size, which looks up every weight and checks its
 * shape, without running anything. */
static gboolean
check_weights (PalModel *model, GError **error)
{
  const PalParts *parts = model->parts;

  for (guint i = 0; i < PAL_N_CALLS; i++)
    {
      gint size = i == PAL_CALL_ENCODE ? parts->vae.factor * 8 : 8;
      PalCall key = { .kind = (PalCallKind) i, .batch = 1, .height = size, .width = size,
                  .tokens = parts->encoders[0].clip.positions,
                  .wanted = { .pooled = TRUE } };
      guint encoders = i == PAL_CALL_TEXT ? parts->n_encoders : 1;

      for (key.encoder = 0; key.encoder < encoders; key.encoder++)
        if (! check_call (model, &key, error))
          return FALSE;
    }

  return TRUE;
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  pal_program_free (entry->program);
  g_free (entry);
}

/* Nothing of the weights is on the device yet. */
static void
make_resident (PalModel *model)
{
  for (guint i = 0; i < PAL_N_PARTS; i++)
    if (model->parts->weights[i])
      {
        g_clear_pointer (&model->residency[i], pal_residency_unref);
        model->residency[i] = pal_residency_new (model->device, model->parts->weights[i]);
        if (model->adapters)
          pal_residency_set_patch (model->residency[i],
                                   pal_adapters_patch (model->adapters, (PalPart) i));
      }
}

gboolean
pal_model_set_adapters (PalModel *model, const PalAdapter *adapters, gsize n, GError **error)
{
  PalAdapters *set = NULL;

  if (pal_adapters_equal (model->adapters, adapters, n))
    return TRUE;

  if (n > 0 && ! (set = pal_adapters_open (model->parts, adapters, n, error)))
    return FALSE;

  g_queue_clear_full (&model->programs, entry_free);
  g_clear_pointer (&model->adapters, pal_adapters_free);
  model->adapters = set;
  make_resident (model);
  return TRUE;
}

PalModel *
pal_model_open (PalDevice *device, const gchar *path, GError **error)
{
  g_autoptr (PalModel) model = NULL;

  g_return_val_if_fail (device != NULL && path != NULL, NULL);

  model = g_new0 (PalModel, 1);
  g_atomic_ref_count_init (&model->refs);
  g_queue_init (&model->programs);
  model->device = pal_device_ref (device);

  model->parts = pal_parts_open (path, error);
  model->info = model->parts ? pal_info_new (model->parts, error) : NULL;
  if (! model->info)
    return NULL;

  make_resident (model);

  return check_weights (model, error) ? g_steal_pointer (&model) : NULL;
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

  g_queue_clear_full (&model->programs, entry_free);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    g_clear_pointer (&model->residency[i], pal_residency_unref);
  g_clear_pointer (&model->adapters, pal_adapters_free);
  g_clear_pointer (&model->info, pal_model_info_free);
  g_clear_pointer (&model->parts, pal_parts_free);
  pal_device_unref (model->device);
  g_free (model);
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

/* Gives up what the coming call does not need: other programs and other parts'
 * weights, which come back when they are next used. */
static void
make_room (PalModel *model, PalPart keep)
{
  g_queue_clear_full (&model->programs, entry_free);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    if (i != keep && model->residency[i])
      pal_residency_release (model->residency[i]);
}

static PalProgram *
program_new (PalModel *model, const PalCall *key, GError **error)
{
  GError *local = NULL;
  PalProgram *program = pal_tape_finish (record (model, key), pal_env_budget (), &local);

  if (! program && g_error_matches (local, PAL_ERROR, PAL_ERROR_MEMORY))
    {
      g_clear_error (&local);
      make_room (model, pal_call_part (key));
      program = pal_tape_finish (record (model, key), pal_env_budget (), &local);
    }

  if (! program)
    g_propagate_error (error, local);
  return program;
}

/* The program for a key, from the cache or recorded now; owned by the model. */
static PalProgram *
program_for (PalModel *model, const PalCall *key, GError **error)
{
  PalPlanReport report;
  PalProgram *program;
  Entry *entry;

  for (GList *l = model->programs.head; l; l = l->next)
    {
      entry = l->data;
      if (pal_call_equal (&entry->key, key))
        {
          g_queue_unlink (&model->programs, l);
          g_queue_push_head_link (&model->programs, l);
          return entry->program;
        }
    }

  program = program_new (model, key, error);
  if (! program)
    return NULL;

  entry = g_new (Entry, 1);
  *entry = (Entry) { .key = *key, .program = program };
  g_queue_push_head (&model->programs, entry);
  if (model->programs.length > MAX_PROGRAMS)
    entry_free (g_queue_pop_tail (&model->programs));

  pal_program_report (program, &report);
  if (report.arena_bytes > model->arena_bytes)
    {
      model->arena_bytes = report.arena_bytes;
      model->bound_bytes = report.bound_bytes;
    }

  return program;
}

static gboolean
run (PalModel *model, const PalCall *key, const PalBinding *bindings, gsize n_bindings,
     GCancellable *cancellable, GError **error)
{
  PalProgram *program = program_for (model, key, error);

  return program && pal_program_run (program, bindings, n_bindings, cancellable, error);
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
  PalCall key = { .kind = PAL_CALL_TEXT, .batch = 1, .tokens = call->tokens,
                  .encoder = call->encoder,
                  .wanted = { call->skip, call->raw, pooled != NULL } };

  g_return_val_if_fail (call->encoder < model->parts->n_encoders, FALSE);
  g_return_val_if_fail (call->tokens >= 1 && call->tokens <= clip->positions, FALSE);

  if (! check_ids (model, call, error) ||
      ! run (model, &key,
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
  PalCall key = { .kind = PAL_CALL_ENCODE, .batch = 1, .height = height, .width = width };
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

  if (! run (model, &key,
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
  PalCall key = { .kind = PAL_CALL_DECODE, .batch = 1, .height = height, .width = width };
  gsize cells = (gsize) width * (gsize) height;
  gsize pixels = cells * (gsize) (vae->factor * vae->factor);

  g_return_val_if_fail (width > 0 && height > 0, FALSE);

  return run (model, &key,
              (PalBinding[]) {
                { "x", (gpointer) latent, cells * (gsize) vae->latent_channels * sizeof (gfloat) },
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

gboolean
pal_model_denoise (PalModel *model, const PalDenoise *call, gfloat *out,
                   GCancellable *cancellable, GError **error)
{
  const PalUnetConfig *unet = &model->parts->unet;
  PalCall key = { .kind = PAL_CALL_DENOISE, .batch = call->batch, .height = call->height,
                  .width = call->width, .tokens = call->tokens };
  gsize batch = (gsize) call->batch, cells = batch * (gsize) call->width * (gsize) call->height;
  gsize states = batch * (gsize) (call->tokens * unet->cross_channels);
  gsize labels = batch * (gsize) unet->vector_channels, sizes = batch * (gsize) unet->n_sizes;
  g_autofree gfloat *timesteps = NULL;
  g_autofree gfloat *guidance = NULL;
  PalBinding bindings[7];
  gsize n = 4;

  g_return_val_if_fail (call->batch > 0 && call->width > 0 && call->height > 0, FALSE);
  g_return_val_if_fail (call->tokens > 0 && (labels == 0 || call->vector), FALSE);
  g_return_val_if_fail (sizes == 0 || call->sizes, FALSE);

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

  return run (model, &key, bindings, n, cancellable, error);
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
  PalCall key = { .kind = PAL_CALL_MATCH, .batch = 1, .height = match->n_queries,
                  .width = match->n_keys, .tokens = match->width };
  gsize row = (gsize) match->width * sizeof (gfloat);

  g_return_val_if_fail (match->n_queries > 0 && match->n_keys > 0 && match->width > 0, FALSE);

  return run (model, &key,
              (PalBinding[]) {
                { "queries", (gpointer) match->queries, (gsize) match->n_queries * row },
                { "keys", (gpointer) match->keys, (gsize) match->n_keys * row },
                { "values", (gpointer) match->values, (gsize) match->n_keys * row },
                { "out", out, (gsize) match->n_queries * row },
              }, 4, cancellable, error);
}

void
pal_model_memory (PalModel *model, PalReport *report)
{
  report->working_bytes = model->arena_bytes;
  report->working_bound_bytes = model->bound_bytes;
  report->weights_bytes = 0;
  for (guint i = 0; i < PAL_N_PARTS; i++)
    if (model->residency[i])
      report->weights_bytes += pal_residency_bytes (model->residency[i]);
}
