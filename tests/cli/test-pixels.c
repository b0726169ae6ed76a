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

static PalRect
all (const CliPng *png)
{
  return (PalRect) { 0, 0, png->width, png->height };
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
  mask          = cli_pixels_mask (gray, all (gray), FALSE);
  inverse       = cli_pixels_mask (gray, all (gray), TRUE);
  g_assert_cmpfloat (mask->data[0], ==, 0.0f);
  g_assert_cmpfloat (mask->data[1], ==, 1.0f);
  g_assert_cmpfloat_with_epsilon (mask->data[2], 0.2f, 1e-6);
  g_assert_cmpfloat (inverse->data[0], ==, 1.0f);
  g_assert_cmpfloat (inverse->data[1], ==, 0.0f);

  /* Opaque, half, clear. */
  alpha->data[3] = 255;
  alpha->data[7] = 51;
  g_assert_true (cli_pixels_transparent (alpha));
  hole = cli_pixels_mask (alpha, all (alpha), FALSE);
  g_assert_cmpfloat (hole->data[0], ==, 0.0f);
  g_assert_cmpfloat_with_epsilon (hole->data[1], 0.8f, 1e-6);
  g_assert_cmpfloat (hole->data[2], ==, 1.0f);

  rgb->data[0] = rgb->data[1] = rgb->data[2] = 255;
  rgb->data[4] = 255;
  g_assert_false (cli_pixels_transparent (rgb));
  coloured = cli_pixels_mask (rgb, all (rgb), FALSE);
  g_assert_cmpfloat (coloured->data[0], ==, 1.0f);
  g_assert_cmpfloat_with_epsilon (coloured->data[1], 0.7152f, 1e-6);
}

/* As the bounds of the mask in floats, which looks at every pixel. */
static void
test_bounds (void)
{
  for (gint channels = 1; channels <= 4; channels++)
    for (gint kind = 0; kind < 6; kind++)
      {
        const gboolean     invert = kind % 2 == 1;
        g_autoptr (CliPng) png    = cli_png_new (WIDTH, HEIGHT, channels, kind < 4 ? 8 : 16);
        const guint16      max    = kind < 4 ? 255 : 65535;
        const guint16      off    = invert ? max : 0;
        g_autoptr (PalImage) mask = NULL;
        PalRect            want, got;

        for (gint i = 0; i < WIDTH * HEIGHT * channels; i++)
          png->data[i] = off;
        for (gint i = 1; i <= WIDTH * HEIGHT && channels % 2 == 0; i++)
          png->data[i * channels - 1] = max;

        /* Nothing at first, then the middle of two rows and one pixel further left below. */
        if (kind >= 2)
          {
            png->data[(1 * WIDTH + 3) * channels] = 7;
            png->data[(1 * WIDTH + 5) * channels] = 7;
            png->data[(3 * WIDTH + 1) * channels] = max - 1;
          }

        mask = cli_pixels_mask (png, all (png), invert);
        want = pal_image_bounds (mask);
        got  = cli_pixels_bounds (png, invert);
        g_assert_cmpmem (&got, sizeof got, &want, sizeof want);
        g_assert_cmpint (got.width, ==, kind < 2 ? 0 : 5);
      }
}

/* A part of the mask is the mask of the part. */
static void
test_mask_part (void)
{
  const PalRect        rect = { 2, 1, 4, 3 };
  g_autoptr (CliPng)   png  = make_picture (3, 8);
  g_autoptr (PalImage) mask = cli_pixels_mask (png, all (png), FALSE);
  g_autoptr (PalImage) part = cli_pixels_mask (png, rect, FALSE);

  for (gint y = 0; y < rect.height; y++)
    for (gint x = 0; x < rect.width; x++)
      g_assert_cmpfloat (part->data[y * rect.width + x], ==,
                         mask->data[(rect.y + y) * WIDTH + rect.x + x]);
}

static void
patch_clear (CliPatch *patch)
{
  g_clear_pointer (&patch->below, cli_png_free);
  g_clear_pointer (&patch->mask, pal_image_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CliPatch, patch_clear)

/* Where the mask is 0 or the result does not reach, the samples are the input's own; a
 * second result leaves nothing of the first. */
static void
test_lay_exact (void)
{
  const PalRect rect = { 1, 1, 5, 3 };

  for (gint channels = 1; channels <= 4; channels++)
    for (gint depth = 8; depth <= 16; depth += 8)
      {
        g_autoptr (CliPng)   png    = make_picture (channels, depth);
        g_autoptr (CliPng)   out    = cli_pixels_to_colour (make_picture (channels, depth));
        g_auto (CliPatch)    patch  = { rect, cli_pixels_part (out, rect),
                                        pal_image_new (rect.width, rect.height, 1), FALSE };
        g_autoptr (PalImage) first  = pal_image_new (rect.width, rect.height, 3);
        g_autoptr (PalImage) result = pal_image_new (rect.width, rect.height, 3);
        const guint          max    = depth == 16 ? 65535 : 255;

        for (gint i = 0; i < rect.width * rect.height * 3; i++)
          result->data[i] = (i % 3 == 0) ? 0.25f : (i % 3 == 1) ? 1.5f : -0.5f;
        patch.mask->data[1 * rect.width + 2] = 1.0f;
        patch.mask->data[1 * rect.width + 3] = 0.5f;
        cli_pixels_lay (out, &patch, first);
        cli_pixels_lay (out, &patch, result);

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
test_lay_opaque (void)
{
  g_autoptr (CliPng)   png    = make_picture (4, 8);
  g_autoptr (PalImage) result = pal_image_new (WIDTH, HEIGHT, 3);
  g_auto (CliPatch)    patch  = { .rect = all (png), .opaque = TRUE };

  for (gint i = 0; i < 256 && i < WIDTH * HEIGHT; i++)
    png->data[i * 4 + 3] = (guint16) (i * 7);
  patch.below = cli_pixels_part (png, patch.rect);
  patch.mask  = cli_pixels_mask (png, patch.rect, FALSE);
  cli_pixels_lay (png, &patch, result);

  for (gint i = 0; i < WIDTH * HEIGHT; i++)
    g_assert_cmpint (png->data[i * 4 + 3], ==, 255);
  g_assert_cmpint (png->data[0], ==, 0);
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
  g_test_add_func ("/pixels/bounds", test_bounds);
  g_test_add_func ("/pixels/mask-part", test_mask_part);
  g_test_add_func ("/pixels/lay-exact", test_lay_exact);
  g_test_add_func ("/pixels/lay-opaque", test_lay_opaque);
  g_test_add_func ("/pixels/source", test_source);
  g_test_add_func ("/pixels/new", test_new);

  return g_test_run ();
}
