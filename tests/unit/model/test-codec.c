/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A picture through a codec whose output is the latent itself, scaled: whole, and in
 * tiles that agree with the whole. */

#include "device-support.h"

#include <glib/gstdio.h>
#include <math.h>

#include "drive/codec.h"

static const gchar *const parts[] = {
  "model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"
};

/* sd15-tiny with dcae-conv-tiny in place of its codec. */
static PalModel *
open_model (void)
{
  g_autofree gchar  *models = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", NULL);
  g_autofree gchar  *folder = g_dir_make_tmp ("palimpsest-codec-XXXXXX", NULL);
  g_autoptr (GError) error  = NULL;
  PalModel          *model;

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      const gboolean    vae  = g_str_equal (parts[i], "vae");
      g_autofree gchar *from = g_build_filename (models, vae ? "dcae-conv-tiny" : "sd15-tiny",
                                                 vae ? NULL : parts[i], NULL);
      g_autofree gchar *path = g_build_filename (folder, parts[i], NULL);
      g_autoptr (GFile) link = g_file_new_for_path (path);

      g_file_make_symbolic_link (link, from, NULL, &error);
      g_assert_no_error (error);
    }

  model = pal_model_open (test_device (), folder, &error);
  g_assert_no_error (error);

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree gchar *path = g_build_filename (folder, parts[i], NULL);

      g_unlink (path);
    }
  g_rmdir (folder);

  return model;
}

static PalImage *
picture (gint width, gint height)
{
  PalImage *image = pal_image_new (width, height, 3);

  for (gint i = 0; i < width * height * 3; i++)
    image->data[i] = 0.5f + 0.3f * sinf ((gfloat) (i / 3 % width) * 0.05f + (gfloat) (i % 3)) +
                     0.2f * sinf ((gfloat) (i / 3 / width) * 0.3f);

  return image;
}

/* The codec's own results: latents as the denoiser takes them, and the picture of them. */
static void
by_hand (PalModel *model, const PalImage *image, gfloat *latents, gfloat *decoded)
{
  const PalVaeConfig *vae    = pal_model_vae (model);
  const gint          width  = image->width / vae->factor, height = image->height / vae->factor;
  const gsize         n      = (gsize) (image->width * image->height * 3);
  const gsize         m      = (gsize) (width * height) * (gsize) vae->latent_channels;
  g_autofree gfloat  *pixels = g_new (gfloat, n);
  g_autoptr (GError)  error  = NULL;

  for (gsize i = 0; i < n; i++)
    pixels[i] = image->data[i] * 2.0f - 1.0f;
  pal_model_encode (model, pixels, image->width, image->height, latents, NULL, NULL, &error);
  g_assert_no_error (error);
  pal_model_decode (model, latents, width, height, decoded, NULL, &error);
  g_assert_no_error (error);

  for (gsize i = 0; i < m; i++)
    latents[i] *= 0.5f;
  for (gsize i = 0; i < n; i++)
    decoded[i] = CLAMP (decoded[i] * 0.5f + 0.5f, 0.0f, 1.0f);
}

typedef struct
{
  const gchar *name;
  gint         width, height;
  gfloat       latents, pixels;   /* largest differences allowed */
} Case;

/* Near its edge a tile sees padding where the whole sees the picture. */
static const Case cases[] = {
  { "whole", 48,   32,  1e-6f, 1e-6f },
  { "tiles", 1200, 900, 0.02f, 0.01f },
};

static void
test_codec (gconstpointer data)
{
  const Case          *c     = data;
  g_autoptr (PalModel) model = open_model ();
  const PalVaeConfig  *vae   = pal_model_vae (model);
  g_autoptr (PalImage) image = picture (c->width, c->height);
  g_autoptr (GError)   error = NULL;
  const gint           w = c->width / vae->factor, h = c->height / vae->factor;
  const gsize          n = (gsize) (w * h) * (gsize) vae->latent_channels;
  g_autofree gfloat   *latents = g_new (gfloat, n);
  g_autofree gfloat   *pixels  = g_new (gfloat, (gsize) (c->width * c->height * 3));
  g_autofree gfloat   *encoded = NULL;
  g_autoptr (PalImage) decoded = NULL;
  gfloat               worst   = 0.0f;

  g_assert_cmpint (vae->kind, ==, PAL_VAE_DC);
  g_assert_cmpfloat (vae->scaling_factor, ==, 0.5f);
  by_hand (model, image, latents, pixels);

  encoded = pal_codec_encode (model, image, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < n; i++)
    worst = MAX (worst, fabsf (encoded[i] - latents[i]));
  g_test_message ("latents differ by %g", (gdouble) worst);
  g_assert_cmpfloat (worst, <=, c->latents);

  decoded = pal_codec_decode (model, latents, w, h, NULL, &error);
  g_assert_no_error (error);
  worst = 0.0f;
  for (gint i = 0; i < c->width * c->height * 3; i++)
    worst = MAX (worst, fabsf (decoded->data[i] - pixels[i]));
  g_test_message ("pixels differ by %g", (gdouble) worst);
  g_assert_cmpfloat (worst, <=, c->pixels);
}

int
main (int argc, char **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/codec/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_codec);
    }

  return device_test_run ();
}
