/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The working memory that all programs of a device share, one at a time. */

#include "cl/private.h"

struct _PalArena
{
  guint      refs;              /* guarded by the device's lock */
  PalDevice *device;
  GMutex     turn;              /* held by the running program; guards slabs */
  GPtrArray *slabs;             /* PalBuffer; NULL where an allocation failed */
};

static void
slab_free (PalBuffer *slab)
{
  g_clear_pointer (&slab, pal_buffer_unref);
}

PalArena *
pal_arena_get (PalDevice *device)
{
  PalArena *arena;

  g_mutex_lock (&device->lock);

  arena = device->arena;
  if (! arena)
    {
      arena         = g_new0 (PalArena, 1);
      arena->device = pal_device_ref (device);
      arena->slabs  = g_ptr_array_new_with_free_func ((GDestroyNotify) slab_free);
      g_mutex_init (&arena->turn);
      device->arena = arena;
    }
  arena->refs++;

  g_mutex_unlock (&device->lock);

  return arena;
}

void
pal_arena_unref (PalArena *arena)
{
  PalDevice *device = arena->device;
  gboolean   last;

  g_mutex_lock (&device->lock);
  last = --arena->refs == 0;
  if (last)
    device->arena = NULL;
  g_mutex_unlock (&device->lock);

  if (! last)
    return;

  g_ptr_array_unref (arena->slabs);
  g_mutex_clear (&arena->turn);
  g_free (arena);
  pal_device_unref (device);
}

/* The old slab goes first: the peak is the new size, not the sum. */
static gboolean
grow (PalArena  *arena,
      guint      index,
      gsize      n_bytes,
      GError   **error)
{
  PalBuffer *slab = g_ptr_array_index (arena->slabs, index);

  if (slab && pal_buffer_bytes (slab) >= n_bytes)
    return TRUE;

  g_clear_pointer (&slab, pal_buffer_unref);
  arena->slabs->pdata[index] = NULL;
  arena->slabs->pdata[index] = pal_buffer_new (arena->device, n_bytes, error);

  return g_ptr_array_index (arena->slabs, index) != NULL;
}

gboolean
pal_arena_take (PalArena     *arena,
                const gsize  *slab_bytes,
                guint         n_slabs,
                GError      **error)
{
  g_mutex_lock (&arena->turn);

  if (arena->slabs->len < n_slabs)
    g_ptr_array_set_size (arena->slabs, (gint) n_slabs);

  for (guint i = 0; i < n_slabs; i++)
    if (! grow (arena, i, slab_bytes[i], error))
      {
        g_mutex_unlock (&arena->turn);
        return FALSE;
      }

  return TRUE;
}

PalBuffer *
pal_arena_slab (PalArena *arena,
                guint     index)
{
  return g_ptr_array_index (arena->slabs, index);
}

void
pal_arena_return (PalArena *arena)
{
  g_mutex_unlock (&arena->turn);
}

void
pal_device_trim (PalDevice *device)
{
  g_autoptr (PalArena) arena = pal_arena_get (device);

  g_mutex_lock (&arena->turn);
  g_ptr_array_set_size (arena->slabs, 0);
  g_mutex_unlock (&arena->turn);
}
