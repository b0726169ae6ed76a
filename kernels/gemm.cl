/* SPDX-License-Identifier: GPL-3.0-or-later */
/* y = act (x w' scale + bias) + residual.
 *
 * x: [rows, depth], w: packed panels [columns / TILE_N][depth][TILE_N], scale, bias: [columns],
 * residual, y: [rows, columns]. */

#include "load.h"
#include "tile.h"
#ifdef BLOCK_M
#include "block.h"
#endif

#ifdef BLOCK_M

/* A work-item makes BLOCK_M rows by BLOCK_N columns; global (column blocks, row blocks). */
__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
gemm_block (__global const float *x, ulong x_at, __global const weight_t *w,
            __global const float *scale, __global const float *bias,
            __global const float *residual, ulong residual_at, __global float *y, ulong y_at,
            int rows, int columns, int depth, int flags, int act)
{
  const int column0 = get_global_id (0) * BLOCK_N;
  const int row0 = get_global_id (1) * BLOCK_M;
  const int n_rows = min (BLOCK_M, rows - row0);
  const int n_panels = (min (BLOCK_N, columns - column0) + TILE_N - 1) / TILE_N;
  Block     block;

  x += x_at + (ulong) row0 * depth;
  w += (ulong) column0 * depth;
  for (int k0 = 0; k0 < depth; k0 += BLOCK_K)
    {
      const int n_k = min (BLOCK_K, depth - k0);

      for (int i = 0; i < n_rows; i++)
        block_copy (block.a + i * A_STRIDE, x + (ulong) i * depth + k0, n_k);
      block_multiply (&block, w + (ulong) k0 * TILE_N, (ulong) depth * TILE_N,
                      n_rows, n_panels, n_k, k0 == 0);
    }
  block_end (&block, scale, bias, residual + residual_at, y + y_at,
             row0, column0, n_rows, columns, flags, act);
}

#else

/* A work-item makes TILE_M rows by TILE_N columns straight from global memory;
 * global (column panels, row tiles). No local memory. */
__kernel void
gemm_direct (__global const float *x, ulong x_at, __global const weight_t *w,
             __global const float *scale, __global const float *bias,
             __global const float *residual, ulong residual_at, __global float *y, ulong y_at,
             int rows, int columns, int depth, int flags, int act)
{
  const int             column0 = get_global_id (0) * TILE_N;
  const int             row0 = get_global_id (1) * TILE_M;
  __global const float *a[TILE_M];
  vec                   acc[TILE_M][TILE_V];

  if (column0 >= columns || row0 >= rows)
    return;

  w += (ulong) column0 * depth;
  tile_zero (acc);
  UNROLL for (int i = 0; i < TILE_M; i++)
    a[i] = x + x_at + (ulong) min (row0 + i, rows - 1) * depth;
  for (int k = 0; k < depth; k++, w += TILE_N)
    {
      UNROLL for (int j = 0; j < TILE_V; j++)
        {
          const vec b = load_weights (w + j * VEC);

          UNROLL for (int i = 0; i < TILE_M; i++)
            acc[i][j] = fma ((vec) (a[i][k]), b, acc[i][j]);
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
