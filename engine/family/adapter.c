/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Adapter files opened, and their layers found among a model's weights. The changes are
 * made when a weight is packed for the device, so they cost nothing while sampling and the
 * model's own files stay as they are. */

#include "family/adapter.h"

#include "base/dtype.h"

typedef struct
{
  gchar  *path;
  gdouble strength;
} Used;

struct _PalAdapters
{
  GArray     *used;                       /* of Used */
  GPtrArray  *files;                      /* of PalWeights */
  GPtrArray  *layers;                     /* of PalAdapterLayer, of all files */
  GHashTable *by_weight[PAL_N_PARTS];     /* name → GPtrArray of PalAdapterLayer */
  PalPatch    patches[PAL_N_PARTS];
};

static void
used_clear (gpointer data)
{
  g_free (((Used *) data)->path);
}

static void
layer_free (gpointer data)
{
  PalAdapterLayer *layer = data;

  g_free (layer->name);
  g_free (layer);
}

static gboolean
touches (gpointer data, const gchar *name)
{
  return g_hash_table_contains (data, name);
}

static gboolean
apply (gpointer data, const gchar *name, PalShape shape, gfloat *values, GError **error)
{
  const GPtrArray *layers = g_hash_table_lookup (data, name);

  for (guint i = 0; i < layers->len; i++)
    if (! pal_adapter_layer_apply (layers->pdata[i], shape, values, error))
      return FALSE;

  return TRUE;
}

static PalAdapters *
adapters_new (void)
{
  PalAdapters *adapters = g_new0 (PalAdapters, 1);

  adapters->used = g_array_new (FALSE, FALSE, sizeof (Used));
  g_array_set_clear_func (adapters->used, used_clear);
  adapters->files = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_weights_unref);
  adapters->layers = g_ptr_array_new_with_free_func (layer_free);

  for (guint i = 0; i < PAL_N_PARTS; i++)
    {
      adapters->by_weight[i] = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                                      (GDestroyNotify) g_ptr_array_unref);
      adapters->patches[i] = (PalPatch) { touches, apply, adapters->by_weight[i] };
    }

  return adapters;
}

void
pal_adapters_free (PalAdapters *adapters)
{
  for (guint i = 0; i < PAL_N_PARTS; i++)
    g_hash_table_unref (adapters->by_weight[i]);
  g_ptr_array_unref (adapters->layers);
  g_ptr_array_unref (adapters->files);
  g_array_unref (adapters->used);
  g_free (adapters);
}

/* Of one part: key → PalWeightView. */
static GHashTable *
keys_of (const PalParts *parts, PalPart part)
{
  GHashTable *keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  PalWeights *weights = parts->weights[part];

  for (gsize i = 0; weights && i < pal_weights_count (weights); i++)
    {
      const PalWeightView *view = pal_weights_at (weights, i);
      gchar *original;

      if (! g_str_has_suffix (view->name, ".weight"))
        continue;

      g_hash_table_insert (keys, pal_weight_key (view->name), (gpointer) view);
      original = part == PAL_PART_DENOISER ? pal_unet_original_key (&parts->unet, view->name)
                                           : NULL;
      if (original)
        g_hash_table_insert (keys, original, (gpointer) view);
    }

  return keys;
}

/* The layers of one file, in its order; element type PalAdapterLayer. */
static GPtrArray *
read_layers (PalWeights *file, gdouble strength, GError **error)
{
  g_autoptr (GPtrArray) layers = g_ptr_array_new_with_free_func (layer_free);
  g_autoptr (GHashTable) by_name = g_hash_table_new (g_str_hash, g_str_equal);
  const gchar *label = pal_weights_label (file);

  for (gsize i = 0; i < pal_weights_count (file); i++)
    {
      const PalWeightView *view = pal_weights_at (file, i);
      g_autofree gchar *name = NULL;
      PalAdapterLayer *layer;
      PalRole role;
      gsize length;

      if (! pal_adapter_role (view->name, &role, &length))
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                       "%s: the tensor %s is none of an adapter's; choose a file of a LoRA, LoCon, "
                       "LoHa, LoKr or DoRA", label, view->name);
          return NULL;
        }

      name = g_strndup (view->name, length);
      layer = g_hash_table_lookup (by_name, name);
      if (! layer)
        {
          layer = g_new0 (PalAdapterLayer, 1);
          *layer = (PalAdapterLayer) { .file = label, .name = g_steal_pointer (&name),
                                       .strength = strength };
          g_ptr_array_add (layers, layer);
          g_hash_table_insert (by_name, layer->name, layer);
        }
      layer->roles[role] = view;
    }

  return g_steal_pointer (&layers);
}

/* The weight that a layer changes. */
static const PalWeightView *
find_weight (const PalParts *parts, GHashTable **keys, const PalAdapterLayer *layer, PalPart *part,
             GError **error)
{
  g_autofree gchar *key = pal_adapter_layer_key (layer->name, parts->n_encoders, part);
  const PalWeightView *view = key ? g_hash_table_lookup (keys[*part], key) : NULL;

  if (! view)
    g_set_error (error, PAL_ERROR, PAL_ERROR_WEIGHT,
                 "%s: the layer %s is not in %s (%s); use an adapter that was made for this "
                 "model's family", layer->file, layer->name, parts->path, parts->family->title);

  return view;
}

/* Takes layers when it succeeds. */
static gboolean
add_layers (PalAdapters *adapters, const PalParts *parts, GHashTable **keys, GPtrArray *layers,
            GError **error)
{
  for (guint i = 0; i < layers->len; i++)
    {
      PalAdapterLayer *layer = layers->pdata[i];
      PalPart part;
      const PalWeightView *view = find_weight (parts, keys, layer, &part, error);
      GPtrArray *of_weight;

      if (! view || ! pal_adapter_layer_check (layer, view->shape, error))
        return FALSE;

      of_weight = g_hash_table_lookup (adapters->by_weight[part], view->name);
      if (! of_weight)
        {
          of_weight = g_ptr_array_new ();
          g_hash_table_insert (adapters->by_weight[part], view->name, of_weight);
        }
      g_ptr_array_add (of_weight, layer);
    }

  g_ptr_array_extend_and_steal (adapters->layers, layers);
  return TRUE;
}

static gboolean
add_file (PalAdapters *adapters, const PalParts *parts, GHashTable **keys,
          const PalAdapter *adapter, GError **error)
{
  PalWeights *file = pal_weights_open_file (adapter->path, error);
  Used used = { g_strdup (adapter->path), adapter->strength };
  GPtrArray *layers;

  g_array_append_val (adapters->used, used);
  if (! file)
    return FALSE;

  g_ptr_array_add (adapters->files, file);
  layers = read_layers (file, adapter->strength, error);
  if (! layers)
    return FALSE;

  if (add_layers (adapters, parts, keys, layers, error))
    return TRUE;

  g_ptr_array_unref (layers);
  return FALSE;
}

PalAdapters *
pal_adapters_open (const PalParts *parts, const PalAdapter *adapters, gsize n, GError **error)
{
  g_autoptr (PalAdapters) out = adapters_new ();
  GHashTable *keys[PAL_N_PARTS];
  gboolean ok = TRUE;

  for (guint i = 0; i < PAL_N_PARTS; i++)
    keys[i] = keys_of (parts, (PalPart) i);
  for (gsize i = 0; ok && i < n; i++)
    ok = add_file (out, parts, keys, &adapters[i], error);
  for (guint i = 0; i < PAL_N_PARTS; i++)
    g_hash_table_unref (keys[i]);

  return ok ? g_steal_pointer (&out) : NULL;
}

gboolean
pal_adapters_equal (const PalAdapters *adapters, const PalAdapter *others, gsize n)
{
  if ((adapters ? adapters->used->len : 0) != n)
    return FALSE;

  for (guint i = 0; i < n; i++)
    {
      const Used *used = &g_array_index (adapters->used, Used, i);

      if (! g_str_equal (used->path, others[i].path) || used->strength != others[i].strength)
        return FALSE;
    }

  return TRUE;
}

const PalPatch *
pal_adapters_patch (PalAdapters *adapters, PalPart part)
{
  return &adapters->patches[part];
}
