/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Debug checks of a running program: wait after each step, time it, stop at values
 * that are not finite, and guard the borders of every tensor's place. */

#include "run/private.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

#define WATCHED                                                                    \
  (PAL_DEBUG_SYNC | PAL_DEBUG_TIME | PAL_DEBUG_NAN | PAL_DEBUG_CANARY)

#define POISON 0xff                 /* as F32, F16: not a number */

typedef struct
{
  gint64 us;
  guint  n;
} Spent;

struct _PalWatch
{
  PalProgram *program;
  GHashTable *spent;              /* op name → Spent */
  gint64      start_us;
};

PalWatch *
pal_watch_new (PalProgram *program)
{
  PalWatch *watch;

  if (! pal_debug (WATCHED))
    return NULL;

  watch          = g_new0 (PalWatch, 1);
  watch->program = program;
  watch->spent   = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);

  return watch;
}

void
pal_watch_free (PalWatch *watch)
{
  GHashTableIter iter;
  gpointer       name, spent;

  g_hash_table_iter_init (&iter, watch->spent);
  while (g_hash_table_iter_next (&iter, &name, &spent))
    pal_debug_log (PAL_DEBUG_TIME, "%-16s %5u steps %10.3f ms", (gchar *) name,
                   ((Spent *) spent)->n, (gdouble) ((Spent *) spent)->us / 1000.0);

  g_hash_table_unref (watch->spent);
  g_free (watch);
}

/* Guards: PAL_PLACE_BYTES before and after a tensor's place. The plan has room for
 * them if it was made with the switch on. */
static gboolean
has_guards (const PalWatch *watch)
{
  return pal_debug (PAL_DEBUG_CANARY) && watch->program->guarded;
}

static gsize
guard_offset (const PalTensor *x,
              gboolean         after)
{
  const gsize padded = (x->n_bytes + PAL_PLACE_BYTES - 1) / PAL_PLACE_BYTES * PAL_PLACE_BYTES;

  return after ? x->place.offset_bytes + padded : x->place.offset_bytes - PAL_PLACE_BYTES;
}

static gboolean
write_guards (PalWatch   *watch,
              PalTensor  *x,
              GError    **error)
{
  PalBuffer *slab = pal_program_slab (watch->program, x->place.slab);
  guint8     bytes[PAL_PLACE_BYTES];

  memset (bytes, POISON, sizeof bytes);

  return pal_buffer_write (slab, guard_offset (x, FALSE), bytes, sizeof bytes, error) &&
         pal_buffer_write (slab, guard_offset (x, TRUE), bytes, sizeof bytes, error);
}

static gboolean
check_guards (PalWatch   *watch,
              PalTensor  *x,
              guint       s,
              GError    **error)
{
  PalBuffer *slab = pal_program_slab (watch->program, x->place.slab);
  guint8     bytes[2 * PAL_PLACE_BYTES];

  if (! pal_buffer_read (slab, guard_offset (x, FALSE), bytes, PAL_PLACE_BYTES, error) ||
      ! pal_buffer_read (slab, guard_offset (x, TRUE), bytes + PAL_PLACE_BYTES,
                         PAL_PLACE_BYTES, error))
    return FALSE;

  for (guint i = 0; i < sizeof bytes; i++)
    if (bytes[i] != POISON)
      {
        const PalStep *step = g_ptr_array_index (watch->program->tape->steps, s);

        g_set_error (error, PAL_ERROR, PAL_ERROR_DEVICE,
                     "%s: %s (step %u) wrote %s the memory of “%s”", step->path,
                     step->op->name, s, i < PAL_PLACE_BYTES ? "before" : "past", x->label);
        return FALSE;
      }

  return TRUE;
}

/* visit: write or check the guards of all tensors that live at a step; -1: inputs. */
static gboolean
check_live (PalWatch  *watch,
            guint      s,
            GError   **error)
{
  GPtrArray *tensors = watch->program->tape->tensors;

  for (guint i = 0; i < tensors->len; i++)
    {
      PalTensor *x = g_ptr_array_index (tensors, i);

      if (! x->base && ! x->home && x->first <= (gint) s && x->last >= (gint) s &&
          ! check_guards (watch, x, s, error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
write_starting (PalWatch  *watch,
                gint       s,
                GError   **error)
{
  GPtrArray *tensors = watch->program->tape->tensors;

  for (guint i = 0; i < tensors->len; i++)
    {
      PalTensor *x = g_ptr_array_index (tensors, i);

      if (! x->base && ! x->home && x->first == s && ! write_guards (watch, x, error))
        return FALSE;
    }

  return TRUE;
}

gboolean
pal_watch_start (PalWatch  *watch,
                 GError   **error)
{
  if (! has_guards (watch))
    return TRUE;

  /* What is read before it is written shows as not a number. */
  for (guint i = 0; i < watch->program->plan.slab_bytes->len; i++)
    if (! pal_buffer_fill (pal_program_slab (watch->program, i), POISON, error))
      return FALSE;

  return write_starting (watch, -1, error);
}

gboolean
pal_watch_before (PalWatch  *watch,
                  guint      s,
                  GError   **error)
{
  if (has_guards (watch) && ! write_starting (watch, (gint) s, error))
    return FALSE;

  watch->start_us = g_get_monotonic_time ();
  return TRUE;
}

static gboolean
check_finite (PalWatch  *watch,
              guint      s,
              GError   **error)
{
  const PalStep   *step = g_ptr_array_index (watch->program->tape->steps, s);
  const PalTensor *x    = step->out;
  g_autofree gfloat *values = NULL;

  if (x->dtype != PAL_F32)
    return TRUE;

  if (! (values = pal_try_alloc (x->n_bytes)))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY, "%s can't be checked", x->label);
      return FALSE;
    }

  if (! pal_buffer_read (pal_program_slab (watch->program, x->place.slab),
                         x->place.offset_bytes, values, x->n_bytes, error))
    return FALSE;

  for (gsize i = 0; i < x->count; i++)
    if (! isfinite (values[i]))
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_DEVICE,
                     "%s: %s (step %u) gives %f at element %" G_GSIZE_FORMAT, step->path,
                     step->op->name, s, (gdouble) values[i], i);
        return FALSE;
      }

  return TRUE;
}

static void
count_time (PalWatch *watch,
            guint     s)
{
  const PalStep *step  = g_ptr_array_index (watch->program->tape->steps, s);
  Spent         *spent = g_hash_table_lookup (watch->spent, step->op->name);
  const gint64   us    = g_get_monotonic_time () - watch->start_us;

  if (! spent)
    {
      spent = g_new0 (Spent, 1);
      g_hash_table_insert (watch->spent, (gpointer) step->op->name, spent);
    }

  spent->us += us;
  spent->n++;
}

gboolean
pal_watch_after (PalWatch  *watch,
                 guint      s,
                 GError   **error)
{
  if (! pal_device_finish (watch->program->device, error))
    return FALSE;

  count_time (watch, s);

  return (! has_guards (watch) || check_live (watch, s, error)) &&
         (! pal_debug (PAL_DEBUG_NAN) || check_finite (watch, s, error));
}
