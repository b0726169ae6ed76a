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
  g_test_add_func ("/weights/absent", test_absent);

  return g_test_run ();
}
