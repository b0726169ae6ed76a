/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softmax (scale q k') v, exact, with the running maximum and sum of Milakov and
 * Gimelshein (arXiv 1805.02867), in blocks of keys (Dao et al., arXiv 2205.14135): for
 * devices whose work-items are SIMD lanes.
 *
 * q, y: [B, T, N * D]; kp, vp as attention-pack.cl makes them. Scores are in base 2: scale
 * holds log2 (e). */

#include "tile.h"

#ifndef HEAD_MAX
#define HEAD_MAX 64          /* largest D that the kernel is built for */
#endif
#ifndef QUERIES
#define QUERIES 4            /* rows of q a group makes */
#endif
#ifndef LANES
#define LANES 64             /* work-group size, and keys of a block */
#endif

#define LOWEST (-1e30f)
#define PANELS(n) (((n) + TILE_N - 1) / TILE_N)

/* A group of LANES makes QUERIES rows of one head; in the scores a lane is a key, in the sums a column. Global (query blocks x LANES,
 * heads, batch). Local memory: QUERIES (HEAD_MAX + LANES + 3) floats. */
#define COLUMNS ((HEAD_MAX + LANES - 1) / LANES)

__kernel __attribute__ ((reqd_work_group_size (LANES, 1, 1))) void
attention_lanes (__global const float *q, ulong q_at, __global const float *kp, ulong kp_at,
                 __global const float *vp, ulong vp_at, __global float *y, ulong y_at,
                 int queries, int keys, int heads, int width, float scale, int causal)
{
  const int     lane = get_local_id (0);
  const int     row0 = get_group_id (0) * QUERIES;
  const int     n_rows = min (QUERIES, queries - row0);
  const ulong   head = get_global_id (2) * heads + get_global_id (1);
  const ulong   stride = (ulong) heads * width;
  const ulong   at = (get_global_id (2) * queries + row0) * stride + get_global_id (1) * width;
  const int     padded = PANELS (keys) * TILE_N;
  const int     last = causal ? min (keys, row0 + n_rows) : keys;
  __local float qs[QUERIES][HEAD_MAX];
  __local float p[QUERIES][LANES];
  __local float highest[QUERIES], sum[QUERIES], keep[QUERIES];
  float         acc[QUERIES][COLUMNS];

  q += q_at + at;
  y += y_at + at;
  kp += kp_at + head * padded * width;
  vp += vp_at + head * padded * PANELS (width) * TILE_N;
  for (int i = 0; i < QUERIES; i++)
    for (int d = lane; d < width; d += LANES)
      qs[i][d] = i < n_rows ? q[i * stride + d] * scale : 0.0f;
  if (lane < QUERIES)
    {
      highest[lane] = LOWEST;
      sum[lane] = 0.0f;
    }
  UNROLL for (int i = 0; i < QUERIES; i++)
  UNROLL for (int c = 0; c < COLUMNS; c++)
    acc[i][c] = 0.0f;
  barrier (CLK_LOCAL_MEM_FENCE);

  for (int k0 = 0; k0 < last; k0 += LANES)
    {
      const int               key = k0 + lane;
      const int               panel = min (key, padded - 1) / TILE_N;
      __global const float   *column = kp + (ulong) panel * width * TILE_N + key % TILE_N;
      const int               n_keys = min (LANES, last - k0);
      float                   s[QUERIES];

      UNROLL for (int i = 0; i < QUERIES; i++)
        s[i] = 0.0f;
      for (int d = 0; d < width; d++)
        {
          const float b = column[d * TILE_N];

          UNROLL for (int i = 0; i < QUERIES; i++)
            s[i] = fma (qs[i][d], b, s[i]);
        }
      UNROLL for (int i = 0; i < QUERIES; i++)
        p[i][lane] = key < last && (!causal || key <= row0 + i) ? s[i] : LOWEST;
      barrier (CLK_LOCAL_MEM_FENCE);

      if (lane < QUERIES)
        {
          float high = highest[lane];

          for (int j = 0; j < n_keys; j++)
            high = fmax (high, p[lane][j]);
          keep[lane] = exp2 (highest[lane] - high);
          highest[lane] = high;
        }
      barrier (CLK_LOCAL_MEM_FENCE);
      UNROLL for (int i = 0; i < QUERIES; i++)
        p[i][lane] = p[i][lane] > LOWEST ? exp2 (p[i][lane] - highest[i]) : 0.0f;
      barrier (CLK_LOCAL_MEM_FENCE);

      if (lane < QUERIES)
        {
          float total = 0.0f;

          for (int j = 0; j < n_keys; j++)
            total += p[lane][j];
          sum[lane] = sum[lane] * keep[lane] + total;
        }
      UNROLL for (int c = 0; c < COLUMNS; c++)
        {
          const int             d = lane + c * LANES;
          __global const float *v = vp + ((ulong) (min (d, width - 1) / TILE_N) * padded + k0) * TILE_N
                                    + min (d, width - 1) % TILE_N;

          UNROLL for (int i = 0; i < QUERIES; i++)
            acc[i][c] *= keep[i];
          for (int j = 0; j < n_keys; j++)
            {
              const float b = v[j * TILE_N];

              UNROLL for (int i = 0; i < QUERIES; i++)
                acc[i][c] = fma (p[i][j], b, acc[i][c]);
            }
        }
      barrier (CLK_LOCAL_MEM_FENCE);
    }

  UNROLL for (int i = 0; i < QUERIES; i++)
  UNROLL for (int c = 0; c < COLUMNS; c++)
    if (i < n_rows && lane + c * LANES < width)
      y[i * stride + lane + c * LANES] = acc[i][c] / sum[i];
}
