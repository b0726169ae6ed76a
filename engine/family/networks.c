/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The networks of a model on its device. */

#include "family/networks.h"

#include <string.h>

#include "base/debug.h"
#include "model/clip.h"
#include "model/unet.h"
#include "model/vae.h"

/* Programs kept. A run needs four: text, encoder, denoiser, decoder; and one for each
 * stage of an exemplar memory. */
#define MAX_PROGRAMS 9

typedef struct
{
  PalNetKey   key;
  PalProgram *program;
} Entry;

struct _PalNetworks
{
  PalDevice      *device;
  const PalParts *parts;
  PalResidency   *residency[PAL_N_PARTS];
  GQueue          programs;      /* of Entry, last used first */
  PalLadder       ladder;
  PalNetwork      stage;         /* last one called that has weights */
  guint64         arena_bytes, bound_bytes, weights_bytes;   /* largest so far */
};

static void
record_text (PalTape *t, const PalParts *p, const PalNetKey *key)
{
  PalTensor *ids = pal_input (t, "ids", PAL_I32, PAL_SHAPE (key->batch, key->tokens));

  pal_output (t, "out", pal_clip (t, &p->clip, ids));
}

static void
record_encode (PalTape *t, const PalParts *p, const PalNetKey *key)
{
  PalTensor *image = pal_input (t, "x", PAL_F32,
                                PAL_SHAPE (key->batch, key->height, key->width, 3));

  pal_output (t, "out", pal_vae_encode (t, &p->vae, image));
}

static void
record_decode (PalTape *t, const PalParts *p, const PalNetKey *key)
{
  PalShape shape = PAL_SHAPE (key->batch, key->height, key->width, p->vae.latent_channels);

  pal_output (t, "out", pal_vae_decode (t, &p->vae, pal_input (t, "x", PAL_F32, shape)));
}

static void
record_denoise (PalTape *t, const PalParts *p, const PalNetKey *key)
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
record_match (PalTape *t, const PalParts *p G_GNUC_UNUSED, const PalNetKey *key)
{
  PalTensor *q = pal_input (t, "queries", PAL_F32, PAL_SHAPE (1, key->height, key->tokens));
  PalTensor *k = pal_input (t, "keys", PAL_F32, PAL_SHAPE (1, key->width, key->tokens));
  PalTensor *v = pal_input (t, "values", PAL_F32, PAL_SHAPE (1, key->width, key->tokens));

  pal_output (t, "out", pal_attention (t, q, k, v, &(PalAttention) { .heads = 1, .scale = 1.0f }));
}

static const struct
{
  PalPart  part;
  PalPhase phase;
  void   (*record) (PalTape *tape, const PalParts *parts, const PalNetKey *key);
} calls[PAL_N_NETWORKS] = {
  [PAL_CALL_TEXT] = { PAL_PART_TEXT, PAL_PHASE_TEXT, record_text },
  [PAL_CALL_ENCODE] = { PAL_PART_CODEC, PAL_PHASE_ENCODE, record_encode },
  [PAL_CALL_DECODE] = { PAL_PART_CODEC, PAL_PHASE_DECODE, record_decode },
  [PAL_CALL_DENOISE] = { PAL_PART_DENOISER, PAL_PHASE_DENOISE, record_denoise },
  [PAL_CALL_MATCH] = { PAL_PART_DENOISER, PAL_PHASE_DENOISE, record_match },
};

static PalTape *
record (PalNetworks *networks, const PalNetKey *key)
{
  PalTape *tape = pal_tape_new (networks->residency[calls[key->call].part]);

  calls[key->call].record (tape, networks->parts, key);
  if (key->streamed)
    pal_tape_stream (tape);
  return tape;
}

/* Records every call once at a small size, which looks up every weight and checks its
 * shape, without running anything. */
static gboolean
check_weights (PalNetworks *networks, GError **error)
{
  gint side = networks->parts->vae.factor * 8;

  for (guint i = 0; i < PAL_N_NETWORKS; i++)
    {
      gint size = i == PAL_CALL_ENCODE ? side : 8;
      PalNetKey key = { .call = (PalNetwork) i, .batch = 1, .height = size, .width = size,
                        .tokens = networks->parts->clip.positions };
      PalTape *tape = record (networks, &key);

      if (pal_tape_failed (tape))
        {
          const gchar *label = pal_weights_label (networks->parts->weights[calls[i].part]);
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

PalNetworks *
pal_networks_new (PalDevice *device, const PalParts *parts, GError **error)
{
  g_autoptr (PalNetworks) networks = g_new0 (PalNetworks, 1);

  networks->device = pal_device_ref (device);
  networks->parts = parts;
  networks->ladder = pal_ladder_top (device);
  networks->stage = PAL_N_NETWORKS;
  g_queue_init (&networks->programs);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    networks->residency[i] = pal_residency_new (device, parts->weights[i]);

  return check_weights (networks, error) ? g_steal_pointer (&networks) : NULL;
}

void
pal_networks_free (PalNetworks *networks)
{
  g_queue_clear_full (&networks->programs, entry_free);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    pal_residency_unref (networks->residency[i]);
  pal_device_unref (networks->device);
  g_free (networks);
}

PalLadder *
pal_networks_ladder (PalNetworks *networks)
{
  return &networks->ladder;
}

/* Gives the device's memory back. Weights come again when they are next used. */
static void
give_up (PalNetworks *networks)
{
  for (GList *l = networks->programs.head; l; l = l->next)
    pal_program_release (((Entry *) l->data)->program);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    pal_residency_release (networks->residency[i]);
  pal_device_trim (networks->device);
}

/* Where weights are held for one network alone, the coming call's has its turn. */
static void
begin_stage (PalNetworks *networks, PalNetwork call)
{
  if (call == PAL_CALL_MATCH || call == networks->stage)
    return;

  if (networks->ladder.parts)
    give_up (networks);
  networks->stage = call;
}

gboolean
pal_networks_measure_key (PalNetworks *networks, const PalNetKey *key, PalPlanReport *out,
                          GError **error)
{
  PalTape *tape = record (networks, key);
  gboolean ok = pal_tape_measure (tape, out, error);

  pal_tape_free (tape);
  return ok;
}

static PalNetKey
phase_key (PalNetworks *networks, PalPhase phase, const PalCallSize *size)
{
  PalNetKey key = { .batch = size->batch, .height = size->height, .width = size->width,
                    .tokens = networks->parts->clip.positions };

  while (calls[key.call].phase != phase)
    key.call++;

  return key;
}

gboolean
pal_networks_measure (PalNetworks *networks, PalPhase phase, const PalCallSize *size,
                      PalPlanReport *out, GError **error)
{
  PalNetKey key = phase_key (networks, phase, size);

  return pal_networks_measure_key (networks, &key, out, error);
}

gboolean
pal_networks_work (PalNetworks *networks, PalPhase phase, const PalCallSize *size, PalWork *work,
                   GError **error)
{
  PalNetKey key = phase_key (networks, phase, size);
  PalTape *tape = record (networks, &key);

  if (pal_tape_failed (tape))
    return pal_tape_finish (tape, 0, error) != NULL;

  *work = pal_tape_work (tape, NULL);
  pal_tape_free (tape);
  return TRUE;
}

gboolean
pal_networks_recover (PalNetworks *networks, PalPhase phase, gint size, GError **error)
{
  if (! g_error_matches (*error, PAL_ERROR, PAL_ERROR_MEMORY) ||
      ! pal_ladder_descend (&networks->ladder, phase, size))
    return FALSE;

  g_clear_error (error);
  g_queue_clear_full (&networks->programs, entry_free);
  give_up (networks);
  return TRUE;
}

static gboolean
key_equal (const PalNetKey *a, const PalNetKey *b)
{
  return a->call == b->call && a->batch == b->batch && a->height == b->height &&
         a->width == b->width && a->tokens == b->tokens && a->streamed == b->streamed;
}

/* The program for a key, from the cache or recorded now; owned by the model. */
static PalProgram *
program_for (PalNetworks *networks, const PalNetKey *key, GError **error)
{
  PalStopwatch watch = pal_stopwatch_start ();
  PalPlanReport report;
  PalProgram *program;
  PalTape *tape;
  Entry *entry;

  for (GList *l = networks->programs.head; l; l = l->next)
    {
      entry = l->data;
      if (key_equal (&entry->key, key))
        {
          g_queue_unlink (&networks->programs, l);
          g_queue_push_head_link (&networks->programs, l);
          return entry->program;
        }
    }

  tape = record (networks, key);
  pal_debug_lap (PAL_DEBUG_START, &watch, "tape");
  program = pal_tape_finish (tape, pal_env_budget (), error);
  if (! program)
    return NULL;

  entry = g_new (Entry, 1);
  *entry = (Entry) { .key = *key, .program = program };
  g_queue_push_head (&networks->programs, entry);
  if (networks->programs.length > MAX_PROGRAMS)
    entry_free (g_queue_pop_tail (&networks->programs));

  pal_program_report (program, &report);
  if (report.arena_bytes > networks->arena_bytes)
    {
      networks->arena_bytes = report.arena_bytes;
      networks->bound_bytes = report.bound_bytes;
    }

  return program;
}

static void
note_weights (PalNetworks *networks, PalProgram *program)
{
  PalPlanReport report;
  guint64 bytes;

  pal_program_report (program, &report);
  bytes = report.ring_bytes;
  for (guint i = 0; i < PAL_N_PARTS; i++)
    bytes += pal_residency_bytes (networks->residency[i]);
  networks->weights_bytes = MAX (networks->weights_bytes, bytes);
}

gboolean
pal_networks_run (PalNetworks *networks, const PalNetKey *call, const PalBinding *bindings,
                  gsize n_bindings, GCancellable *cancellable, GError **error)
{
  PalNetKey key = *call;
  PalProgram *program;

  key.streamed = networks->ladder.streamed[calls[key.call].phase];
  begin_stage (networks, key.call);

  program = program_for (networks, &key, error);
  if (! program || ! pal_program_run (program, bindings, n_bindings, cancellable, error))
    return FALSE;

  note_weights (networks, program);
  return TRUE;
}

gboolean
pal_networks_run_or_descend (PalNetworks *networks, const PalNetKey *key,
                             const PalBinding *bindings, gsize n_bindings,
                             GCancellable *cancellable, GError **error)
{
  GError *local = NULL;

  while (! pal_networks_run (networks, key, bindings, n_bindings, cancellable, &local))
    if (! pal_networks_recover (networks, calls[key->call].phase, 1, &local))
      {
        g_propagate_error (error, local);
        return FALSE;
      }

  return TRUE;
}

void
pal_networks_memory (PalNetworks *networks, PalReport *report)
{
  report->working_bytes = networks->arena_bytes;
  report->working_bound_bytes = networks->bound_bytes;
  report->weights_bytes = networks->weights_bytes;
}
