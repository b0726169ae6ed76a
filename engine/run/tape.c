/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tape: recording of steps, name scopes, views and the sticky error. */

#include "run/private.h"

#include <string.h>

#include "base/debug.h"
#include "cl/tune.h"

static void
tensor_free (PalTensor *tensor)
{
  g_free (tensor->label);
  g_free (tensor);
}

static void
step_free (PalStep *step)
{
  g_free (step->path);
  g_free (step->options);
  g_free (step);
}

static void
port_free (PalPort *port)
{
  g_free (port->name);
  g_free (port);
}

/* A shape that indexing by any dimension finds sane. */
static PalTensor *
dead_tensor_new (void)
{
  PalTensor *tensor = g_new0 (PalTensor, 1);

  tensor->shape.n = 4;
  for (guint i = 0; i < PAL_MAX_DIMS; i++)
    tensor->shape.d[i] = 1;
  tensor->count   = 1;
  tensor->n_bytes = sizeof (gfloat);

  return tensor;
}

PalTape *
pal_tape_new (PalResidency *residency)
{
  PalTape *tape = g_new0 (PalTape, 1);

  tape->residency   = pal_residency_ref (residency);
  tape->steps       = g_ptr_array_new_with_free_func ((GDestroyNotify) step_free);
  tape->dead_steps  = g_ptr_array_new_with_free_func ((GDestroyNotify) step_free);
  tape->tensors     = g_ptr_array_new_with_free_func ((GDestroyNotify) tensor_free);
  tape->inputs      = g_ptr_array_new_with_free_func ((GDestroyNotify) port_free);
  tape->outputs     = g_ptr_array_new_with_free_func ((GDestroyNotify) port_free);
  tape->scope       = g_string_new (NULL);
  tape->scope_ends  = g_array_new (FALSE, FALSE, sizeof (gsize));
  tape->dead_tensor = dead_tensor_new ();

  return tape;
}

void
pal_tape_free (PalTape *tape)
{
  g_ptr_array_unref (tape->steps);
  g_ptr_array_unref (tape->tensors);
  g_ptr_array_unref (tape->inputs);
  g_ptr_array_unref (tape->outputs);
  g_string_free (tape->scope, TRUE);
  g_array_unref (tape->scope_ends);
  g_clear_error (&tape->error);
  g_ptr_array_unref (tape->dead_steps);
  tensor_free (tape->dead_tensor);
  pal_residency_unref (tape->residency);
  g_free (tape);
}

void
pal_tape_trace (PalTape *tape)
{
  tape->trace = TRUE;
}

void
pal_tape_stream (PalTape *tape)
{
  tape->streamed = TRUE;
}

/* Errors */

gboolean
pal_tape_failed (const PalTape *tape)
{
  return tape->error != NULL;
}

PalTensor *
pal_tape_fail (PalTape      *tape,
               PalErrorCode  code,
               const gchar  *format,
               ...)
{
  g_autofree gchar *text = NULL;
  va_list           args;

  if (tape->error)
    return tape->dead_tensor;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  tape->error = g_error_new (PAL_ERROR, code, "%s%s%s", tape->scope->str,
                             tape->scope->len > 0 ? ": " : "", text);
  return tape->dead_tensor;
}

static void
take_error (PalTape *tape,
            GError  *error)
{
  pal_tape_fail (tape, error->code, "%s", error->message);
  g_error_free (error);
}

/* Tensors */

PalTensor *
pal_tensor_base (const PalTensor *x)
{
  return x->base ? x->base : (PalTensor *) x;
}

static PalTensor *
tensor_new (PalTape     *tape,
            PalDType     dtype,
            PalShape     shape,
            const gchar *label)
{
  PalTensor *tensor;
  gsize      count, n_bytes;

  if (! pal_shape_count (shape, &count) || count == 0 ||
      ! g_size_checked_mul (&n_bytes, count, pal_dtype_size (dtype)))
    {
      g_autofree gchar *text = pal_shape_text (shape);

      return pal_tape_fail (tape, PAL_ERROR_SHAPE, "%s has no valid size: %s", label, text);
    }

  tensor          = g_new0 (PalTensor, 1);
  tensor->shape   = shape;
  tensor->dtype   = dtype;
  tensor->count   = count;
  tensor->n_bytes = n_bytes;
  tensor->label   = g_strdup (label);
  g_ptr_array_add (tape->tensors, tensor);

  return tensor;
}

static PalTensor *
view_new (PalTape   *tape,
          PalTensor *x,
          PalShape   shape,
          gsize      offset)
{
  PalTensor *view = tensor_new (tape, x->dtype, shape, x->label);

  if (view != tape->dead_tensor)
    {
      view->base   = pal_tensor_base (x);
      view->offset = x->offset + offset;
    }

  return view;
}

PalShape
pal_shape_of (const PalTensor *x)
{
  return x->shape;
}

PalDType
pal_dtype_of (const PalTensor *x)
{
  return x->dtype;
}

PalTensor *
pal_reshape (PalTape   *tape,
             PalTensor *x,
             PalShape   shape)
{
  gsize count;

  if (tape->error)
    return tape->dead_tensor;

  if (! pal_shape_count (shape, &count) || count != x->count)
    {
      g_autofree gchar *from = pal_shape_text (x->shape);
      g_autofree gchar *to   = pal_shape_text (shape);

      return pal_tape_fail (tape, PAL_ERROR_SHAPE, "%s can't be seen as %s", from, to);
    }

  return view_new (tape, x, shape, 0);
}

PalTensor *
pal_rows (PalTape   *tape,
          PalTensor *x,
          gint64     first,
          gint64     n)
{
  PalShape shape = x->shape;

  if (tape->error)
    return tape->dead_tensor;

  if (shape.n == 0 || first < 0 || n < 1 || first > shape.d[0] || n > shape.d[0] - first)
    {
      g_autofree gchar *text = pal_shape_text (shape);

      return pal_tape_fail (tape, PAL_ERROR_SHAPE, "%s has no %" G_GINT64_FORMAT
                            " rows from %" G_GINT64_FORMAT " on", text, n, first);
    }

  shape.d[0] = n;
  return view_new (tape, x, shape, (gsize) first * (x->count / (gsize) x->shape.d[0]));
}

/* Inputs, outputs, scopes */

PalPort *
pal_port_find (GPtrArray   *ports,
               const gchar *name)
{
  for (guint i = 0; i < ports->len; i++)
    {
      PalPort *port = g_ptr_array_index (ports, i);

      if (g_str_equal (port->name, name))
        return port;
    }

  return NULL;
}

static void
add_port (GPtrArray   *ports,
          const gchar *name,
          PalTensor   *tensor)
{
  PalPort *port = g_new0 (PalPort, 1);

  port->name   = g_strdup (name);
  port->tensor = tensor;
  g_ptr_array_add (ports, port);
}

PalTensor *
pal_input (PalTape     *tape,
           const gchar *name,
           PalDType     dtype,
           PalShape     shape)
{
  PalTensor *tensor;

  if (tape->error)
    return tape->dead_tensor;

  if (pal_port_find (tape->inputs, name))
    return pal_tape_fail (tape, PAL_ERROR_ARGUMENT, "there are two inputs “%s”", name);

  tensor = tensor_new (tape, dtype, shape, name);
  if (tensor != tape->dead_tensor)
    add_port (tape->inputs, name, tensor);

  return tensor;
}

void
pal_output (PalTape     *tape,
            const gchar *name,
            PalTensor   *x)
{
  if (tape->error)
    return;

  if (pal_port_find (tape->outputs, name))
    pal_tape_fail (tape, PAL_ERROR_ARGUMENT, "there are two outputs “%s”", name);
  else
    add_port (tape->outputs, name, x);
}

void
pal_enter (PalTape     *tape,
           const gchar *format,
           ...)
{
  const gsize end = tape->scope->len;
  va_list     args;

  g_array_append_val (tape->scope_ends, end);
  if (end > 0)
    g_string_append_c (tape->scope, '.');

  va_start (args, format);
  g_string_append_vprintf (tape->scope, format, args);
  va_end (args);
}

PalTensor *
pal_leave (PalTape   *tape,
           PalTensor *x)
{
  const guint depth = tape->scope_ends->len;

  g_assert (depth > 0);

  if (tape->trace && ! tape->error)
    {
      PalPort *port = pal_port_find (tape->outputs, tape->scope->str);

      /* A scope that is opened again: its last result counts. */
      if (port)
        port->tensor = x;
      else
        add_port (tape->outputs, tape->scope->str, x);
    }

  g_string_truncate (tape->scope, g_array_index (tape->scope_ends, gsize, depth - 1));
  g_array_set_size (tape->scope_ends, depth - 1);

  return x;
}

void
pal_segment (PalTape *tape)
{
  tape->segment = TRUE;
}

/* Weights and kernels */

static gchar *
full_name (PalTape     *tape,
           const gchar *name)
{
  return tape->scope->len > 0 ? g_strconcat (tape->scope->str, ".", name, NULL)
                              : g_strdup (name);
}

gboolean
pal_has_weight (PalTape     *tape,
                const gchar *name)
{
  g_autofree gchar *full = full_name (tape, name);

  return pal_weights_find (pal_residency_weights (tape->residency), full) != NULL;
}

PalWeight *
pal_tape_weight (PalTape     *tape,
                 const gchar *name,
                 PalPacking   packing,
                 guint        panel,
                 gboolean     required)
{
  g_autofree gchar *full = NULL;
  GError           *error = NULL;
  PalWeight        *weight;
  PalDType          dtype;
  gsize             n_bytes;

  if (tape->error)
    return NULL;

  full   = full_name (tape, name);
  weight = pal_residency_find (tape->residency, full, packing, panel);

  if (! weight)
    {
      if (required)
        pal_tape_fail (tape, PAL_ERROR_WEIGHT, "the tensor “%s” is missing from %s", full,
                       pal_weights_label (pal_residency_weights (tape->residency)));
      return NULL;
    }

  if (! pal_pack_size (weight->view, packing, panel, &dtype, &n_bytes, &error))
    {
      take_error (tape, error);
      return NULL;
    }

  return weight;
}

PalDevice *
pal_tape_device (PalTape *tape)
{
  return pal_residency_device (tape->residency);
}

const PalKernelRow *
pal_tape_kernel (PalTape     *tape,
                 const gchar *op)
{
  return pal_tape_kernel_for (tape, op, 0);
}

const PalKernelRow *
pal_tape_kernel_for (PalTape     *tape,
                     const gchar *op,
                     gint64       rows)
{
  PalDevice          *device = pal_tape_device (tape);
  const PalKernelRow *row = pal_tune_pick (device, op, rows);

  if (! row)
    pal_tape_fail (tape, PAL_ERROR_UNSUPPORTED, "there is no kernel “%s” for %s", op,
                   pal_device_info (device)->name);

  return row;
}

/* Steps */

PalStep *
pal_step_new (PalTape       *tape,
              const PalOp   *op,
              gconstpointer  options,
              gsize          options_bytes)
{
  PalStep *step = g_new0 (PalStep, 1);

  step->op      = op;
  step->options = options ? g_memdup2 (options, options_bytes) : NULL;

  if (tape->error)
    {
      g_ptr_array_add (tape->dead_steps, step);
      return step;
    }

  step->path    = g_strdup (tape->scope->str);
  step->segment = tape->segment;
  tape->segment = FALSE;
  g_ptr_array_add (tape->steps, step);

  return step;
}

void
pal_step_input (PalStep   *step,
                PalTensor *x)
{
  g_assert (step->n_in < PAL_STEP_MAX_INPUTS);

  step->in[step->n_in++] = x;
}

void
pal_step_weight (PalStep   *step,
                 PalWeight *weight)
{
  g_assert (step->n_weights < PAL_STEP_MAX_WEIGHTS);

  step->weight[step->n_weights++] = weight;
}

static PalTensor *
step_tensor (PalTape  *tape,
             PalStep  *step,
             PalDType  dtype,
             PalShape  shape)
{
  g_autofree gchar *label = NULL;

  if (tape->error)
    return tape->dead_tensor;

  label = g_strdup_printf ("%s%s%s", step->path, *step->path ? ": " : "", step->op->name);
  return tensor_new (tape, dtype, shape, label);
}

PalTensor *
pal_step_scratch (PalTape  *tape,
                  PalStep  *step,
                  PalDType  dtype,
                  PalShape  shape)
{
  g_assert (step->n_scratch < PAL_STEP_MAX_SCRATCH);

  return step->scratch[step->n_scratch++] = step_tensor (tape, step, dtype, shape);
}

PalTensor *
pal_step_output (PalTape  *tape,
                 PalStep  *step,
                 PalDType  dtype,
                 PalShape  shape)
{
  return step->out = step_tensor (tape, step, dtype, shape);
}
