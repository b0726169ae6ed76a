/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The correction of a painted area is the solution of its equations, found by elimination
 * here; it fades as its reach says, and leaves alone what it must. */

#include <math.h>

#include "base/random.h"
#include "drive/seamless.h"

/* Of [0, 1]: a quarter of a level of 8 bits. */
#define TOLERANCE 1e-3

static PalImage *
random_picture (gint width, gint height, gint channels, guint64 seed)
{
  PalImage  *image  = pal_image_new (width, height, channels);
  PalRandom *random = pal_random_new (PAL_RANDOM_TORCH, seed);
  gsize      n      = (gsize) width * (gsize) height * (gsize) channels;

  pal_random_normal (random, image->data, n);
  for (gsize i = 0; i < n; i++)
    image->data[i] = 0.5f + 0.02f * image->data[i];
  pal_random_free (random);

  return image;
}

static gint
neighbour (gint at, gint k, gint width, gint height)
{
  gint x = at % width + (k == 0) - (k == 1), y = at / width + (k == 2) - (k == 3);

  return x < 0 || y < 0 || x >= width || y >= height ? -1 : y * width + x;
}

/* The equations of seamless.h for one channel, by Gaussian elimination: [n], 0 outside. */
static gdouble *
eliminate (const PalImage *painted, const PalImage *source, const PalImage *inside, gint channel,
           gdouble reach)
{
  gint     n = painted->width * painted->height;
  gdouble *m = g_new0 (gdouble, (gsize) n * (gsize) (n + 1)), *u = g_new0 (gdouble, n);

#define M(row, column) m[(gsize) (row) * (gsize) (n + 1) + (gsize) (column)]
  for (gint i = 0; i < n; i++)
    {
      M (i, i) = 1.0;
      if (! (inside->data[i] > 0.0f))
        continue;

      M (i, i) = 1.0 / (reach * reach);
      for (gint k = 0; k < 4; k++)
        {
          gint q = neighbour (i, k, painted->width, painted->height);

          if (q < 0)
            continue;
          M (i, i) += 1.0;
          if (inside->data[q] > 0.0f)
            M (i, q) -= 1.0;
          else
            M (i, n) += (gdouble) (source->data[q * 3 + channel] -
                                   painted->data[i * 3 + channel]);
        }
    }

  /* Diagonally dominant: no pivoting. */
  for (gint k = 0; k < n; k++)
    for (gint i = k + 1; i < n; i++)
      {
        gdouble factor = M (i, k) / M (k, k);

        for (gint j = k; factor != 0.0 && j <= n; j++)
          M (i, j) -= factor * M (k, j);
      }
  for (gint i = n - 1; i >= 0; i--)
    {
      u[i] = M (i, n);
      for (gint j = i + 1; j < n; j++)
        u[i] -= M (i, j) * u[j];
      u[i] /= M (i, i);
    }
#undef M

  g_free (m);
  return u;
}

/* What of u is added at a pixel. */
static gdouble
fade_at (const PalImage *inside, gint at, gdouble reach)
{
  gdouble next = G_MAXDOUBLE, t;

  for (gint i = 0; i < inside->width * inside->height; i++)
    if (! (inside->data[i] > 0.0f))
      next = MIN (next, hypot (i % inside->width - at % inside->width,
                               i / inside->width - at / inside->width));
  t = CLAMP ((next - 1.0) / reach, 0.0, 1.0);

  return inside->data[at] > 0.0f ? 1.0 - 3.0 * t * t + 2.0 * t * t * t : 0.0;
}

static void
check_against_elimination (gint width, gint height, gdouble reach, const PalImage *inside)
{
  g_autoptr (PalImage) painted = random_picture (width, height, 3, 1);
  g_autoptr (PalImage) source  = random_picture (width, height, 3, 2);
  g_autoptr (PalImage) got     = NULL;

  for (gint i = 0; i < width * height * 3; i++)
    source->data[i] += 0.2f + 0.2f * (gfloat) (i / 3 % width) / (gfloat) width;

  got = pal_image_copy (painted);
  g_assert_true (pal_seamless (got, source, inside, reach, NULL));

  for (gint c = 0; c < 3; c++)
    {
      g_autofree gdouble *want = eliminate (painted, source, inside, c, reach);

      for (gint i = 0; i < width * height; i++)
        g_assert_cmpfloat_with_epsilon ((gdouble) got->data[i * 3 + c],
                                        (gdouble) painted->data[i * 3 + c] +
                                        want[i] * fade_at (inside, i, reach), TOLERANCE);
    }
}

/* Ragged areas, with islands, holes and parts at the picture's edge. */
static void
test_equations (void)
{
  const gint    sizes[][2] = { { 31, 19 }, { 16, 32 }, { 1, 9 }, { 9, 1 }, { 3, 3 } };
  const gdouble reaches[]  = { 0.5, 4.0, 1000.0 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (gsize k = 0; k < G_N_ELEMENTS (reaches); k++)
      {
        g_autoptr (PalImage) inside = random_picture (sizes[i][0], sizes[i][1], 1, 3 + i);
        gint                 n      = sizes[i][0] * sizes[i][1];

        for (gint j = 0; j < n; j++)
          inside->data[j] = inside->data[j] > 0.485f && j != n / 2 ? 1.0f : 0.0f;
        check_against_elimination (sizes[i][0], sizes[i][1], reaches[k], inside);
      }
}

/* A step along a straight border is gone at the reach, and nothing steps on the way. */
static void
test_reach (void)
{
  const gint           width   = 400, height = 8, reach = 20;
  g_autoptr (PalImage) painted = pal_image_new (width, height, 3);
  g_autoptr (PalImage) source  = pal_image_new (width, height, 3);
  g_autoptr (PalImage) inside  = pal_image_new (width, height, 1);

  for (gint i = 0; i < width * height * 3; i++)
    source->data[i] = 0.5f;
  for (gint i = 0; i < width * height; i++)
    inside->data[i] = i % width > 0 ? 1.0f : 0.0f;

  g_assert_true (pal_seamless (painted, source, inside, reach, NULL));
  for (gint x = 1; x < width; x++)
    {
      gdouble t    = MIN ((x - 1.0) / reach, 1.0);
      gdouble want = 0.5 * exp (-(gdouble) x / reach) * (1.0 - 3.0 * t * t + 2.0 * t * t * t);

      g_assert_cmpfloat_with_epsilon ((gdouble) painted->data[x * 3], want, TOLERANCE);
    }
}

static void
test_left_alone (void)
{
  g_autoptr (PalImage) painted = random_picture (40, 30, 3, 5);
  g_autoptr (PalImage) source  = random_picture (40, 30, 3, 6);
  g_autoptr (PalImage) all     = pal_image_new (40, 30, 1);
  g_autoptr (PalImage) got     = pal_image_copy (painted);

  for (gint i = 0; i < 40 * 30; i++)
    all->data[i] = 1.0f;

  /* No border, nothing to meet. */
  g_assert_true (pal_seamless (got, source, all, 8.0, NULL));
  g_assert_cmpmem (got->data, 40 * 30 * 3 * sizeof (gfloat), painted->data,
                   40 * 30 * 3 * sizeof (gfloat));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/seamless/equations", test_equations);
  g_test_add_func ("/seamless/reach", test_reach);
  g_test_add_func ("/seamless/left-alone", test_left_alone);

  return g_test_run ();
}
