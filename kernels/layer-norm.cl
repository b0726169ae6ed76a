/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Layer normalisation over the last dimension; x, y: [rows, columns], weight, bias:
 * [columns]. Mean first, then the deviations from it. */

#include "pal.h"

#ifndef LANES
#define LANES 32
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

/* A group of LANES work-items makes one row; global (LANES, rows). Local memory: LANES
 * floats. */
__kernel __attribute__ ((reqd_work_group_size (LANES, 1, 1))) void
layer_norm (__global const float *x, ulong x_at, __global const float *weight,
            __global const float *bias, __global float *y, ulong y_at, int columns, float eps)
{
  const int lane = get_local_id (0);
  const int whole = columns / VEC * VEC;
  const int rest = whole + lane;           /* the last columns % VEC: one a lane, or all lane 0's */
  vec       sum = (vec) (0.0f);
  float     tail = 0.0f;
  float     mean, inverse;
#if LANES > 1
  __local float shared[LANES];
#else
#define total(v, shared) (v)
#endif

  x += x_at + (ulong) get_global_id (1) * columns;
  y += y_at + (ulong) get_global_id (1) * columns;

  for (int c = lane * VEC; c < whole; c += LANES * VEC)
    sum += vec_load (x + c);
  for (int c = rest; c < columns; c += LANES)
    tail += x[c];
  mean = total (vec_total (sum) + tail, shared) / columns;

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

  for (int c = lane * VEC; c < whole; c += LANES * VEC)
    vec_store (fma ((vec_load (x + c) - mean) * inverse, vec_load (weight + c),
                    vec_load (bias + c)), y + c);
  for (int c = rest; c < columns; c += LANES)
    y[c] = fma ((x[c] - mean) * inverse, weight[c], bias[c]);
}
