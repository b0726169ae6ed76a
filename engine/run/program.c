/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs: made from a finished tape. The tape stays with its program, which owns
 * steps and tensors from then on. */

#include "run/private.h"

#include <string.h>

#include "base/debug.h"

static void
slab_free (PalBuffer *slab)
{
  g_clear_pointer (&slab, pal_buffer_unref);
}

static PalProgram *
program_new (PalTape *tape)
{
  PalProgram *program = g_new0 (PalProgram, 1);

  program->tape      = tape;
  program->device    = pal_device_ref (pal_residency_device (tape->residency));
  program->arena     = pal_arena_get (program->device);
  program->own_slabs = g_ptr_array_new_with_free_func ((GDestroyNotify) slab_free);
  program->calls     = g_array_new (FALSE, TRUE, sizeof (PalCall));
  program->args      = g_array_new (FALSE, TRUE, sizeof (PalArg));
  program->fixups    = g_array_new (FALSE, TRUE, sizeof (PalFixup));

  return program;
}

void
pal_program_free (PalProgram *program)
{
  pal_plan_clear (&program->plan);
  g_clear_pointer (&program->stream, pal_stream_free);
  g_ptr_array_unref (program->own_slabs);
  g_clear_pointer (&program->weights, g_ptr_array_unref);
  g_array_unref (program->calls);
  g_array_unref (program->args);
  g_array_unref (program->fixups);
  pal_arena_unref (program->arena);
  pal_tape_free (program->tape);
  pal_device_unref (program->device);
  g_free (program);
}

/* PalWeight, each once. */
static GPtrArray *
collect_weights (PalTape *tape)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GPtrArray *weights = g_ptr_array_new ();

  for (guint s = 0; s < tape->steps->len; s++)
    {
      const PalStep *step = g_ptr_array_index (tape->steps, s);

      for (guint i = 0; i < step->n_weights; i++)
        if (step->weight[i] && g_hash_table_add (seen, step->weight[i]))
          g_ptr_array_add (weights, step->weight[i]);
    }

  return weights;
}

/* On the device, that is, without what the host shares. */
static guint64
weight_bytes (GPtrArray *weights)
{
  guint64 bytes = 0;

  for (guint i = 0; i < weights->len; i++)
    {
      const PalWeight *weight = g_ptr_array_index (weights, i);

      bytes += weight->shared ? 0 : weight->n_bytes;
    }

  return bytes;
}

static void
log_tape (PalTape *tape)
{
  for (guint s = 0; s < tape->steps->len; s++)
    {
      const PalStep *step     = g_ptr_array_index (tape->steps, s);
      g_autofree gchar *shape = pal_shape_text (step->out->shape);
      g_autoptr (GString) in  = g_string_new (NULL);

      for (guint i = 0; i < step->n_in; i++)
        {
          g_autofree gchar *text = pal_shape_text (step->in[i]->shape);

          g_string_append_printf (in, "%s%s", i > 0 ? ", " : "", text);
        }

      pal_debug_log (PAL_DEBUG_TAPE, "%u%s %s: %s %s → %s", s, step->segment ? " |" : "",
                     step->path, step->op->name, in->str, shape);
    }
}

static PalPlanOptions
plan_options (PalDevice *device)
{
  return (PalPlanOptions) {
    .max_slab_bytes = pal_device_info (device)->max_allocation_bytes,
    .separate       = pal_debug (PAL_DEBUG_NOPLAN),
    .guard_bytes    = pal_debug (PAL_DEBUG_CANARY) ? PAL_PLACE_BYTES : 0,
  };
}

static gboolean
make_plan (PalProgram  *program,
           GError     **error)
{
  const PalPlanOptions options = plan_options (program->device);

  if (pal_debug (PAL_DEBUG_TAPE))
    log_tape (program->tape);

  program->guarded = options.guard_bytes > 0;
  return pal_plan (program->tape, &options, &program->plan, error);
}

/* Refuses before anything is allocated. */
static gboolean
check_budget (PalProgram  *program,
              guint64      budget_bytes,
              GError     **error)
{
  const PalDeviceInfo *info    = pal_device_info (program->device);
  const guint64        weights = program->stream ? pal_stream_bytes (program->stream)
                                                 : weight_bytes (program->weights);
  const guint64        limit   = budget_bytes > 0 ? budget_bytes : info->memory_bytes;
  g_autofree gchar *need = NULL, *arena = NULL, *most = NULL;

  if (weights + program->plan.arena_bytes <= limit)
    return TRUE;

  need  = g_format_size_full (weights, G_FORMAT_SIZE_IEC_UNITS);
  arena = g_format_size_full (program->plan.arena_bytes, G_FORMAT_SIZE_IEC_UNITS);
  most  = g_format_size_full (limit, G_FORMAT_SIZE_IEC_UNITS);

  g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
               "The weights need %s and the work on them %s, but %s has %s%s; work on a "
               "smaller part of the image or use a smaller model", need, arena, info->name,
               most, budget_bytes > 0 ? " to use (PALIMPSEST_BUDGET)" : "");
  return FALSE;
}

static gboolean
allocate (PalProgram  *program,
          GError     **error)
{
  GArray *slabs = program->plan.slab_bytes;

  if (! pal_debug (PAL_DEBUG_NOPLAN))
    {
      if (! pal_arena_take (program->arena, (gsize *) (gpointer) slabs->data, slabs->len,
                            error))
        return FALSE;

      pal_arena_return (program->arena);
      return TRUE;
    }

  for (guint i = 0; i < slabs->len; i++)
    {
      PalBuffer *slab = pal_buffer_new (program->device, g_array_index (slabs, gsize, i),
                                        error);

      if (! slab)
        return FALSE;
      g_ptr_array_add (program->own_slabs, slab);
    }

  return TRUE;
}

PalBuffer *
pal_program_slab (PalProgram *program,
                  guint       slab)
{
  return program->own_slabs->len > 0 ? g_ptr_array_index (program->own_slabs, slab)
                                     : pal_arena_slab (program->arena, slab);
}

PalProgram *
pal_tape_finish (PalTape  *tape,
                 guint64   budget_bytes,
                 GError  **error)
{
  g_autoptr (PalProgram) program = program_new (tape);
  PalStopwatch           watch   = pal_stopwatch_start ();

  if (tape->error)
    {
      g_propagate_error (error, g_steal_pointer (&tape->error));
      return NULL;
    }

  g_assert (tape->scope_ends->len == 0);

  program->weights = collect_weights (tape);
  program->stream  = tape->streamed ? pal_stream_new (tape) : NULL;
  program->work    = pal_tape_work (tape, NULL);
  if (! make_plan (program, error) ||
      ! check_budget (program, budget_bytes, error) ||
      ! allocate (program, error))
    return NULL;
  pal_debug_lap (PAL_DEBUG_START, &watch, "plan and memory");

  if (! pal_program_upload (program, error))
    return NULL;
  pal_debug_lap (PAL_DEBUG_START, &watch, "weights");

  if (! pal_emit_all (program, error))
    return NULL;
  pal_debug_lap (PAL_DEBUG_START, &watch, "kernels");

  return g_steal_pointer (&program);
}

gboolean
pal_program_upload (PalProgram  *program,
                    GError     **error)
{
  for (guint i = 0; i < program->weights->len; i++)
    {
      PalWeight *weight = g_ptr_array_index (program->weights, i);

      if ((! program->stream || weight->shared) &&
          ! pal_residency_upload (program->tape->residency, weight, error))
        return FALSE;
    }

  return ! program->stream || (pal_stream_reserve (program->stream, error) &&
                               pal_stream_load (program->stream, 0, error));
}

void
pal_program_release (PalProgram *program)
{
  if (program->stream)
    pal_stream_release (program->stream);
}

gboolean
pal_tape_measure (PalTape        *tape,
                  PalPlanReport  *report,
                  GError        **error)
{
  const PalPlanOptions options = plan_options (pal_residency_device (tape->residency));
  g_autoptr (GPtrArray) weights = NULL;
  g_autoptr (PalStream) stream  = NULL;
  PalPlan plan;

  if (tape->error)
    {
      g_propagate_error (error, g_error_copy (tape->error));
      return FALSE;
    }

  if (! pal_plan (tape, &options, &plan, error))
    return FALSE;

  weights = collect_weights (tape);
  stream  = pal_stream_new (tape);
  *report = (PalPlanReport) {
    .arena_bytes  = plan.arena_bytes,
    .bound_bytes  = plan.bound_bytes,
    .weight_bytes = weight_bytes (weights),
    .ring_bytes   = pal_stream_bytes (stream),
    .n_steps      = tape->steps->len,
    .n_tensors    = plan.n_tensors,
  };
  pal_plan_clear (&plan);

  return TRUE;
}

void
pal_program_report (const PalProgram *program,
                    PalPlanReport    *report)
{
  *report = (PalPlanReport) {
    .arena_bytes  = program->plan.arena_bytes,
    .bound_bytes  = program->plan.bound_bytes,
    .weight_bytes = weight_bytes (program->weights),
    .ring_bytes   = program->stream ? pal_stream_bytes (program->stream) : 0,
    .n_steps      = program->tape->steps->len,
    .n_launches   = program->calls->len,
    .n_tensors    = program->plan.n_tensors,
  };
}

gchar **
pal_program_outputs (const PalProgram *program)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (guint i = 0; i < program->tape->outputs->len; i++)
    g_strv_builder_add (names, ((PalPort *) g_ptr_array_index (program->tape->outputs,
                                                               i))->name);

  return g_strv_builder_end (names);
}

PalShape
pal_program_shape (const PalProgram *program,
                   const gchar      *name)
{
  PalPort *port = pal_port_find (program->tape->outputs, name);

  if (! port)
    port = pal_port_find (program->tape->inputs, name);

  return port ? port->tensor->shape : (PalShape) { 0 };
}
