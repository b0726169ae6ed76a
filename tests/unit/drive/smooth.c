/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gaussian means over a part of an array. */

#include "drive/smooth.h"

#include <math.h>

#define W 23
#define H 17
#define C 2

/* What is the same everywhere stays so where something counts, whatever it counts, and is 0
 * where nothing near does. */
static void
test_constant (void)
{
  gfloat    values[W * H * C], weight[W * H], out[W * H * C];
  PalSmooth smooth;

  for (gint i = 0; i < W * H; i++)
    {
      values[i * C]     = 3.0f;
      values[i * C + 1] = -1.0f;
      weight[i]         = i % W < 4 ? 0.25f * (gfloat) (1 + i % 3) : 0.0f;
    }

  g_assert_true (pal_smooth_init (&smooth, W, H, 2.0, NULL));
  pal_smooth_run (&smooth, values, C, weight, out);

  for (gint i = 0; i < W * H; i++)
    {
      gboolean near = i % W < 4 + smooth.reach - 1;

      if (near)
        {
          g_assert_cmpfloat_with_epsilon (out[i * C], 3.0f, 1e-4f);
          g_assert_cmpfloat_with_epsilon (out[i * C + 1], -1.0f, 1e-4f);
        }
      else if (i % W > 4 + smooth.reach)
        {
          g_assert_cmpfloat (out[i * C], ==, 0.0f);
        }
    }

  pal_smooth_clear (&smooth);
}

/* Away from the ends, against the definition. */
static void
test_point (void)
{
  gfloat    values[W * H] = { 0.0f }, weight[W * H], out[W * H];
  gfloat    kernel[13];
  PalSmooth smooth;

  values[8 * W + 11] = 1.0f;
  for (gint i = 0; i < W * H; i++)
    weight[i] = 1.0f;

  pal_gaussian (2.0, 6, kernel);
  g_assert_true (pal_smooth_init (&smooth, W, H, 2.0, NULL));
  pal_smooth_run (&smooth, values, 1, weight, out);

  for (gint dy = -1; dy <= 1; dy++)
    for (gint dx = -3; dx <= 3; dx++)
      g_assert_cmpfloat_with_epsilon (out[(8 + dy) * W + 11 + dx],
                                      kernel[6 + dy] * kernel[6 + dx], 1e-6f);
  g_assert_cmpfloat (fabsf (out[0]), <, 1e-6f);

  pal_smooth_clear (&smooth);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/smooth/constant", test_constant);
  g_test_add_func ("/smooth/point", test_point);

  return g_test_run ();
}
