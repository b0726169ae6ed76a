/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normalisation over the last dimension: layer norm (mean first, then the deviations from
 * it) and root mean square norm; y = act (normalised x weight + bias) + residual.
 *
 * x, residual, y: [rows, columns], weight, bias: [columns]. y may be x or residual: an
 * element is read last by the work-item that writes it. */

#include "pal.h"

#ifndef LANES
#define LANES 32
#endif
#ifndef ROWS
#define ROWS 1
#endif

/* Sum over the lanes of a group; all lanes get it. */
#if LANES > 1
static inline float
total (float v, __local float *shared)
{
  const int lane = get_local_id (0);

  shared[lane] = v;
  barrier (CLK_LOCAL_MEM_FENCE);
  for (int n = LANES / 2; n > 0; n /= 2)
    {
      if (lane < n)
        shared[lane] += shared[lane + n];
      barrier (CLK_LOCAL_MEM_FENCE);
    }
  v = shared[0];
  barrier (CLK_LOCAL_MEM_FENCE);

  return v;
}
#endif

/* What happens besides the scaling by weight. */
#define NORM_CENTRE   1   /* the mean of the row is taken off first */
#define NORM_BIAS     2
#define NORM_RESIDUAL 4   /* added after the activation */

/* A group of LANES work-items makes ROWS rows; global (LANES, rows / ROWS). Local memory:
 * LANES floats. */
__kernel __attribute__ ((reqd_work_group_size (LANES, 1, 1))) void
row_norm (__global const float *x, ulong x_at, __global const float *weight,
          __global const float *bias, __global const float *residual, ulong residual_at,
          __global float *y, ulong y_at, int rows, int columns, float eps, int flags, int act)
{
  const int lane = get_local_id (0);
  const int whole = columns / VEC * VEC;
  const int rest = whole + lane;           /* the last columns % VEC: one a lane, or all lane 0's */
  const int row0 = get_global_id (1) * ROWS;
  const int n_rows = min (ROWS, rows - row0);
#if LANES > 1
  __local float shared[LANES];
#else
#define total(v, shared) (v)
#endif

  x += x_at + (ulong) row0 * columns;
  residual += residual_at + (ulong) row0 * columns;
  y += y_at + (ulong) row0 * columns;

  for (int row = 0; row < n_rows; row++, x += columns, residual += columns, y += columns)
    {
      vec   sum = (vec) (0.0f);
      float tail = 0.0f;
      float mean = 0.0f;
      float inverse;

      if (flags & NORM_CENTRE)
        {
          for (int c = lane * VEC; c < whole; c += LANES * VEC)
            sum += vec_load (x + c);
          for (int c = rest; c < columns; c += LANES)
            tail += x[c];
          mean = total (vec_total (sum) + tail, shared) / columns;
        }

      sum = (vec) (0.0f);
      tail = 0.0f;
      for (int c = lane * VEC; c < whole; c += LANES * VEC)
        {
          const vec d = vec_load (x + c) - mean;

          sum = fma (d, d, sum);
        }
      for (int c = rest; c < columns; c += LANES)
        tail += (x[c] - mean) * (x[c] - mean);
      inverse = 1.0f / sqrt (total (vec_total (sum) + tail, shared) / columns + eps);

      for (int c = lane * VEC; c < columns; c += LANES * VEC)
        {
          const int left = columns - c;
          vec       v = (vec_load_n (x + c, left) - mean) * inverse * vec_load_n (weight + c, left);

          if (flags & NORM_BIAS)
            v += vec_load_n (bias + c, left);
          v = vec_act (v, act);
          if (flags & NORM_RESIDUAL)
            v += vec_load_n (residual + c, left);
          vec_store_n (v, y + c, left);
        }
    }
}
