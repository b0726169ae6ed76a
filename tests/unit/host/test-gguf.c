/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GGUF files: what is read of good ones, and the message of each malformed one. */

#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/tensor-file.h"
#include "support.h"

static void
put (GByteArray *out,
     guint64     number,
     guint       n_bytes)
{
  for (guint i = 0; i < n_bytes; i++)
    g_byte_array_append (out, &(guint8) { (guint8) (number >> (8 * i)) }, 1);
}

static void
put_text (GByteArray  *out,
          const gchar *text)
{
  put (out, strlen (text), 8);
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

/* One tensor "w" in a file; what differs from the good one is said by the row. */
typedef struct
{
  guint        version, type, n_dims;
  guint64      dims[2], offset;
  const gchar *key;             /* of a value behind it; NULL = none */
  guint        key_type;
  guint64      key_value;       /* of 8 bytes */
  gint         code;
  const gchar *message;
} Row;

/* Zero in a row stands for what the good file has. */
static Row
completed (Row row)
{
  row.version = row.version ? row.version : 3;
  row.type    = row.type ? row.type : 1;
  row.n_dims  = row.n_dims ? row.n_dims : 2;
  if (row.dims[0] == 0)
    {
      row.dims[0] = 3;
      row.dims[1] = 2;
    }

  return row;
}

static PalTensorFile *
open_row (const gchar *folder,
          const Row   *given,
          gsize        cut,
          GError     **error)
{
  const Row              row  = completed (*given);
  g_autoptr (GByteArray) out  = g_byte_array_new ();
  g_autofree gchar      *path = g_build_filename (folder, "x.gguf", NULL);

  g_byte_array_append (out, (const guint8 *) "GGUF", 4);
  put (out, row.version, 4);
  put (out, 1, 8);
  put (out, row.key ? 1 : 0, 8);
  if (row.key)
    {
      put_text (out, row.key);
      put (out, row.key_type, 4);
      put (out, row.key_value, row.key_type == 4 ? 4 : 8);
    }
  put_text (out, "w");
  put (out, row.n_dims, 4);
  for (guint i = 0; i < row.n_dims; i++)
    put (out, row.dims[i % 2], 8);
  put (out, row.type, 4);
  put (out, row.offset, 8);
  while (out->len % 32)
    put (out, 0, 1);
  put (out, 0, 8);
  put (out, 0, 4);

  support_write (folder, "x.gguf", out->data, (gssize) (cut ? MIN (cut, out->len) : out->len));

  return pal_tensor_file_open (path, error);
}

static void
test_good (void)
{
  static const Row row = { .key = "general.alignment", .key_type = 4, .key_value = 32 };
  gchar                    *folder = support_folder ();
  GError                   *error  = NULL;
  g_autoptr (PalTensorFile) file   = open_row (folder, &row, 0, &error);
  const PalTensorEntry     *entry;

  g_assert_no_error (error);
  g_assert_cmpstr (pal_tensor_file_format (file), ==, "GGUF");
  g_assert_cmpuint (pal_tensor_file_count (file), ==, 1);
  entry = pal_tensor_file_find (file, "w");
  g_assert_nonnull (entry);
  g_assert_cmpint ((gint) entry->dtype, ==, PAL_F16);
  g_assert_true (pal_shape_equal (entry->shape, PAL_SHAPE (2, 3)));
  g_assert_cmpuint (entry->n_bytes, ==, 12);

  support_remove (folder);
}

static const Row malformed[] = {
  { .version = 1, .code = PAL_ERROR_UNSUPPORTED, .message = "version 1" },
  { .type = 10, .code = PAL_ERROR_UNSUPPORTED, .message = "type Q2_K" },
  { .type = 4, .code = PAL_ERROR_FORMAT, .message = "unknown type 4" },
  { .type = 99, .code = PAL_ERROR_FORMAT, .message = "unknown type 99" },
  { .type = 8, .code = PAL_ERROR_FORMAT, .message = "not whole blocks of Q8_0" },
  { .n_dims = 6, .code = PAL_ERROR_FORMAT, .message = "6 dimensions, at most 5" },
  { .dims = { 3, G_MAXUINT64 }, .code = PAL_ERROR_FORMAT, .message = "out of range" },
  { .dims = { G_MAXINT64, 8 }, .code = PAL_ERROR_FORMAT, .message = "not made of whole" },
  { .offset = 8, .code = PAL_ERROR_FORMAT, .message = "not aligned" },
  { .offset = 32, .code = PAL_ERROR_FORMAT, .message = "past the end of the file" },
  { .offset = G_MAXUINT64 - 31, .code = PAL_ERROR_FORMAT, .message = "past the end" },
  { .key = "general.alignment", .key_type = 4, .key_value = 12, .code = PAL_ERROR_FORMAT,
    .message = "must be a multiple of 8" },
  { .key = "a", .key_type = 13, .code = PAL_ERROR_FORMAT, .message = "unknown type 13" },
  { .key = "a", .key_type = 8, .key_value = 1000, .code = PAL_ERROR_FORMAT,
    .message = "runs past the end" },
  { .key = "comfy.gguf.orig_shape.w", .key_type = 9, .key_value = 5,
    .code = PAL_ERROR_FORMAT, .message = "at most 5 whole numbers" },
};

static void
test_malformed (void)
{
  gchar *folder = support_folder ();

  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      GError *error = NULL;

      g_assert_null (open_row (folder, &malformed[i], 0, &error));
      support_assert_error (error, malformed[i].code, malformed[i].message);
      support_assert_error (error, malformed[i].code, "x.gguf");
      g_clear_error (&error);
    }

  support_remove (folder);
}

/* Cut short anywhere. */
static void
test_cut (void)
{
  static const Row row    = { 0 };
  gchar           *folder = support_folder ();

  for (gsize cut = 4; cut < 90; cut++)
    {
      GError *error = NULL;

      g_assert_null (open_row (folder, &row, cut, &error));
      support_assert_error (error, PAL_ERROR_FORMAT, "past the end of the file");
      g_clear_error (&error);
    }

  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gguf/good", test_good);
  g_test_add_func ("/gguf/malformed", test_malformed);
  g_test_add_func ("/gguf/cut", test_cut);

  return g_test_run ();
}
