/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Convolution as an implicit product: rows are output pixels [B, H', W'], the depth runs
 * over taps (outermost) and input channels.
 *
 * x: [B, H, W, C], w: packed panels [columns / TILE_N][KH KW C][TILE_N], scale, bias:
 * [columns], residual, y: [B, H', W', columns]. Outside the picture x is 0. shift 1 enlarges x to
 * twice its size, nearest pixel; limit_h, limit_w are its sides as the taps see them. */

#include "load.h"
#include "tile.h"
#ifdef BLOCK_M
#include "block.h"
#endif

typedef struct
{
  int height, width, channels;
  int limit_h, limit_w, shift;
  int out_h, out_w;
  int kernel_w, stride, pad;
} Geometry;

/* Where the taps of an output pixel begin: (y, x) and the picture of the batch. */
static inline int3
first_tap (const Geometry *g, int row)
{
  const int x = row % g->out_w;
  const int y = row / g->out_w % g->out_h;

  return (int3) (y * g->stride - g->pad, x * g->stride - g->pad, row / g->out_w / g->out_h);
}

/* Element offset of the pixel under a tap, or -1 outside. */
static inline long
tap_at (const Geometry *g, int3 first, int tap)
{
  const int y = first.x + tap / g->kernel_w;
  const int x = first.y + tap % g->kernel_w;

  if (y < 0 || y >= g->limit_h || x < 0 || x >= g->limit_w)
    return -1;

  return (((long) first.z * g->height + (y >> g->shift)) * g->width + (x >> g->shift))
         * g->channels;
}

#ifdef BLOCK_M

/* Elements k0 .. k0 + n_k - 1 of the row of A that belongs to one output pixel. */
static inline void
gather (float *to, __global const float *x, const Geometry *g, int3 first, int k0, int n_k)
{
  int tap = k0 / g->channels;
  int c = k0 - tap * g->channels;

  while (n_k > 0)
    {
      const int  n = min (n_k, g->channels - c);
      const long at = tap_at (g, first, tap);

      if (at >= 0)
        block_copy (to, x + at + c, n);
      else
        block_clear (to, n);
      to += n;
      n_k -= n;
      c = 0;
      tap++;
    }
}

/* A work-item makes BLOCK_M pixels by BLOCK_N columns; global (column blocks, pixel blocks). */
__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
conv_block (__global const float *x, ulong x_at, __global const weight_t *w,
            __global const float *scale, __global const float *bias,
            __global const float *residual, ulong residual_at, __global float *y, ulong y_at,
            int rows, int columns, int taps,
            int height, int width, int channels, int limit_h, int limit_w, int shift,
            int out_h, int out_w, int kernel_w, int stride, int pad, int flags, int act)
{
  const Geometry g = { height, width, channels, limit_h, limit_w, shift,
                       out_h, out_w, kernel_w, stride, pad };
  const int      column0 = get_global_id (0) * BLOCK_N;
  const int      row0 = get_global_id (1) * BLOCK_M;
  const int      n_rows = min (BLOCK_M, rows - row0);
  const int      n_panels = (min (BLOCK_N, columns - column0) + TILE_N - 1) / TILE_N;
  const int      depth = taps * channels;
  int3           first[BLOCK_M];
  Block          block;

  for (int i = 0; i < n_rows; i++)
    first[i] = first_tap (&g, row0 + i);

  x += x_at;
  w += (ulong) column0 * depth;
  for (int k0 = 0; k0 < depth; k0 += BLOCK_K)
    {
      const int n_k = min (BLOCK_K, depth - k0);

      for (int i = 0; i < n_rows; i++)
        gather (block.a + i * A_STRIDE, x, &g, first[i], k0, n_k);
      block_multiply (&block, w + (ulong) k0 * TILE_N, (ulong) depth * TILE_N,
                      n_rows, n_panels, n_k, k0 == 0);
    }
  block_end (&block, scale, bias, residual + residual_at, y + y_at,
             row0, column0, n_rows, columns, flags, act);
}

#else

/* A work-item makes TILE_M pixels by TILE_N columns straight from global memory; global
 * (column panels, pixel tiles). No local memory. A tap outside reads the picture's first
 * pixel and drops it. */
__kernel void
conv_direct (__global const float *x, ulong x_at, __global const weight_t *w,
             __global const float *scale, __global const float *bias,
             __global const float *residual, ulong residual_at, __global float *y, ulong y_at,
             int rows, int columns, int taps,
             int height, int width, int channels, int limit_h, int limit_w, int shift,
             int out_h, int out_w, int kernel_w, int stride, int pad, int flags, int act)
{
  const Geometry g = { height, width, channels, limit_h, limit_w, shift,
                       out_h, out_w, kernel_w, stride, pad };
  const int      column0 = get_global_id (0) * TILE_N;
  const int      row0 = get_global_id (1) * TILE_M;
  int3           first[TILE_M];
  vec            acc[TILE_M][TILE_V];

  if (column0 >= columns || row0 >= rows)
    return;

  x += x_at;
  w += (ulong) column0 * taps * channels;
  tile_zero (acc);
  UNROLL for (int i = 0; i < TILE_M; i++)
    first[i] = first_tap (&g, min (row0 + i, rows - 1));
  for (int tap = 0; tap < taps; tap++)
    {
      __global const float *a[TILE_M];
      int                   inside[TILE_M];

      UNROLL for (int i = 0; i < TILE_M; i++)
        {
          const long at = tap_at (&g, first[i], tap);

          a[i] = x + (at < 0 ? 0 : at);
          inside[i] = at >= 0;
        }
      for (int c = 0; c < channels; c++, w += TILE_N)
        {
          UNROLL for (int j = 0; j < TILE_V; j++)
            {
              const vec b = load_weights (w + j * VEC);

              UNROLL for (int i = 0; i < TILE_M; i++)
                acc[i][j] = fma ((vec) (inside[i] ? a[i][c] : 0.0f), b, acc[i][j]);
            }
        }
    }
  UNROLL for (int i = 0; i < TILE_M; i++)
  UNROLL for (int j = 0; j < TILE_V; j++)
    {
      const int   n = columns - column0 - j * VEC;
      const ulong at = (ulong) (row0 + i) * columns + column0 + j * VEC;

      if (row0 + i < rows && n > 0)
        tile_end (acc[i][j], scale + column0 + j * VEC, bias + column0 + j * VEC,
                  residual + residual_at + at, y + y_at + at, n, flags, act);
    }
}

#endif
