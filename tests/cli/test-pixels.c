/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Masks, and results laid over pictures. */

#include <math.h>

#include "pixels.h"
#include "support.h"

#define WIDTH  7
#define HEIGHT 5

static CliPng *
make_picture (gint channels,
              gint depth)
{
  CliPng *png = cli_png_new (WIDTH, HEIGHT, channels, depth);

  for (gint i = 0; i < WIDTH * HEIGHT * channels; i++)
    png->data[i] = (guint16) ((guint) i * 40503u & (depth == 16 ? 65535u : 255u));
  for (gint i = 1; i <= WIDTH * HEIGHT && channels % 2 == 0; i++)
    png->data[i * channels - 1] = depth == 16 ? 65535 : 255;

  return png;
}

static void
test_mask (void)
{
  g_autoptr (CliPng)   gray     = cli_png_new (3, 1, 1, 16);
  g_autoptr (CliPng)   alpha    = cli_png_new (3, 1, 4, 8);
  g_autoptr (CliPng)   rgb      = cli_png_new (2, 1, 3, 8);
  g_autoptr (PalImage) mask     = NULL;
  g_autoptr (PalImage) inverse  = NULL;
  g_autoptr (PalImage) hole     = NULL;
  g_autoptr (PalImage) coloured = NULL;

  gray->data[1] = 65535;
  gray->data[2] = 13107;
  mask          = cli_pixels_mask (gray, FALSE);
  inverse       = cli_pixels_mask (gray, TRUE);
  g_assert_cmpfloat (mask->data[0], ==, 0.0f);
  g_assert_cmpfloat (mask->data[1], ==, 1.0f);
  g_assert_cmpfloat_with_epsilon (mask->data[2], 0.2f, 1e-6);
  g_assert_cmpfloat (inverse->data[0], ==, 1.0f);
  g_assert_cmpfloat (inverse->data[1], ==, 0.0f);

  /* Opaque, half, clear. */
  alpha->data[3] = 255;
  alpha->data[7] = 51;
  g_assert_true (cli_pixels_transparent (alpha));
  hole = cli_pixels_mask (alpha, FALSE);
  g_assert_cmpfloat (hole->data[0], ==, 0.0f);
  g_assert_cmpfloat_with_epsilon (hole->data[1], 0.8f, 1e-6);
  g_assert_cmpfloat (hole->data[2], ==, 1.0f);

  rgb->data[0] = rgb->data[1] = rgb->data[2] = 255;
  rgb->data[4] = 255;
  g_assert_false (cli_pixels_transparent (rgb));
  coloured = cli_pixels_mask (rgb, FALSE);
  g_assert_cmpfloat (coloured->data[0], ==, 1.0f);
  g_assert_cmpfloat_with_epsilon (coloured->data[1], 0.7152f, 1e-6);
}

/* Where the mask is 0 or the result does not reach, the samples are the input's own. */
static void
test_composite_exact (void)
{
  const PalRect rect = { 1, 1, 5, 3 };

  for (gint channels = 1; channels <= 4; channels++)
    for (gint depth = 8; depth <= 16; depth += 8)
      {
        g_autoptr (CliPng)   png    = make_picture (channels, depth);
        g_autoptr (PalImage) mask   = pal_image_new (WIDTH, HEIGHT, 1);
        g_autoptr (PalImage) result = pal_image_new (rect.width, rect.height, 3);
        g_autoptr (CliPng)   out    = NULL;
        const guint          max    = depth == 16 ? 65535 : 255;

        for (gint i = 0; i < rect.width * rect.height * 3; i++)
          result->data[i] = (i % 3 == 0) ? 0.25f : (i % 3 == 1) ? 1.5f : -0.5f;
        mask->data[2 * WIDTH + 3] = 1.0f;
        mask->data[2 * WIDTH + 4] = 0.5f;
        mask->data[0]             = 1.0f;   /* outside rect */
        out = cli_pixels_composite (png, result, rect, mask, FALSE);

        g_assert_cmpint (out->depth, ==, depth);
        g_assert_cmpint (out->channels, ==, channels % 2 == 0 ? 4 : 3);

        for (gint i = 0; i < WIDTH * HEIGHT; i++)
          for (gint c = 0; c < out->channels; c++)
            {
              const gint    in    = c == 3 ? channels - 1 : channels < 3 ? 0 : c;
              const guint16 below = png->data[i * channels + in];
              const guint16 value = out->data[i * out->channels + c];
              const gdouble over  = c == 0 ? 0.25 * max : c == 1 ? max : 0;

              if (i == 2 * WIDTH + 3 && c < 3)
                g_assert_cmpint (value, ==, (gint) lrint (over));
              else if (i == 2 * WIDTH + 4 && c < 3)
                g_assert_cmpfloat_with_epsilon ((gdouble) value, (below + over) / 2, 0.51);
              else
                g_assert_cmpuint (value, ==, below);
            }
      }
}

/* Filling what was transparent makes it opaque, exactly. */
static void
test_composite_opaque (void)
{
  g_autoptr (CliPng)   png    = make_picture (4, 8);
  g_autoptr (PalImage) result = pal_image_new (WIDTH, HEIGHT, 3);
  g_autoptr (PalImage) mask   = NULL;
  g_autoptr (CliPng)   out    = NULL;

  for (gint i = 0; i < 256 && i < WIDTH * HEIGHT; i++)
    png->data[i * 4 + 3] = (guint16) (i * 7);
  mask = cli_pixels_mask (png, FALSE);
  out  = cli_pixels_composite (png, result, (PalRect) { 0, 0, WIDTH, HEIGHT }, mask, TRUE);

  for (gint i = 0; i < WIDTH * HEIGHT; i++)
    g_assert_cmpint (out->data[i * 4 + 3], ==, 255);
  g_assert_cmpint (out->data[0], ==, 0);
}

static void
test_source (void)
{
  g_autoptr (CliPng)   png    = make_picture (1, 16);
  g_autoptr (PalImage) source = cli_pixels_source (png, (PalRect) { 2, 1, 3, 2 });

  g_assert_cmpint (source->width, ==, 3);
  g_assert_cmpint (source->height, ==, 2);
  g_assert_cmpint (source->channels, ==, 3);
  g_assert_cmpfloat_with_epsilon (source->data[0], (gdouble) png->data[WIDTH + 2] / 65535, 1e-6);
  g_assert_cmpfloat (source->data[1], ==, source->data[0]);
}

static void
test_new (void)
{
  g_autoptr (PalImage) result = pal_image_new (2, 1, 3);
  g_autoptr (CliPng)   png    = NULL;

  result->data[0] = -1.0f;
  result->data[1] = 0.5f;
  result->data[2] = 7.0f;
  png             = cli_pixels_new (result);
  g_assert_cmpint (png->data[0], ==, 0);
  g_assert_cmpint (png->data[1], ==, 128);
  g_assert_cmpint (png->data[2], ==, 255);
  g_assert_cmpint (png->srgb_intent, >=, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pixels/mask", test_mask);
  g_test_add_func ("/pixels/composite-exact", test_composite_exact);
  g_test_add_func ("/pixels/composite-opaque", test_composite_opaque);
  g_test_add_func ("/pixels/source", test_source);
  g_test_add_func ("/pixels/new", test_new);

  return g_test_run ();
}
