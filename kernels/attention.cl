/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softmax (scale q k') v, exact, with the running maximum and sum of Milakov and
 * Gimelshein (arXiv 1805.02867), in blocks of keys (Dao et al., arXiv 2205.14135): for
 * devices whose work-items are threads with a cached stack.
 *
 * q, y: [B, T, N * D]; kp, vp as attention-pack.cl makes them. Scores are in base 2: scale
 * holds log2 (e). */

#include "tile.h"

#ifndef HEAD_MAX
#define HEAD_MAX 64          /* largest D that the kernel is built for */
#endif
#ifndef QUERIES
#define QUERIES 8            /* rows of q a work-item makes, a multiple of 2 TILE_M */
#endif
#ifndef KEYS
#define KEYS 64              /* keys of a block, a multiple of TILE_N */
#endif

#define LOWEST (-1e30f)
#define PANELS(n) (((n) + TILE_N - 1) / TILE_N)

#define Q_STRIDE (HEAD_MAX + 16)
#define P_STRIDE (KEYS + 16)

typedef struct
{
  float q[QUERIES * Q_STRIDE] ALIGNED;
  float p[QUERIES * P_STRIDE] ALIGNED;  /* scores, then weights of one block of keys */
  float y[QUERIES * HEAD_MAX] ALIGNED;  /* [panel][QUERIES][TILE_N] */
  float highest[QUERIES];
  float sum[QUERIES];
  float keep[QUERIES];                  /* factor of what was summed before this block */
} Flash;

/* p = q k' for n_panels panels of keys. */
static inline void
flash_scores (Flash *f, __global const float *kp, int n_rows, int n_panels, int width)
{
  for (int p = 0; p < n_panels; p++, kp += width * TILE_N)
    for (int i = 0; i < n_rows; i += TILE_M)
      {
        vec acc[TILE_M][TILE_V];

        tile_zero (acc);
        tile_multiply (acc, f->q + i * Q_STRIDE, Q_STRIDE, kp, width);
        tile_store (acc, f->p + i * P_STRIDE + p * TILE_N, P_STRIDE);
      }
}

/* Turns the first n scores of a row into weights, n a multiple of TILE_N; those from seen
 * on do not count. */
static inline void
flash_weights (Flash *f, int row, int n, int seen)
{
  float *p = f->p + row * P_STRIDE;
  vec    high = (vec) (LOWEST);
  vec    sum = (vec) (0.0f);
  float  highest;

  for (int j = seen; j < n; j++)
    p[j] = LOWEST;
  for (int j = 0; j < n; j += VEC)
    high = max (high, vec_load (p + j));
  highest = fmax (f->highest[row], vec_highest (high));
  for (int j = 0; j < n; j += VEC)
    {
      const vec w = vec_exp2 (vec_load (p + j) - highest);

      vec_store (w, p + j);
      sum += w;
    }
  for (int j = seen; j < n; j++)
    p[j] = 0.0f;
  f->keep[row] = exp2 (f->highest[row] - highest);
  f->sum[row] = f->sum[row] * f->keep[row] + vec_total (sum);
  f->highest[row] = highest;
}

/* y = keep y + p v for one panel of values. */
static inline void
flash_panel (const Flash *f, __global const float *vp, float *y, int n_rows, int n_keys)
{
  for (int i = 0; i < n_rows; i += TILE_M, y += TILE_M * TILE_N)
    {
      vec acc[TILE_M][TILE_V];

      tile_load (acc, y);
      UNROLL for (int r = 0; r < TILE_M; r++)
      UNROLL for (int j = 0; j < TILE_V; j++)
        acc[r][j] *= f->keep[i + r];
      tile_multiply (acc, f->p + i * P_STRIDE, P_STRIDE, vp, n_keys);
      tile_store (acc, y, TILE_N);
    }
}

/* The same for a panel whose second half is empty: twice the rows by half the columns. */
static inline void
flash_half_panel (const Flash *f, __global const float *vp, float *y, int n_rows, int n_keys)
{
  for (int i = 0; i < n_rows; i += 2 * TILE_M, y += 2 * TILE_M * TILE_N)
    {
      vec acc[2 * TILE_M];

      UNROLL for (int r = 0; r < 2 * TILE_M; r++)
        acc[r] = vec_load (y + r * TILE_N) * f->keep[i + r];
      for (int k = 0; k < n_keys; k++)
        {
          const vec v = vec_load (vp + k * TILE_N);

          UNROLL for (int r = 0; r < 2 * TILE_M; r++)
            acc[r] = fma ((vec) (f->p[(i + r) * P_STRIDE + k]), v, acc[r]);
        }
      UNROLL for (int r = 0; r < 2 * TILE_M; r++)
        vec_store (acc[r], y + r * TILE_N);
    }
}

/* vp: row k0 of the head's first panel; panels are panel_size apart. */
static inline void
flash_values (Flash *f, __global const float *vp, ulong panel_size, int n_rows, int n_keys,
              int width)
{
  for (int p = 0; p < PANELS (width); p++, vp += panel_size)
    {
      float *y = f->y + p * QUERIES * TILE_N;

      if (TILE_V == 2 && width - p * TILE_N <= VEC)
        flash_half_panel (f, vp, y, n_rows, n_keys);
      else
        flash_panel (f, vp, y, n_rows, n_keys);
    }
}

static inline void
flash_begin (Flash *f, __global const float *q, ulong stride, int n_rows, int width, float scale)
{
  for (int i = 0; i < QUERIES; i++)
    {
      f->highest[i] = LOWEST;
      f->sum[i] = 0.0f;
    }
  for (int i = 0; i < QUERIES * PANELS (width) * TILE_N; i += VEC)
    vec_store ((vec) (0.0f), f->y + i);
  for (int i = 0; i < n_rows; i++)
    for (int d = 0; d < width; d += VEC)
      vec_store (vec_load_n (q + i * stride + d, width - d) * scale,
                 f->q + i * Q_STRIDE + d);
}

static inline void
flash_end (const Flash *f, __global float *y, ulong stride, int n_rows, int width)
{
  for (int i = 0; i < n_rows; i++)
    for (int d = 0; d < width; d += VEC)
      vec_store_n (vec_load (f->y + (d / TILE_N * QUERIES + i) * TILE_N + d % TILE_N) / f->sum[i],
                   y + i * stride + d, width - d);
}

/* A work-item makes QUERIES rows of one head; global (query blocks, heads, batch).
 * Private memory: QUERIES (KEYS + 2 HEAD_MAX + 35) floats. */
__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
attention_block (__global const float *q, ulong q_at, __global const float *kp, ulong kp_at,
                 __global const float *vp, ulong vp_at, __global float *y, ulong y_at,
                 int queries, int keys, int heads, int width, float scale, int causal)
{
  const int   row0 = get_global_id (0) * QUERIES;
  const int   n_rows = min (QUERIES, queries - row0);
  const ulong head = get_global_id (2) * heads + get_global_id (1);
  const ulong stride = (ulong) heads * width;
  const ulong at = (get_global_id (2) * queries + row0) * stride + get_global_id (1) * width;
  const int   padded = PANELS (keys) * TILE_N;
  const int   last = causal ? min (padded, row0 + n_rows) : padded;
  Flash       f;

  kp += kp_at + head * padded * width;
  vp += vp_at + head * padded * PANELS (width) * TILE_N;
  flash_begin (&f, q + q_at + at, stride, n_rows, width, scale);
  for (int k0 = 0; k0 < last; k0 += KEYS)
    {
      const int n_keys = min (KEYS, padded - k0);

      flash_scores (&f, kp + (ulong) k0 * width, n_rows, n_keys / TILE_N, width);
      for (int i = 0; i < n_rows; i++)
        {
          const int seen = (causal ? min (keys, row0 + i + 1) : keys) - k0;

          flash_weights (&f, i, n_keys, clamp (seen, 0, n_keys));
        }
      flash_values (&f, vp + (ulong) k0 * TILE_N, (ulong) padded * TILE_N, n_rows, n_keys, width);
    }
  flash_end (&f, y + y_at + at, stride, n_rows, width);
}
