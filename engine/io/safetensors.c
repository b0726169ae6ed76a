/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reader of one safetensors file, memory-mapped.
 *
 * Format: huggingface/safetensors:README.md - 8 bytes little-endian header length, a
 * JSON object of that many bytes, data; data_offsets count from the end of the header.
 * Stricter than the reference reader in one thing, at most PAL_MAX_DIMS dimensions;
 * laxer in one, gaps between tensors are allowed. Guarded by tests/unit/host/test-safetensors.c. */

#include <string.h>

#include <gio/gio.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/format.h"
#include "io/json.h"

/* The reference reader's own limit on a header. */
#define MAX_HEADER 100000000

/* Types of the format that this engine has no use for. */
static const gchar *const foreign_dtypes[] = {
  "U16", "U32", "U64", "F8_E8M0", "F4", "F6_E2M3", "F6_E3M2", "C64", NULL
};

static gboolean
refuse (GError      **error,
        PalErrorCode  code,
        const gchar  *format,
        ...) G_GNUC_PRINTF (3, 4);

static gboolean
refuse (GError      **error,
        PalErrorCode  code,
        const gchar  *format,
        ...)
{
  g_autofree gchar *text = NULL;
  va_list           args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error_literal (error, PAL_ERROR, (gint) code, text);

  return FALSE;
}

static gboolean
read_dtype (const PalJson  *tensor,
            PalTensorEntry *entry,
            GError        **error)
{
  g_autofree gchar *name = NULL;

  if (! pal_json_string (tensor, "dtype", &name, error))
    return FALSE;

  if (! name)
    return refuse (error, PAL_ERROR_FORMAT, "%s: has no dtype", pal_json_label (tensor));

  if (g_strv_contains (foreign_dtypes, name))
    return refuse (error, PAL_ERROR_UNSUPPORTED,
                   "%s: dtype %s is not supported; get the model in F32, F16, BF16 or F8",
                   pal_json_label (tensor), name);

  return pal_dtype_from_name (name, &entry->dtype) ||
         refuse (error, PAL_ERROR_FORMAT, "%s: unknown dtype \"%s\"",
                 pal_json_label (tensor), name);
}

static gboolean
read_shape (const PalJson  *tensor,
            PalTensorEntry *entry,
            GError        **error)
{
  const gchar *label = pal_json_label (tensor);
  gsize        n;

  if (! pal_json_has (tensor, "shape"))
    return refuse (error, PAL_ERROR_FORMAT, "%s: has no shape", label);

  if (! pal_json_ints (tensor, "shape", entry->shape.d, PAL_MAX_DIMS, &entry->shape.n, error))
    return FALSE;

  for (guint i = 0; i < entry->shape.n; i++)
    if (entry->shape.d[i] < 0)
      return refuse (error, PAL_ERROR_FORMAT, "%s: the shape has a negative dimension", label);

  if (! pal_shape_count (entry->shape, &n) ||
      ! g_size_checked_mul (&entry->n_bytes, n, pal_dtype_size (entry->dtype)))
    return refuse (error, PAL_ERROR_FORMAT, "%s: the shape's size overflows 64 bits", label);

  return TRUE;
}

static gboolean
read_offsets (const PalJson  *tensor,
              PalTensorEntry *entry,
              const guint8   *data,
              gsize           data_bytes,
              GError        **error)
{
  const gchar *label      = pal_json_label (tensor);
  gint64       offsets[2] = { 0, 0 };
  guint        n          = 0;

  if (! pal_json_ints (tensor, "data_offsets", offsets, 2, &n, error))
    return FALSE;

  if (n != 2)
    return refuse (error, PAL_ERROR_FORMAT, "%s: data_offsets should be two numbers", label);

  if (offsets[0] < 0 || offsets[1] < 0)
    return refuse (error, PAL_ERROR_FORMAT, "%s: data_offsets are negative", label);

  if (offsets[0] > offsets[1])
    return refuse (error, PAL_ERROR_FORMAT, "%s: data_offsets end before they begin", label);

  if ((guint64) offsets[1] > data_bytes)
    return refuse (error, PAL_ERROR_FORMAT,
                   "%s: data_offsets run past the end of the file, which holds %" G_GSIZE_FORMAT
                   " bytes of data; it may have been cut short, fetch it again",
                   label, data_bytes);

  if ((guint64) (offsets[1] - offsets[0]) != entry->n_bytes)
    {
      g_autofree gchar *shape = pal_shape_text (entry->shape);

      return refuse (error, PAL_ERROR_FORMAT,
                     "%s: %" G_GINT64_FORMAT " bytes of data do not make %s values of shape %s",
                     label, offsets[1] - offsets[0], pal_dtype_name (entry->dtype), shape);
    }

  entry->data = data + offsets[0];

  return TRUE;
}

static gint
compare_data (gconstpointer a,
              gconstpointer b)
{
  const PalTensorEntry *left  = *(const PalTensorEntry *const *) a;
  const PalTensorEntry *right = *(const PalTensorEntry *const *) b;

  if (left->data != right->data)
    return (const guint8 *) left->data < (const guint8 *) right->data ? -1 : 1;

  return left->n_bytes < right->n_bytes ? -1 : left->n_bytes > right->n_bytes;
}

static gboolean
check_overlap (PalTensorFile *file,
               GError        **error)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new ();

  for (guint i = 0; i < file->entries->len; i++)
    if (g_array_index (file->entries, PalTensorEntry, i).n_bytes > 0)
      g_ptr_array_add (sorted, &g_array_index (file->entries, PalTensorEntry, i));
  g_ptr_array_sort (sorted, compare_data);

  for (guint i = 1; i < sorted->len; i++)
    {
      const PalTensorEntry *left  = g_ptr_array_index (sorted, i - 1);
      const PalTensorEntry *right = g_ptr_array_index (sorted, i);

      if ((const guint8 *) left->data + left->n_bytes > (const guint8 *) right->data)
        return refuse (error, PAL_ERROR_FORMAT, "%s: the data of %s and %s overlap",
                       file->path, left->name, right->name);
    }

  return TRUE;
}

/* The header's text, checked to lie inside the file. */
static gboolean
find_header (PalTensorFile *file,
             const gchar   **header,
             gsize          *n_bytes,
             GError        **error)
{
  const gsize size = file->size;
  guint64     length;

  if (size < 8)
    return refuse (error, PAL_ERROR_FORMAT,
                   "%s: %" G_GSIZE_FORMAT " bytes are too few for a safetensors file",
                   file->path, size);

  memcpy (&length, file->start, sizeof length);
  length = GUINT64_FROM_LE (length);

  if (length > size - 8)
    return refuse (error, PAL_ERROR_FORMAT,
                   "%s: the header of %" G_GUINT64_FORMAT " bytes runs past the end of the file"
                   " of %" G_GSIZE_FORMAT " bytes; it is no safetensors file or was cut short",
                   file->path, length, size);

  if (length > MAX_HEADER)
    return refuse (error, PAL_ERROR_FORMAT,
                   "%s: the header of %" G_GUINT64_FORMAT " bytes is larger than the format allows",
                   file->path, length);

  *header  = (const gchar *) file->start + 8;
  *n_bytes = (gsize) length;

  return TRUE;
}

static gboolean
read_tensor (PalTensorFile *file,
             const PalJson  *header,
             const gchar    *name,
             const guint8   *data,
             gsize           data_bytes,
             GError        **error)
{
  GError             *problem = NULL;
  g_autoptr (PalJson) tensor  = pal_json_object (header, name, &problem);
  PalTensorEntry      entry   = { 0 };

  if (problem)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }

  if (! tensor)
    return refuse (error, PAL_ERROR_FORMAT, "%s: %s should be an object", file->path, name);

  if (! read_dtype (tensor, &entry, error) ||
      ! read_shape (tensor, &entry, error) ||
      ! read_offsets (tensor, &entry, data, data_bytes, error))
    return FALSE;

  entry.name = g_strdup (name);

  return pal_tensor_file_add (file, &entry, error);
}

static gboolean
read_header (PalTensorFile *file,
             GError        **error)
{
  g_autoptr (PalJson) json    = NULL;
  g_auto (GStrv)      names   = NULL;
  const gchar        *header  = NULL;
  gsize               n_bytes = 0;
  const guint8       *data;
  gsize               data_bytes;

  if (! find_header (file, &header, &n_bytes, error))
    return FALSE;

  json = pal_json_parse (header, (gssize) n_bytes, file->path, error);
  if (! json)
    return FALSE;

  data       = (const guint8 *) header + n_bytes;
  data_bytes = file->size - 8 - n_bytes;
  names      = pal_json_fields (json);

  for (gsize i = 0; names[i]; i++)
    if (! g_str_equal (names[i], "__metadata__") &&
        ! read_tensor (file, json, names[i], data, data_bytes, error))
      return FALSE;

  return check_overlap (file, error);
}

/* The format has no mark of its own: what no other reader knows is taken for it. */
static gboolean
recognise (const guint8 *start,
           gsize         size)
{
  return TRUE;
}

const PalFormat pal_format_safetensors = { "safetensors", recognise, read_header };
