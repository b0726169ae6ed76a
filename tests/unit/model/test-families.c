/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Families by their tensors and configurations, distilled models by what their files say,
 * sizes that a denoiser is told, and soft selections for models with and without mask input. */

#include "device-support.h"

#include <math.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/dtype.h"
#include "drive/soft-mask.h"
#include "family/family.h"
#include "sample/sampler.h"

#define WEIGHTS "diffusion_pytorch_model.safetensors"
#define UNET_WEIGHTS "unet/" WEIGHTS

static gchar *
model_path (const gchar *name)
{
  return g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", name, NULL);
}

/* Ranges are the family's, in proportion to the side that the model was trained at. */
static void
test_info (void)
{
  static const struct
  {
    const gchar *model, *family;
    gint         least, most;
    gdouble      megapixels;
  } rows[] = {
    { "sd15-tiny", "sd1", 64, 96, 0.0 },
    { "sd21-vpred-tiny", "sd2", 53, 85, 0.0 },
    { "sdxl-tiny", "sdxl", 40, 80, 1.05 / 256.0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = model_path (rows[i].model);
      g_autoptr (GError) error = NULL;
      g_autoptr (PalModelInfo) info = pal_model_inspect (path, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (info->family, ==, rows[i].family);
      g_assert_cmpint (info->trained_px, ==, 64);
      g_assert_cmpint (info->trained_min_px, ==, rows[i].least);
      g_assert_cmpint (info->trained_max_px, ==, rows[i].most);
      g_assert_cmpfloat_with_epsilon (info->trained_megapixels, rows[i].megapixels, 1e-9);
      g_assert_false (info->instructed);
    }
}

static void
test_refiner (void)
{
  PalParts parts = { .unet = { .size_channels = 256, .vector_width = 2560 } };

  g_assert_true (pal_unet_config_vector (&parts.unet, 1280));
  g_assert_cmpint (parts.unet.n_sizes, ==, 5);
  g_assert_cmpstr (pal_family_find (&parts)->id, ==, "sdxl-refiner");

  parts.unet.vector_width = 2816;
  g_assert_true (pal_unet_config_vector (&parts.unet, 1280));
  g_assert_cmpint (parts.unet.vector_channels, ==, 1280);
  g_assert_cmpint (parts.unet.n_sizes, ==, 6);
  g_assert_cmpstr (pal_family_find (&parts)->id, ==, "sdxl");

  g_assert_false (pal_unet_config_vector (&parts.unet, 1281));
  g_assert_false (pal_unet_config_vector (&parts.unet, 4096));
}

static void
test_distilled (void)
{
  static const struct
  {
    const gchar *path, *scheduler;
    PalSpacing   spacing;
    gboolean     zero_snr;
    gint64       guidance;
    const gchar *sampler;     /* NULL: not distilled */
    gint         steps;       /* that the name says */
  } rows[] = {
    { "/m/dreamshaper", "DDIMScheduler", PAL_SPACING_LEADING, FALSE, 0, NULL, 0 },
    { "/m/dreamshaper", "LCMScheduler", PAL_SPACING_LEADING, FALSE, 0, "lcm", 0 },
    { "/m/any", "DDIMScheduler", PAL_SPACING_LEADING, FALSE, 256, "lcm", 0 },
    { "/m/any", "EulerAncestralDiscreteScheduler", PAL_SPACING_TRAILING, FALSE, 0, "euler-a", 0 },
    { "/m/any", "EulerDiscreteScheduler", PAL_SPACING_TRAILING, FALSE, 0, "euler", 0 },
    { "/m/any", "EulerDiscreteScheduler", PAL_SPACING_TRAILING, TRUE, 0, NULL, 0 },
    { "/m/any", "EulerDiscreteScheduler", PAL_SPACING_LEADING, FALSE, 0, NULL, 0 },
    { "/m/sdxl_Lightning_4step", "DDIMScheduler", PAL_SPACING_LEADING, FALSE, 0, "euler", 4 },
    { "/m/Hyper-SDXL-8steps", "DDIMScheduler", PAL_SPACING_LEADING, FALSE, 0, "ddim", 8 },
    { "/m/sdxl-turbo-2-step", "DDIMScheduler", PAL_SPACING_LEADING, FALSE, 0, "euler-a", 2 },
    { "/lcm/lcmodel-stepping", "DDIMScheduler", PAL_SPACING_LEADING, FALSE, 0, NULL, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      PalParts parts = {
        .path = (gchar *) rows[i].path,
        .unet = { .guidance_channels = rows[i].guidance },
        .schedule = { .class_name = (gchar *) rows[i].scheduler, .spacing = rows[i].spacing,
                      .spacing_given = TRUE, .zero_snr = rows[i].zero_snr },
      };
      const PalDistilled *found = pal_distilled_find (&parts);

      g_assert_cmpstr (found ? found->sampler : NULL, ==, rows[i].sampler);
      g_assert_cmpint (pal_distilled_steps (&parts), ==, rows[i].steps);
      if (found)
        g_assert_true (pal_sampler_find (found->sampler, NULL) != NULL);
    }
}

/* A model of two encoders: their states side by side, zeros for no prompt at all. */
static void
test_condition (void)
{
  g_autofree gchar *path = model_path ("sdxl-tiny");
  g_autoptr (PalModel) model = pal_model_open (test_device (), path, NULL);
  g_auto (PalCondition) none = { 0 };
  g_auto (PalCondition) empty = { 0 };
  gboolean zero = TRUE, same = TRUE;

  g_assert_nonnull (model);
  g_assert_true (pal_model_condition (model, NULL, &none, NULL, NULL, NULL));
  g_assert_true (pal_model_condition (model, "", &empty, NULL, NULL, NULL));
  g_assert_cmpint (none.channels, ==, 80);
  g_assert_cmpint (none.vector_channels, ==, 48);
  g_assert_cmpint (none.n_sizes, ==, 6);

  for (gint64 i = 0; i < none.tokens * none.channels; i++)
    {
      zero = zero && none.states[i] == 0.0f;
      same = same && none.states[i] == empty.states[i];
    }
  g_assert_true (zero);
  g_assert_false (same);
}

#define SIDE 32

/* Values from left to right, of a quarter each, and what becomes of them in latents. */
static void
test_soft_mask (void)
{
  static const gfloat values[] = { 0.0f, 0.3f, 0.95f, 1.0f };
  static const struct
  {
    const gchar *model;
    gdouble      strength;
    gboolean     hard;        /* no value in between */
    gboolean     told, held;
  } rows[] = {
    { "sd15-tiny", 1.0, FALSE, TRUE, TRUE },
    { "sd15-tiny", 0.3, TRUE, TRUE, TRUE },
    { "sd15-inpaint9-tiny", 1.0, TRUE, TRUE, FALSE },
    { "sd15-inpaint9-tiny", 1.0, FALSE, TRUE, TRUE },
    { "sd15-inpaint9-tiny", 0.5, TRUE, FALSE, TRUE },
    { "sd15-inpaint9-tiny", 0.51, TRUE, TRUE, FALSE },
  };
  PalCanvas canvas = { .content_width = SIDE, .content_height = SIDE, .width = SIDE,
                       .height = SIDE };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = model_path (rows[i].model);
      g_autoptr (PalModel) model = pal_model_open (test_device (), path, NULL);
      g_autoptr (PalImage) image = pal_image_new (SIDE, SIDE, 1);
      g_auto (PalSoftMask) mask = { NULL };
      g_autofree gfloat *told = NULL;
      g_autofree gfloat *strengths = NULL;

      for (gsize k = 0; k < SIDE * SIDE; k++)
        image->data[k] = values[k % SIDE / (SIDE / 4)];
      for (gsize k = 0; k < SIDE * SIDE && rows[i].hard; k++)
        image->data[k] = image->data[k] < 0.5f ? 0.0f : 1.0f;

      g_assert_true (pal_soft_mask_place (&mask, &canvas, image, NULL));
      g_assert_true (pal_soft_mask_latents (&mask, model, rows[i].strength, &told, &strengths,
                                            NULL));
      g_assert_cmpint (told != NULL, ==, rows[i].told);
      g_assert_cmpint (strengths != NULL, ==, rows[i].held);
      for (gsize k = 0; told && k < 16; k++)
        g_assert_cmpfloat (told[k], ==, k % 4 > (rows[i].hard ? 1 : 0) ? 1.0f : 0.0f);
      for (gsize k = 0; strengths && k < 16; k++)
        g_assert_cmpfloat (strengths[k], ==, k % 4 > 1 ? 1.0f
                                             : k % 4 == 1 && ! rows[i].hard ? 0.3f : 0.0f);
    }
}

/* A selection that is faint all over is one; none at all is the whole. */
static void
test_faint_mask (void)
{
  g_autoptr (PalImage) image = pal_image_new (SIDE, SIDE, 1);
  g_auto (PalSoftMask) mask = { NULL };
  g_auto (PalSoftMask) none = { NULL };
  PalCanvas canvas = { .content_width = SIDE, .content_height = SIDE, .width = SIDE,
                       .height = SIDE };

  image->data[5] = 0.001f;
  g_assert_true (pal_soft_mask_place (&mask, &canvas, image, NULL));
  g_assert_cmpfloat (mask.touched->data[5], ==, 1.0f);
  g_assert_cmpfloat (mask.touched->data[6], ==, 0.0f);
  g_assert_cmpfloat (mask.replaced->data[5], ==, 0.0f);

  g_assert_true (pal_soft_mask_place (&none, &canvas, NULL, NULL));
  g_assert_null (none.soft);
}

/* A copy of the file whose first convolution takes four channels more, with weights of this
 * value; all others as they are. */
static void
widen_conv_in (const gchar *from, const gchar *to, gfloat value)
{
  g_autoptr (PalWeights) weights = pal_weights_open_file (from, NULL);
  g_autoptr (GString) header = g_string_new ("{");
  g_autoptr (GByteArray) data = g_byte_array_new ();
  g_autoptr (GByteArray) file = g_byte_array_new ();
  guint64 length;

  for (gsize i = 0; i < pal_weights_count (weights); i++)
    {
      const PalWeightView *view = pal_weights_at (weights, i);
      gboolean wide = g_str_equal (view->name, "conv_in.weight");
      gsize begin = data->len, row = view->n_bytes / (gsize) view->shape.d[0];

      for (gsize m = 0; m < (gsize) view->shape.d[0]; m++)
        {
          g_byte_array_append (data, (const guint8 *) view->data + m * row, (guint) row);
          for (gsize k = 0; wide && k < row / sizeof (guint16); k++)
            {
              guint16 half = pal_half_from_float (value);

              g_byte_array_append (data, (const guint8 *) &half, sizeof half);
            }
        }

      g_string_append_printf (header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i > 0 ? "," : "",
                              view->name, pal_dtype_name (view->dtype));
      for (guint k = 0; k < view->shape.n; k++)
        g_string_append_printf (header, "%s%d", k > 0 ? "," : "",
                                (gint) view->shape.d[k] * (wide && k == 1 ? 2 : 1));
      g_string_append_printf (header, "],\"data_offsets\":[%u,%u]}", (guint) begin, data->len);
    }
  g_string_append_c (header, '}');

  length = GUINT64_TO_LE (header->len);
  g_byte_array_append (file, (const guint8 *) &length, sizeof length);
  g_byte_array_append (file, (const guint8 *) header->str, (guint) header->len);
  g_byte_array_append (file, data->data, data->len);
  g_assert_true (g_file_set_contents (to, (const gchar *) file->data, file->len, NULL));
}

/* A model folder with links to sd15-tiny's files, but for its denoiser, which edits. */
static gchar *
make_editor (gfloat value)
{
  static const gchar *const linked[] = { "model_index.json", "scheduler", "text_encoder",
                                         "tokenizer", "vae" };
  g_autofree gchar *tiny = model_path ("sd15-tiny");
  gchar *folder = g_dir_make_tmp ("palimpsest-editor-XXXXXX", NULL);
  g_autofree gchar *unet = g_build_filename (folder, "unet", NULL);
  g_autofree gchar *config = g_build_filename (unet, "config.json", NULL);
  g_autofree gchar *old_config = g_build_filename (tiny, "unet", "config.json", NULL);
  g_autofree gchar *from = g_build_filename (tiny, "unet", WEIGHTS, NULL);
  g_autofree gchar *to = g_build_filename (unet, WEIGHTS, NULL);

  g_assert_cmpint (g_mkdir (unet, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (linked); i++)
    {
      g_autofree gchar *target = g_build_filename (tiny, linked[i], NULL);
      g_autofree gchar *link = g_build_filename (folder, linked[i], NULL);

      g_assert_cmpint (symlink (target, link), ==, 0);
    }
  g_assert_cmpint (symlink (old_config, config), ==, 0);
  widen_conv_in (from, to, value);

  return folder;
}

static void
remove_editor (gchar *folder)
{
  static const gchar *const names[] = { "model_index.json", "scheduler", "text_encoder",
                                        "tokenizer", "vae", "unet/config.json", UNET_WEIGHTS,
                                        "unet", "" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *path = g_build_filename (folder, names[i], NULL);

      g_assert_cmpint (g_remove (path), ==, 0);
    }
  g_free (folder);
}

/* The picture that a model makes from this shade of grey, or from nothing. */
static PalImage *
paint (const gchar *path, PalIntent intent, gfloat shade)
{
  g_autoptr (PalModel) model = pal_model_open (test_device (), path, NULL);
  g_autoptr (PalImage) source = pal_image_new (64, 64, 3);
  PalRequest request = { .intent = intent, .prompt = "a wooden bench", .width = 64, .height = 64,
                         .source = intent == PAL_GENERATE ? NULL : source, .steps = 3,
                         .guidance = 4.0, .seed = 7, .sampler = "ddim" };
  g_autoptr (GError) error = NULL;
  PalImage *image;

  for (gsize i = 0; i < 64 * 64 * 3; i++)
    source->data[i] = shade;

  image = pal_generate (model, &request, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  return image;
}

static gdouble
difference (const PalImage *a, const PalImage *b)
{
  gdouble most = 0.0;

  for (gsize i = 0; i < 64 * 64 * 3; i++)
    most = MAX (most, fabs ((gdouble) a->data[i] - (gdouble) b->data[i]));
  return most;
}

/* An editor that is blind to the picture makes what the model that it was made from makes of
 * noise; one that sees it makes something else of each. */
static void
test_editor (void)
{
  g_autofree gchar *tiny = model_path ("sd15-tiny");
  gchar *blind = make_editor (0.0f), *seeing = make_editor (0.05f);
  g_autoptr (PalModelInfo) info = pal_model_inspect (blind, NULL);
  g_autoptr (PalImage) plain = paint (tiny, PAL_GENERATE, 0.0f);
  g_autoptr (PalImage) same = paint (blind, PAL_RESTYLE, 0.2f);
  g_autoptr (PalImage) dark = paint (seeing, PAL_RESTYLE, 0.2f);
  g_autoptr (PalImage) light = paint (seeing, PAL_RESTYLE, 0.9f);

  g_assert_true (info->instructed && info->source_restyle);
  g_assert_cmpfloat (info->restyle_strength, ==, 1.0);
  g_assert_cmpfloat (difference (plain, same), <, 1e-4);
  g_assert_cmpfloat (difference (plain, dark), >, 1e-2);
  g_assert_cmpfloat (difference (light, dark), >, 1e-2);

  remove_editor (blind);
  remove_editor (seeing);
}

gint
main (gint argc, gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/families/info", test_info);
  g_test_add_func ("/families/refiner", test_refiner);
  g_test_add_func ("/families/distilled", test_distilled);
  g_test_add_func ("/families/condition", test_condition);
  g_test_add_func ("/families/soft-mask", test_soft_mask);
  g_test_add_func ("/families/faint-mask", test_faint_mask);
  g_test_add_func ("/families/editor", test_editor);

  return g_test_run ();
}
