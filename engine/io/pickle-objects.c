/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a pickle may name: how PyTorch describes a tensor, and little beside. Any other
 * object is refused by its name, and nothing is run.
 *
 * Reference: pytorch/pytorch:torch/_utils.py, _rebuild_tensor_v2 (the arguments) @v2.6.0
 *   (BSD-3-Clause).
 * Easy to get wrong, guarded by tests/unit/host/test-torch.c: tensors may share a storage,
 *   and offsets and strides count elements, not bytes. */

#include "io/pickle-private.h"

#include "base/dtype.h"
#include "base/error.h"

#define MAX_DEPTH 8             /* of dictionaries in dictionaries */

/* The last four stand in published checkpoints beside the tensors: training records. They
 * are not run either; what they would make is left out. */
static const Known known[] = {
  { "collections", "OrderedDict", MAKES_DICT },
  { "torch._utils", "_rebuild_tensor_v2", MAKES_TENSOR },
  { "torch._utils", "_rebuild_parameter", MAKES_PARAMETER },
  { "torch", "FloatStorage", IS_STORAGE, PAL_F32 },
  { "torch", "HalfStorage", IS_STORAGE, PAL_F16 },
  { "torch", "BFloat16Storage", IS_STORAGE, PAL_BF16 },
  { "torch", "DoubleStorage", IS_STORAGE, PAL_F64 },
  { "torch", "LongStorage", IS_STORAGE, PAL_I64 },
  { "torch", "IntStorage", IS_STORAGE, PAL_I32 },
  { "torch", "ShortStorage", IS_STORAGE, PAL_I16 },
  { "torch", "CharStorage", IS_STORAGE, PAL_I8 },
  { "torch", "ByteStorage", IS_STORAGE, PAL_U8 },
  { "torch", "BoolStorage", IS_STORAGE, PAL_BOOL },
  { "pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", INERT },
  { "numpy.core.multiarray", "scalar", INERT },
  { "numpy", "dtype", INERT },
  { "_codecs", "encode", INERT },
};

/* Keys below which the tensors may lie. */
static const gchar *const wrappers[] = { "state_dict", "model", "model_state_dict", "module",
                                         "params_ema" };

gboolean
pal_pickle_name (Machine     *m,
           const gchar *module,
           const gchar *name,
           GError     **error)
{
  Value *value = pal_pickle_value (m, NAME);

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (known[i].module, module) && g_str_equal (known[i].name, name))
      value->name = &known[i];

  if (value->name)
    return pal_pickle_push (m, value);

  return pal_format_refuse (m->file, error, PAL_ERROR_UNSUPPORTED,
                            "its pickle asks for %s.%s, and only tensors are read, nothing is "
                            "run; get the model in safetensors form", module, name);
}

static const Value *
item (const Value *list,
      guint        i,
      Kind         kind)
{
  const Value *value = list && list->kind == LIST && i < list->items->len
                         ? g_ptr_array_index (list->items, i) : NULL;

  return value && value->kind == kind ? value : NULL;
}

/* ("storage", type, key, device, number of elements) */
gboolean
pal_pickle_storage (Machine *m, guint n, GError **error)
{
  const Value       *id   = pal_pickle_pop (m);
  const Value       *type = item (id, 1, NAME);
  const Value       *key  = item (id, 2, TEXT);
  Value             *value;
  g_autofree gchar  *name = NULL;
  const PalZipEntry *entry;

  if (! type || ! key || type->name->use != IS_STORAGE)
    return pal_pickle_malformed (m, error);

  name  = g_strconcat (m->source->folder, "data/", key->text, NULL);
  entry = g_hash_table_lookup (m->source->entries, name);
  if (! entry)
    return pal_format_refuse (m->file, error, PAL_ERROR_FORMAT,
                              "the archive lacks %s, which its pickle names; fetch it again", name);

  value         = pal_pickle_value (m, STORAGE);
  value->tensor = (PalTensorEntry) { .dtype = type->name->dtype, .data = entry->data,
                                     .n_bytes = entry->size };

  return pal_pickle_push (m, value);
}

/* Rows one after the other, innermost dimension last. */
static gboolean
is_in_order (PalShape     shape,
             const Value *strides)
{
  guint64 step = 1;

  for (guint i = shape.n; i > 0; i--)
    {
      const Value *stride = item (strides, i - 1, NUMBER);

      if (! stride || (shape.d[i - 1] > 1 && (guint64) stride->number != step))
        return FALSE;
      step *= (guint64) shape.d[i - 1];
    }

  return TRUE;
}

/* (storage, offset, shape, strides, ..) */
static gboolean
make_tensor (Machine     *m,
             const Value *arguments,
             GError     **error)
{
  const Value   *storage = item (arguments, 0, STORAGE);
  const Value   *offset  = item (arguments, 1, NUMBER);
  const Value   *sizes   = item (arguments, 2, LIST);
  const Value   *strides = item (arguments, 3, LIST);
  Value         *value   = pal_pickle_value (m, TENSOR);
  PalTensorEntry tensor  = { 0 };
  gsize          count = 0, start = 0, bytes = 0;

  if (! storage || ! offset || ! sizes || ! strides || sizes->items->len > PAL_MAX_DIMS)
    return pal_pickle_malformed (m, error);

  tensor = storage->tensor;
  tensor.shape.n = sizes->items->len;
  for (guint i = 0; i < tensor.shape.n; i++)
    {
      if (! item (sizes, i, NUMBER))
        return pal_pickle_malformed (m, error);
      tensor.shape.d[i] = item (sizes, i, NUMBER)->number;
    }

  if (offset->number < 0 || ! pal_shape_count (tensor.shape, &count) ||
      ! pal_dtype_bytes (tensor.dtype, (gsize) offset->number, &start) ||
      ! pal_dtype_bytes (tensor.dtype, count, &bytes) ||
      start > tensor.n_bytes || bytes > tensor.n_bytes - start)
    return pal_format_refuse (m->file, error, PAL_ERROR_FORMAT,
                              "a tensor runs past the end of its storage; fetch the file again");

  if (count > 0 && ! is_in_order (tensor.shape, strides))
    return pal_format_refuse (m->file, error, PAL_ERROR_UNSUPPORTED,
                              "a tensor is stored in another order than its rows'; get the model "
                              "in safetensors form");

  tensor.data   = (const guint8 *) tensor.data + start;
  value->tensor = tensor;

  return pal_pickle_push (m, value);
}

/* What calling a name with arguments makes. */
gboolean
pal_pickle_call (Machine *m, guint n, GError **error)
{
  Value       *arguments = pal_pickle_pop (m);
  const Value *callee    = pal_pickle_pop (m);

  if (! arguments || arguments->kind != LIST || ! callee)
    return pal_pickle_malformed (m, error);

  if (callee->kind == PLAIN)
    return pal_pickle_push (m, pal_pickle_value (m, PLAIN));

  if (callee->kind != NAME)
    return pal_pickle_malformed (m, error);

  switch (callee->name->use)
    {
    case MAKES_DICT:
      return pal_pickle_push (m, pal_pickle_value (m, DICT));
    case MAKES_TENSOR:
      return make_tensor (m, arguments, error);
    case MAKES_PARAMETER:
      if (arguments->items->len == 0)
        return pal_pickle_malformed (m, error);
      return pal_pickle_push (m, g_ptr_array_index (arguments->items, 0));
    case INERT:
      return pal_pickle_push (m, pal_pickle_value (m, PLAIN));
    case IS_STORAGE:
    default:
      return pal_pickle_malformed (m, error);
    }
}

static Value *
dict_find (const Value *dict,
           const gchar *name)
{
  for (guint i = 0; i + 1 < dict->items->len; i += 2)
    {
      const Value *key = g_ptr_array_index (dict->items, i);

      if (key->kind == TEXT && g_str_equal (key->text, name))
        return g_ptr_array_index (dict->items, i + 1);
    }

  return NULL;
}

/* All tensors of a dictionary and of those in it, each once. */
static gboolean
add_tensors (Machine     *m,
             Value       *dict,
             const gchar *prefix,
             guint        depth,
             GError     **error)
{
  dict->is_seen = TRUE;

  for (guint i = 0; i + 1 < dict->items->len; i += 2)
    {
      const Value      *key   = g_ptr_array_index (dict->items, i);
      Value            *value = g_ptr_array_index (dict->items, i + 1);
      g_autofree gchar *name  = key->kind == TEXT ? g_strconcat (prefix, key->text, NULL) : NULL;
      g_autofree gchar *below = NULL;

      if (name && value->kind == TENSOR)
        {
          PalTensorEntry entry = value->tensor;

          entry.name = g_steal_pointer (&name);
          if (! pal_tensor_file_add (m->file, &entry, error))
            return FALSE;
        }
      else if (name && value->kind == DICT && ! value->is_seen && depth < MAX_DEPTH)
        {
          below = g_strconcat (name, ".", NULL);
          if (! add_tensors (m, value, below, depth + 1, error))
            return FALSE;
        }
    }

  return TRUE;
}

gboolean
pal_pickle_collect (Machine *m,
                    Value   *dict,
                    GError **error)
{
  if (! dict || dict->kind != DICT)
    return pal_format_refuse (m->file, error, PAL_ERROR_FORMAT,
                              "its pickle holds no dictionary of tensors, so it is no checkpoint");

  for (gsize i = 0; i < G_N_ELEMENTS (wrappers); i++)
    {
      Value *inner = dict_find (dict, wrappers[i]);

      if (inner && inner->kind == DICT)
        return add_tensors (m, inner, "", 0, error);
    }

  return add_tensors (m, dict, "", 0, error);
}
