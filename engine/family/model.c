/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open model: weights on the device, programs by shape, one function per network
 * call. */

#include "family/family.h"

#include <string.h>

#include "base/debug.h"
#include "run/tape.h"

/* Programs kept. A run needs four: text, encoder, denoiser, decoder; and one for each
 * stage of an exemplar memory. */
#define MAX_PROGRAMS 9

typedef enum { CALL_TEXT, CALL_ENCODE, CALL_DECODE, CALL_DENOISE, CALL_MATCH, N_CALLS } Call;

/* What a program is bound to. Sizes in the call's own unit: px to encode; queries, keys
 * and their width, as height, width and tokens, to match; latent px otherwise. */
typedef struct
{
  Call   call;
  gint64 batch, height, width, tokens;
  gint   skip;                /* layers left out, to read text */
} Key;

typedef struct
{
  Key         key;
  PalProgram *program;
} Entry;

struct _PalModel
{
  gatomicrefcount refs;
  PalDevice      *device;
  PalParts       *parts;
  PalModelInfo   *info;
  PalResidency   *residency[PAL_N_PARTS];
  GQueue          programs;      /* of Entry, last used first */
  guint64         arena_bytes, bound_bytes;   /* largest so far */
};

static void
record_text (PalTape *t, const PalParts *p, const Key *key)
{
  PalTensor *ids = pal_input (t, "ids", PAL_I32, PAL_SHAPE (key->batch, key->tokens));

  PalClipConfig clip = p->clip;

  clip.layers -= key->skip;
  pal_output (t, "out", pal_clip (t, &clip, ids));
}

static void
record_encode (PalTape *t, const PalParts *p, const Key *key)
{
  PalTensor *image = pal_input (t, "x", PAL_F32,
                                PAL_SHAPE (key->batch, key->height, key->width, 3));

  pal_output (t, "out", pal_vae_encode (t, &p->vae, image));
}

static void
record_decode (PalTape *t, const PalParts *p, const Key *key)
{
  PalShape shape = PAL_SHAPE (key->batch, key->height, key->width, p->vae.latent_channels);

  pal_output (t, "out", pal_vae_decode (t, &p->vae, pal_input (t, "x", PAL_F32, shape)));
}

static void
record_denoise (PalTape *t, const PalParts *p, const Key *key)
{
  PalShape shape = PAL_SHAPE (key->batch, key->height, key->width, p->unet.in_channels);
  PalShape text = PAL_SHAPE (key->batch, key->tokens, p->unet.cross_channels);
  PalShape vector = PAL_SHAPE (key->batch, p->unet.vector_channels);
  PalUnetInputs inputs = { .x = pal_input (t, "x", PAL_F32, shape),
                           .timesteps = pal_input (t, "timesteps", PAL_F32,
                                                   PAL_SHAPE (key->batch)),
                           .context = pal_input (t, "context", PAL_F32, text) };

  if (p->unet.vector_channels > 0)
    inputs.vector = pal_input (t, "vector", PAL_F32, vector);

  pal_output (t, "out", pal_unet (t, &p->unet, &inputs));
}

static void
record_match (PalTape *t, const PalParts *p G_GNUC_UNUSED, const Key *key)
{
  PalTensor *q = pal_input (t, "queries", PAL_F32, PAL_SHAPE (1, key->height, key->tokens));
  PalTensor *k = pal_input (t, "keys", PAL_F32, PAL_SHAPE (1, key->width, key->tokens));
  PalTensor *v = pal_input (t, "values", PAL_F32, PAL_SHAPE (1, key->width, key->tokens));

  pal_output (t, "out", pal_attention (t, q, k, v, &(PalAttention) { .heads = 1, .scale = 1.0f }));
}

static const struct
{
  PalPart part;
  void  (*record) (PalTape *tape, const PalParts *parts, const Key *key);
} calls[N_CALLS] = {
  [CALL_TEXT] = { PAL_PART_TEXT, record_text },
  [CALL_ENCODE] = { PAL_PART_CODEC, record_encode },
  [CALL_DECODE] = { PAL_PART_CODEC, record_decode },
  [CALL_DENOISE] = { PAL_PART_DENOISER, record_denoise },
  [CALL_MATCH] = { PAL_PART_DENOISER, record_match },
};

static PalTape *
record (PalModel *model, const Key *key)
{
  PalTape *tape = pal_tape_new (model->residency[calls[key->call].part]);

  calls[key->call].record (tape, model->parts, key);
  return tape;
}

/* Records every call once at a small size, which looks up every weight and checks its
 * shape, without running anything. */
static gboolean
check_weights (PalModel *model, GError **error)
{
  gint side = model->parts->vae.factor * 8;

  for (guint i = 0; i < N_CALLS; i++)
    {
      gint size = i == CALL_ENCODE ? side : 8;
      Key key = { .call = (Call) i, .batch = 1, .height = size, .width = size,
                  .tokens = model->parts->clip.positions };
      PalTape *tape = record (model, &key);

      if (pal_tape_failed (tape))
        {
          const gchar *label = pal_weights_label (model->parts->weights[calls[i].part]);
          GError *local = NULL;
          PalProgram *program = pal_tape_finish (tape, 0, &local);

          g_assert (program == NULL);
          if (! strstr (local->message, label))
            g_prefix_error (&local, "%s: ", label);
          g_propagate_error (error, local);
          return FALSE;
        }
      pal_tape_free (tape);
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

  for (guint i = 0; i < PAL_N_PARTS; i++)
    model->residency[i] = pal_residency_new (device, model->parts->weights[i]);

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

/* Gives up what the coming call does not need: other programs and other parts'
 * weights, which come back when they are next used. */
static void
make_room (PalModel *model, PalPart keep)
{
  g_queue_clear_full (&model->programs, entry_free);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    if (i != keep)
      pal_residency_release (model->residency[i]);
}

static PalProgram *
program_new (PalModel *model, const Key *key, GError **error)
{
  GError *local = NULL;
  PalProgram *program = pal_tape_finish (record (model, key), pal_env_budget (), &local);

  if (! program && g_error_matches (local, PAL_ERROR, PAL_ERROR_MEMORY))
    {
      g_clear_error (&local);
      make_room (model, calls[key->call].part);
      program = pal_tape_finish (record (model, key), pal_env_budget (), &local);
    }

  if (! program)
    g_propagate_error (error, local);
  return program;
}

static gboolean
key_equal (const Key *a, const Key *b)
{
  return a->call == b->call && a->batch == b->batch && a->height == b->height &&
         a->width == b->width && a->tokens == b->tokens && a->skip == b->skip;
}

/* The program for a key, from the cache or recorded now; owned by the model. */
static PalProgram *
program_for (PalModel *model, const Key *key, GError **error)
{
  PalPlanReport report;
  PalProgram *program;
  Entry *entry;

  for (GList *l = model->programs.head; l; l = l->next)
    {
      entry = l->data;
      if (key_equal (&entry->key, key))
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
run (PalModel *model, const Key *key, const PalBinding *bindings, gsize n_bindings,
     GCancellable *cancellable, GError **error)
{
  PalProgram *program = program_for (model, key, error);

  return program && pal_program_run (program, bindings, n_bindings, cancellable, error);
}

const PalClipTokenizer *
pal_model_tokenizer (PalModel *model)
{
  return model->parts->tokenizer;
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
  return pal_model_encode_skipping (model, ids, tokens, 0, states, cancellable, error);
}

gboolean
pal_model_encode_skipping (PalModel *model, const gint32 *ids, gint64 tokens, gint skip,
                           gfloat *states, GCancellable *cancellable, GError **error)
{
  Key key = { .call = CALL_TEXT, .batch = 1, .tokens = tokens, .skip = skip };
  gsize n = (gsize) (tokens * model->parts->clip.width);

  g_return_val_if_fail (tokens >= 1 && tokens <= model->parts->clip.positions, FALSE);
  g_return_val_if_fail (skip >= 0 && skip < model->parts->clip.layers, FALSE);

  for (gint64 i = 0; i < tokens; i++)
    if (ids[i] < 0 || ids[i] >= model->parts->clip.vocab)
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                     "%s: the tokenizer gives the id %d, and the text encoder has %" G_GINT64_FORMAT
                     "; use the tokenizer folder that belongs to this model",
                     model->parts->path, ids[i], model->parts->clip.vocab);
        return FALSE;
      }

  return run (model, &key,
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
  Key key = { .call = CALL_ENCODE, .batch = 1, .height = height, .width = width };
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
  Key key = { .call = CALL_DECODE, .batch = 1, .height = height, .width = width };
  gsize cells = (gsize) width * (gsize) height;
  gsize pixels = cells * (gsize) (vae->factor * vae->factor);

  g_return_val_if_fail (width > 0 && height > 0, FALSE);

  return run (model, &key,
              (PalBinding[]) {
                { "x", (gpointer) latent, cells * (gsize) vae->latent_channels * sizeof (gfloat) },
                { "out", image, pixels * 3 * sizeof (gfloat) },
              }, 2, cancellable, error);
}

gboolean
pal_model_denoise (PalModel *model, const PalDenoise *call, gfloat *out,
                   GCancellable *cancellable, GError **error)
{
  const PalUnetConfig *unet = &model->parts->unet;
  Key key = { .call = CALL_DENOISE, .batch = call->batch, .height = call->height,
              .width = call->width, .tokens = call->tokens };
  gsize batch = (gsize) call->batch, cells = batch * (gsize) call->width * (gsize) call->height;
  gsize states = batch * (gsize) (call->tokens * unet->cross_channels);
  gsize labels = batch * (gsize) unet->vector_channels;
  g_autofree gfloat *timesteps = NULL;

  g_return_val_if_fail (call->batch > 0 && call->width > 0 && call->height > 0, FALSE);
  g_return_val_if_fail (call->tokens > 0 && (labels == 0 || call->vector), FALSE);

  timesteps = g_new (gfloat, batch);
  for (gsize i = 0; i < batch; i++)
    timesteps[i] = (gfloat) call->timestep;

  return run (model, &key,
              (PalBinding[]) {
                { "x", (gpointer) call->x, cells * (gsize) unet->in_channels * sizeof (gfloat) },
                { "timesteps", timesteps, batch * sizeof (gfloat) },
                { "context", (gpointer) call->context, states * sizeof (gfloat) },
                { "out", out, cells * (gsize) unet->out_channels * sizeof (gfloat) },
                { "vector", (gpointer) call->vector, labels * sizeof (gfloat) },
              }, labels > 0 ? 5 : 4, cancellable, error);
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
  Key key = { .call = CALL_MATCH, .batch = 1, .height = match->n_queries,
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
    report->weights_bytes += pal_residency_bytes (model->residency[i]);
}
