/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One result an element: sums, activations, gates, copies of columns, sinusoids.
 *
 * A work-item makes REPEAT vectors. In place is safe: each element is read only by the
 * work-item that writes it. */

#include "pal.h"

#ifndef REPEAT
#define REPEAT 1
#endif

#define POINTWISE_ADD        0   /* a + b */
#define POINTWISE_ACT        1   /* act (a) */
#define POINTWISE_AFFINE     2   /* a * f + g */
#define POINTWISE_SOFT_CLAMP 3   /* f tanh (a / f) */

/* a, b, y: n elements (b read by POINTWISE_ADD alone); global (n / VEC / REPEAT). */
__kernel void
pointwise (__global const float *a, ulong a_at, __global const float *b, ulong b_at,
           __global float *y, ulong y_at, int n_low, int n_high, int op, int act, float f, float g)
{
  const ulong n = (ulong) (uint) n_high << 32 | (uint) n_low;
  ulong       i = (ulong) get_global_id (0) * VEC * REPEAT;

  a += a_at;
  b += b_at;
  y += y_at;
  for (int r = 0; r < REPEAT && i < n; r++, i += VEC)
    {
      const int left = n - i < VEC ? (int) (n - i) : VEC;
      vec       v = vec_load_n (a + i, left);

      if (op == POINTWISE_ADD)
        v += vec_load_n (b + i, left);
      else if (op == POINTWISE_ACT)
        v = vec_act (v, act);
      else if (op == POINTWISE_AFFINE)
        v = fma (v, (vec) (f), (vec) (g));
      else
        v = f * tanh (v / f);
      vec_store_n (v, y + i, left);
    }
}

/* x: [rows, 2 columns] → y: [rows, columns]: first half times gelu of the second;
 * global (columns / VEC / REPEAT, rows). */
__kernel void
geglu (__global const float *x, ulong x_at, __global float *y, ulong y_at, int columns)
{
  const int first = get_global_id (0) * VEC * REPEAT;
  const int end = min (first + VEC * REPEAT, columns);

  x += x_at + (ulong) get_global_id (1) * 2 * columns;
  y += y_at + (ulong) get_global_id (1) * columns;
  for (int c = first; c < end; c += VEC)
    vec_store_n (vec_load_n (x + c, columns - c)
                   * vec_gelu (vec_load_n (x + columns + c, columns - c)),
                 y + c, columns - c);
}

/* x, y: [B, positions, channels], e: [B, channels] → x + e; global (channels / VEC /
 * REPEAT, positions, B). */
__kernel void
add_channels (__global const float *x, ulong x_at, __global const float *e, ulong e_at,
              __global float *y, ulong y_at, int positions, int channels)
{
  const int   first = get_global_id (0) * VEC * REPEAT;
  const int   end = min (first + VEC * REPEAT, channels);
  const ulong at = ((ulong) get_global_id (2) * positions + get_global_id (1)) * channels;

  x += x_at + at;
  y += y_at + at;
  e += e_at + (ulong) get_global_id (2) * channels;
  for (int c = first; c < end; c += VEC)
    vec_store_n (vec_load_n (x + c, channels - c) + vec_load_n (e + c, channels - c),
                 y + c, channels - c);
}

/* x: [rows, columns] → columns from y_first on of y: [rows, y_columns]; global (columns /
 * VEC / REPEAT, rows). */
__kernel void
copy_columns (__global const float *x, ulong x_at, __global float *y, ulong y_at,
              int columns, int y_columns, int y_first)
{
  const int first = get_global_id (0) * VEC * REPEAT;
  const int end = min (first + VEC * REPEAT, columns);

  x += x_at + (ulong) get_global_id (1) * columns;
  y += y_at + (ulong) get_global_id (1) * y_columns + y_first;
  for (int c = first; c < end; c += VEC)
    vec_store_n (vec_load_n (x + c, columns - c), y + c, columns - c);
}

/* timesteps: [rows], y: [rows, columns]; columns / 2 sines, as many cosines, and a 0 when
 * columns is odd. Global (columns, rows). */
__kernel void
timestep_embed (__global const float *timesteps, ulong timesteps_at, __global float *y, ulong y_at,
                int columns, int cosines_first, float shift)
{
  const int   c = get_global_id (0);
  const int   row = get_global_id (1);
  const int   half_columns = columns / 2;
  const int   i = c % half_columns;
  const float angle = timesteps[timesteps_at + row]
                      * exp (-9.21034037f * i / (half_columns - shift));

  if (c >= columns)
    return;

  y += y_at + (ulong) row * columns;
  if (c >= 2 * half_columns)
    y[c] = 0.0f;
  else
    y[c] = (c < half_columns) == (cosines_first != 0) ? cos (angle) : sin (angle);
}
