/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Squares of pixels to channels and back, with the mean of neighbouring channels or their
 * repetition on the way. shift 1: squares of 2x2 pixels, whose channel 4 c + 2 dy + dx is
 * channel c of the pixel (dy, dx); shift 0: squares of one pixel.
 *
 * x: [B, H, W, channels], residual, y: [B, H', width, columns]; residual is read when add is
 * not 0, and may be y. A work-item makes REPEAT neighbouring elements of one line of y;
 * global (width columns / REPEAT, B H'). */

#include "pal.h"

#ifndef REPEAT
#define REPEAT 1
#endif

/* H = H' << shift; each channel of y is the mean of share of a square of x. */
__kernel void
pixel_unshuffle (__global const float *x, ulong x_at,
                 __global const float *residual, ulong residual_at, __global float *y, ulong y_at,
                 int width, int channels, int columns, int share, int shift, int add)
{
  const int   first = get_global_id (0) * REPEAT;
  const int   end = min (first + REPEAT, width * columns);
  const int   x_line = (width << shift) * channels;
  const int   corners = (1 << 2 * shift) - 1;
  const ulong at = (ulong) get_global_id (1) * width * columns;
  int         pixel = first / columns;
  int         column = first - pixel * columns;

  x += x_at + ((ulong) get_global_id (1) << shift) * x_line;
  residual += residual_at + at;
  y += y_at + at;

  for (int i = first; i < end; i++)
    {
      __global const float *square = x + (pixel << shift) * channels;
      float                 sum = 0.0f;

      for (int j = column * share; j < (column + 1) * share; j++)
        {
          const int corner = j & corners;

          sum += square[(corner >> shift) * x_line + (corner & shift) * channels
                        + (j >> 2 * shift)];
        }
      y[i] = sum / share + (add ? residual[i] : 0.0f);

      if (++column == columns)
        {
          column = 0;
          pixel++;
        }
    }
}

/* H' = H << shift; each channel of x is repeated share times before. */
__kernel void
pixel_shuffle (__global const float *x, ulong x_at,
               __global const float *residual, ulong residual_at, __global float *y, ulong y_at,
               int width, int channels, int columns, int share, int shift, int add)
{
  const int   first = get_global_id (0) * REPEAT;
  const int   end = min (first + REPEAT, width * columns);
  const int   line = get_global_id (1);
  const ulong at = (ulong) line * width * columns;
  int         pixel = first / columns;
  int         column = first - pixel * columns;

  x += x_at + (ulong) (line >> shift) * (width >> shift) * channels;
  residual += residual_at + at;
  y += y_at + at;

  for (int i = first; i < end; i++)
    {
      const int corner = ((line & shift) << 1) + (pixel & shift);
      const int j = (column << 2 * shift) + corner;

      y[i] = x[(pixel >> shift) * channels + j / share] + (add ? residual[i] : 0.0f);

      if (++column == columns)
        {
          column = 0;
          pixel++;
        }
    }
}
