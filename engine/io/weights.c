/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tensors of one part of a model, over one or several mapped files. */

#include <gio/gio.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/json.h"
#include "io/quantised.h"
#include "io/weights.h"

struct _PalWeights
{
  gatomicrefcount refs;
  gchar          *label;
  GPtrArray      *files;        /* of PalSafetensors */
  GPtrArray      *views;        /* of PalWeightView; their data belong to the files */
  GHashTable     *by_name;      /* gchar* → PalWeightView */
};

static void
view_free (gpointer data)
{
  PalWeightView *view = data;

  g_clear_pointer (&view->scale, view_free);
  g_free (view->name);
  g_free (view);
}

static PalWeights *
weights_new (const gchar *label)
{
  PalWeights *weights = g_new0 (PalWeights, 1);

  g_atomic_ref_count_init (&weights->refs);
  weights->label   = g_strdup (label);
  weights->files   = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_safetensors_free);
  weights->views   = g_ptr_array_new_with_free_func (view_free);
  weights->by_name = g_hash_table_new (g_str_hash, g_str_equal);

  return weights;
}

static gboolean
add_file (PalWeights  *weights,
          const gchar *path,
          GError     **error)
{
  PalSafetensors *file = pal_safetensors_open (path, error);

  if (! file)
    return FALSE;

  g_ptr_array_add (weights->files, file);

  for (gsize i = 0; i < pal_safetensors_count (file); i++)
    {
      const PalTensorEntry *entry = pal_safetensors_entry (file, i);
      PalWeightView        *view  = g_new (PalWeightView, 1);

      *view = (PalWeightView) { .name = g_strdup (entry->name), .dtype = entry->dtype,
                                .shape = entry->shape, .data = entry->data,
                                .n_bytes = entry->n_bytes };
      g_ptr_array_add (weights->views, view);

      if (! g_hash_table_insert (weights->by_name, view->name, view))
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                       "%s: the tensor %s is already in another file of this part",
                       path, view->name);
          return FALSE;
        }
    }

  return TRUE;
}

/* When all files are there. */
static gboolean
join (PalWeights  *weights,
      GError     **error)
{
  return pal_quantised_join (weights->views, weights->by_name, weights->label, error);
}

PalWeights *
pal_weights_open_file (const gchar *path,
                       GError     **error)
{
  g_autoptr (PalWeights) weights = weights_new (path);

  return add_file (weights, path, error) && join (weights, error) ? g_steal_pointer (&weights)
                                                                  : NULL;
}

/* Opens each shard once and checks that it holds what the index promises. */
static gboolean
add_shards (PalWeights    *weights,
            const gchar   *folder,
            const PalJson *map,
            GError       **error)
{
  g_autoptr (GHashTable) opened = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv)         names  = pal_json_fields (map);

  for (gsize i = 0; names[i]; i++)
    {
      g_autofree gchar *shard = NULL;
      g_autofree gchar *base  = NULL;
      g_autofree gchar *path  = NULL;

      if (! pal_json_string (map, names[i], &shard, error))
        return FALSE;

      base = shard ? g_path_get_basename (shard) : NULL;
      if (! shard || ! g_str_equal (shard, base))
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                       "%s: %s should name a file of the same folder",
                       pal_json_label (map), names[i]);
          return FALSE;
        }

      path = g_build_filename (folder, shard, NULL);
      if (! g_hash_table_contains (opened, shard))
        {
          if (! add_file (weights, path, error))
            return FALSE;
          g_hash_table_add (opened, g_steal_pointer (&shard));
        }
    }

  for (gsize i = 0; names[i]; i++)
    if (! g_hash_table_contains (weights->by_name, names[i]))
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_WEIGHT,
                     "%s: no file of the folder holds the tensor %s",
                     pal_json_label (map), names[i]);
        return FALSE;
      }

  return TRUE;
}

static PalWeights *
open_sharded (const gchar *folder,
              const gchar *index_path,
              GError     **error)
{
  g_autoptr (PalWeights) weights = weights_new (index_path);
  g_autoptr (PalJson)    index   = pal_json_load (index_path, error);
  g_autoptr (PalJson)    map     = NULL;
  GError                *problem = NULL;

  if (! index)
    return NULL;

  map = pal_json_object (index, "weight_map", &problem);
  if (problem)
    {
      g_propagate_error (error, problem);
      return NULL;
    }

  if (! map)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: has no field \"weight_map\"", index_path);
      return NULL;
    }

  return add_shards (weights, folder, map, error) && join (weights, error)
           ? g_steal_pointer (&weights) : NULL;
}

static gchar *
file_of_folder (const gchar *folder,
                const gchar *stem,
                const gchar *ending)
{
  g_autofree gchar *name = g_strconcat (stem, ending, NULL);

  return g_build_filename (folder, name, NULL);
}

static void
report_absent (const gchar *folder,
               const gchar *stem,
               GError     **error)
{
  g_autofree gchar *pickled  = file_of_folder (folder, stem, ".bin");
  const gboolean    has_bin  = g_file_test (pickled, G_FILE_TEST_EXISTS);

  g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
               "%s: has none of %s.safetensors, %s.safetensors.index.json, %s.fp16.safetensors%s",
               folder, stem, stem, stem,
               has_bin ? "; its .bin file is a Python pickle, which can run code and is not read:"
                         " get the model in safetensors form" : "");
}

PalWeights *
pal_weights_open_folder (const gchar *folder,
                         const gchar *stem,
                         GError     **error)
{
  g_autofree gchar *whole = file_of_folder (folder, stem, ".safetensors");
  g_autofree gchar *index = file_of_folder (folder, stem, ".safetensors.index.json");
  g_autofree gchar *half  = file_of_folder (folder, stem, ".fp16.safetensors");

  if (g_file_test (whole, G_FILE_TEST_EXISTS))
    return pal_weights_open_file (whole, error);

  if (g_file_test (index, G_FILE_TEST_EXISTS))
    return open_sharded (folder, index, error);

  if (g_file_test (half, G_FILE_TEST_EXISTS))
    return pal_weights_open_file (half, error);

  report_absent (folder, stem, error);

  return NULL;
}

PalWeights *
pal_weights_ref (PalWeights *weights)
{
  g_atomic_ref_count_inc (&weights->refs);

  return weights;
}

void
pal_weights_unref (PalWeights *weights)
{
  if (! weights || ! g_atomic_ref_count_dec (&weights->refs))
    return;

  g_hash_table_unref (weights->by_name);
  g_ptr_array_unref (weights->views);
  g_ptr_array_unref (weights->files);
  g_free (weights->label);
  g_free (weights);
}

const PalWeightView *
pal_weights_find (PalWeights  *weights,
                  const gchar *name)
{
  return g_hash_table_lookup (weights->by_name, name);
}

gsize
pal_weights_count (PalWeights *weights)
{
  return weights->views->len;
}

const PalWeightView *
pal_weights_at (PalWeights *weights,
                gsize       index)
{
  g_return_val_if_fail (index < weights->views->len, NULL);

  return g_ptr_array_index (weights->views, index);
}

static guint64
elements (const PalWeightView *view)
{
  return view->n_bytes / pal_dtype_size (view->dtype);
}

guint64
pal_weights_parameters (PalWeights *weights)
{
  guint64 n = 0;

  for (guint i = 0; i < weights->views->len; i++)
    n += elements (g_ptr_array_index (weights->views, i));

  return n;
}

guint64
pal_weights_bytes (PalWeights *weights)
{
  guint64 n = 0;

  for (guint i = 0; i < weights->views->len; i++)
    {
      const PalWeightView *view = g_ptr_array_index (weights->views, i);

      n += view->n_bytes + (view->scale ? view->scale->n_bytes : 0);
    }

  return n;
}

PalDType
pal_weights_precision (PalWeights *weights)
{
  guint64 counts[PAL_N_DTYPES] = { 0 };
  guint   best                 = PAL_F32;

  for (guint i = 0; i < weights->views->len; i++)
    {
      const PalWeightView *view = g_ptr_array_index (weights->views, i);

      counts[view->dtype] += elements (view);
    }

  for (guint i = 0; i < PAL_N_DTYPES; i++)
    if (counts[i] > counts[best])
      best = i;

  return (PalDType) best;
}

const gchar *
pal_weights_label (PalWeights *weights)
{
  return weights->label;
}
