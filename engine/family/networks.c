/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The networks of a model on its device. */

#include "family/networks.h"

#include <string.h>

#include "base/debug.h"

/* Programs kept: as many as take turns within a step, the denoiser's and one for each stage
 * of an exemplar memory. What else a run needs is called a few times. */
#define MAX_PROGRAMS 9

typedef struct
{
  PalCall     call;
  PalProgram *program;
} Entry;

struct _PalNetworks
{
  PalDevice      *device;
  const PalParts *parts;
  PalResidency   *residency[PAL_N_PARTS];
  GQueue          programs;      /* of Entry, last used first */
  PalLadder       ladder;
  PalCallKind     stage;         /* last one called that has weights */
  guint64         arena_bytes, bound_bytes, weights_bytes;   /* largest so far */
};

static PalTape *
record (PalNetworks *networks, const PalCall *call)
{
  PalTape *tape = pal_tape_new (networks->residency[pal_call_part (call)]);

  pal_call_record (tape, networks->parts, call);
  return tape;
}

static gboolean
check_call (PalNetworks *networks, const PalCall *call, GError **error)
{
  const gchar *label = pal_weights_label (networks->parts->weights[pal_call_part (call)]);
  PalTape *tape = record (networks, call);
  GError *local = NULL;
  PalProgram *program;

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
check_weights (PalNetworks *networks, GError **error)
{
  const PalParts *parts = networks->parts;

  for (guint i = 0; i < PAL_N_CALLS; i++)
    {
      gint size = i == PAL_CALL_ENCODE ? parts->vae.factor * 8 : 8;
      PalCall call = { .kind = (PalCallKind) i, .batch = 1, .height = size, .width = size,
                       .tokens = parts->encoders[0].clip.positions,
                       .wanted = { .pooled = TRUE } };
      guint encoders = i == PAL_CALL_TEXT ? parts->n_encoders : 1;

      for (call.encoder = 0; call.encoder < encoders; call.encoder++)
        if (! check_call (networks, &call, error))
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
make_residency (PalNetworks *networks, PalAdapters *adapters)
{
  for (guint i = 0; i < PAL_N_PARTS; i++)
    {
      g_clear_pointer (&networks->residency[i], pal_residency_unref);
      if (! networks->parts->weights[i])
        continue;

      networks->residency[i] = pal_residency_new (networks->device, networks->parts->weights[i]);
      if (adapters)
        pal_residency_set_patch (networks->residency[i],
                                 pal_adapters_patch (adapters, (PalPart) i));
    }
}

void
pal_networks_adapt (PalNetworks *networks, PalAdapters *adapters)
{
  g_queue_clear_full (&networks->programs, entry_free);
  make_residency (networks, adapters);
}

PalNetworks *
pal_networks_new (PalDevice *device, const PalParts *parts, GError **error)
{
  g_autoptr (PalNetworks) networks = g_new0 (PalNetworks, 1);

  networks->device = pal_device_ref (device);
  networks->parts = parts;
  networks->ladder = pal_ladder_top (device);
  networks->stage = PAL_N_CALLS;
  g_queue_init (&networks->programs);
  make_residency (networks, NULL);

  return check_weights (networks, error) ? g_steal_pointer (&networks) : NULL;
}

void
pal_networks_free (PalNetworks *networks)
{
  g_queue_clear_full (&networks->programs, entry_free);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    g_clear_pointer (&networks->residency[i], pal_residency_unref);
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
    if (networks->residency[i])
      pal_residency_release (networks->residency[i]);
  pal_device_trim (networks->device);
}

/* Where weights are held for one network alone, the coming call's has its turn. */
static void
begin_stage (PalNetworks *networks, PalCallKind kind)
{
  if (kind == PAL_CALL_MATCH || kind == networks->stage)
    return;

  if (networks->ladder.parts)
    give_up (networks);
  networks->stage = kind;
}

gboolean
pal_networks_measure_call (PalNetworks *networks, const PalCall *call, PalPlanReport *out,
                           GError **error)
{
  PalTape *tape = record (networks, call);
  gboolean ok = pal_tape_measure (tape, out, error);

  pal_tape_free (tape);
  return ok;
}

/* The first of a phase's calls; n: how many there are, one for each text encoder. */
static PalCall
phase_call (PalNetworks *networks, PalPhase phase, const PalCallSize *size, guint *n)
{
  const PalParts *parts = networks->parts;
  PalCall call = { .batch = size->batch, .height = size->height, .width = size->width,
                   .tokens = size->tokens > 0 ? size->tokens : parts->encoders[0].clip.positions,
                   .wanted = { parts->traits.text_skip, parts->traits.text_raw,
                               parts->unet.vector_channels > 0 } };

  while (pal_call_phase (call.kind) != phase)
    call.kind++;

  *n = call.kind == PAL_CALL_TEXT ? parts->n_encoders : 1;
  return call;
}

/* All encoders' weights are held at one time, and one works. */
gboolean
pal_networks_measure (PalNetworks *networks, PalPhase phase, const PalCallSize *size,
                      PalPlanReport *out, GError **error)
{
  guint n;
  PalCall call = phase_call (networks, phase, size, &n);

  *out = (PalPlanReport) { 0 };
  for (; call.encoder < n; call.encoder++)
    {
      PalPlanReport one;

      if (! pal_networks_measure_call (networks, &call, &one, error))
        return FALSE;

      out->arena_bytes = MAX (out->arena_bytes, one.arena_bytes);
      out->bound_bytes = MAX (out->bound_bytes, one.bound_bytes);
      out->weight_bytes += one.weight_bytes;
      out->ring_bytes += one.ring_bytes;
    }

  return TRUE;
}

gboolean
pal_networks_work (PalNetworks *networks, PalPhase phase, const PalCallSize *size, PalWork *work,
                   GError **error)
{
  guint n;
  PalCall call = phase_call (networks, phase, size, &n);

  *work = (PalWork) { 0 };
  for (; call.encoder < n; call.encoder++)
    {
      PalTape *tape = record (networks, &call);
      PalWork one;

      if (pal_tape_failed (tape))
        return pal_tape_finish (tape, 0, error) != NULL;

      one = pal_tape_work (tape, NULL);
      work->flops += one.flops;
      work->bytes += one.bytes;
      pal_tape_free (tape);
    }

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

/* The program for a call, from the cache or recorded now; owned by the model. */
static PalProgram *
program_for (PalNetworks *networks, const PalCall *call, GError **error)
{
  PalStopwatch watch = pal_stopwatch_start ();
  PalPlanReport report;
  PalProgram *program;
  PalTape *tape;
  Entry *entry;

  for (GList *l = networks->programs.head; l; l = l->next)
    {
      entry = l->data;
      if (pal_call_equal (&entry->call, call))
        {
          g_queue_unlink (&networks->programs, l);
          g_queue_push_head_link (&networks->programs, l);
          return entry->program;
        }
    }

  tape = record (networks, call);
  pal_debug_lap (PAL_DEBUG_START, &watch, "tape");
  program = pal_tape_finish (tape, pal_env_budget (), error);
  if (! program)
    return NULL;

  entry = g_new (Entry, 1);
  *entry = (Entry) { .call = *call, .program = program };
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
    if (networks->residency[i])
      bytes += pal_residency_bytes (networks->residency[i]);
  networks->weights_bytes = MAX (networks->weights_bytes, bytes);
}

gboolean
pal_networks_run (PalNetworks *networks, const PalCall *given, const PalBinding *bindings,
                  gsize n_bindings, GCancellable *cancellable, GError **error)
{
  PalCall call = *given;
  PalProgram *program;

  call.streamed = networks->ladder.streamed[pal_call_phase (call.kind)];
  begin_stage (networks, call.kind);

  program = program_for (networks, &call, error);
  if (! program || ! pal_program_run (program, bindings, n_bindings, cancellable, error))
    return FALSE;

  note_weights (networks, program);
  return TRUE;
}

gboolean
pal_networks_run_or_descend (PalNetworks *networks, const PalCall *call,
                             const PalBinding *bindings, gsize n_bindings,
                             GCancellable *cancellable, GError **error)
{
  GError *local = NULL;

  while (! pal_networks_run (networks, call, bindings, n_bindings, cancellable, &local))
    if (! pal_networks_recover (networks, pal_call_phase (call->kind), 1, &local))
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
