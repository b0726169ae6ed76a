/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What steps do: the one place where arithmetic and traffic are counted. */

#include "run/private.h"

/* A table is read only where it is asked for. */
static guint64
weight_bytes (const PalStep   *step,
              const PalWeight *weight)
{
  if (weight->packing == PAL_PACK_ROWS)
    return step->out->count * pal_dtype_size (weight->dtype);

  return weight->n_bytes;
}

static void
add_step (PalWork       *work,
          const PalStep *step)
{
  if (step->op->flops)
    work->flops += step->op->flops (step);

  work->bytes += step->out->n_bytes;
  for (guint i = 0; i < step->n_in; i++)
    work->bytes += step->in[i]->n_bytes;
  for (guint i = 0; i < step->n_weights; i++)
    if (step->weight[i])
      work->bytes += weight_bytes (step, step->weight[i]);
}

PalWork
pal_tape_work (const PalTape *tape,
               const gchar   *op)
{
  PalWork work = { 0 };

  for (guint s = 0; s < tape->steps->len; s++)
    {
      const PalStep *step = g_ptr_array_index (tape->steps, s);

      if (! op || g_str_equal (step->op->name, op))
        add_step (&work, step);
    }

  return work;
}

PalWork
pal_program_work (const PalProgram *program,
                  const gchar      *op)
{
  return pal_tape_work (program->tape, op);
}
