/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tensors of one part of a model, over one or several mapped files. */

#include <string.h>

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
  GPtrArray      *files;        /* of PalTensorFile */
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
  weights->files   = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_tensor_file_unref);
  weights->views   = g_ptr_array_new_with_free_func (view_free);
  weights->by_name = g_hash_table_new (g_str_hash, g_str_equal);

  return weights;
}

static gboolean
add_view (PalWeights    *weights,
          PalTensorFile *file,
          PalWeightView  view,
          GError       **error)
{
  PalWeightView *copy = g_memdup2 (&view, sizeof view);

  g_ptr_array_add (weights->views, copy);
  if (g_hash_table_insert (weights->by_name, copy->name, copy))
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
               "%s: the tensor %s is already in another file of this part",
               pal_tensor_file_path (file), copy->name);
  return FALSE;
}

static PalWeightView
view_of (const PalTensorEntry *entry)
{
  return (PalWeightView) { .dtype = entry->dtype, .shape = entry->shape, .data = entry->data,
                           .n_bytes = entry->n_bytes };
}

static gboolean
add_file (PalWeights  *weights,
          const gchar *path,
          GError     **error)
{
  PalTensorFile *file = pal_tensor_file_open (path, error);

  if (! file)
    return FALSE;

  g_ptr_array_add (weights->files, file);

  for (gsize i = 0; i < pal_tensor_file_count (file); i++)
    {
      const PalTensorEntry *entry = pal_tensor_file_entry (file, i);
      PalWeightView         view  = view_of (entry);

      view.name = g_strdup (entry->name);
      if (! add_view (weights, file, view, error))
        return FALSE;
    }

  return TRUE;
}

/* "X{q,k,v}Y" is three tensors, "XqY" first, of a third of the rows each. */
static gboolean
add_thirds (PalWeights           *weights,
            PalTensorFile        *file,
            const gchar          *name,
            const PalTensorEntry *entry,
            GError              **error)
{
  const gchar  *open  = strchr (name, '{'), *close = strchr (name, '}');
  PalWeightView view  = view_of (entry);

  view.shape.d[0] /= 3;
  view.n_bytes    /= 3;

  if (view.shape.n == 0 || entry->shape.d[0] % 3 != 0 || entry->n_bytes % 3 != 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
                   "%s: the tensor %s does not have three equal parts",
                   pal_tensor_file_path (file), entry->name);
      return FALSE;
    }

  for (const gchar *letter = open + 1; letter < close; letter += 2)
    {
      view.name = g_strdup_printf ("%.*s%c%s", (gint) (open - name), name, *letter, close + 1);
      if (! add_view (weights, file, view, error))
        return FALSE;
      view.data = (const guint8 *) view.data + view.n_bytes;
    }

  return TRUE;
}

static gboolean
add_renamed (PalWeights           *weights,
             PalTensorFile        *file,
             const gchar          *name,
             const PalTensorEntry *entry,
             GError              **error)
{
  PalWeightView view = view_of (entry);

  if (strchr (name, '{'))
    return add_thirds (weights, file, name, entry, error);

  if (g_str_has_suffix (name, ".scale_weight"))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: the tensor %s is a scale of 8-bit floats, which is not supported; get the "
                   "model in F16, or in F8 without scales",
                   pal_tensor_file_path (file), entry->name);
      return FALSE;
    }

  view.transposed = g_str_has_suffix (name, "'") && view.shape.n == 2;
  view.name       = g_strndup (name, strlen (name) - (view.transposed ? 1 : 0));
  if (view.transposed)
    view.shape = PAL_SHAPE (entry->shape.d[1], entry->shape.d[0]);

  return add_view (weights, file, view, error);
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

PalWeights *
pal_weights_open_part (PalTensorFile    *file,
                       const PalLayout  *layout,
                       GError          **error)
{
  const PalLayoutNumbers numbers = pal_layout_numbers (file, layout);
  g_autoptr (PalWeights) weights = weights_new (pal_tensor_file_path (file));

  g_ptr_array_add (weights->files, pal_tensor_file_ref (file));

  for (gsize i = 0; i < pal_tensor_file_count (file); i++)
    {
      const PalTensorEntry *entry = pal_tensor_file_entry (file, i);
      g_autofree gchar     *name  = pal_layout_rename (layout, &numbers, entry->name);

      if (name && ! add_renamed (weights, file, name, entry, error))
        return NULL;
    }

  return join (weights, error) ? g_steal_pointer (&weights) : NULL;
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

gboolean
pal_weights_are_in (const gchar *folder,
                    const gchar *stem)
{
  static const gchar *const ends[] = { ".safetensors", ".safetensors.index.json",
                                       ".fp16.safetensors" };

  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      g_autofree gchar *path = file_of_folder (folder, stem, ends[i]);

      if (g_file_test (path, G_FILE_TEST_EXISTS))
        return TRUE;
    }

  return FALSE;
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
  gsize n = 0;

  pal_shape_count (view->shape, &n);

  return n;
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
