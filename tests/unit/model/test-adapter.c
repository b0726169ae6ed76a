/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Adapters of every kind and naming, against weights that tests/tools/adapters.py computed;
 * the model that they are applied to; what is refused. */

#include "device-support.h"

#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "base/dtype.h"
#include "family/adapter.h"
#include "run/private.h"

/* As tests/tools/adapters.py has it. */
#define STRENGTH 0.75

static gchar *
data_file (const gchar *folder, const gchar *name, const gchar *suffix)
{
  g_autofree gchar *file = g_strconcat (name, suffix, NULL);

  return g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), folder, file, NULL);
}

static PalParts *
tiny_parts (void)
{
  g_autofree gchar *path = data_file ("models", "sd15-tiny", "");
  PalParts *parts = pal_parts_open (path, NULL);

  g_assert_nonnull (parts);
  return parts;
}

/* "unet/conv_in.weight" → the part, and *name behind the slash */
static PalPart
part_of (const gchar *full, const gchar **name)
{
  *name = strchr (full, '/') + 1;
  return g_str_has_prefix (full, "unet/") ? PAL_PART_DENOISER : PAL_PART_TEXT;
}

/* Every weight that the file of results holds, and no other. */
static void
test_kind (gconstpointer data)
{
  g_autofree gchar *path = data_file ("adapters", data, ".safetensors");
  g_autofree gchar *merged = data_file ("adapters", data, ".merged.safetensors");
  g_autoptr (PalParts) parts = tiny_parts ();
  g_autoptr (PalWeights) results = pal_weights_open_file (merged, NULL);
  PalAdapter adapter = { path, STRENGTH };
  g_autoptr (GError) error = NULL;
  g_autoptr (PalAdapters) adapters = pal_adapters_open (parts, &adapter, 1, &error);
  guint touched = 0;

  g_assert_no_error (error);
  g_assert_nonnull (results);

  for (gsize i = 0; i < pal_weights_count (results); i++)
    {
      const PalWeightView *result = pal_weights_at (results, i), *view;
      const gchar *name;
      PalPart part = part_of (result->name, &name);
      const PalPatch *patch = pal_adapters_patch (adapters, part);
      g_autofree gfloat *values = NULL;
      g_autofree gfloat *expected = NULL;
      gsize n;

      view = pal_weights_find (parts->weights[part], name);
      g_assert_nonnull (view);
      g_assert_true (patch->touches (patch->data, name));
      pal_shape_count (view->shape, &n);
      values = g_new (gfloat, n);
      expected = g_new (gfloat, n);
      pal_to_float (view->dtype, view->data, values, n);
      pal_to_float (result->dtype, result->data, expected, n);
      g_assert_true (patch->apply (patch->data, name, view->shape, values, &error));
      for (gsize k = 0; k < n; k++)
        g_assert_cmpfloat_with_epsilon (values[k], expected[k], 2e-6f);
    }

  for (PalPart part = PAL_PART_DENOISER; part <= PAL_PART_TEXT; part++)
    for (gsize i = 0; i < pal_weights_count (parts->weights[part]); i++)
      {
        const PalPatch *patch = pal_adapters_patch (adapters, part);

        touched += patch->touches (patch->data, pal_weights_at (parts->weights[part], i)->name);
      }
  g_assert_cmpuint (touched, ==, pal_weights_count (results));
}

/* Names of the U-Net's modules in the original code, which the kohya trainer uses for some
 * families. */
static void
test_original_names (void)
{
  static const struct
  {
    const gchar *weight, *key;
  } rows[] = {
    { "conv_in.weight", "input_blocks_0_0" },
    { "time_embedding.linear_2.weight", "time_embed_2" },
    { "down_blocks.0.resnets.1.conv1.weight", "input_blocks_2_0_in_layers_2" },
    { "down_blocks.0.downsamplers.0.conv.weight", "input_blocks_3_0_op" },
    { "down_blocks.1.attentions.0.proj_in.weight", "input_blocks_4_1_proj_in" },
    { "down_blocks.2.attentions.1.transformer_blocks.9.attn1.to_q.weight",
      "input_blocks_8_1_transformer_blocks_9_attn1_to_q" },
    { "mid_block.attentions.0.proj_out.weight", "middle_block_1_proj_out" },
    { "mid_block.resnets.1.conv_shortcut.weight", "middle_block_2_skip_connection" },
    { "up_blocks.0.attentions.2.proj_in.weight", "output_blocks_2_1_proj_in" },
    { "up_blocks.0.upsamplers.0.conv.weight", "output_blocks_2_2_conv" },
    { "up_blocks.1.resnets.0.time_emb_proj.weight", "output_blocks_3_0_emb_layers_1" },
    { "up_blocks.2.resnets.2.conv2.weight", "output_blocks_8_0_out_layers_3" },
    { "conv_out.weight", "out_2" },
    { "up_blocks.9.resnets.2.conv2.weight", NULL },
    { "no_module.weight", NULL },
  };
  PalUnetConfig sdxl = { .n_levels = 3,
                         .levels = { { .layers = 2 },
                                     { .layers = 2, .attention = TRUE, .up_attention = TRUE },
                                     { .layers = 2, .attention = TRUE, .up_attention = TRUE } } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *key = pal_unet_original_key (&sdxl, rows[i].weight);

      g_assert_cmpstr (key, ==, rows[i].key);
    }
}

/* A safetensors file of the header and as many zeros as it asks for. */
static gchar *
write_file (const gchar *header, gsize n_bytes)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE (strlen (header));
  gchar *path = NULL;
  gint file = g_file_open_tmp ("palimpsest-XXXXXX.safetensors", &path, NULL);

  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) strlen (header));
  g_byte_array_set_size (bytes, bytes->len + (guint) n_bytes);
  memset (bytes->data + bytes->len - n_bytes, 0, n_bytes);
  g_close (file, NULL);
  g_assert_true (g_file_set_contents (path, (const gchar *) bytes->data, bytes->len, NULL));
  return path;
}

#define Q "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
#define TENSOR(name, shape, begin, end)                                                  \
  "\"" name "\": {\"dtype\": \"F32\", \"shape\": [" shape "], "                            \
  "\"data_offsets\": [" begin ", " end "]}"

static void
test_refused (void)
{
  static const struct
  {
    const gchar *header;
    PalErrorCode code;
    const gchar *text;
  } rows[] = {
    { "{" TENSOR ("conv_in.weight", "2", "0", "8") "}", PAL_ERROR_UNSUPPORTED, "conv_in.weight" },
    { "{" TENSOR ("lora_unet_no_layer.lora_down.weight", "2", "0", "8") "}", PAL_ERROR_WEIGHT,
      "lora_unet_no_layer is not in" },
    { "{" TENSOR ("lora_other_to_q.lora_down.weight", "2", "0", "8") "}", PAL_ERROR_WEIGHT,
      "lora_other_to_q is not in" },
    { "{" TENSOR (Q ".lora_down.weight", "1, 2", "0", "8") "}", PAL_ERROR_UNSUPPORTED,
      "lacks a part" },
    { "{" TENSOR (Q ".lora_down.weight", "1, 2", "0", "8") ", "
      TENSOR (Q ".lora_up.weight", "2, 1", "8", "16") "}", PAL_ERROR_SHAPE, "[16, 16]" },
    { "{" TENSOR (Q ".lora_down.weight", "2, 1", "0", "8") ", "
      TENSOR (Q ".lora_up.weight", "2, 1", "8", "16") "}", PAL_ERROR_SHAPE, "family" },
    { "{" TENSOR (Q ".diff", "16, 16", "0", "1024") ", "
      TENSOR (Q ".dora_scale", "3", "1024", "1036") "}", PAL_ERROR_SHAPE, "family" },
    { "{" TENSOR (Q ".diff", "16, 16", "0", "1024") ", "
      TENSOR (Q ".alpha", "2", "1024", "1032") "}", PAL_ERROR_SHAPE, "family" },
  };
  static const gsize bytes[] = { 8, 8, 8, 8, 16, 16, 1036, 1032 };
  g_autoptr (PalParts) parts = tiny_parts ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = write_file (rows[i].header, bytes[i]);
      PalAdapter adapter = { path, 1.0 };
      g_autoptr (GError) error = NULL;

      g_assert_null (pal_adapters_open (parts, &adapter, 1, &error));
      g_test_message ("%s", error->message);
      g_assert_error (error, PAL_ERROR, (gint) rows[i].code);
      g_assert_nonnull (strstr (error->message, path));
      g_assert_nonnull (strstr (error->message, rows[i].text));
      g_remove (path);
    }
}

#define SIDE 4
#define VALUES (SIDE * SIDE * 4)

/* What the denoiser makes of some latents with these adapters. */
static void
denoise (PalModel *model, const PalAdapter *adapters, gsize n, gfloat *out)
{
  const gint64 tokens = 3, channels = pal_model_unet (model)->cross_channels;
  g_autofree gfloat *context = g_new (gfloat, tokens * channels);
  g_autoptr (GError) error = NULL;
  gfloat x[VALUES];

  for (gsize i = 0; i < VALUES; i++)
    x[i] = sinf ((gfloat) i);
  for (gint64 i = 0; i < tokens * channels; i++)
    context[i] = cosf ((gfloat) i);

  g_assert_true (pal_model_set_adapters (model, adapters, n, &error));
  pal_model_denoise (model, &(PalDenoise) { .batch = 1, .width = SIDE, .height = SIDE, .x = x,
                                            .timestep = 500.0, .tokens = tokens,
                                            .context = context }, out, NULL, &error);
  g_assert_no_error (error);
}

static gdouble
distance (const gfloat *a, const gfloat *b)
{
  gdouble sum = 0.0;

  for (gsize i = 0; i < VALUES; i++)
    sum += fabs ((gdouble) a[i] - (gdouble) b[i]);
  return sum / VALUES;
}

/* They change what the model does, in either order the same, and are gone without a trace. */
static void
test_model (void)
{
  g_autofree gchar *path = data_file ("models", "sd15-tiny", "");
  g_autofree gchar *kohya = data_file ("adapters", "kohya", ".safetensors");
  g_autofree gchar *lokr = data_file ("adapters", "lokr", ".safetensors");
  g_autoptr (PalModel) model = pal_model_open (test_device (), path, NULL);
  gfloat plain[VALUES], zero[VALUES], one[VALUES], both[VALUES], turned[VALUES], again[VALUES];
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (model);
  denoise (model, NULL, 0, plain);
  denoise (model, (PalAdapter[]) { { kohya, 0.0 } }, 1, zero);
  denoise (model, (PalAdapter[]) { { kohya, 0.8 } }, 1, one);
  denoise (model, (PalAdapter[]) { { kohya, 0.8 }, { lokr, 0.5 } }, 2, both);
  denoise (model, (PalAdapter[]) { { lokr, 0.5 }, { kohya, 0.8 } }, 2, turned);
  g_assert_cmpmem (zero, sizeof zero, plain, sizeof plain);
  g_assert_cmpfloat (distance (one, plain), >, 1e-4);
  g_assert_cmpfloat (distance (both, one), >, 1e-4);
  g_assert_cmpfloat (distance (both, turned), <, 1e-5);

  g_assert_false (pal_model_set_adapters (model, (PalAdapter[]) { { path, 1.0 } }, 1, &error));
  g_assert_nonnull (error);
  denoise (model, NULL, 0, again);
  g_assert_cmpmem (again, sizeof again, plain, sizeof plain);
}

static void
count_call (gpointer data)
{
  (*(guint *) data)++;
}

/* What a driver remembers of the model's results is no longer so when its weights change. */
static void
test_memo (void)
{
  g_autofree gchar *path = data_file ("models", "sd15-tiny", "");
  g_autofree gchar *kohya = data_file ("adapters", "kohya", ".safetensors");
  g_autoptr (PalModel) model = pal_model_open (test_device (), path, NULL);
  const PalAdapter adapter = { kohya, 0.8 };
  guint dropped = 0;

  pal_model_set_memo (model, &dropped, count_call);
  g_assert_true (pal_model_set_adapters (model, &adapter, 1, NULL));
  g_assert_cmpuint (dropped, ==, 1);

  pal_model_set_memo (model, &dropped, count_call);
  g_assert_true (pal_model_set_adapters (model, &adapter, 1, NULL));
  g_assert_true (pal_model_memo (model) == &dropped);
  g_assert_true (pal_model_set_adapters (model, NULL, 0, NULL));
  g_assert_cmpuint (dropped, ==, 2);
}

#define QUANTISED "class_embedding.linear_1.weight"

static gboolean
touch_one (gpointer data, const gchar *name)
{
  return g_str_equal (name, QUANTISED);
}

static gboolean
add_half (gpointer data, const gchar *name, PalShape shape, gfloat *values, GError **error)
{
  gsize n;

  pal_shape_count (shape, &n);
  for (gsize i = 0; i < n; i++)
    values[i] += 0.5f;
  return TRUE;
}

/* A weight of whole numbers is changed as the values that it stands for. */
static void
test_quantised (void)
{
  static const PalPatch patch = { touch_one, add_half, NULL };
  g_autofree gchar *path = data_file ("models", "unet-labels-int8-tiny",
                                      "/unet/diffusion_pytorch_model.safetensors");
  g_autoptr (PalWeights) weights = pal_weights_open_file (path, NULL);
  g_autoptr (PalResidency) residency = pal_residency_new (test_device (), weights);
  const PalWeightView *view = pal_weights_find (weights, QUANTISED);
  g_autofree guint16 *packed = NULL;
  const PalWeight *weight;
  gsize n;

  pal_residency_set_patch (residency, &patch);
  weight = pal_residency_find (residency, QUANTISED, PAL_PACK_ROWS, 0);
  g_assert_nonnull (weight);
  g_assert_cmpint (view->dtype, ==, PAL_I8);
  g_assert_cmpint (weight->dtype, ==, PAL_F16);
  g_assert_null (weight->scale);
  pal_shape_count (view->shape, &n);
  g_assert_cmpuint (weight->n_bytes, ==, 2 * n);

  packed = g_new (guint16, n);
  g_assert_true (pal_pack (weight, "test", packed, NULL));
  for (gsize i = 0; i < n; i++)
    {
      gsize row = i / (n / (gsize) view->shape.d[0]);
      gfloat data, scale;

      pal_to_float (PAL_I8, (const gint8 *) view->data + i, &data, 1);
      pal_to_float (view->scale->dtype, (const guint8 *) view->scale->data +
                    row * pal_dtype_size (view->scale->dtype), &scale, 1);
      g_assert_cmpfloat_with_epsilon (pal_half_to_float (packed[i]), data * scale + 0.5f, 1e-3f);
    }
}

gint
main (gint argc, gchar **argv)
{
  static const gchar *const kinds[] = { "kohya", "locon", "diffusers", "loha", "lokr", "dora" };

  if (! device_test_init (&argc, &argv))
    return 0;

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree gchar *path = g_strconcat ("/adapter/kind/", kinds[i], NULL);

      g_test_add_data_func (path, kinds[i], test_kind);
    }
  g_test_add_func ("/adapter/original-names", test_original_names);
  g_test_add_func ("/adapter/refused", test_refused);
  g_test_add_func ("/adapter/model", test_model);
  g_test_add_func ("/adapter/memo", test_memo);
  g_test_add_func ("/adapter/quantised", test_quantised);

  return g_test_run ();
}
