/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configurations from shapes, at the sizes of the published models. Of each tensor only the
 * dimensions that count are real. */

#include "base/error.h"
#include "family/derive.h"
#include "support.h"

#define MAX_LEVELS 4

typedef struct
{
  const gchar *name;
  guint        n_levels;
  gint64       channels[MAX_LEVELS], blocks[MAX_LEVELS];   /* transformer blocks; 0 = none */
  gint64       mid_blocks, in_channels, text_channels, added;
  gboolean     linear;

  /* What must follow. */
  gint64       heads[MAX_LEVELS], told_blocks[MAX_LEVELS], sample_size;
  const gchar *class_name;
} Row;

static const Row rows[] = {
  { "sd15", 4, { 320, 640, 1280, 1280 }, { 1, 1, 1, 0 }, 1, 4, 768, 0, FALSE,
    { 8, 8, 8, 8 }, { 1, 1, 1, 1 }, 64, "StableDiffusionPipeline" },
  { "sd15-inpainting", 4, { 320, 640, 1280, 1280 }, { 1, 1, 1, 0 }, 1, 9, 768, 0, FALSE,
    { 8, 8, 8, 8 }, { 1, 1, 1, 1 }, 64, "StableDiffusionPipeline" },
  { "pix2pix", 4, { 320, 640, 1280, 1280 }, { 1, 1, 1, 0 }, 1, 8, 768, 0, FALSE,
    { 8, 8, 8, 8 }, { 1, 1, 1, 1 }, 64, "StableDiffusionInstructPix2PixPipeline" },
  { "sd20-base", 4, { 320, 640, 1280, 1280 }, { 1, 1, 1, 0 }, 1, 4, 1024, 0, TRUE,
    { 5, 10, 20, 20 }, { 1, 1, 1, 1 }, 64, "StableDiffusionPipeline" },
  { "sdxl", 3, { 320, 640, 1280 }, { 0, 2, 10 }, 10, 4, 2048, 2816, TRUE,
    { 5, 10, 20 }, { 1, 2, 10 }, 128, "StableDiffusionXLPipeline" },
  { "refiner", 4, { 384, 768, 1536, 1536 }, { 0, 4, 4, 0 }, 4, 4, 1280, 2560, TRUE,
    { 6, 12, 24, 24 }, { 1, 4, 4, 4 }, 128, "StableDiffusionXLImg2ImgPipeline" },
};

typedef struct
{
  GString *header;
  gsize    end;
} Writer;

static void
add (Writer *w, gint64 n_rows, gint64 columns, const gchar *format, ...) G_GNUC_PRINTF (4, 5);

static void
add (Writer *w, gint64 n_rows, gint64 columns, const gchar *format, ...)
{
  g_autofree gchar *name = NULL;
  gsize bytes = (gsize) (n_rows * columns);
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);

  g_string_append_printf (w->header, "%s\"%s\":{\"dtype\":\"F8_E4M3\",\"shape\":[%" G_GINT64_FORMAT
                          ",%" G_GINT64_FORMAT "%s],\"data_offsets\":[%zu,%zu]}",
                          w->end > 0 ? "," : "{", name, n_rows, columns,
                          g_str_has_suffix (name, "conv_in.weight") ? ",1,1" : "", w->end,
                          w->end + bytes);
  w->end += bytes;
}

static void
add_attention (Writer *w, const gchar *block, const Row *row, gint64 n)
{
  add (w, 1, 1, "%s.attentions.0.norm.weight", block);
  add (w, 1, 1, "%s.attentions.0.proj_in.weight", block);
  for (gint64 i = 0; i < n; i++)
    {
      g_autofree gchar *name = g_strdup_printf ("%s.attentions.0.transformer_blocks.%d", block,
                                                (gint) i);

      add (w, 1, 1, "%s.norm1.weight", name);
      add (w, 1, row->text_channels, "%s.attn2.to_k.weight", name);
    }
}

static PalWeights *
write_unet (const gchar *folder, const Row *row)
{
  Writer w = { g_string_new (NULL), 0 };
  g_autofree gchar *path = g_build_filename (folder, "unet.safetensors", NULL);
  PalWeights *weights;
  GError *error = NULL;

  add (&w, row->channels[0], row->in_channels, "conv_in.weight");
  add (&w, 4, 1, "conv_out.weight");
  for (guint i = 0; i < row->n_levels; i++)
    {
      g_autofree gchar *block = g_strdup_printf ("down_blocks.%u", i);
      guint from_inside = row->n_levels - 1 - i;

      for (guint j = 0; j < 2; j++)
        add (&w, row->channels[i], 1, "%s.resnets.%u.conv1.weight", block, j);
      if (row->blocks[i] > 0)
        add_attention (&w, block, row, row->blocks[i]);
      if (row->blocks[from_inside] > 0)
        add (&w, 1, 1, "up_blocks.%u.attentions.0.norm.weight", i);
    }
  add (&w, 1, 1, "mid_block.resnets.0.conv1.weight");
  add_attention (&w, "mid_block", row, row->mid_blocks);
  if (row->added > 0)
    add (&w, 1, row->added, "add_embedding.linear_1.weight");
  g_string_append_c (w.header, '}');

  support_write_safetensors (folder, "unet.safetensors", w.header->str, w.end);
  g_string_free (w.header, TRUE);
  weights = pal_weights_open_file (path, &error);
  g_assert_no_error (error);
  return weights;
}

static PalWeights *
write_open_clip (const gchar *folder, gint64 width, guint layers)
{
  Writer w = { g_string_new (NULL), 0 };
  g_autofree gchar *path = g_build_filename (folder, "text.safetensors", NULL);
  PalWeights *weights;

  add (&w, 10, width, "text_model.embeddings.token_embedding.weight");
  add (&w, 77, 1, "text_model.embeddings.position_embedding.weight");
  for (guint i = 0; i < layers; i++)
    add (&w, 1, 1, "text_model.encoder.layers.%u.layer_norm1.weight", i);
  add (&w, 4 * width, 1, "text_model.encoder.layers.0.mlp.fc1.weight");
  g_string_append_c (w.header, '}');

  support_write_safetensors (folder, "text.safetensors", w.header->str, w.end);
  g_string_free (w.header, TRUE);
  weights = pal_weights_open_file (path, NULL);
  g_assert_nonnull (weights);
  return weights;
}

static void
assert_ints (const PalJson *json, const gchar *field, const gint64 *expected, guint n)
{
  gint64 values[8] = { 0 };
  guint found = 0;

  g_assert_true (pal_json_ints (json, field, values, 8, &found, NULL));
  g_assert_cmpuint (found, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpint (values[i], ==, expected[i]);
}

static void
assert_word (const PalJson *json, const gchar *field, const gchar *expected)
{
  g_autofree gchar *value = NULL;

  g_assert_true (pal_json_string (json, field, &value, NULL));
  g_assert_cmpstr (value, ==, expected);
}

static void
test_published (void)
{
  gchar *folder = support_folder ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const Row *row = &rows[i];
      g_autoptr (PalWeights) unet = write_unet (folder, row);
      g_autoptr (PalWeights) text_2 = row->added ? write_open_clip (folder, 1280, 32) : NULL;
      PalCheckpoint c = { .path = row->name, .unet = unet, .text_2 = text_2,
                          .text = row->text_channels == 2048 ? text_2 : NULL };
      g_autoptr (PalJson) json = pal_derive_unet (&c, NULL), index = pal_derive_index (&c, NULL);

      g_test_message ("%s", row->name);
      assert_ints (json, "block_out_channels", row->channels, row->n_levels);
      assert_ints (json, "attention_head_dim", row->heads, row->n_levels);
      assert_ints (json, "transformer_layers_per_block", row->told_blocks, row->n_levels);
      assert_ints (json, "norm_num_groups", (gint64[]) { 32 }, 1);
      assert_ints (json, "in_channels", &row->in_channels, 1);
      assert_ints (json, "cross_attention_dim", &row->text_channels, 1);
      assert_ints (json, "sample_size", &row->sample_size, 1);
      assert_word (json, "addition_embed_type", row->added ? "text_time" : NULL);
      assert_word (index, "_class_name", row->class_name);
    }

  support_remove (folder);
}

/* Stable Diffusion 2.x reads the layer before the last, XL all of them. */
static void
test_open_clip (void)
{
  gchar *folder = support_folder ();
  g_autoptr (PalWeights) whole = write_open_clip (folder, 1024, 24);
  g_autoptr (PalWeights) cut = write_open_clip (folder, 1024, 23);
  PalCheckpoint c = { .path = "x", .text = whole, .open_clip = TRUE };
  g_autoptr (PalJson) json = pal_derive_text (&c, NULL);
  g_autoptr (PalJson) again = NULL, second = NULL;

  assert_ints (json, "num_hidden_layers", (gint64[]) { 23 }, 1);
  assert_ints (json, "num_attention_heads", (gint64[]) { 16 }, 1);
  assert_ints (json, "hidden_size", (gint64[]) { 1024 }, 1);
  assert_ints (json, "intermediate_size", (gint64[]) { 4096 }, 1);
  assert_word (json, "hidden_act", "gelu");

  c.text = cut;
  again = pal_derive_text (&c, NULL);
  assert_ints (again, "num_hidden_layers", (gint64[]) { 23 }, 1);

  c.text_2 = whole;
  second = pal_derive_text_2 (&c, NULL);
  assert_ints (second, "num_hidden_layers", (gint64[]) { 24 }, 1);

  support_remove (folder);
}

/* The marks that fine-tunes leave. */
static void
test_marks (void)
{
  gchar *folder = support_folder ();
  g_autoptr (PalWeights) unet = write_unet (folder, &rows[0]);
  PalCheckpoint c = { .path = "x", .unet = unet };
  g_autoptr (PalJson) plain = pal_derive_schedule (&c, NULL), marked = NULL;
  gboolean zero_snr = FALSE;

  assert_word (plain, "prediction_type", "epsilon");
  c.v_prediction = c.zero_snr = TRUE;
  marked = pal_derive_schedule (&c, NULL);
  assert_word (marked, "prediction_type", "v_prediction");
  g_assert_true (pal_json_bool (marked, "rescale_betas_zero_snr", &zero_snr, NULL));
  g_assert_true (zero_snr);

  support_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/derive/published", test_published);
  g_test_add_func ("/derive/open-clip", test_open_clip);
  g_test_add_func ("/derive/marks", test_marks);

  return g_test_run ();
}
