/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A picture through a codec: whole, and in tiles that agree with the whole and leave no
 * seam. One codec's output is the latent itself, scaled, and its norms see a pixel at a
 * time; the other's norms see all pixels there are. */

#include "device-support.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "drive/codec.h"
#include "drive/memo.h"
#include "drive/windows.h"

static const gchar *const parts[] = {
  "model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"
};

/* sd15-tiny with this codec, a folder or one of the tests', in place of its own; or NULL. */
static PalModel *
open_model (const gchar *codec)
{
  g_autofree gchar  *models = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", NULL);
  g_autofree gchar  *folder = g_dir_make_tmp ("palimpsest-codec-XXXXXX", NULL);
  g_autoptr (GError) error  = NULL;
  PalModel          *model;

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      const gboolean    own  = ! codec || ! g_str_equal (parts[i], "vae");
      g_autofree gchar *from = own ? g_build_filename (models, "sd15-tiny", parts[i], NULL)
                                   : g_canonicalize_filename (codec, models);
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

/* Turns all F16 weights of a file into BF16 ones so large that sums of them overflow. */
static void
blow_up (const gchar *folder)
{
  g_autofree gchar  *path = g_build_filename (folder, "vae", "diffusion_pytorch_model.safetensors",
                                              NULL);
  g_autofree gchar  *bytes  = NULL;
  g_autoptr (GString) header = NULL, file = g_string_new (NULL);
  guint64            length;
  gsize              n;

  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  memcpy (&length, bytes, sizeof length);
  header = g_string_new_len (bytes + 8, (gssize) length);
  n      -= 8 + (gsize) length;

  g_string_replace (header, "\"F16\"", "\"BF16\"", 0);
  length = header->len;
  g_string_append_len (file, (const gchar *) &length, sizeof length);
  g_string_append_len (file, header->str, (gssize) header->len);
  for (gsize i = 0; i < n; i += 2)
    g_string_append_len (file, "\x61\x7f", 2);          /* 3e38 */

  g_assert_true (g_file_set_contents (path, file->str, (gssize) file->len, NULL));
}

static void
copy_file (const gchar *from, const gchar *to, const gchar *name)
{
  g_autofree gchar *source = g_build_filename (from, name, NULL);
  g_autofree gchar *target = g_build_filename (to, name, NULL);
  g_autofree gchar *bytes  = NULL;
  gsize             n;

  g_assert_true (g_file_get_contents (source, &bytes, &n, NULL));
  g_assert_true (g_file_set_contents (target, bytes, (gssize) n, NULL));
}

/* What is not finite is an error of the codec's, not a black picture. */
static void
test_not_finite (void)
{
  static const gchar *const files[] = { "config.json", "diffusion_pytorch_model.safetensors" };
  g_autofree gchar    *models = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models",
                                                  NULL);
  g_autofree gchar    *from   = g_build_filename (models, "sd15-tiny", "vae", NULL);
  g_autofree gchar    *folder = g_dir_make_tmp ("palimpsest-codec-XXXXXX", NULL);
  g_autofree gchar    *to     = g_build_filename (folder, "vae", NULL);
  g_autoptr (PalModel) model  = NULL;
  g_autoptr (PalImage) image  = picture (32, 32), none = NULL;
  g_autoptr (GError)   error  = NULL;
  gfloat               z[4 * 4 * 4] = { 0 };

  g_mkdir (to, 0700);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    copy_file (from, to, files[i]);
  blow_up (folder);
  model = open_model (to);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree gchar *path = g_build_filename (to, files[i], NULL);

      g_unlink (path);
    }
  g_rmdir (to);
  g_rmdir (folder);

  g_assert_null (pal_codec_encode (model, image, NULL, &error));
  test_error (error, PAL_ERROR_DEVICE, "latents that the model encoded have values that are not");
  g_clear_error (&error);

  none = pal_codec_decode (model, z, 4, 4, NULL, &error);
  g_assert_null (none);
  test_error (error, PAL_ERROR_DEVICE, "picture that the model decoded has values that are not");
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
    latents[i] *= vae->scaling_factor;
  for (gsize i = 0; i < n; i++)
    decoded[i] = CLAMP (decoded[i] * 0.5f + 0.5f, 0.0f, 1.0f);
}

typedef struct
{
  const gchar *name, *codec;
  gint         width, height, tile_px;
  gfloat       latents, pixels;   /* largest differences allowed */
} Case;

/* Where all norms see a pixel at a time, tiles are the whole but for rounding. Group norms
 * see a tile's mean and spread, which is all that remains: with these random weights some
 * hundredths, by which neighbouring tiles differ gradually. */
static const Case cases[] = {
  { "whole", "dcae-conv-tiny", 48, 32, 0, 1e-6f, 1e-6f },
  { "tiles", "dcae-conv-tiny", 1200, 900, 0, 1e-5f, 1e-5f },
  { "small-tiles", "dcae-conv-tiny", 600, 480, 256, 1e-5f, 1e-5f },
  { "norms", NULL, 640, 448, 256, 0.3f, 0.3f },
};

/* A tenth of a level of 8 bits is no seam, whatever stands beside it. */
#define MOST_JUMP  (0.1 / 255.0)
#define MOST_RATIO 1.05

static gboolean
is_border (gint x, const PalWindows *tiles, gint factor)
{
  for (guint i = 0; i < pal_windows_count (tiles); i++)
    {
      const PalRect r = pal_windows_nth (tiles, i);

      if (x == r.x * factor || x == (r.x + r.width) * factor)
        return TRUE;
    }

  return FALSE;
}

/* How what the tiles change jumps, in the mean, from a latent's columns to the next one's. */
static gdouble
jump_at (const Case *c, gint x, const gfloat *whole, const gfloat *tiled)
{
  gdouble jump = 0.0;

  for (gint i = 0; i < c->height * 3; i++)
    {
      const gint at = (i / 3 * c->width + x) * 3 + i % 3;

      jump += fabs ((gdouble) ((tiled[at] - whole[at]) - (tiled[at - 3] - whole[at - 3])));
    }

  return jump / (c->height * 3);
}

/* At a tile's border it jumps as it does beside it. */
static void
check_seams (const Case *c, gint factor, const gfloat *whole, const gfloat *tiled)
{
  const PalWindows tiles = { c->width / factor, c->height / factor, c->tile_px / factor,
                             pal_ladder_overlap (c->tile_px) / factor };
  guint            n = 0;

  for (gint x = 2 * factor; x + 2 * factor < c->width; x += factor)
    if (is_border (x, &tiles, factor))
      {
        const gdouble border = jump_at (c, x, whole, tiled);
        const gdouble beside = MAX (jump_at (c, x - factor, whole, tiled),
                                    jump_at (c, x + factor, whole, tiled));

        g_test_message ("column %d jumps by %.6f, its neighbours by %.6f", x, border, beside);
        g_assert_cmpfloat (border, <, MAX (MOST_RATIO * beside, MOST_JUMP));
        n++;
      }

  g_assert_cmpuint (n, >, 1);
}

static gdouble
mean_difference (const gfloat *a, const gfloat *b, gint n)
{
  gdouble sum = 0.0;

  for (gint i = 0; i < n; i++)
    sum += fabs ((gdouble) (a[i] - b[i]));

  return sum / n;
}

static void
test_codec (gconstpointer data)
{
  const Case          *c     = data;
  g_autoptr (PalModel) model = open_model (c->codec);
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

  g_assert_cmpint (vae->kind, ==, c->codec ? PAL_VAE_DC : PAL_VAE_KL);
  by_hand (model, image, latents, pixels);
  pal_model_ladder (model)->tile_px[PAL_PHASE_ENCODE] = c->tile_px;
  pal_model_ladder (model)->tile_px[PAL_PHASE_DECODE] = c->tile_px;

  encoded = pal_codec_encode (model, image, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < n; i++)
    worst = MAX (worst, fabsf (encoded[i] - latents[i]));
  g_test_message ("latents differ by %g, %g in the mean", (gdouble) worst,
                  mean_difference (encoded, latents, (gint) n));
  g_assert_cmpfloat (worst, <=, c->latents);

  decoded = pal_codec_decode (model, latents, w, h, NULL, &error);
  g_assert_no_error (error);
  worst = 0.0f;
  for (gint i = 0; i < c->width * c->height * 3; i++)
    worst = MAX (worst, fabsf (decoded->data[i] - pixels[i]));
  g_test_message ("pixels differ by %g, %g in the mean", (gdouble) worst,
                  mean_difference (decoded->data, pixels, c->width * c->height * 3));
  g_assert_cmpfloat (worst, <=, c->pixels);

  if (c->tile_px > 0)
    check_seams (c, vae->factor, pixels, decoded->data);
}

/* What is remembered of a picture is what encoding it now would give. */
static void
test_memo (void)
{
  static const gint    tiles[] = { 0, 256, 0 };
  g_autoptr (PalModel) model   = open_model (NULL);
  g_autoptr (PalImage) image   = picture (320, 256);
  const gint           factor  = pal_model_vae (model)->factor;
  const gsize          n       = (gsize) (320 / factor) * (gsize) (256 / factor) *
                                 (gsize) pal_model_vae (model)->latent_channels * sizeof (gfloat);

  for (gsize i = 0; i < G_N_ELEMENTS (tiles); i++)
    {
      g_autofree gfloat *known = NULL, *anew = NULL;

      pal_model_ladder (model)->tile_px[PAL_PHASE_ENCODE] = tiles[i];
      known = pal_memo_encode (model, image, NULL, NULL);
      anew  = pal_codec_encode (model, image, NULL, NULL);
      g_assert_cmpmem (known, n, anew, n);
    }
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

  g_test_add_func ("/codec/not-finite", test_not_finite);
  g_test_add_func ("/codec/memo", test_memo);

  return device_test_run ();
}
