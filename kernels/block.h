/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The blocked product that gemm.cl and conv.cl share, for devices whose work-items are
 * threads with a cached stack: one work-item makes BLOCK_M rows by BLOCK_N columns.
 *
 * Rows of A are first copied into a private block (which is where a convolution gathers
 * its pixels, and pads), B is read from the packed panels, widened once per block when it
 * is not float, and C stays in a private block until the whole depth is summed: each
 * element's sum has one fixed order, and y is written once, after residual was read.
 *
 * Private memory: BLOCK_M (BLOCK_K + 16) + BLOCK_M BLOCK_N + BLOCK_K TILE_N floats. */

#ifndef PAL_BLOCK_H
#define PAL_BLOCK_H

#include "load.h"
#include "tile.h"

/* BLOCK_M is a multiple of TILE_M, BLOCK_N of TILE_N; a row of the catalogue sets all. */

/* Not a power of two: the rows of a tile must not share a cache set. */
#define A_STRIDE (BLOCK_K + 16)

typedef struct
{
  float a[BLOCK_M * A_STRIDE] ALIGNED;
#ifndef WEIGHT_IS_FLOAT
  float b[BLOCK_K * TILE_N] ALIGNED;
#endif
  float c[BLOCK_M * BLOCK_N] ALIGNED;   /* [panel][BLOCK_M][TILE_N] */
} Block;

static inline void
block_copy (float *to, __global const float *from, int n)
{
  int i = 0;

  for (; i + VEC <= n; i += VEC)
    vec_store (vec_load (from + i), to + i);
  for (; i < n; i++)
    to[i] = from[i];
}

static inline void
block_clear (float *to, int n)
{
  for (int i = 0; i < n; i++)
    to[i] = 0.0f;
}

/* c += a b for one block of the depth. w: the first panel's row k0; panels are
 * panel_size weights apart. */
static inline void
block_multiply (Block *block, __global const weight_t *w, ulong panel_size,
                int n_rows, int n_panels, int n_k, int first)
{
  for (int p = 0; p < n_panels; p++, w += panel_size)
    {
#ifdef WEIGHT_IS_FLOAT
      __global const float *b = w;
#else
      const float *b = block->b;

      for (int k = 0; k < n_k * TILE_N; k += VEC)
        vec_store (load_weights (w + k), block->b + k);
#endif
      for (int i = 0; i < n_rows; i += TILE_M)
        {
          vec    acc[TILE_M][TILE_V];
          float *tile = block->c + (p * BLOCK_M + i) * TILE_N;

          if (first)
            {
              tile_zero (acc);
            }
          else
            {
              tile_load (acc, tile);
            }
          tile_multiply (acc, block->a + i * A_STRIDE, A_STRIDE, b, n_k);
          tile_store (acc, tile, TILE_N);
        }
    }
}

/* y, residual: at row 0 and column 0 of C. */
static inline void
block_end (Block *block, __global const float *scale, __global const float *bias,
           __global const float *residual, __global float *y, int row0, int column0,
           int n_rows, int columns, int flags, int act)
{
  const int end = min (BLOCK_N, columns - column0);

  for (int i = 0; i < n_rows; i++)
    {
      const ulong at = (ulong) (row0 + i) * columns + column0;

      for (int j = 0; j < end; j += VEC)
        tile_end (vec_load (block->c + (j / TILE_N * BLOCK_M + i) * TILE_N + j % TILE_N),
                  scale + column0 + j, bias + column0 + j, residual + at + j, y + at + j,
                  end - j, flags, act);
    }
}

#endif
