/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a program: bind, write inputs, enqueue the calls, read outputs. */

#include "run/private.h"

#include "base/debug.h"

static gsize
offset_bytes (const PalTensor *x)
{
  return pal_tensor_base (x)->place.offset_bytes + x->offset * pal_dtype_size (x->dtype);
}

static const PalBinding *
find_binding (const PalBinding *bindings,
              gsize             n_bindings,
              const gchar      *name)
{
  for (gsize i = 0; i < n_bindings; i++)
    if (g_str_equal (bindings[i].name, name))
      return &bindings[i];

  return NULL;
}

/* Each input bound, each binding known, sizes right. */
static gboolean
check_bindings (PalProgram        *program,
                const PalBinding  *bindings,
                gsize              n_bindings,
                GError           **error)
{
  for (guint i = 0; i < program->tape->inputs->len; i++)
    {
      const PalPort *port = g_ptr_array_index (program->tape->inputs, i);

      if (! find_binding (bindings, n_bindings, port->name))
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT, "The input “%s” is not bound",
                       port->name);
          return FALSE;
        }
    }

  for (gsize i = 0; i < n_bindings; i++)
    {
      const PalPort *port = pal_port_find (program->tape->inputs, bindings[i].name);

      if (! port)
        port = pal_port_find (program->tape->outputs, bindings[i].name);

      if (! port || bindings[i].n_bytes != port->tensor->n_bytes)
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                       "“%s” is bound to %" G_GSIZE_FORMAT " bytes, but the program has %"
                       G_GSIZE_FORMAT " there", bindings[i].name, bindings[i].n_bytes,
                       port ? port->tensor->n_bytes : 0);
          return FALSE;
        }
    }

  return TRUE;
}

static PalBuffer *
fixed_buffer (PalProgram     *program,
              const PalFixup *fixup)
{
  if (! fixup->weight)
    return pal_program_slab (program, fixup->slab);

  return program->stream ? pal_stream_buffer (program->stream, fixup->step, fixup->weight)
                         : fixup->weight->buffer;
}

/* Slabs may have grown and weights may have moved since the last run. */
static void
fix_arguments (PalProgram *program)
{
  for (guint i = 0; i < program->fixups->len; i++)
    {
      const PalFixup *fixup = &g_array_index (program->fixups, PalFixup, i);

      g_array_index (program->args, PalArg, fixup->arg).buffer = fixed_buffer (program, fixup);
    }
}

static gboolean
write_inputs (PalProgram        *program,
              const PalBinding  *bindings,
              gsize              n_bindings,
              GError           **error)
{
  for (guint i = 0; i < program->tape->inputs->len; i++)
    {
      const PalPort    *port    = g_ptr_array_index (program->tape->inputs, i);
      const PalBinding *binding = find_binding (bindings, n_bindings, port->name);

      if (! pal_buffer_write (pal_program_slab (program, port->tensor->place.slab),
                              offset_bytes (port->tensor), binding->data,
                              binding->n_bytes, error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
read_outputs (PalProgram        *program,
              const PalBinding  *bindings,
              gsize              n_bindings,
              GError           **error)
{
  for (gsize i = 0; i < n_bindings; i++)
    {
      const PalPort *port = pal_port_find (program->tape->outputs, bindings[i].name);
      PalBuffer     *slab;

      if (! port)
        continue;

      slab = pal_program_slab (program, pal_tensor_base (port->tensor)->place.slab);
      if (! pal_buffer_read (slab, offset_bytes (port->tensor), bindings[i].data,
                             bindings[i].n_bytes, error))
        return FALSE;
    }

  return TRUE;
}

/* With someone who may press Stop, the queue is kept short, so that two segments of
 * work at most are waited for; else the device is merely kept busy. Streamed weights
 * come into the slot of the segment before the last, which must have run. */
static gboolean
cross_border (PalProgram    *program,
              guint          segment,
              GCancellable  *cancellable,
              GError       **error)
{
  if (! cancellable && ! program->stream)
    return pal_device_flush (program->device, error);

  return pal_device_pace (program->device, error) &&
         ! g_cancellable_set_error_if_cancelled (cancellable, error) &&
         (! program->stream || pal_stream_load (program->stream, segment, error));
}

static gboolean
launch_step (PalProgram  *program,
             guint        step,
             guint       *call,
             GError     **error)
{
  while (*call < program->calls->len)
    {
      const PalCall *next = &g_array_index (program->calls, PalCall, *call);

      if (next->step != step)
        break;

      if (! pal_device_launch (program->device, &next->launch, error))
        {
          const PalStep *failed = g_ptr_array_index (program->tape->steps, step);

          g_prefix_error (error, "%s: %s: ", failed->path, failed->op->name);
          return FALSE;
        }
      (*call)++;
    }

  return TRUE;
}

static gboolean
launch_all (PalProgram    *program,
            PalWatch      *watch,
            GCancellable  *cancellable,
            GError       **error)
{
  guint call = 0, segment = 0;

  for (guint s = 0; s < program->tape->steps->len; s++)
    {
      const PalStep *step = g_ptr_array_index (program->tape->steps, s);

      if (step->segment && s > 0 && ! cross_border (program, ++segment, cancellable, error))
        return FALSE;

      if ((watch && ! pal_watch_before (watch, s, error)) ||
          ! launch_step (program, s, &call, error) ||
          (watch && ! pal_watch_after (watch, s, error)))
        return FALSE;
    }

  return TRUE;
}

/* While the arena is ours. */
static gboolean
run_taken (PalProgram        *program,
           const PalBinding  *bindings,
           gsize              n_bindings,
           GCancellable      *cancellable,
           GError           **error)
{
  g_autoptr (PalWatch) watch = pal_watch_new (program);

  if (! pal_program_upload (program, error))
    return FALSE;

  fix_arguments (program);

  return (! watch || pal_watch_start (watch, error)) &&
         write_inputs (program, bindings, n_bindings, error) &&
         launch_all (program, watch, cancellable, error) &&
         read_outputs (program, bindings, n_bindings, error) &&
         pal_device_finish (program->device, error);
}

gboolean
pal_program_run (PalProgram        *program,
                 const PalBinding  *bindings,
                 gsize              n_bindings,
                 GCancellable      *cancellable,
                 GError           **error)
{
  const gboolean shared = program->own_slabs->len == 0;
  GArray        *slabs  = program->plan.slab_bytes;
  gboolean       ok;

  if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
      ! check_bindings (program, bindings, n_bindings, error) ||
      ! pal_arena_take (program->arena, (gsize *) (gpointer) slabs->data,
                        shared ? slabs->len : 0, error))
    return FALSE;

  ok = run_taken (program, bindings, n_bindings, cancellable, error);
  if (ok)
    pal_device_add_work (program->device, &program->work);

  /* What was enqueued still uses the arena and the weights. */
  if (! ok)
    pal_device_finish (program->device, NULL);

  pal_arena_return (program->arena);

  return ok;
}
