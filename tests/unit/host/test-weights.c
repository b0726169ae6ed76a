/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tensors of a model part, in one file or in shards. */

#include "base/dtype.h"
#include "base/error.h"
#include "io/weights.h"
#include "support.h"

#define ONE(name) "{\"" name "\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}"
#define TWO "{\"w\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]}," \
            "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}"

static void
test_one_file (void)
{
  gchar                 *folder  = support_folder ();
  g_autoptr (PalWeights) weights = NULL;
  GError                *error   = NULL;

  support_write_safetensors (folder, "model.safetensors", TWO, 16);
  weights = pal_weights_open_folder (folder, "model", &error);
  g_assert_no_error (error);

  g_assert_cmpuint (pal_weights_count (weights), ==, 2);
  g_assert_cmpuint (pal_weights_parameters (weights), ==, 6);
  g_assert_cmpuint (pal_weights_bytes (weights), ==, 16);
  g_assert_cmpint ((gint) pal_weights_precision (weights), ==, PAL_F16);
  g_assert_true (g_str_has_suffix (pal_weights_label (weights), "model.safetensors"));
  g_assert_true (pal_weights_find (weights, "w") == pal_weights_at (weights, 0));
  g_assert_null (pal_weights_find (weights, "absent"));

  support_remove (folder);
}

static void
test_half_file (void)
{
  gchar                 *folder  = support_folder ();
  g_autoptr (PalWeights) weights = NULL;
  GError                *error   = NULL;

  support_write_safetensors (folder, "model.fp16.safetensors", ONE ("a"), 4);
  weights = pal_weights_open_folder (folder, "model", &error);
  g_assert_no_error (error);
  g_assert_nonnull (pal_weights_find (weights, "a"));

  support_remove (folder);
}

static void
test_shards (void)
{
  gchar                 *folder  = support_folder ();
  g_autoptr (PalWeights) weights = NULL;
  GError                *error   = NULL;

  support_write_safetensors (folder, "m-1.safetensors", ONE ("a"), 4);
  support_write_safetensors (folder, "m-2.safetensors", TWO, 16);
  support_write (folder, "m.safetensors.index.json",
                 "{\"metadata\":{},\"weight_map\":{\"a\":\"m-1.safetensors\","
                 "\"w\":\"m-2.safetensors\",\"b\":\"m-2.safetensors\"}}", -1);
  weights = pal_weights_open_folder (folder, "m", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pal_weights_count (weights), ==, 3);
  g_assert_nonnull (pal_weights_find (weights, "a"));
  g_assert_nonnull (pal_weights_find (weights, "b"));

  support_remove (folder);
}

static const struct { const gchar *index; gint code; const gchar *message; } bad_shards[] = {
  { "{}", PAL_ERROR_FORMAT, "no field \"weight_map\"" },
  { "{\"weight_map\":[]}", PAL_ERROR_FORMAT, "\"weight_map\" should be an object" },
  { "{\"weight_map\":{\"a\":1}}", PAL_ERROR_FORMAT, "\"a\" should be a string" },
  { "{\"weight_map\":{\"a\":null}}", PAL_ERROR_FORMAT, "a file of the same folder" },
  { "{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}", PAL_ERROR_FORMAT, "of the same folder" },
  { "{\"weight_map\":{\"a\":\"absent.safetensors\"}}", PAL_ERROR_IO, "absent.safetensors" },
  { "{\"weight_map\":{\"z\":\"m-1.safetensors\"}}", PAL_ERROR_WEIGHT, "holds the tensor z" },
  { "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-3.safetensors\"}}",
    PAL_ERROR_FORMAT, "the tensor a is already in another file" },
};

static void
test_bad_shards (void)
{
  gchar *folder = support_folder ();

  support_write_safetensors (folder, "m-1.safetensors", ONE ("a"), 4);
  support_write_safetensors (folder, "m-3.safetensors", ONE ("a"), 4);

  for (gsize i = 0; i < G_N_ELEMENTS (bad_shards); i++)
    {
      GError *error = NULL;

      support_write (folder, "m.safetensors.index.json", bad_shards[i].index, -1);
      g_assert_null (pal_weights_open_folder (folder, "m", &error));
      support_assert_error (error, bad_shards[i].code, bad_shards[i].message);
      g_clear_error (&error);
    }

  support_remove (folder);
}

#define DATA(dtype, shape, end) \
  "\"w._data\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[0," end "]}"
#define SCALE(dtype, shape, begin, end) \
  "\"w._scale\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

/* Scales before or behind their data. */
static void
test_quantised (void)
{
  static const gchar *const headers[] = {
    "{" DATA ("I8", "[2,3]", "6") "," SCALE ("F16", "[2,1]", "6", "10") "}",
    "{" SCALE ("F16", "[2,1]", "6", "10") "," DATA ("I8", "[2,3]", "6") "}",
  };
  gchar *folder = support_folder ();

  for (gsize i = 0; i < G_N_ELEMENTS (headers); i++)
    {
      g_autoptr (PalWeights) weights = NULL;
      const PalWeightView   *view;
      GError                *error = NULL;

      support_write_safetensors (folder, "model.safetensors", headers[i], 10);
      weights = pal_weights_open_folder (folder, "model", &error);
      g_assert_no_error (error);

      view = pal_weights_find (weights, "w");
      g_assert_nonnull (view);
      g_assert_cmpstr (view->name, ==, "w");
      g_assert_cmpint ((gint) view->dtype, ==, PAL_I8);
      g_assert_true (pal_shape_equal (view->shape, PAL_SHAPE (2, 3)));
      g_assert_cmpstr (view->scale->name, ==, "w._scale");
      g_assert_cmpint ((gint) view->scale->dtype, ==, PAL_F16);
      g_assert_cmpint ((const guint8 *) view->scale->data - (const guint8 *) view->data, ==, 6);

      g_assert_null (pal_weights_find (weights, "w._data"));
      g_assert_null (pal_weights_find (weights, "w._scale"));
      g_assert_cmpuint (pal_weights_count (weights), ==, 1);
      g_assert_cmpuint (pal_weights_parameters (weights), ==, 6);
      g_assert_cmpuint (pal_weights_bytes (weights), ==, 10);
      g_assert_cmpint ((gint) pal_weights_precision (weights), ==, PAL_I8);
    }

  support_remove (folder);
}

/* Data and scale may lie in different files; many are joined in any order. */
static void
test_quantised_shards (void)
{
  gchar                 *folder  = support_folder ();
  g_autoptr (GString)    data    = g_string_new ("{");
  g_autoptr (GString)    scales  = g_string_new ("{");
  g_autoptr (GString)    map     = g_string_new ("{\"weight_map\":{");
  g_autoptr (PalWeights) weights = NULL;
  GError                *error   = NULL;

  for (gint i = 0; i < 9; i++)
    {
      const gchar *comma = i > 0 ? "," : "";

      g_string_append_printf (data, "%s\"t%d._data\":{\"dtype\":\"I8\",\"shape\":[4,1,1,1],"
                              "\"data_offsets\":[%d,%d]}", comma, i, 4 * i, 4 * i + 4);
      g_string_append_printf (scales, "%s\"t%d._scale\":{\"dtype\":\"F32\",\"shape\":[4,1,1,1],"
                              "\"data_offsets\":[%d,%d]}", comma, 8 - i, 16 * i, 16 * i + 16);
      g_string_append_printf (map, "%s\"t%d._data\":\"0.safetensors\","
                              "\"t%d._scale\":\"1.safetensors\"", comma, i, i);
    }
  g_string_append (data, "}");
  g_string_append (scales, "}");
  g_string_append (map, "}}");
  support_write_safetensors (folder, "0.safetensors", data->str, 36);
  support_write_safetensors (folder, "1.safetensors", scales->str, 144);
  support_write (folder, "m.safetensors.index.json", map->str, -1);
  weights = pal_weights_open_folder (folder, "m", &error);
  g_assert_no_error (error);

  g_assert_cmpuint (pal_weights_count (weights), ==, 9);
  for (gint i = 0; i < 9; i++)
    {
      g_autofree gchar    *name  = g_strdup_printf ("t%d", i);
      g_autofree gchar    *scale = g_strdup_printf ("t%d._scale", i);
      const PalWeightView *view  = pal_weights_find (weights, name);

      g_assert_nonnull (view);
      g_assert_cmpstr (view->scale->name, ==, scale);
    }

  support_remove (folder);
}

/* All hold 32 bytes of data. */
static const struct { const gchar *header; gint code; const gchar *message; } bad_quantised[] = {
  { "{" DATA ("I8", "[2,3]", "6") "}", PAL_ERROR_WEIGHT, "the tensor w._scale is missing" },
  { "{" DATA ("U8", "[2,3]", "6") "," SCALE ("F16", "[2,1]", "6", "10") "}",
    PAL_ERROR_UNSUPPORTED, "w._data is of the type U8" },
  { "{" DATA ("I8", "[2,0]", "0") "," SCALE ("F16", "[2,1]", "6", "10") "}",
    PAL_ERROR_SHAPE, "w._data is empty: [2, 0]" },
  { "{" DATA ("I8", "[]", "1") "," SCALE ("F16", "[]", "6", "8") "}",
    PAL_ERROR_SHAPE, "w._data is empty: []" },
  { "{" DATA ("I8", "[2,3]", "6") "," SCALE ("F16", "[2]", "6", "10") "}",
    PAL_ERROR_SHAPE, "w._scale is [2] where [2, 1] is needed" },
  { "{" DATA ("I8", "[2,3]", "6") "," SCALE ("F16", "[]", "6", "8") "}",
    PAL_ERROR_SHAPE, "w._scale is [] where [2, 1] is needed" },
  { "{" DATA ("I8", "[2,3]", "6") "," SCALE ("F16", "[1,3]", "6", "12") "}",
    PAL_ERROR_SHAPE, "w._scale is [1, 3] where [2, 1] is needed" },
  { "{" DATA ("I8", "[2,3]", "6") "," SCALE ("I16", "[2,1]", "6", "10") "}",
    PAL_ERROR_FORMAT, "w._scale is of the type I16" },
  { "{" DATA ("I8", "[2,3]", "6") "," SCALE ("F16", "[2,1]", "6", "10") ","
    "\"w\":{\"dtype\":\"I8\",\"shape\":[6],\"data_offsets\":[10,16]}}",
    PAL_ERROR_FORMAT, "holds both w and w._data" },
};

static void
test_bad_quantised (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = g_build_filename (folder, "x.safetensors", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (bad_quantised); i++)
    {
      GError *error = NULL;

      support_write_safetensors (folder, "x.safetensors", bad_quantised[i].header, 32);
      g_assert_null (pal_weights_open_file (path, &error));
      support_assert_error (error, bad_quantised[i].code, bad_quantised[i].message);
      support_assert_error (error, bad_quantised[i].code, path);
      g_clear_error (&error);
    }

  support_remove (folder);
}

static void
test_absent (void)
{
  gchar  *folder = support_folder ();
  GError *error  = NULL;

  g_assert_null (pal_weights_open_folder (folder, "model", &error));
  support_assert_error (error, PAL_ERROR_IO, "has none of model.safetensors");
  g_clear_error (&error);

  support_write (folder, "model.bin", "x", -1);
  g_assert_null (pal_weights_open_folder (folder, "model", &error));
  support_assert_error (error, PAL_ERROR_IO, "Python pickle");
  g_clear_error (&error);

  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/weights/one-file", test_one_file);
  g_test_add_func ("/weights/half-file", test_half_file);
  g_test_add_func ("/weights/shards", test_shards);
  g_test_add_func ("/weights/bad-shards", test_bad_shards);
  g_test_add_func ("/weights/quantised", test_quantised);
  g_test_add_func ("/weights/quantised-shards", test_quantised_shards);
  g_test_add_func ("/weights/bad-quantised", test_bad_quantised);
  g_test_add_func ("/weights/absent", test_absent);

  return g_test_run ();
}
