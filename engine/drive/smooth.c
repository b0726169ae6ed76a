/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normalised convolution with a Gaussian cut off at three deviations. */

#include "drive/smooth.h"

#include <math.h>

#include "drive/floats.h"

#define LEAST_TOTAL 1e-6f

void
pal_gaussian (gdouble sigma, gint radius, gfloat *out)
{
  gdouble total = 0.0;

  for (gint i = -radius; i <= radius; i++)
    total += exp (-(gdouble) (i * i) / (2.0 * sigma * sigma));
  for (gint i = -radius; i <= radius; i++)
    out[i + radius] = (gfloat) (exp (-(gdouble) (i * i) / (2.0 * sigma * sigma)) / total);
}

gboolean
pal_smooth_init (PalSmooth *smooth, gint width, gint height, gdouble sigma, GError **error)
{
  gsize n = (gsize) width * (gsize) height;

  *smooth = (PalSmooth) { .width = width, .height = height, .reach = (gint) (3.0 * sigma) };
  smooth->kernel = g_new (gfloat, 2 * smooth->reach + 1);
  pal_gaussian (sigma, smooth->reach, smooth->kernel);

  return pal_floats_new (&smooth->plane, n, error) &&
         pal_floats_new (&smooth->scratch, n, error) &&
         pal_floats_new (&smooth->total, n, error);
}

void
pal_smooth_clear (PalSmooth *smooth)
{
  g_clear_pointer (&smooth->kernel, g_free);
  g_clear_pointer (&smooth->plane, g_free);
  g_clear_pointer (&smooth->scratch, g_free);
  g_clear_pointer (&smooth->total, g_free);
}

/* Along one direction, 0 beyond the ends. step, length: of that direction in the plane. */
static void
blur_along (const PalSmooth *smooth, const gfloat *in, gfloat *out, gint step, gint length)
{
  gint n = smooth->width * smooth->height;

  for (gint i = 0; i < n; i++)
    {
      gint at = i / step % length;
      gint first = MAX (-smooth->reach, -at), last = MIN (smooth->reach, length - 1 - at);
      gdouble sum = 0.0;

      for (gint k = first; k <= last; k++)
        sum += (gdouble) smooth->kernel[k + smooth->reach] * (gdouble) in[i + k * step];
      out[i] = (gfloat) sum;
    }
}

static void
blur (PalSmooth *smooth, gfloat *plane)
{
  blur_along (smooth, plane, smooth->scratch, smooth->width, smooth->height);
  blur_along (smooth, smooth->scratch, plane, 1, smooth->width);
}

void
pal_smooth_run (PalSmooth *smooth, const gfloat *values, gint channels, const gfloat *weight,
                gfloat *out)
{
  gint n = smooth->width * smooth->height;

  for (gint i = 0; i < n; i++)
    smooth->total[i] = weight[i];
  blur (smooth, smooth->total);

  for (gint c = 0; c < channels; c++)
    {
      for (gint i = 0; i < n; i++)
        smooth->plane[i] = weight[i] * values[i * channels + c];
      blur (smooth, smooth->plane);
      for (gint i = 0; i < n; i++)
        out[i * channels + c] = smooth->plane[i] / MAX (smooth->total[i], LEAST_TOTAL);
    }
}
