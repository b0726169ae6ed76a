/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Residency: the device copies of one model part's weights, shared by its programs. */

#include "run/private.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/debug.h"
#include "base/dtype.h"

struct _PalResidency
{
  gatomicrefcount refs;
  PalDevice      *device;
  PalWeights     *weights;
  const PalPatch *patch;
  GMutex          lock;
  GHashTable     *table;        /* key → PalWeight */
};

static void
weight_free (PalWeight *weight)
{
  g_clear_pointer (&weight->buffer, pal_buffer_unref);
  g_free (weight->key);
  g_free (weight);
}

PalResidency *
pal_residency_new (PalDevice  *device,
                   PalWeights *weights)
{
  PalResidency *residency = g_new0 (PalResidency, 1);

  g_atomic_ref_count_init (&residency->refs);
  g_mutex_init (&residency->lock);
  residency->device  = pal_device_ref (device);
  residency->weights = pal_weights_ref (weights);
  residency->table   = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                              (GDestroyNotify) weight_free);

  return residency;
}

PalResidency *
pal_residency_ref (PalResidency *residency)
{
  g_atomic_ref_count_inc (&residency->refs);
  return residency;
}

void
pal_residency_unref (PalResidency *residency)
{
  if (! g_atomic_ref_count_dec (&residency->refs))
    return;

  g_hash_table_unref (residency->table);
  pal_weights_unref (residency->weights);
  pal_device_unref (residency->device);
  g_mutex_clear (&residency->lock);
  g_free (residency);
}

void
pal_residency_set_patch (PalResidency   *residency,
                         const PalPatch *patch)
{
  residency->patch = patch;
}

PalDevice *
pal_residency_device (PalResidency *residency)
{
  return residency->device;
}

PalWeights *
pal_residency_weights (PalResidency *residency)
{
  return residency->weights;
}

/* Tables of rows are most of what is read as it is stored, and a prompt touches few of
 * their rows. */
static gboolean
may_share (PalDevice       *device,
           const PalWeight *weight)
{
  const PalWeightView *view = weight->view;

  return pal_device_info (device)->is_cpu && weight->packing == PAL_PACK_ROWS &&
         ! view->transposed &&
         weight->n_bytes == view->n_bytes && weight->dtype == view->dtype &&
         (gsize) view->data % pal_dtype_size (view->dtype) == 0;
}

static PalWeight *
weight_new (const PalResidency  *residency,
            const PalWeightView *view,
            PalPacking           packing,
            guint                panel,
            gchar               *key)
{
  const PalPatch *patch  = residency->patch;
  PalWeight      *weight = g_new0 (PalWeight, 1);

  weight->key     = key;
  weight->view    = view;
  weight->packing = packing;
  weight->panel   = panel;

  /* A form that can't be packed so is refused when it is asked for or uploaded. */
  if (! pal_pack_size (view, packing, panel, &weight->dtype, &weight->n_bytes, NULL))
    weight->n_bytes = 0;

  if (! patch || ! patch->touches (patch->data, view->name))
    {
      weight->shared = may_share (residency->device, weight);
      return weight;
    }

  /* Changed values need more room than the steps of a quantised weight leave them. */
  weight->patch = patch;
  if (weight->dtype == PAL_I8)
    {
      weight->dtype    = PAL_F16;
      weight->n_bytes *= pal_dtype_size (PAL_F16);
    }

  return weight;
}

/* The entry of a view, and of its scale; the lock is held. */
static PalWeight *
entry_of (PalResidency        *residency,
          const PalWeightView *view,
          PalPacking           packing,
          guint                panel)
{
  g_autofree gchar *key = g_strdup_printf ("%s/%d/%u", view->name, packing,
                                           packing == PAL_PACK_PANELS ? panel : 0);
  PalWeight        *weight = g_hash_table_lookup (residency->table, key);

  if (! weight)
    {
      weight = weight_new (residency, view, packing, panel, g_steal_pointer (&key));
      g_hash_table_insert (residency->table, weight->key, weight);
      if (view->scale && weight->dtype == view->dtype)
        weight->scale = entry_of (residency, view->scale, PAL_PACK_VECTOR, 0);
    }

  return weight;
}

PalWeight *
pal_residency_find (PalResidency *residency,
                    const gchar  *name,
                    PalPacking    packing,
                    guint         panel)
{
  const PalWeightView *view   = pal_weights_find (residency->weights, name);
  PalWeight           *weight = NULL;

  g_mutex_lock (&residency->lock);

  if (view)
    weight = entry_of (residency, view, packing, panel);

  g_mutex_unlock (&residency->lock);

  return weight;
}

/* The stored form is not needed again soon; its pages would count as the process'
 * memory until the system is short of it. They are a file's, so nothing is lost. */
static void
forget_stored (const PalWeightView *view)
{
  const gsize page  = (gsize) sysconf (_SC_PAGESIZE);
  const gsize start = (gsize) view->data / page * page;
  const gsize end   = (gsize) view->data + view->n_bytes;

  madvise ((gpointer) start, end - start, MADV_DONTNEED);
}

gboolean
pal_residency_pack (PalResidency     *residency,
                    const PalWeight  *weight,
                    gpointer          out,
                    GError          **error)
{
  const gboolean packed = pal_pack (weight, pal_weights_label (residency->weights), out, error);

  forget_stored (weight->view);

  return packed;
}

/* Once its values are known to be sound. */
static PalBuffer *
share (PalResidency     *residency,
       const PalWeight  *weight,
       GError          **error)
{
  const PalWeightView *view  = weight->view;
  const gboolean       sound = pal_pack_check (view, pal_weights_label (residency->weights),
                                               error);

  forget_stored (view);

  return sound ? pal_buffer_wrap (residency->device, view->data, view->n_bytes, error) : NULL;
}

/* Packs straight into the device's memory: no copy of a weight stays on the host. */
static PalBuffer *
make_buffer (PalResidency  *residency,
             PalWeight     *weight,
             GError       **error)
{
  g_autoptr (PalBuffer) buffer = NULL;
  gpointer mapped;
  gboolean packed;

  if (weight->n_bytes == 0)
    {
      pal_pack_size (weight->view, weight->packing, weight->panel, &weight->dtype,
                     &weight->n_bytes, error);
      return NULL;
    }

  if (weight->shared)
    return share (residency, weight, error);

  buffer = pal_buffer_new (residency->device, weight->n_bytes, error);
  if (! buffer || ! (mapped = pal_buffer_map (buffer, TRUE, error)))
    return NULL;

  packed = pal_residency_pack (residency, weight, mapped, error);
  if (! pal_buffer_unmap (buffer, mapped, packed ? error : NULL) || ! packed)
    return NULL;

  return g_steal_pointer (&buffer);
}

gboolean
pal_residency_upload (PalResidency  *residency,
                      PalWeight     *weight,
                      GError       **error)
{
  gboolean resident;

  g_mutex_lock (&residency->lock);

  if (! weight->buffer && (weight->buffer = make_buffer (residency, weight, error)))
    pal_debug_log (PAL_DEBUG_UPLOAD, "%s: %" G_GSIZE_FORMAT " bytes of %s", weight->key,
                   weight->n_bytes, pal_dtype_name (weight->dtype));
  resident = weight->buffer != NULL;

  g_mutex_unlock (&residency->lock);

  return resident;
}

guint64
pal_residency_bytes (PalResidency *residency)
{
  GHashTableIter iter;
  gpointer       weight;
  guint64        bytes = 0;

  g_mutex_lock (&residency->lock);

  g_hash_table_iter_init (&iter, residency->table);
  while (g_hash_table_iter_next (&iter, NULL, &weight))
    if (((PalWeight *) weight)->buffer && ! ((PalWeight *) weight)->shared)
      bytes += ((PalWeight *) weight)->n_bytes;

  g_mutex_unlock (&residency->lock);

  return bytes;
}

void
pal_residency_release (PalResidency *residency)
{
  GHashTableIter iter;
  gpointer       weight;

  g_mutex_lock (&residency->lock);

  g_hash_table_iter_init (&iter, residency->table);
  while (g_hash_table_iter_next (&iter, NULL, &weight))
    g_clear_pointer (&((PalWeight *) weight)->buffer, pal_buffer_unref);

  g_mutex_unlock (&residency->lock);
}
