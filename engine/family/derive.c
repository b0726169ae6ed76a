/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configurations from the shapes of a checkpoint's tensors.
 *
 * Reference: the published configurations of Stable Diffusion 1.x, 2.x, XL and the refiner,
 *   which differ in what shapes tell, but for the heads, the schedule and the scale of
 *   latents. Those follow the width of the text, as there.
 * Easy to get wrong, all guarded by tests/golden/checkpoints.py:
 *   - 1.x has eight heads on each level, the others heads of 64 channels;
 *   - 2.x is told from its base, which predicts noise, by the spread of one bias (a rule of
 *     comfyanonymous/ComfyUI:comfy/supported_models.py);
 *   - the middle block repeats the innermost level's count of transformer blocks, also
 *     where that level has none itself. */

#include "family/derive.h"

#include <math.h>

#include "base/dtype.h"
#include "base/error.h"

#define TEXT_1X 768             /* channels of the text states of Stable Diffusion 1.x */
#define TEXT_2X 1024
#define HEAD_CHANNELS 64
#define MAX_LEVELS 8
#define MAX_COUNT 64

static const PalWeightView *
find (PalWeights *weights, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

static const PalWeightView *
find (PalWeights *weights, const gchar *format, ...)
{
  g_autofree gchar *name = NULL;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);

  return weights ? pal_weights_find (weights, name) : NULL;
}

static gint64
dimension (const PalWeightView *view, guint i)
{
  return view && i < view->shape.n ? view->shape.d[i] : 0;
}

/* How many tensors there are whose name is the format with 0, 1, .. in it. */
static guint
count (PalWeights *weights, const gchar *before, const gchar *after)
{
  guint n = 0;

  while (n < MAX_COUNT && find (weights, "%s%u%s", before, n, after))
    n++;

  return n;
}

/* Appends a list of the values to the text. */
static void
append_list (GString *text, const gchar *field, const gint64 *values, guint n)
{
  g_string_append_printf (text, ", \"%s\": [", field);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", values[i]);
  g_string_append_c (text, ']');
}

static void
append_words (GString *text, const gchar *field, const gchar *const *words, guint n)
{
  g_string_append_printf (text, ", \"%s\": [", field);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
  g_string_append_c (text, ']');
}

static PalJson *
finish (GString *text, const PalCheckpoint *checkpoint, const gchar *what, GError **error)
{
  g_autofree gchar *label = g_strdup_printf ("%s: %s", checkpoint->path, what);
  PalJson *json = pal_json_parse (text->str, (gssize) text->len, label, error);

  g_string_free (text, TRUE);
  return json;
}

/* The groups of all norms: 32, or for narrow networks the most that divide every level. */
static gint64
groups (const gint64 *channels, guint n)
{
  gint64 groups = 32;

  for (guint i = 0; i < n; i++)
    while (groups > 1 && channels[i] % groups != 0)
      groups /= 2;

  return groups;
}

static guint
transformer_blocks (PalWeights *unet, const gchar *attention)
{
  g_autofree gchar *before = g_strconcat (attention, ".transformer_blocks.", NULL);

  return count (unet, before, ".norm1.weight");
}

/* Channels of the states of the text: 0 for a denoiser without. */
static gint64
text_channels (PalWeights *unet)
{
  const gchar *to_k = "attentions.0.transformer_blocks.0.attn2.to_k.weight";
  const PalWeightView *view = find (unet, "mid_block.%s", to_k);

  for (guint i = 0; i < MAX_LEVELS && ! view; i++)
    view = find (unet, "down_blocks.%u.%s", i, to_k);

  return dimension (view, 1);
}

gboolean
pal_derive_is_xl (const PalCheckpoint *c)
{
  return find (c->unet, "add_embedding.linear_1.weight") != NULL;
}

gboolean
pal_derive_is_refiner (const PalCheckpoint *c)
{
  const PalWeightView *table = find (c->text_2, "text_model.embeddings.token_embedding.weight");

  return pal_derive_is_xl (c) && c->text_2 && ! c->text &&
         dimension (table, 1) == text_channels (c->unet);
}

static gdouble
spread (const PalWeightView *view)
{
  gsize n = 0;
  g_autofree gfloat *x = NULL;
  gdouble sum = 0.0, squares = 0.0;

  if (! view || ! pal_shape_count (view->shape, &n) || n < 2)
    return 0.0;

  x = g_new (gfloat, n);
  pal_to_float (view->dtype, view->data, x, n);
  for (gsize i = 0; i < n; i++)
    sum += (gdouble) x[i];
  for (gsize i = 0; i < n; i++)
    squares += pow ((gdouble) x[i] - sum / (gdouble) n, 2.0);

  return sqrt (squares / (gdouble) (n - 1));
}

static gboolean
predicts_v (const PalCheckpoint *c)
{
  const gchar *bias = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias";

  return c->v_prediction ||
         (text_channels (c->unet) == TEXT_2X && ! pal_derive_is_xl (c) &&
          spread (find (c->unet, "%s", bias)) > 0.09);
}

/* Latent px of the side that the model was trained at. */
static gint
sample_size (const PalCheckpoint *c)
{
  return pal_derive_is_xl (c) ? 128 : predicts_v (c) ? 96 : 64;
}

static void
append_levels (GString *text, PalWeights *unet, guint n)
{
  gint64 channels[MAX_LEVELS] = { 0 }, heads[MAX_LEVELS] = { 0 };
  gint64 layers[MAX_LEVELS] = { 0 }, blocks[MAX_LEVELS] = { 0 };
  const gchar *down[MAX_LEVELS] = { NULL }, *up[MAX_LEVELS] = { NULL };
  gint64 cross = text_channels (unet);
  guint mid = transformer_blocks (unet, "mid_block.attentions.0");

  for (guint i = 0; i < n; i++)
    {
      g_autofree gchar *before = g_strdup_printf ("down_blocks.%u.resnets.", i);
      g_autofree gchar *attention = g_strdup_printf ("down_blocks.%u.attentions.0", i);

      channels[i] = dimension (find (unet, "%s0.conv1.weight", before), 0);
      layers[i] = count (unet, before, ".conv1.weight");
      blocks[i] = transformer_blocks (unet, attention);
      down[i] = blocks[i] > 0 ? "CrossAttnDownBlock2D" : "DownBlock2D";
      up[i] = find (unet, "up_blocks.%u.attentions.0.norm.weight", i) ? "CrossAttnUpBlock2D"
                                                                     : "UpBlock2D";
      heads[i] = cross == TEXT_1X ? 8 : MAX (channels[i] / HEAD_CHANNELS, 1);
      if (blocks[i] == 0)
        blocks[i] = i + 1 == n ? MAX (mid, 1) : 1;
    }

  append_list (text, "block_out_channels", channels, n);
  append_list (text, "layers_per_block", layers, n);
  append_list (text, "transformer_layers_per_block", blocks, n);
  append_list (text, "attention_head_dim", heads, n);
  append_words (text, "down_block_types", down, n);
  append_words (text, "up_block_types", up, n);
  g_string_append_printf (text, ", \"norm_num_groups\": %" G_GINT64_FORMAT,
                          groups (channels, n));
}

PalJson *
pal_derive_unet (const PalCheckpoint *c, GError **error)
{
  GString *text = g_string_new ("{ \"_class_name\": \"UNet2DConditionModel\"");
  const PalWeightView *projection = find (c->unet, "mid_block.attentions.0.proj_in.weight");
  const PalWeightView *added = find (c->unet, "add_embedding.linear_1.weight");
  const PalWeightView *guided = find (c->unet, "time_embedding.cond_proj.weight");
  guint n = MIN (count (c->unet, "down_blocks.", ".resnets.0.conv1.weight"), MAX_LEVELS);

  g_string_append_printf (text, ", \"in_channels\": %" G_GINT64_FORMAT ", \"out_channels\": "
                          "%" G_GINT64_FORMAT ", \"cross_attention_dim\": %" G_GINT64_FORMAT
                          ", \"sample_size\": %d, \"use_linear_projection\": %s",
                          dimension (find (c->unet, "conv_in.weight"), 1),
                          dimension (find (c->unet, "conv_out.weight"), 0),
                          text_channels (c->unet), sample_size (c),
                          projection && projection->shape.n == 2 ? "true" : "false");
  append_levels (text, c->unet, n);

  if (added)
    g_string_append_printf (text, ", \"addition_embed_type\": \"text_time\", "
                            "\"addition_time_embed_dim\": 256, "
                            "\"projection_class_embeddings_input_dim\": %" G_GINT64_FORMAT,
                            dimension (added, 1));
  if (guided)
    g_string_append_printf (text, ", \"time_cond_proj_dim\": %" G_GINT64_FORMAT,
                            dimension (guided, 1));
  if (! find (c->unet, "mid_block.resnets.0.conv1.weight"))
    g_string_append (text, ", \"mid_block_type\": null");
  else if (! find (c->unet, "mid_block.attentions.0.norm.weight"))
    g_string_append (text, ", \"mid_block_type\": \"UNetMidBlock2D\"");
  g_string_append (text, " }");

  return finish (text, c, "denoiser", error);
}

/* The tiny autoencoder that is published has one, three, three and three blocks a level. */
static PalJson *
derive_tiny (const PalCheckpoint *c, GError **error)
{
  GString *text = g_string_new ("{ \"_class_name\": \"AutoencoderTiny\"");
  gint64 width = dimension (find (c->vae, "decoder.layers.0.weight"), 0);

  g_string_append_printf (text, ", \"latent_channels\": %" G_GINT64_FORMAT,
                          dimension (find (c->vae, "decoder.layers.0.weight"), 1));
  append_list (text, "encoder_block_out_channels", (gint64[]) { width, width, width, width }, 4);
  append_list (text, "decoder_block_out_channels", (gint64[]) { width, width, width, width }, 4);
  append_list (text, "num_encoder_blocks", (gint64[]) { 1, 3, 3, 3 }, 4);
  append_list (text, "num_decoder_blocks", (gint64[]) { 3, 3, 3, 1 }, 4);
  g_string_append (text, " }");

  return finish (text, c, "image codec", error);
}

PalJson *
pal_derive_vae (const PalCheckpoint *c, GError **error)
{
  GString *text;
  gint64 channels[MAX_LEVELS] = { 0 };
  guint n = MIN (count (c->vae, "encoder.down_blocks.", ".resnets.0.conv1.weight"), MAX_LEVELS);

  if (find (c->vae, "decoder.layers.0.weight"))
    return derive_tiny (c, error);

  text = g_string_new ("{ \"_class_name\": \"AutoencoderKL\"");
  for (guint i = 0; i < n; i++)
    channels[i] = dimension (find (c->vae, "encoder.down_blocks.%u.resnets.0.conv1.weight", i), 0);

  append_list (text, "block_out_channels", channels, n);
  g_string_append_printf (text, ", \"layers_per_block\": %u, \"latent_channels\": "
                          "%" G_GINT64_FORMAT ", \"norm_num_groups\": %" G_GINT64_FORMAT
                          ", \"scaling_factor\": %s",
                          count (c->vae, "encoder.down_blocks.0.resnets.", ".conv1.weight"),
                          dimension (find (c->vae, "decoder.conv_in.weight"), 1),
                          groups (channels, n), pal_derive_is_xl (c) ? "0.13025" : "0.18215");
  g_string_append_printf (text, ", \"mid_block_add_attention\": %s, \"use_quant_conv\": %s, "
                          "\"use_post_quant_conv\": %s }",
                          find (c->vae, "decoder.mid_block.attentions.0.to_q.weight") ||
                          find (c->vae, "decoder.mid_block.attentions.0.query.weight")
                            ? "true" : "false",
                          find (c->vae, "quant_conv.weight") ? "true" : "false",
                          find (c->vae, "post_quant_conv.weight") ? "true" : "false");

  return finish (text, c, "image codec", error);
}

/* The last layer of 2.x's text encoder is in its file, though nothing reads it; files that
 * were made of others may have left it out. */
static guint
layers_read (guint layers, gboolean one_less)
{
  return one_less && layers > 1 && layers != 23 ? layers - 1 : layers;
}

static PalJson *
derive_clip (const PalCheckpoint *c, PalWeights *weights, gboolean one_less, GError **error)
{
  gboolean bare = ! find (weights, "text_model.embeddings.token_embedding.weight");
  const gchar *root = bare ? "" : "text_model.";
  g_autofree gchar *layers = g_strconcat (root, "encoder.layers.", NULL);
  const PalWeightView *table = find (weights, "%sembeddings.token_embedding.weight", root);
  const PalWeightView *positions = find (weights, "%sembeddings.position_embedding.weight", root);
  gint64 width = dimension (table, 1);
  gboolean quick = weights == c->text && ! c->open_clip && width <= TEXT_1X;
  GString *text = g_string_new ("{ \"model_type\": \"clip_text_model\"");

  g_string_append_printf (text, ", \"hidden_size\": %" G_GINT64_FORMAT ", \"intermediate_size\": "
                          "%" G_GINT64_FORMAT ", \"vocab_size\": %" G_GINT64_FORMAT
                          ", \"max_position_embeddings\": %" G_GINT64_FORMAT,
                          width, dimension (find (weights, "%s0.mlp.fc1.weight", layers), 0),
                          dimension (table, 0), dimension (positions, 0));
  g_string_append_printf (text, ", \"num_hidden_layers\": %u, \"num_attention_heads\": "
                          "%" G_GINT64_FORMAT ", \"hidden_act\": \"%s\", \"eos_token_id\": 2 }",
                          layers_read (count (weights, layers, ".layer_norm1.weight"), one_less),
                          MAX (width / HEAD_CHANNELS, 1), quick ? "quick_gelu" : "gelu");

  return finish (text, c, weights == c->text ? "text encoder" : "second text encoder", error);
}

PalJson *
pal_derive_text (const PalCheckpoint *c, GError **error)
{
  return derive_clip (c, c->text, c->open_clip, error);
}

PalJson *
pal_derive_text_2 (const PalCheckpoint *c, GError **error)
{
  return derive_clip (c, c->text_2, FALSE, error);
}

PalJson *
pal_derive_schedule (const PalCheckpoint *c, GError **error)
{
  GString *text = g_string_new ("{");

  g_string_append_printf (text, " \"_class_name\": \"%s\", \"beta_start\": 0.00085, \"beta_end\": "
                          "0.012, \"beta_schedule\": \"scaled_linear\", \"num_train_timesteps\": "
                          "1000, \"steps_offset\": 1, \"timestep_spacing\": \"leading\", "
                          "\"set_alpha_to_one\": false, \"clip_sample\": false, "
                          "\"skip_prk_steps\": true, \"prediction_type\": \"%s\", "
                          "\"rescale_betas_zero_snr\": %s }",
                          pal_derive_is_xl (c) ? "EulerDiscreteScheduler" : "DDIMScheduler",
                          predicts_v (c) ? "v_prediction" : "epsilon",
                          c->zero_snr ? "true" : "false");

  return finish (text, c, "noise schedule", error);
}

PalJson *
pal_derive_index (const PalCheckpoint *c, GError **error)
{
  gboolean xl = pal_derive_is_xl (c), refiner = pal_derive_is_refiner (c);
  gboolean edits = dimension (find (c->unet, "conv_in.weight"), 1) == 8;
  GString *text = g_string_new ("{");

  g_string_append_printf (text, " \"_class_name\": \"StableDiffusion%s%sPipeline\"",
                          xl ? "XL" : "", edits ? "InstructPix2Pix" : refiner ? "Img2Img" : "");
  g_string_append (text, ", \"unet\": [\"diffusers\", \"UNet2DConditionModel\"], "
                   "\"vae\": [\"diffusers\", \"AutoencoderKL\"]");
  g_string_append_printf (text, ", \"text_encoder\": %s",
                          refiner ? "[null, null]" : "[\"transformers\", \"CLIPTextModel\"]");
  if (xl)
    g_string_append_printf (text, ", \"text_encoder_2\": [\"transformers\", "
                            "\"CLIPTextModelWithProjection\"], "
                            "\"force_zeros_for_empty_prompt\": %s", refiner ? "false" : "true");
  g_string_append (text, " }");

  return finish (text, c, "parts", error);
}
