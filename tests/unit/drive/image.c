/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures on the host: resampling, blur, filling, bounds, composite. */

#include <math.h>
#include <string.h>

#include "base/debug.h"
#include "base/image.h"

static gfloat *
at (PalImage *image,
    gint      x,
    gint      y)
{
  return image->data + ((gsize) y * (gsize) image->width + (gsize) x) * (gsize) image->channels;
}

static PalImage *
noise_image (gint width,
             gint height,
             gint channels)
{
  g_autoptr (GRand) rand  = g_rand_new_with_seed ((guint32) (width * 31 + height * 7 + channels));
  PalImage         *image = pal_image_new (width, height, channels);
  gsize             n     = (gsize) width * (gsize) height * (gsize) channels;

  for (gsize i = 0; i < n; i++)
    image->data[i] = (gfloat) g_rand_double (rand);

  return image;
}

static gdouble
mean_of (const PalImage *image)
{
  gsize   n   = (gsize) image->width * (gsize) image->height * (gsize) image->channels;
  gdouble sum = 0.0;

  for (gsize i = 0; i < n; i++)
    sum += (gdouble) image->data[i];

  return sum / (gdouble) n;
}

static void
test_new (void)
{
  g_assert_null (pal_image_new (0, 4, 3));
  g_assert_null (pal_image_new (4, -1, 3));
  g_assert_null (pal_image_new (4, 4, 0));
  g_assert_null (pal_image_new (G_MAXINT, G_MAXINT, G_MAXINT));
}

static void
test_crop (void)
{
  g_autoptr (PalImage) image = noise_image (13, 9, 3);
  g_autoptr (PalImage) part  = pal_image_crop (image, (PalRect) { 4, 2, 5, 7 });
  g_autoptr (PalImage) copy  = pal_image_copy (image);

  for (gint y = 0; y < 7; y++)
    for (gint x = 0; x < 5; x++)
      g_assert_cmpmem (at (part, x, y), 12, at (image, x + 4, y + 2), 12);
  g_assert_cmpmem (copy->data, 13 * 9 * 12, image->data, 13 * 9 * 12);
}

static void
test_shrink (void)
{
  static const gint sizes[][4] = {
    { 64, 48, 16, 12 }, { 37, 53, 11, 7 }, { 100, 3, 9, 1 }, { 5, 5, 1, 1 }, { 31, 17, 30, 16 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (PalImage) image = noise_image (sizes[i][0], sizes[i][1], 3);
      g_autoptr (PalImage) small = pal_image_resize (image, sizes[i][2], sizes[i][3]);

      /* An area average loses no light. */
      g_assert_cmpint (small->width, ==, sizes[i][2]);
      g_assert_cmpint (small->height, ==, sizes[i][3]);
      g_assert_cmpfloat_with_epsilon (mean_of (small), mean_of (image), 1e-5);
    }
}

static void
test_shrink_blocks (void)
{
  g_autoptr (PalImage) image = noise_image (12, 8, 1);
  g_autoptr (PalImage) small = pal_image_resize (image, 3, 2);

  for (gint y = 0; y < 2; y++)
    for (gint x = 0; x < 3; x++)
      {
        g_autoptr (PalImage) block = pal_image_crop (image, (PalRect) { 4 * x, 4 * y, 4, 4 });

        g_assert_cmpfloat_with_epsilon ((gdouble) *at (small, x, y), mean_of (block), 1e-6);
      }
}

static void
test_grow (void)
{
  g_autoptr (PalImage) ramp = pal_image_new (20, 10, 1);
  g_autoptr (PalImage) big  = NULL;
  g_autoptr (PalImage) same = NULL;

  for (gint y = 0; y < 10; y++)
    for (gint x = 0; x < 20; x++)
      *at (ramp, x, y) = (gfloat) (x + 0.5) / 20.0f;

  /* A cubic keeps straight lines, away from the repeated edge; no shift. */
  big = pal_image_resize (ramp, 70, 33);
  for (gint y = 0; y < 33; y++)
    for (gint x = 10; x < 60; x++)
      g_assert_cmpfloat_with_epsilon ((gdouble) *at (big, x, y), (x + 0.5) / 70.0, 1e-5);

  same = pal_image_resize (ramp, 20, 10);
  g_assert_cmpmem (same->data, 800, ramp->data, 800);
}

static void
test_range (void)
{
  g_autoptr (PalImage) step = pal_image_new (8, 8, 1);
  g_autoptr (PalImage) big  = NULL;

  for (gint y = 0; y < 8; y++)
    for (gint x = 4; x < 8; x++)
      *at (step, x, y) = 1.0f;

  big = pal_image_resize (step, 64, 64);
  for (gsize i = 0; i < 64 * 64; i++)
    g_assert_true (big->data[i] >= 0.0f && big->data[i] <= 1.0f);
}

static void
test_alpha_bleed (void)
{
  g_autoptr (PalImage) image = pal_image_new (8, 8, 4);
  g_autoptr (PalImage) small = NULL;

  for (gint y = 0; y < 8; y++)
    for (gint x = 0; x < 8; x++)
      {
        gboolean seen = x % 2 == 0;
        gfloat   rgba[4] = { seen ? 0.5f : 1.0f, seen ? 0.25f : 0.0f, 0.0f, seen ? 1.0f : 0.0f };

        memcpy (at (image, x, y), rgba, sizeof rgba);
      }

  small = pal_image_resize (image, 4, 4);
  for (gsize i = 0; i < 16; i++)
    {
      g_assert_cmpfloat_with_epsilon (small->data[i * 4], 0.5f, 1e-6f);
      g_assert_cmpfloat_with_epsilon (small->data[i * 4 + 1], 0.25f, 1e-6f);
      g_assert_cmpfloat_with_epsilon (small->data[i * 4 + 3], 0.5f, 1e-6f);
    }
}

static void
test_blur (void)
{
  static const gdouble sigmas[] = { 0.7, 2.0, 4.0, 4.1, 9.3, 25.0 };

  for (gsize s = 0; s < G_N_ELEMENTS (sigmas); s++)
    {
      gint                 side  = (gint) (sigmas[s] * 12.0) | 1;
      g_autoptr (PalImage) image = pal_image_new (side, side, 1);
      gdouble              sum = 0.0, variance = 0.0;

      *at (image, side / 2, side / 2) = 1.0f;
      g_assert_true (pal_image_blur (image, sigmas[s]));

      for (gint y = 0; y < side; y++)
        for (gint x = 0; x < side; x++)
          {
            gdouble v = (gdouble) *at (image, x, y);

            sum      += v;
            variance += v * (x - side / 2) * (x - side / 2);
          }
      g_assert_cmpfloat_with_epsilon (sum, 1.0, 1e-3);
      g_assert_cmpfloat_with_epsilon (sqrt (variance), sigmas[s], 0.01 * sigmas[s]);
      g_assert_cmpfloat_with_epsilon ((gdouble) *at (image, side / 2, side / 2),
                                      1.0 / (2.0 * G_PI * sigmas[s] * sigmas[s]),
                                      0.12 / (2.0 * G_PI * sigmas[s] * sigmas[s]));
    }
}

static void
test_blur_flat (void)
{
  g_autoptr (PalImage) image = pal_image_new (30, 5, 3);

  for (gsize i = 0; i < 30 * 5 * 3; i++)
    image->data[i] = 0.25f * (gfloat) (i % 3);
  g_assert_true (pal_image_blur (image, 40.0));
  g_assert_true (pal_image_blur (image, 0.0));
  for (gsize i = 0; i < 30 * 5 * 3; i++)
    g_assert_cmpfloat_with_epsilon (image->data[i], 0.25f * (gfloat) (i % 3), 1e-5f);
}

static void
test_bounds (void)
{
  g_autoptr (PalImage) mask = pal_image_new (20, 15, 1);
  PalRect              rect = pal_image_bounds (mask);

  g_assert_cmpint (rect.width, ==, 0);
  *at (mask, 7, 3)   = 0.001f;
  *at (mask, 12, 11) = 1.0f;
  rect = pal_image_bounds (mask);
  g_assert_cmpint (rect.x, ==, 7);
  g_assert_cmpint (rect.y, ==, 3);
  g_assert_cmpint (rect.width, ==, 6);
  g_assert_cmpint (rect.height, ==, 9);
}

static void
test_composite (void)
{
  g_autoptr (PalImage) source = noise_image (9, 7, 4);
  g_autoptr (PalImage) over   = noise_image (9, 7, 3);
  g_autoptr (PalImage) mask   = noise_image (9, 7, 1);
  g_autoptr (PalImage) out    = NULL;

  for (gsize i = 0; i < 63; i++)
    mask->data[i] = i % 3 == 0 ? 0.0f : i % 3 == 1 ? 1.0f : mask->data[i];
  over->data[0] = NAN;          /* under mask 0: must not matter */
  out = pal_image_composite (source, over, mask);

  for (gsize i = 0; i < 63; i++)
    for (gsize c = 0; c < 4; c++)
      {
        gfloat from = source->data[i * 4 + c], to = out->data[i * 4 + c], m = mask->data[i];

        if (c == 3 || i % 3 == 0)
          g_assert_cmpfloat (to, ==, from);
        else if (i % 3 == 1)
          g_assert_cmpfloat (to, ==, over->data[i * 3 + c]);
        else
          g_assert_cmpfloat_with_epsilon (to, from + m * (over->data[i * 3 + c] - from), 1e-6f);
      }
}

static void
test_spread (void)
{
  g_autoptr (PalImage) image = pal_image_new (70, 45, 3);
  g_autoptr (PalImage) hole  = pal_image_new (70, 45, 1);
  g_autoptr (PalImage) out   = NULL;

  /* Left half dark, right half bright, the hole full of rubbish. */
  for (gint y = 0; y < 45; y++)
    for (gint x = 0; x < 70; x++)
      {
        gboolean missing = x > 20 && x < 50 && y > 10 && y < 35;

        *at (hole, x, y) = missing ? 1.0f : 0.0f;
        for (gint c = 0; c < 3; c++)
          at (image, x, y)[c] = missing ? 9.0f : x < 35 ? 0.2f : 0.8f;
      }

  out = pal_image_spread (image, hole);
  for (gint y = 0; y < 45; y++)
    for (gint x = 0; x < 70; x++)
      if (*at (hole, x, y) > 0.0f)
        g_assert_true (*at (out, x, y) >= 0.199f && *at (out, x, y) <= 0.801f);
      else
        g_assert_cmpmem (at (out, x, y), 12, at (image, x, y), 12);
  g_assert_true (*at (out, 22, 22) < 0.4f && *at (out, 48, 22) > 0.6f);
}

static void
test_to_rgb (void)
{
  static const gfloat  seen[]   = { 0.3f, 0.6f, 0.9f, 1.0f };
  static const gfloat  hidden[] = { 1.0f, 0.0f, 0.0f, 0.0f };
  g_autoptr (PalImage) clear = pal_image_new (6, 4, 4);
  g_autoptr (PalImage) grey  = noise_image (6, 4, 1);
  g_autoptr (PalImage) half  = pal_image_new (16, 16, 4);
  g_autoptr (PalImage) a     = pal_image_to_rgb (clear);
  g_autoptr (PalImage) b     = pal_image_to_rgb (grey);
  g_autoptr (PalImage) c     = NULL;

  g_assert_cmpint (a->channels, ==, 3);
  for (gsize i = 0; i < 24 * 3; i++)
    {
      g_assert_cmpfloat (a->data[i], ==, 0.5f);
      g_assert_cmpfloat (b->data[i], ==, grey->data[i / 3]);
    }

  for (gsize i = 0; i < 256; i++)
    memcpy (half->data + i * 4, i % 16 < 8 ? seen : hidden, sizeof seen);
  c = pal_image_to_rgb (half);
  for (gsize i = 0; i < 256; i++)
    for (gsize k = 0; k < 3; k++)
      g_assert_cmpfloat_with_epsilon (c->data[i * 3 + k], 0.3f * (gfloat) (k + 1), 1e-5f);
}

static void
test_no_memory (void)
{
  g_autoptr (PalImage) image = noise_image (20, 20, 4);

  for (guint n = 1; n < 40; n++)
    {
      PalImage *big, *rgb;

      pal_fault_arm (PAL_FAULT_ALLOC, n);
      big = pal_image_resize (image, 31, 33);
      rgb = pal_image_to_rgb (image);
      pal_fault_arm (PAL_FAULT_ALLOC, 0);
      if (n == 1)
        g_assert_null (big);
      pal_image_free (big);
      pal_image_free (rgb);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/image/new", test_new);
  g_test_add_func ("/image/crop", test_crop);
  g_test_add_func ("/image/shrink", test_shrink);
  g_test_add_func ("/image/shrink-blocks", test_shrink_blocks);
  g_test_add_func ("/image/grow", test_grow);
  g_test_add_func ("/image/range", test_range);
  g_test_add_func ("/image/alpha-bleed", test_alpha_bleed);
  g_test_add_func ("/image/blur", test_blur);
  g_test_add_func ("/image/blur-flat", test_blur_flat);
  g_test_add_func ("/image/bounds", test_bounds);
  g_test_add_func ("/image/composite", test_composite);
  g_test_add_func ("/image/spread", test_spread);
  g_test_add_func ("/image/to-rgb", test_to_rgb);
  g_test_add_func ("/image/no-memory", test_no_memory);

  return g_test_run ();
}
