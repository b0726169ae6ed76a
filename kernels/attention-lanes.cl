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

/* Columns of D that a lane sums. */
#define COLUMNS ((HEAD_MAX + LANES - 1) / LANES)

#define FENCE barrier (CLK_LOCAL_MEM_FENCE)

typedef struct
{
  float q[QUERIES][HEAD_MAX];
  float p[QUERIES][LANES];     /* scores, then weights of one block of keys */
  float highest[QUERIES];
  float sum[QUERIES];
  float keep[QUERIES];         /* factor of what was summed before this block */
} Shared;

static inline void
lanes_begin (__local Shared *s, __global const float *q, ulong stride, int n_rows, int width,
             float scale)
{
  const int lane = get_local_id (0);

  for (int i = 0; i < QUERIES; i++)
    for (int d = lane; d < width; d += LANES)
      s->q[i][d] = i < n_rows ? q[i * stride + d] * scale : 0.0f;
  if (lane < QUERIES)
    {
      s->highest[lane] = LOWEST;
      s->sum[lane] = 0.0f;
    }
  FENCE;
}

/* p = q k' for the lane's key, LOWEST where row i does not see it. last: keys that the
 * last row sees; causal: row 0 sees first + 1 keys, each next one more. */
static inline void
lanes_scores (__local Shared *s, __global const float *kp, int key, int padded, int width,
              int last, int causal, int first)
{
  const int             panel = min (key, padded - 1) / TILE_N;
  __global const float *column = kp + (ulong) panel * width * TILE_N + key % TILE_N;
  float                 score[QUERIES];

  UNROLL for (int i = 0; i < QUERIES; i++)
    score[i] = 0.0f;
  for (int d = 0; d < width; d++)
    {
      const float b = column[d * TILE_N];

      UNROLL for (int i = 0; i < QUERIES; i++)
        score[i] = fma (s->q[i][d], b, score[i]);
    }
  UNROLL for (int i = 0; i < QUERIES; i++)
    s->p[i][get_local_id (0)] = key < last && (!causal || key <= first + i) ? score[i] : LOWEST;
  FENCE;
}

/* Turns scores into weights; lane i keeps row i's books. */
static inline void
lanes_weights (__local Shared *s, int n_keys)
{
  const int lane = get_local_id (0);

  if (lane < QUERIES)
    {
      float high = s->highest[lane];

      for (int j = 0; j < n_keys; j++)
        high = fmax (high, s->p[lane][j]);
      s->keep[lane] = exp2 (s->highest[lane] - high);
      s->highest[lane] = high;
    }
  FENCE;
  UNROLL for (int i = 0; i < QUERIES; i++)
    s->p[i][lane] = s->p[i][lane] > LOWEST ? exp2 (s->p[i][lane] - s->highest[i]) : 0.0f;
  FENCE;
  if (lane < QUERIES)
    {
      float total = 0.0f;

      for (int j = 0; j < n_keys; j++)
        total += s->p[lane][j];
      s->sum[lane] = s->sum[lane] * s->keep[lane] + total;
    }
}

/* acc = keep acc + p v for the lane's columns. vp: the head's first panel at the block's
 * first key. */
static inline void
lanes_values (__local const Shared *s, __global const float *vp, int padded, int width,
              int n_keys, float acc[QUERIES][COLUMNS])
{
  UNROLL for (int c = 0; c < COLUMNS; c++)
    {
      const int             d = min ((int) get_local_id (0) + c * LANES, width - 1);
      __global const float *v = vp + (ulong) (d / TILE_N) * padded * TILE_N + d % TILE_N;

      UNROLL for (int i = 0; i < QUERIES; i++)
        acc[i][c] *= s->keep[i];
      for (int j = 0; j < n_keys; j++)
        {
          const float b = v[j * TILE_N];

          UNROLL for (int i = 0; i < QUERIES; i++)
            acc[i][c] = fma (s->p[i][j], b, acc[i][c]);
        }
    }
  FENCE;
}

/* A group of LANES makes QUERIES rows of one head; in the scores a lane is a key, in the
 * sums a column. Global (query blocks x LANES, heads, batch). Local memory: QUERIES
 * (HEAD_MAX + LANES + 3) floats. */
__kernel __attribute__ ((reqd_work_group_size (LANES, 1, 1))) void
attention_lanes (__global const float *q, ulong q_at, __global const float *kp, ulong kp_at,
                 __global const float *vp, ulong vp_at, __global float *y, ulong y_at,
                 int queries, int keys, int heads, int width, float scale, int causal)
{
  const int      lane = get_local_id (0);
  const int      row0 = get_group_id (0) * QUERIES;
  const int      n_rows = min (QUERIES, queries - row0);
  const ulong    head = get_global_id (2) * heads + get_global_id (1);
  const ulong    stride = (ulong) heads * width;
  const ulong    at = (get_global_id (2) * queries + row0) * stride + get_global_id (1) * width;
  const int      padded = PANELS (keys) * TILE_N;
  const int      last = causal ? min (keys, row0 + n_rows) : keys;
  __local Shared s;
  float          acc[QUERIES][COLUMNS];

  kp += kp_at + head * padded * width;
  vp += vp_at + head * padded * PANELS (width) * TILE_N;
  y += y_at + at;
  lanes_begin (&s, q + q_at + at, stride, n_rows, width, scale);
  UNROLL for (int i = 0; i < QUERIES; i++)
  UNROLL for (int c = 0; c < COLUMNS; c++)
    acc[i][c] = 0.0f;

  for (int k0 = 0; k0 < last; k0 += LANES)
    {
      const int n_keys = min (LANES, last - k0);

      lanes_scores (&s, kp, k0 + lane, padded, width, last, causal, row0);
      lanes_weights (&s, n_keys);
      lanes_values (&s, vp + (ulong) k0 * TILE_N, padded, width, n_keys, acc);
    }

  UNROLL for (int i = 0; i < QUERIES; i++)
  UNROLL for (int c = 0; c < COLUMNS; c++)
    if (i < n_rows && lane + c * LANES < width)
      y[i * stride + lane + c * LANES] = acc[i][c] / s.sum[i];
}
