/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The safetensors reader: good files, and each kind of bad one with its own words. */

#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/tensor-file.h"
#include "support.h"

static void
test_good (void)
{
  gchar                     *folder = support_folder ();
  g_autofree gchar          *path   = g_build_filename (folder, "a.safetensors", NULL);
  g_autoptr (PalTensorFile) file   = NULL;
  const PalTensorEntry      *entry;
  GError                    *error  = NULL;

  /* Out of order, with a gap, a scalar, an empty one, spaces behind the header. */
  support_write_safetensors (folder, "a.safetensors",
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[16,28]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]},"
    "\"none\":{\"dtype\":\"I64\",\"shape\":[4,0],\"data_offsets\":[20,20]},"
    "\"five\":{\"dtype\":\"U8\",\"shape\":[1,1,2,1,3],\"data_offsets\":[0,6]}}   ", 28);
  file = pal_tensor_file_open (path, &error);
  g_assert_no_error (error);

  g_assert_cmpuint (pal_tensor_file_count (file), ==, 4);
  g_assert_cmpstr (pal_tensor_file_entry (file, 0)->name, ==, "b");
  entry = pal_tensor_file_find (file, "b");
  g_assert_true (entry == pal_tensor_file_entry (file, 0));
  g_assert_cmpint ((gint) entry->dtype, ==, PAL_F16);
  g_assert_true (pal_shape_equal (entry->shape, PAL_SHAPE (2, 3)));
  g_assert_cmpuint (entry->n_bytes, ==, 12);
  g_assert_cmpint ((const guint8 *) entry->data -
                   (const guint8 *) pal_tensor_file_find (file, "five")->data, ==, 16);
  g_assert_cmpuint (pal_tensor_file_find (file, "a")->shape.n, ==, 0);
  g_assert_cmpuint (pal_tensor_file_find (file, "none")->n_bytes, ==, 0);
  g_assert_null (pal_tensor_file_find (file, "absent"));
  g_assert_null (pal_tensor_file_find (file, "__metadata__"));

  support_remove (folder);
}

#define TENSOR(dtype, shape, offsets) \
  "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

/* All hold 16 bytes of data. */
static const struct
{
  const gchar *header;
  gint         code;
  const gchar *message;
} malformed[] = {
  { "[]", PAL_ERROR_FORMAT, "is not a JSON object" },
  { "{\"x\":", PAL_ERROR_FORMAT, "not valid JSON" },
  { "{\"x\":3}", PAL_ERROR_FORMAT, "\"x\" should be an object" },
  { "{\"x\":null}", PAL_ERROR_FORMAT, "x should be an object" },
  { "{\"x\":{\"shape\":[4],\"data_offsets\":[0,16]}}", PAL_ERROR_FORMAT, "has no dtype" },
  { "{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", PAL_ERROR_FORMAT, "has no shape" },
  { "{\"x\":{\"dtype\":\"F32\",\"shape\":[4]}}", PAL_ERROR_FORMAT, "should be two numbers" },
  { TENSOR ("F33", "[4]", "[0,16]"), PAL_ERROR_FORMAT, "unknown dtype \"F33\"" },
  { TENSOR ("F8_E8M0", "[16]", "[0,16]"), PAL_ERROR_UNSUPPORTED, "F8_E8M0 is not supported" },
  { TENSOR ("F32", "[-4]", "[0,16]"), PAL_ERROR_FORMAT, "negative dimension" },
  { TENSOR ("F32", "[\"4\"]", "[0,16]"), PAL_ERROR_FORMAT, "list of whole numbers" },
  { TENSOR ("F32", "[1,1,1,1,1,4]", "[0,16]"), PAL_ERROR_FORMAT, "has 6 values, at most 5" },
  { TENSOR ("F32", "[4294967296,4294967296]", "[0,16]"), PAL_ERROR_FORMAT, "overflows 64 bits" },
  { TENSOR ("F32", "[4611686018427387904,4]", "[0,16]"), PAL_ERROR_FORMAT, "overflows 64 bits" },
  { TENSOR ("F32", "[4]", "[0]"), PAL_ERROR_FORMAT, "should be two numbers" },
  { TENSOR ("F32", "[4]", "[0,8,16]"), PAL_ERROR_FORMAT, "has 3 values, at most 2" },
  { TENSOR ("F32", "[4]", "[-16,0]"), PAL_ERROR_FORMAT, "data_offsets are negative" },
  { TENSOR ("F32", "[4]", "[16,0]"), PAL_ERROR_FORMAT, "end before they begin" },
  { TENSOR ("F32", "[4]", "[4,20]"), PAL_ERROR_FORMAT, "run past the end of the file" },
  { TENSOR ("F32", "[4]", "[0,9223372036854775807]"), PAL_ERROR_FORMAT, "past the end" },
  { TENSOR ("F32", "[4]", "[0,18446744073709551632]"), PAL_ERROR_FORMAT, "not fit in 64 bits" },
  { TENSOR ("F32", "[3]", "[0,16]"), PAL_ERROR_FORMAT, "16 bytes of data do not make F32 values" },
  { TENSOR ("F16", "[4]", "[0,16]"), PAL_ERROR_FORMAT, "of shape [4]" },
  { "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
    PAL_ERROR_FORMAT, "the data of x and y overlap" },
  { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
    "\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
    PAL_ERROR_FORMAT, "the key \"x\" twice" },
};

static void
test_malformed (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = g_build_filename (folder, "x.safetensors", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      GError *error = NULL;

      support_write_safetensors (folder, "x.safetensors", malformed[i].header, 16);
      g_assert_null (pal_tensor_file_open (path, &error));
      support_assert_error (error, malformed[i].code, malformed[i].message);
      support_assert_error (error, malformed[i].code, path);
      g_clear_error (&error);
    }

  support_remove (folder);
}

static void
test_header_length (void)
{
  static const struct { const gchar *bytes; gsize n; const gchar *message; } rows[] = {
    { "", 0, "0 bytes are too few" },
    { "\x02\0\0\0\0\0\0", 7, "7 bytes are too few" },
    { "\x03\0\0\0\0\0\0\0{}", 10, "header of 3 bytes runs past the end" },
    { "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "18446744073709551615 bytes runs past" },
    { "\xf8\xff\xff\xff\xff\xff\xff\xff{}", 10, "18446744073709551608 bytes runs past" },
    { "\0\0\0\0\0\0\0\0", 8, "not valid JSON" },
    { "PK\x03\x04zip-file-of-a-pickle", 24, "archive's directory is damaged" },
  };
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = g_build_filename (folder, "x.safetensors", NULL);
  GError           *error  = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      support_write (folder, "x.safetensors", rows[i].bytes, (gssize) rows[i].n);
      g_assert_null (pal_tensor_file_open (path, &error));
      support_assert_error (error, PAL_ERROR_FORMAT, rows[i].message);
      g_clear_error (&error);
    }

  support_write (folder, "x.safetensors", "\x02\0\0\0\0\0\0\0{}", 10);
  pal_tensor_file_unref (pal_tensor_file_open (path, &error));
  g_assert_no_error (error);

  support_remove (folder);
  g_assert_null (pal_tensor_file_open (path, &error));
  support_assert_error (error, PAL_ERROR_IO, "x.safetensors");
  g_clear_error (&error);
}

/* Every truncation of a good file is refused, none crashes. */
static void
test_truncated (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = g_build_filename (folder, "x.safetensors", NULL);
  g_autofree gchar *bytes  = NULL;
  gsize             n      = 0;

  support_write_safetensors (folder, "x.safetensors", TENSOR ("F32", "[4]", "[0,16]"), 16);
  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));

  for (gsize length = 0; length < n; length++)
    {
      GError *error = NULL;

      support_write (folder, "x.safetensors", bytes, (gssize) length);
      g_assert_null (pal_tensor_file_open (path, &error));
      g_assert_error (error, PAL_ERROR, PAL_ERROR_FORMAT);
      g_clear_error (&error);
    }

  support_remove (folder);
}

/* More tensors than any fixed table would hold. */
static void
test_many (void)
{
  gchar                     *folder = support_folder ();
  g_autofree gchar          *path   = g_build_filename (folder, "x.safetensors", NULL);
  g_autoptr (GString)        header = g_string_new ("{");
  g_autoptr (PalTensorFile) file   = NULL;
  GError                    *error  = NULL;

  for (guint i = 0; i < 5000; i++)
    g_string_append_printf (header, "%s\"t.%u\":{\"dtype\":\"U8\",\"shape\":[1],"
                            "\"data_offsets\":[%u,%u]}", i > 0 ? "," : "", i, i, i + 1);
  g_string_append (header, "}");
  support_write_safetensors (folder, "x.safetensors", header->str, 5000);

  file = pal_tensor_file_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pal_tensor_file_count (file), ==, 5000);
  g_assert_nonnull (pal_tensor_file_find (file, "t.4999"));

  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/safetensors/good", test_good);
  g_test_add_func ("/safetensors/malformed", test_malformed);
  g_test_add_func ("/safetensors/header-length", test_header_length);
  g_test_add_func ("/safetensors/truncated", test_truncated);
  g_test_add_func ("/safetensors/many", test_many);

  return g_test_run ();
}
