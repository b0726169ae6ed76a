/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reader of GGUF files.
 *
 * Format: ggml-org/ggml:docs/gguf.md, versions 2 and 3 - a header with keys and values, a
 *   list of tensors, their data; all little-endian.
 * Easy to get wrong, guarded by tests/unit/host/test-gguf.c: dimensions are listed
 *   innermost first; blocks can't hold rows that are no multiple of them, so some writers
 *   store such a tensor in another shape and keep its own in a key
 *   "comfy.gguf.orig_shape.NAME". */

#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/cursor.h"
#include "io/format.h"

#define MAGIC       "GGUF"
#define SHAPE_KEY   "comfy.gguf.orig_shape."
#define ALIGN_KEY   "general.alignment"
#define MAX_NAME    65536
#define MAX_NESTING 4

/* Types of values, and their bytes. */
enum { VALUE_U32 = 4, VALUE_I32 = 5, VALUE_STRING = 8, VALUE_ARRAY = 9, N_VALUES = 13 };

static const guint8 value_bytes[N_VALUES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

/* Types of tensors. */
static const struct
{
  const gchar *name;
  gint         dtype;           /* PalDType; -1 = not read */
} types[] = {
  [0] = { "F32", PAL_F32 },     [1] = { "F16", PAL_F16 },     [2] = { "Q4_0", PAL_Q4_0 },
  [3] = { "Q4_1", PAL_Q4_1 },   [6] = { "Q5_0", PAL_Q5_0 },   [7] = { "Q5_1", PAL_Q5_1 },
  [8] = { "Q8_0", PAL_Q8_0 },   [9] = { "Q8_1", -1 },         [10] = { "Q2_K", -1 },
  [11] = { "Q3_K", -1 },        [12] = { "Q4_K", PAL_Q4_K },  [13] = { "Q5_K", PAL_Q5_K },
  [14] = { "Q6_K", PAL_Q6_K },  [15] = { "Q8_K", -1 },        [16] = { "IQ2_XXS", -1 },
  [17] = { "IQ2_XS", -1 },      [18] = { "IQ3_XXS", -1 },     [19] = { "IQ1_S", -1 },
  [20] = { "IQ4_NL", -1 },      [21] = { "IQ3_S", -1 },       [22] = { "IQ2_S", -1 },
  [23] = { "IQ4_XS", -1 },      [24] = { "I8", PAL_I8 },      [25] = { "I16", PAL_I16 },
  [26] = { "I32", PAL_I32 },    [27] = { "I64", PAL_I64 },    [28] = { "F64", PAL_F64 },
  [29] = { "IQ1_M", -1 },       [30] = { "BF16", PAL_BF16 },
};

typedef struct
{
  PalTensorFile *file;
  PalCursor      cursor;
  guint64        alignment;
  GHashTable    *shapes;        /* gchar* → PalShape*: of tensors that are stored in another one */
} Gguf;

static gboolean
cut_short (const Gguf  *g,
           GError     **error)
{
  return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                            "the header runs past the end of the file; it may have been cut short, "
                            "fetch it again");
}

/* NULL and an error when it is too long or no UTF-8. */
static gchar *
read_name (Gguf        *g,
           const gchar *what,
           GError     **error)
{
  const guint64 length = pal_cursor_number (&g->cursor, 8);
  const guint8 *bytes  = length <= MAX_NAME ? pal_cursor_take (&g->cursor, length) : NULL;

  if (g->cursor.is_short)
    {
      cut_short (g, error);
      return NULL;
    }

  if (! bytes || memchr (bytes, 0, length) ||
      ! g_utf8_validate_len ((const gchar *) bytes, length, NULL))
    {
      pal_format_refuse (g->file, error, PAL_ERROR_FORMAT, "the name of a %s is not valid", what);
      return NULL;
    }

  return g_strndup ((const gchar *) bytes, length);
}

static gboolean
skip_value (Gguf     *g,
            guint32   type,
            guint     depth,
            GError  **error)
{
  if (type == VALUE_STRING)
    {
      pal_cursor_take (&g->cursor, pal_cursor_number (&g->cursor, 8));
    }
  else if (type == VALUE_ARRAY)
    {
      const guint32 inner = pal_cursor_u32 (&g->cursor);
      const guint64 n     = pal_cursor_number (&g->cursor, 8);

      if (inner < N_VALUES && value_bytes[inner] > 0)
        pal_cursor_take (&g->cursor, n <= G_MAXUINT64 / 8 ? n * value_bytes[inner] : n);
      else if (depth >= MAX_NESTING)
        return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                                  "has arrays nested more than %d deep", MAX_NESTING);
      else
        for (guint64 i = 0; i < n && ! g->cursor.is_short; i++)
          if (! skip_value (g, inner, depth + 1, error))
            return FALSE;
    }
  else if (type < N_VALUES)
    {
      pal_cursor_take (&g->cursor, value_bytes[type]);
    }
  else
    {
      return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                                "has a value of the unknown type %u", type);
    }

  return ! g->cursor.is_short || cut_short (g, error);
}

/* An array of 32-bit dimensions, outermost first. */
static gboolean
read_shape (Gguf         *g,
            const gchar  *key,
            GError      **error)
{
  const guint32 type = pal_cursor_u32 (&g->cursor);
  const guint64 n    = pal_cursor_number (&g->cursor, 8);
  PalShape      shape = { .n = (guint) MIN (n, PAL_MAX_DIMS) };

  if ((type != VALUE_I32 && type != VALUE_U32) || n > PAL_MAX_DIMS)
    return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                              "%s should be at most %d whole numbers", key, PAL_MAX_DIMS);

  for (guint i = 0; i < shape.n; i++)
    shape.d[i] = (gint32) pal_cursor_u32 (&g->cursor);

  g_hash_table_replace (g->shapes, g_strdup (key + strlen (SHAPE_KEY)),
                        g_memdup2 (&shape, sizeof shape));

  return ! g->cursor.is_short || cut_short (g, error);
}

static gboolean
read_key (Gguf    *g,
          GError **error)
{
  g_autofree gchar *key  = read_name (g, "key", error);
  const guint32     type = key ? pal_cursor_u32 (&g->cursor) : 0;

  if (! key)
    return FALSE;

  if (type == VALUE_ARRAY && g_str_has_prefix (key, SHAPE_KEY))
    return read_shape (g, key, error);

  if (type == VALUE_U32 && g_str_equal (key, ALIGN_KEY))
    {
      g->alignment = pal_cursor_u32 (&g->cursor);
      return (g->alignment > 0 && g->alignment % 8 == 0) ||
             pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                                "%s is %" G_GUINT64_FORMAT ", and must be a multiple of 8",
                                ALIGN_KEY, g->alignment);
    }

  return skip_value (g, type, 0, error);
}

static gboolean
read_type (Gguf           *g,
           PalTensorEntry *entry,
           GError        **error)
{
  const guint32 type = pal_cursor_u32 (&g->cursor);

  if (type >= G_N_ELEMENTS (types) || ! types[type].name)
    return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                              "the tensor %s has the unknown type %u", entry->name, type);

  if (types[type].dtype < 0)
    return pal_format_refuse (g->file, error, PAL_ERROR_UNSUPPORTED,
                              "the tensor %s is of the type %s, which is not supported; get the "
                              "model as Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, F16 or "
                              "BF16",
                              entry->name, types[type].name);

  entry->dtype = (PalDType) types[type].dtype;

  return TRUE;
}

/* The shape that the values make, when they are as many. */
static gboolean
restore_shape (Gguf           *g,
               PalTensorEntry *entry,
               GError        **error)
{
  const PalShape *shape  = g_hash_table_lookup (g->shapes, entry->name);
  gsize           stored = 0, own = 0;

  if (! shape)
    return TRUE;

  if (! pal_shape_count (entry->shape, &stored) || ! pal_shape_count (*shape, &own) ||
      stored != own)
    return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                              "%s%s is a shape of other size than the tensor's", SHAPE_KEY,
                              entry->name);

  entry->shape = *shape;

  return TRUE;
}

/* *offset: of the data, from where all data begin. */
static gboolean
read_info (Gguf           *g,
           PalTensorEntry *entry,
           guint64        *offset,
           GError        **error)
{
  const guint32 n = pal_cursor_u32 (&g->cursor);

  if (n > PAL_MAX_DIMS)
    return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                              "the tensor %s has %u dimensions, at most %d are supported",
                              entry->name, n, PAL_MAX_DIMS);

  entry->shape.n = n;
  for (guint i = n; i > 0; i--)
    {
      entry->shape.d[i - 1] = (gint64) pal_cursor_number (&g->cursor, 8);
      if (entry->shape.d[i - 1] < 0)
        return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                                  "the tensor %s has a dimension out of range", entry->name);
    }

  if (! read_type (g, entry, error))
    return FALSE;

  /* Blocks lie along the innermost dimension that is stored. */
  if (n > 0 && entry->shape.d[n - 1] % (gint64) pal_dtype_block (entry->dtype) != 0)
    return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                              "the rows of the tensor %s are not whole blocks of %s",
                              entry->name, pal_dtype_name (entry->dtype));

  *offset = pal_cursor_number (&g->cursor, 8);
  if (*offset % g->alignment != 0)
    return pal_format_refuse (g->file, error, PAL_ERROR_FORMAT,
                              "the data of the tensor %s are not aligned", entry->name);

  return (! g->cursor.is_short || cut_short (g, error)) && restore_shape (g, entry, error);
}

static gboolean
read_infos (Gguf     *g,
            GArray   *infos,
            GArray   *offsets,
            guint64   n,
            GError  **error)
{
  for (guint64 i = 0; i < n; i++)
    {
      PalTensorEntry entry = { .name = read_name (g, "tensor", error) };
      guint64        offset = 0;

      if (! entry.name)
        return FALSE;

      if (! read_info (g, &entry, &offset, error))
        {
          g_free (entry.name);
          return FALSE;
        }
      g_array_append_val (infos, entry);
      g_array_append_val (offsets, offset);
    }

  return TRUE;
}

static void
clear_name (gpointer data)
{
  g_free (((PalTensorEntry *) data)->name);
}

static gboolean
read_tensors (Gguf     *g,
              guint64   n,
              GError  **error)
{
  g_autoptr (GArray) infos   = g_array_new (FALSE, FALSE, sizeof (PalTensorEntry));
  g_autoptr (GArray) offsets = g_array_new (FALSE, FALSE, sizeof (guint64));
  gsize              start;

  g_array_set_clear_func (infos, clear_name);
  if (! read_infos (g, infos, offsets, n, error))
    return FALSE;

  start = (gsize) (g->cursor.at - g->file->start);
  start = MIN ((start + g->alignment - 1) / g->alignment * g->alignment, g->file->size);

  for (guint i = 0; i < infos->len; i++)
    {
      PalTensorEntry *entry  = &g_array_index (infos, PalTensorEntry, i);
      const guint64   offset = MIN (g_array_index (offsets, guint64, i), g->file->size - start);

      entry->data = g->file->start + start + offset;
      if (! pal_tensor_file_add (g->file, entry, error))
        {
          entry->name = NULL;
          return FALSE;
        }
      entry->name = NULL;
    }

  return TRUE;
}

static gboolean
read_gguf (PalTensorFile  *file,
           GError        **error)
{
  g_autoptr (GHashTable) shapes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  Gguf    g = { .file = file, .alignment = 32, .shapes = shapes,
                .cursor = { file->start + strlen (MAGIC), file->start + file->size, FALSE } };
  guint32 version   = pal_cursor_u32 (&g.cursor);
  guint64 n_tensors = pal_cursor_number (&g.cursor, 8);
  guint64 n_keys    = pal_cursor_number (&g.cursor, 8);

  if (g.cursor.is_short)
    return cut_short (&g, error);

  if (version != 2 && version != 3)
    return pal_format_refuse (file, error, PAL_ERROR_UNSUPPORTED,
                              "is GGUF of the version %u, and only 2 and 3 are supported", version);

  for (guint64 i = 0; i < n_keys; i++)
    if (! read_key (&g, error))
      return FALSE;

  return read_tensors (&g, n_tensors, error);
}

static gboolean
recognise (const guint8 *start,
           gsize         size)
{
  return size >= strlen (MAGIC) && memcmp (start, MAGIC, strlen (MAGIC)) == 0;
}

const PalFormat pal_format_gguf = { "GGUF", recognise, read_gguf };
