/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Emission: an op turns its step into kernel launches, once, when the program is
 * made. Buffers are filled in when it runs (PalFixup). */

#include "run/private.h"

#include "base/debug.h"

struct _PalEmit
{
  PalProgram *program;
  guint       step;
  PalKernel  *kernel;           /* of the launch that is being put together */
  guint       first_arg;
  GError     *error;            /* the first one; sticks */
};

PalDevice *
pal_emit_device (PalEmit *emit)
{
  return emit->program->device;
}

void
pal_emit_begin (PalEmit            *emit,
                const PalKernelRow *row,
                const gchar        *defines_format,
                ...)
{
  g_autofree gchar *defines = NULL;
  va_list           args;

  g_assert (! emit->kernel);

  if (emit->error)
    return;

  va_start (args, defines_format);
  defines = g_strdup_vprintf (defines_format, args);
  va_end (args);

  emit->first_arg = emit->program->args->len;
  emit->kernel    = pal_kernel_get (emit->program->device, row, defines, &emit->error);
}

static void
add_arg (PalEmit *emit,
         PalArg   arg)
{
  if (! emit->error)
    g_array_append_val (emit->program->args, arg);
}

static void
add_fixup (PalEmit         *emit,
           guint            slab,
           const PalWeight *weight)
{
  const PalFixup fixup = { emit->program->args->len, slab, emit->step, weight };

  if (emit->error)
    return;

  g_array_append_val (emit->program->fixups, fixup);
  add_arg (emit, (PalArg) { .kind = PAL_ARG_BUFFER });
}

void
pal_emit_tensor (PalEmit         *emit,
                 const PalTensor *x)
{
  const PalPlace place = pal_tensor_base (x)->place;
  const gsize    size  = pal_dtype_size (x->dtype);

  add_fixup (emit, place.slab, NULL);
  add_arg (emit, (PalArg) { .kind = PAL_ARG_ULONG,
                            .u    = place.offset_bytes / size + x->offset });
}

/* Some buffer must stand for an absent weight; it is not read. */
void
pal_emit_weight (PalEmit         *emit,
                 const PalWeight *w)
{
  add_fixup (emit, 0, w);
}

void
pal_emit_int (PalEmit *emit,
              gint32   value)
{
  add_arg (emit, (PalArg) { .kind = PAL_ARG_INT, .i = value });
}

void
pal_emit_float (PalEmit *emit,
                gfloat   value)
{
  add_arg (emit, (PalArg) { .kind = PAL_ARG_FLOAT, .f = value });
}

gboolean
pal_emit_go (PalEmit  *emit,
             gsize     gx,
             gsize     gy,
             gsize     gz,
             gsize     lx,
             gsize     ly,
             gsize     lz,
             GError  **error)
{
  PalCall call = { .launch = { .kernel = emit->kernel,
                               .global = { MAX (gx, 1), MAX (gy, 1), MAX (gz, 1) } },
                   .first_arg = emit->first_arg,
                   .step      = emit->step };

  if (emit->error)
    {
      if (error && ! *error)
        *error = g_error_copy (emit->error);
      return FALSE;
    }

  if (lx > 0)
    {
      const gsize local[3] = { lx, MAX (ly, 1), MAX (lz, 1) };

      for (guint i = 0; i < 3; i++)
        {
          call.launch.local[i]  = local[i];
          call.launch.global[i] = (call.launch.global[i] + local[i] - 1) / local[i] * local[i];
        }
    }

  call.launch.n_args = emit->program->args->len - emit->first_arg;
  g_array_append_val (emit->program->calls, call);
  emit->kernel = NULL;

  return TRUE;
}

static gboolean
emit_step (PalProgram  *program,
           guint        s,
           GError     **error)
{
  const PalStep *step = g_ptr_array_index (program->tape->steps, s);
  PalEmit        emit = { .program = program, .step = s };
  g_autoptr (GError) local = NULL;

  if (step->op->emit (&emit, step, &local) && ! emit.error)
    return TRUE;

  if (! local)
    local = g_steal_pointer (&emit.error);
  g_clear_error (&emit.error);

  g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s%s%s: ", step->path,
                              *step->path ? ": " : "", step->op->name);
  return FALSE;
}

gboolean
pal_emit_all (PalProgram  *program,
              GError     **error)
{
  for (guint s = 0; s < program->tape->steps->len; s++)
    if (! emit_step (program, s, error))
      return FALSE;

  for (guint i = 0; i < program->calls->len; i++)
    {
      PalCall *call = &g_array_index (program->calls, PalCall, i);

      call->launch.args = &g_array_index (program->args, PalArg, call->first_arg);
    }

  return TRUE;
}
