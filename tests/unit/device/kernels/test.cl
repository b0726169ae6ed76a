/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernels of the device tests alone. x, y, z: [n] float. */

#include "test.h"

/* z = SCALE x + y */
__kernel void
test_add (__global const float *x, ulong x_offset,
          __global const float *y, ulong y_offset,
          __global float *z, ulong z_offset,
          const int n)
{
  const int i = (int) get_global_id (0);

  if (i < n)
    z[z_offset + i] = SCALE * x[x_offset + i] + y[y_offset + i];
}

/* y = SCALE x + b + w[i mod m] */
__kernel void
test_affine (__global const float *x, ulong x_offset,
             __global const float *w,
             __global float *y, ulong y_offset,
             const int n,
             const int m,
             const float b)
{
  const int i = (int) get_global_id (0);

  if (i < n)
    y[y_offset + i] = SCALE * x[x_offset + i] + b + (m > 0 ? w[i % m] : 0.0f);
}

/* As test_add, but past the end by one element: what a canary must see. */
__kernel void
test_stray (__global const float *x, ulong x_offset,
            __global float *y, ulong y_offset,
            const int n)
{
  const int i = (int) get_global_id (0);

  if (i <= n)
    y[y_offset + i] = i < n ? x[x_offset + i] : 1.0f;
}

/* y = 0 / 0 at one element */
__kernel void
test_nan (__global const float *x, ulong x_offset,
          __global float *y, ulong y_offset,
          const int n)
{
  const int i = (int) get_global_id (0);

  if (i < n)
    y[y_offset + i] = i == n / 2 ? NAN : x[x_offset + i];
}

/* Takes its time: for cancelling. */
__kernel void
test_slow (__global const float *x, ulong x_offset,
           __global float *y, ulong y_offset,
           const int n,
           const int turns)
{
  const int i = (int) get_global_id (0);
  float     v = x[x_offset + (ulong) min (i, n - 1)];

  for (int k = 0; k < turns; k++)
    v = fma (v, 0.999f, 0.001f * (float) (k & 3));

  if (i < n)
    y[y_offset + i] = v;
}
