/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Model folders that are wrong in one way each: every one is refused with a message
 * that names the part and says what to do. */

#include "device-support.h"

#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "family/model.h"

/* One change to a copy of sd15-tiny: the file, and what becomes of it. find NULL: it
 * is removed. Otherwise every find becomes replace; binary files keep their length. */
typedef struct
{
  const gchar  *name;
  const gchar  *file, *find, *replace;
  PalErrorCode  code;
  const gchar  *parts[3];     /* the message has these */
} Fault;

/* In place of the codec's name: an AutoencoderDC with these lists on both sides. */
#define DC(channels, layers)                                    \
  "AutoencoderDC\", "                                           \
  "\"encoder_block_out_channels\": " channels ", "              \
  "\"decoder_block_out_channels\": " channels ", "              \
  "\"encoder_layers_per_block\": " layers ", "                  \
  "\"decoder_layers_per_block\": " layers

static const Fault faults[] = {
  { "no-index", "model_index.json", NULL, NULL, PAL_ERROR_FORMAT,
    { "model_index.json", "choose the folder" } },
  { "no-unet-weights", "unet/diffusion_pytorch_model.safetensors", NULL, NULL, PAL_ERROR_IO,
    { "the denoiser's weights", "/unet", "again" } },
  { "no-vae-weights", "vae/diffusion_pytorch_model.safetensors", NULL, NULL, PAL_ERROR_IO,
    { "the image codec's weights", "/vae", "again" } },
  { "no-text-weights", "text_encoder/model.safetensors", NULL, NULL, PAL_ERROR_IO,
    { "the text encoder's weights", "/text_encoder", "again" } },
  { "no-unet-config", "unet/config.json", NULL, NULL, PAL_ERROR_IO,
    { "unet/config.json", "again" } },
  { "no-merges", "tokenizer/merges.txt", NULL, NULL, PAL_ERROR_IO,
    { "tokenizer/merges.txt", "merges", "again" } },
  { "no-vocabulary", "tokenizer/vocab.json", NULL, NULL, PAL_ERROR_IO,
    { "tokenizer/vocab.json", "again" } },
  { "no-schedule", "scheduler/scheduler_config.json", NULL, NULL, PAL_ERROR_IO,
    { "scheduler_config.json", "again" } },
  { "sd3", "model_index.json", "StableDiffusionPipeline", "StableDiffusion3Pipeline",
    PAL_ERROR_UNSUPPORTED, { "Stable Diffusion 3", "not built yet" } },
  { "flux", "model_index.json", "StableDiffusionPipeline", "FluxPipeline",
    PAL_ERROR_UNSUPPORTED, { "FLUX.1", "not built yet" } },
  { "flux2", "model_index.json", "StableDiffusionPipeline", "Flux2KleinPipeline",
    PAL_ERROR_UNSUPPORTED, { "FLUX.2", "not built yet" } },
  { "no-unet-part", "model_index.json", "\"unet\"", "\"prior\"",
    PAL_ERROR_UNSUPPORTED, { "no \"unet\"" } },
  { "index-no-json", "model_index.json", "{", "[", PAL_ERROR_FORMAT, { "model_index.json" } },
  { "text-width", "unet/config.json", "\"cross_attention_dim\": 32", "\"cross_attention_dim\": 768",
    PAL_ERROR_SHAPE, { "768", "32", "text_encoder folder" } },
  { "latents", "vae/config.json", "\"latent_channels\": 4", "\"latent_channels\": 16",
    PAL_ERROR_SHAPE, { "16", "4", "vae folder" } },
  { "many-tokens", "text_encoder/config.json", "\"vocab_size\": 2014", "\"vocab_size\": 1000",
    PAL_ERROR_SHAPE, { "2014", "1000", "tokenizer folder" } },
  { "wrong-length", "unet/diffusion_pytorch_model.safetensors", "[16,4,3,3]", "[16,8,3,3]",
    PAL_ERROR_FORMAT, { "diffusion_pytorch_model.safetensors" } },
  { "added-embedding", "unet/config.json", "\"addition_embed_type\": null",
    "\"addition_embed_type\": \"image\"", PAL_ERROR_UNSUPPORTED,
    { "unet/config.json", "addition_embed_type", "text_time" } },
  { "added-width", "unet/config.json", "\"addition_embed_type\": null",
    "\"addition_embed_type\": \"text_time\"", PAL_ERROR_FORMAT,
    { "unet/config.json", "addition_embed_type", "projection_class_embeddings_input_dim" } },
  { "no-second-encoder", "model_index.json", "\"unet\"",
    "\"text_encoder_2\": [\"transformers\", \"CLIPTextModel\"], \"unet\"", PAL_ERROR_IO,
    { "text_encoder_2/config.json", "again" } },
  { "block-type", "unet/config.json", "CrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D",
    PAL_ERROR_UNSUPPORTED, { "up_block_types", "SimpleCrossAttnUpBlock2D" } },
  { "heads", "unet/config.json", "\"attention_head_dim\": 2", "\"attention_head_dim\": 5",
    PAL_ERROR_FORMAT, { "attention_head_dim" } },
  { "codec", "vae/config.json", "AutoencoderKL", "ConsistencyDecoderVAE", PAL_ERROR_UNSUPPORTED,
    { "ConsistencyDecoderVAE", "AutoencoderTiny", "AutoencoderDC" } },
  { "dc-block", "vae/config.json", "AutoencoderKL\"",
    DC ("[4, 16]", "[1, 1]") ", \"encoder_block_types\": [\"ResBlock\", \"EfficientViTBlock\"]",
    PAL_ERROR_UNSUPPORTED, { "encoder_block_types", "EfficientViTBlock", "ResBlock" } },
  { "dc-norm", "vae/config.json", "AutoencoderKL\"",
    DC ("[4, 16]", "[1, 1]") ", \"decoder_norm_types\": \"batch_norm\"",
    PAL_ERROR_UNSUPPORTED, { "decoder_norm_types", "batch_norm", "rms_norm" } },
  { "dc-up", "vae/config.json", "AutoencoderKL\"",
    DC ("[4, 16]", "[1, 1]") ", \"upsample_block_type\": \"bilinear\"",
    PAL_ERROR_UNSUPPORTED, { "upsample_block_type", "bilinear", "pixel_shuffle or interpolate" } },
  { "dc-words", "vae/config.json", "AutoencoderKL\"",
    DC ("[4, 16]", "[1, 1]") ", \"decoder_act_fns\": [\"silu\", \"silu\", \"silu\"]",
    PAL_ERROR_FORMAT, { "decoder_act_fns", "3 values", "2 levels" } },
  { "dc-levels", "vae/config.json", "AutoencoderKL\"", DC ("[4, 16, 64]", "[1, 0, 1]"),
    PAL_ERROR_FORMAT, { "encoder_layers_per_block", "may have 0 layers" } },
  { "dc-one-level", "vae/config.json", "AutoencoderKL\"", DC ("[4]", "[0]"),
    PAL_ERROR_FORMAT, { "encoder_layers_per_block", "one level" } },
  { "dc-channels", "vae/config.json", "AutoencoderKL\"", DC ("[4, 12]", "[1, 1]"),
    PAL_ERROR_FORMAT, { "encoder_block_out_channels", "multiple of the next" } },
  { "dc-latents", "vae/config.json", "AutoencoderKL\"", DC ("[2, 2]", "[1, 1]"),
    PAL_ERROR_FORMAT, { "latent_channels", "multiple" } },
  { "activation", "text_encoder/config.json", "quick_gelu", "mish", PAL_ERROR_UNSUPPORTED,
    { "hidden_act", "mish" } },
  { "missing-tensor", "unet/diffusion_pytorch_model.safetensors",
    "mid_block.resnets.0.conv1.weight", "mid_block.resnets.0.conv9.weight", PAL_ERROR_WEIGHT,
    { "diffusion_pytorch_model.safetensors", "mid_block.resnets.0", "conv1.weight" } },
  { "wrong-shape", "unet/diffusion_pytorch_model.safetensors",
    "[32,16,3,3]", "[16,32,3,3]", PAL_ERROR_SHAPE,
    { "diffusion_pytorch_model.safetensors", "down_blocks.1.resnets.0" } },
};

static void
copy_tree (const gchar *from, const gchar *to)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const gchar *name;

  g_assert_nonnull (dir);
  g_assert_cmpint (g_mkdir (to, 0700), ==, 0);
  while ((name = g_dir_read_name (dir)))
    {
      g_autofree gchar *source = g_build_filename (from, name, NULL);
      g_autofree gchar *target = g_build_filename (to, name, NULL);

      if (g_file_test (source, G_FILE_TEST_IS_DIR))
        {
          copy_tree (source, target);
        }
      else
        {
          g_autofree gchar *text = NULL;
          gsize n = 0;

          g_assert_true (g_file_get_contents (source, &text, &n, NULL));
          g_assert_true (g_file_set_contents (target, text, (gssize) n, NULL));
        }
    }
}

static void
remove_tree (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_assert_cmpint (g_remove (path), ==, 0);
}

/* Every find in the file becomes replace. */
static void
edit (const gchar *path, const gchar *find, const gchar *replace)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autofree gchar *text = NULL;
  gsize n = 0, length = strlen (find);
  guint found = 0;

  g_assert_true (g_file_get_contents (path, &text, &n, NULL));
  for (gsize i = 0; i < n; i++)
    if (n - i >= length && memcmp (text + i, find, length) == 0)
      {
        g_string_append (out, replace);
        i += length - 1;
        found++;
      }
    else
      {
        g_string_append_c (out, text[i]);
      }

  g_assert_cmpuint (found, >, 0);
  g_assert_true (g_file_set_contents (path, out->str, (gssize) out->len, NULL));
}

/* The same in a safetensors file's header, whose length stands in the first bytes. */
static void
rename_tensors (const gchar *path, const gchar *find, const gchar *replace)
{
  g_autofree gchar *before = NULL;
  g_autofree gchar *after = NULL;
  gsize n_before = 0, n_after = 0;
  guint64 header;

  g_assert_true (g_file_get_contents (path, &before, &n_before, NULL));
  edit (path, find, replace);
  g_assert_true (g_file_get_contents (path, &after, &n_after, NULL));

  memcpy (&header, after, sizeof header);
  header = GUINT64_TO_LE (GUINT64_FROM_LE (header) + n_after - n_before);
  memcpy (after, &header, sizeof header);
  g_assert_true (g_file_set_contents (path, after, (gssize) n_after, NULL));
}

static gchar *
tiny_model (void)
{
  return g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", "sd15-tiny", NULL);
}

/* A copy of sd15-tiny in a temporary folder, which *parent names. */
static gchar *
model_copy (gchar **parent)
{
  g_autofree gchar *source = tiny_model ();
  gchar *copy;

  *parent = g_dir_make_tmp ("palimpsest-model-XXXXXX", NULL);
  copy = g_build_filename (*parent, "model", NULL);
  copy_tree (source, copy);
  return copy;
}

static void
check_message (const GError *error, const Fault *fault)
{
  g_test_message ("%s", error ? error->message : "no error");
  g_assert_error (error, PAL_ERROR, (gint) fault->code);
  for (guint i = 0; i < G_N_ELEMENTS (fault->parts) && fault->parts[i]; i++)
    g_assert_nonnull (strstr (error->message, fault->parts[i]));
}

static void
test_fault (gconstpointer data)
{
  const Fault *fault = data;
  g_autofree gchar *parent = NULL;
  g_autofree gchar *copy = model_copy (&parent);
  g_autofree gchar *file = g_build_filename (copy, fault->file, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (PalModel) model = NULL;

  if (fault->find)
    edit (file, fault->find, fault->replace);
  else
    g_assert_cmpint (g_remove (file), ==, 0);

  model = pal_model_open (test_device (), copy, &error);
  g_assert_null (model);
  check_message (error, fault);
  remove_tree (parent);
}

/* Paths that are no model folder at all. */
static void
test_paths (void)
{
  static const Fault absent = { .code = PAL_ERROR_IO,
                                .parts = { "does not exist", "model_index.json" } };
  static const Fault single = { .code = PAL_ERROR_WEIGHT,
                                .parts = { "lacks the image codec", "the text encoder" } };
  static const Fault file = { .code = PAL_ERROR_FORMAT,
                              .parts = { "neither a folder nor a checkpoint" } };
  g_autofree gchar *tiny = tiny_model ();
  g_autofree gchar *none = g_build_filename (tiny, "none", NULL);
  g_autofree gchar *weights = g_build_filename (tiny, "unet",
                                                "diffusion_pytorch_model.safetensors", NULL);
  g_autofree gchar *config = g_build_filename (tiny, "unet", "config.json", NULL);
  const struct
  {
    const gchar *path;
    const Fault *fault;
  } paths[] = { { none, &absent }, { weights, &single }, { config, &file } };

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (pal_model_inspect (paths[i].path, &error));
      check_message (error, paths[i].fault);
    }
}

static void
test_info (void)
{
  g_autofree gchar *tiny = tiny_model ();
  g_autofree gchar *inpaint = g_build_filename (tiny, "..", "sd15-inpaint9-tiny", NULL);
  g_autoptr (PalModelInfo) info = pal_model_inspect (tiny, NULL);
  g_autoptr (PalModelInfo) other = pal_model_inspect (inpaint, NULL);

  g_assert_nonnull (info);
  g_assert_nonnull (other);
  g_assert_cmpstr (info->family, ==, "sd1");
  g_assert_cmpstr (info->title, ==, "sd15-tiny");
  g_assert_cmpstr (info->precision, ==, "F16");
  g_assert_cmpuint (info->weight_bytes, ==, 2 * info->parameters);
  g_assert_false (info->inpainting);
  g_assert_true (other->inpainting);
  g_assert_cmpint (info->trained_px, ==, 64);
  g_assert_cmpint (info->multiple_px, ==, 8);
  g_assert_null (info->vocabulary);
}

/* The object "palimpsest": its facts, and its faults. */
static void
test_extra (void)
{
  g_autofree gchar *parent = NULL;
  g_autofree gchar *copy = model_copy (&parent);
  g_autofree gchar *index = g_build_filename (copy, "model_index.json", NULL);
  g_autoptr (PalModelInfo) info = NULL;
  g_autoptr (PalModel) model = NULL;
  g_autoptr (GError) error = NULL;

  edit (index, "\"_class_name\"",
        "\"palimpsest\": {\"restyle\": \"source\", \"mask\": \"area\", \"vocabulary\": [\"grass\"],"
        " \"trained_size\": 128, \"trained_range\": [96, 256],"
        " \"window\": {\"size\": 256, \"overlap\": 64},"
        " \"defaults\": {\"steps\": 16, \"guidance\": 3, \"restyle_guidance\": 1.5}},"
        " \"_class_name\"");
  info = pal_model_inspect (copy, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (info->family, ==, "small");
  g_assert_true (info->source_restyle);
  g_assert_cmpstr (info->vocabulary[0], ==, "grass");
  g_assert_cmpint (info->trained_px, ==, 128);
  g_assert_cmpint (info->trained_max_px, ==, 256);
  g_assert_cmpint (info->steps, ==, 16);
  g_assert_cmpfloat (info->guidance, ==, 3.0);
  g_assert_cmpfloat (info->restyle_guidance, ==, 1.5);

  edit (index, "\"steps\": 16", "\"steps\": 0");
  g_clear_pointer (&info, pal_model_info_free);
  info = pal_model_inspect (copy, &error);
  g_assert_null (info);
  test_error (error, PAL_ERROR_FORMAT, "steps 1 to 1000");
  g_clear_error (&error);

  edit (index, "\"steps\": 0", "\"steps\": 1");
  edit (index, "\"area\"", "\"soft\"");
  info = pal_model_inspect (copy, &error);
  g_assert_null (info);
  test_error (error, PAL_ERROR_UNSUPPORTED, "\"mask\" is soft");

  remove_tree (parent);
}

/* sd15-tiny with the U-Net of another folder, one that takes class labels. */
static gchar *
labelled_copy (const gchar *unet, gchar **parent)
{
  gchar *copy = model_copy (parent);
  g_autofree gchar *source = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", unet,
                                               "unet", NULL);
  g_autofree gchar *target = g_build_filename (copy, "unet", NULL);

  remove_tree (target);
  copy_tree (source, target);
  return copy;
}

/* A U-Net with class labels: the index must say what they are, and widths must match. */
static void
test_labels_refused (void)
{
  static const struct
  {
    const gchar *file, *find, *replace;
    Fault        fault;
  } rows[] = {
    { NULL, NULL, NULL,
      { .code = PAL_ERROR_UNSUPPORTED,
        .parts = { "class_embed_type", "model_index.json does not say", "pooled-text" } } },
    { "model_index.json", "\"_class_name\"",
      "\"palimpsest\": {\"class_labels\": \"style\"}, \"_class_name\"",
      { .code = PAL_ERROR_UNSUPPORTED, .parts = { "\"class_labels\" is style", "pooled-text" } } },
    { "model_index.json", "\"class_labels\": \"style\"", "\"class_labels\": \"pooled-text\"",
      { .code = PAL_ERROR_SHAPE, .parts = { "labels of 40", "32", "text_encoder folder" } } },
    { "unet/config.json", "\"projection_class_embeddings_input_dim\": 40", "\"dropout\": 0",
      { .code = PAL_ERROR_FORMAT,
        .parts = { "unet/config.json", "projection_class_embeddings_input_dim", "missing" } } },
    { "unet/config.json", "\"class_embed_type\": \"projection\"",
      "\"class_embed_type\": \"timestep\"",
      { .code = PAL_ERROR_UNSUPPORTED,
        .parts = { "unet/config.json", "\"class_embed_type\" is timestep", "projection" } } },
    { "unet/config.json", "\"scale_shift\"", "\"ada_group\"",
      { .code = PAL_ERROR_UNSUPPORTED,
        .parts = { "unet/config.json", "\"resnet_time_scale_shift\" is ada_group", "default" } } },
  };
  g_autofree gchar *parent = NULL;
  g_autofree gchar *copy = labelled_copy ("unet-labels-tiny", &parent);
  g_autofree gchar *config = g_build_filename (copy, "unet", "config.json", NULL);

  edit (config, "input_dim\": 32", "input_dim\": 40");
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      if (rows[i].file)
        {
          g_autofree gchar *file = g_build_filename (copy, rows[i].file, NULL);

          edit (file, rows[i].find, rows[i].replace);
        }
      g_assert_null (pal_model_open (test_device (), copy, &error));
      check_message (error, &rows[i].fault);
    }

  remove_tree (parent);
}

/* The labels are the state of the first end token, and the denoiser heeds them; with
 * weights of whole numbers too, which the model's precision then names. */
static void
test_labels (gconstpointer data)
{
  g_autofree gchar *parent = NULL;
  g_autofree gchar *copy = labelled_copy (data, &parent);
  g_autofree gchar *index = g_build_filename (copy, "model_index.json", NULL);
  g_auto (PalCondition) text = { 0 };
  g_autofree gint32 *ids = NULL;
  g_autoptr (PalModel) model = NULL;
  g_autoptr (GError) error = NULL;
  gfloat x[4 * 4 * 9] = { 0.0f }, out[2][4 * 4 * 4], other[32] = { 0.0f };
  PalDenoise call = { .batch = 1, .width = 4, .height = 4, .x = x, .timestep = 500.0 };
  gsize end = 1;

  edit (index, "\"_class_name\"",
        "\"palimpsest\": {\"class_labels\": \"pooled-text\"}, \"_class_name\"");
  model = pal_model_open (test_device (), copy, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pal_model_info (model)->precision, ==,
                   g_str_equal (data, "unet-labels-int8-tiny") ? "I8" : "F16");

  /* A word about how it is fed makes no small model of it. */
  g_assert_cmpstr (pal_model_info (model)->family, ==, "sd1");

  pal_model_condition (model, "a wooden bench", &text, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (text.vector_channels, ==, 32);

  ids = g_new (gint32, text.tokens);
  pal_model_tokenize (model, 0, "a wooden bench", ids);
  while (ids[end] != ids[text.tokens - 1])
    end++;
  g_assert_cmpuint (end, >, 3);
  g_assert_cmpuint (end, <, (gsize) text.tokens - 1);
  g_assert_cmpmem (text.vector, sizeof other, text.states + end * 32, sizeof other);

  call.tokens = text.tokens;
  call.context = text.states;
  for (guint i = 0; i < 2; i++)
    {
      call.vector = i == 0 ? text.vector : other;
      pal_model_denoise (model, &call, out[i], NULL, &error);
      g_assert_no_error (error);
    }
  g_assert_cmpfloat (fabsf (out[0][0] - out[1][0]), >, 1e-3f);

  remove_tree (parent);
}

/* Autoencoders written by old versions name their attention otherwise. */
static void
test_old_names (void)
{
  static const gchar *const names[][2] = {
    { "attentions.0.to_q.", "attentions.0.query." },
    { "attentions.0.to_k.", "attentions.0.key." },
    { "attentions.0.to_v.", "attentions.0.value." },
    { "attentions.0.to_out.0.", "attentions.0.proj_attn." },
  };
  g_autofree gchar *parent = NULL;
  g_autofree gchar *tiny = tiny_model ();
  g_autofree gchar *copy = model_copy (&parent);
  g_autofree gchar *vae =
    g_build_filename (copy, "vae", "diffusion_pytorch_model.safetensors", NULL);
  g_autoptr (PalModel) model = NULL;
  g_autoptr (PalModel) old = NULL;
  g_autoptr (GError) error = NULL;
  gfloat latent[2 * 2 * 4], image[2][16 * 16 * 3];

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    rename_tensors (vae, names[i][0], names[i][1]);
  for (gsize i = 0; i < G_N_ELEMENTS (latent); i++)
    latent[i] = (gfloat) i / 8.0f - 1.0f;

  model = pal_model_open (test_device (), tiny, &error);
  g_assert_no_error (error);
  old = pal_model_open (test_device (), copy, &error);
  g_assert_no_error (error);

  pal_model_decode (model, latent, 2, 2, image[0], NULL, &error);
  g_assert_no_error (error);
  pal_model_decode (old, latent, 2, 2, image[1], NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (image[0], sizeof image[0], image[1], sizeof image[1]);
  remove_tree (parent);
}

static void
test_find (void)
{
  const gchar *data = g_getenv ("PALIMPSEST_TEST_DATA");
  g_autofree gchar *tiny = tiny_model ();
  g_autoptr (GPtrArray) all = pal_model_find ((const gchar *const[]) { data, tiny, NULL });
  g_autoptr (GPtrArray) none = pal_model_find ((const gchar *const[]) { "/nonexistent", NULL });

  g_assert_cmpuint (all->len, ==, 4);
  g_assert_true (g_str_has_suffix (all->pdata[0], "models/sd15-inpaint9-tiny"));
  g_assert_true (g_str_has_suffix (all->pdata[1], "models/sd15-tiny"));
  g_assert_cmpuint (none->len, ==, 0);
}

gint
main (gint argc, gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/model/open/paths", test_paths);
  g_test_add_func ("/model/open/info", test_info);
  g_test_add_func ("/model/open/extra", test_extra);
  g_test_add_func ("/model/open/labels-refused", test_labels_refused);
  g_test_add_data_func ("/model/open/labels", "unet-labels-tiny", test_labels);
  g_test_add_data_func ("/model/open/labels-int8", "unet-labels-int8-tiny", test_labels);
  g_test_add_func ("/model/open/old-names", test_old_names);
  g_test_add_func ("/model/find", test_find);

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autofree gchar *path = g_strconcat ("/model/open/", faults[i].name, NULL);

      g_test_add_data_func (path, &faults[i], test_fault);
    }

  return device_test_run ();
}
