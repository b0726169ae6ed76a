/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softmax (scale q k') v, exact, with the running maximum and sum of Milakov and
 * Gimelshein (arXiv 1805.02867), in blocks of keys (Dao et al., arXiv 2205.14135).
 *
 * q: [B, T, N * D], k, v: [B, S, N * D], y: [B, T, N * D]. Keys and values are packed once
 * a call, so that both products read panels:
 *   kp: [B N][S / TILE_N][D][TILE_N]    vp: [B N][D / TILE_N][S rounded up to TILE_N][TILE_N]
 * (sizes rounded up, filled with 0). Scores are in base 2: scale holds log2 (e). */

#include "tile.h"

#ifndef HEAD_MAX
#define HEAD_MAX 64          /* largest D that the kernel is built for */
#endif
#ifndef QUERIES
#define QUERIES 8            /* rows of q a work-item (or group) makes */
#endif
#ifndef KEYS
#define KEYS 64              /* keys of a block, a multiple of TILE_N */
#endif
#ifndef LANES
#define LANES 64             /* attention_lanes: work-group size */
#endif

#define LOWEST (-1e30f)
#define PANELS(n) (((n) + TILE_N - 1) / TILE_N)

/* One work-item a (panel of keys, head, batch). */
__kernel void
attention_pack_keys (__global const float *k, ulong k_at, __global float *kp, ulong kp_at,
                     int keys, int heads, int width)
{
  const int panel = get_global_id (0);
  const int head = get_global_id (1);
  const int batch = get_global_id (2);

  if (panel >= PANELS (keys))
    return;

  k += k_at + ((ulong) batch * keys * heads + head) * width;
  kp += kp_at + (((ulong) batch * heads + head) * PANELS (keys) + panel) * width * TILE_N;
  for (int j = 0; j < TILE_N; j++)
    {
      const int key = panel * TILE_N + j;

      for (int d = 0; d < width; d++)
        kp[d * TILE_N + j] = key < keys ? k[(ulong) key * heads * width + d] : 0.0f;
    }
}

/* One work-item a (run of TILE_N keys, head, batch). */
__kernel void
attention_pack_values (__global const float *v, ulong v_at, __global float *vp, ulong vp_at,
                       int keys, int heads, int width)
{
  const int run = get_global_id (0);
  const int head = get_global_id (1);
  const int batch = get_global_id (2);

  if (run >= PANELS (keys))
    return;

  v += v_at + ((ulong) batch * keys * heads + head) * width;
  vp += vp_at + ((ulong) batch * heads + head) * PANELS (width) * PANELS (keys) * TILE_N * TILE_N;
  for (int j = 0; j < TILE_N; j++)
    {
      const int key = run * TILE_N + j;

      for (int d = 0; d < PANELS (width) * TILE_N; d++)
        vp[((ulong) (d / TILE_N) * PANELS (keys) * TILE_N + key) * TILE_N + d % TILE_N]
          = key < keys && d < width ? v[(ulong) key * heads * width + d] : 0.0f;
    }
}

#define Q_STRIDE (HEAD_MAX + 16)
#define P_STRIDE (KEYS + 16)

typedef struct
{
  vec   q[QUERIES * Q_STRIDE / VEC];
  vec   p[QUERIES * P_STRIDE / VEC];    /* scores, then weights of one block of keys */
  vec   y[QUERIES * HEAD_MAX / VEC];    /* [panel][QUERIES][TILE_N] */
  float highest[QUERIES];
  float sum[QUERIES];
  float keep[QUERIES];                  /* factor of what was summed before this block */
} Flash;

static inline float
vec_highest (vec v)
{
  float t[VEC];
  float m;

  vec_store (v, t);
  m = t[0];
  for (int i = 1; i < VEC; i++)
    m = fmax (m, t[i]);

  return m;
}

static inline float
vec_total (vec v)
{
  float t[VEC];
  float s = 0.0f;

  vec_store (v, t);
  for (int i = 0; i < VEC; i++)
    s += t[i];

  return s;
}

/* p = q k' for n_panels panels of keys. */
static inline void
flash_scores (Flash *f, __global const float *kp, int n_rows, int n_panels, int width)
{
  for (int p = 0; p < n_panels; p++, kp += width * TILE_N)
    for (int i = 0; i < n_rows; i += TILE_M)
      {
        vec acc[TILE_M][TILE_V];

        tile_zero (acc);
        tile_multiply (acc, (const float *) f->q + i * Q_STRIDE, Q_STRIDE, kp, width);
        tile_store (acc, (float *) f->p + i * P_STRIDE + p * TILE_N, P_STRIDE);
      }
}

/* Turns the first n scores of a row into weights, n a multiple of TILE_N; those from seen
 * on do not count. */
static inline void
flash_weights (Flash *f, int row, int n, int seen)
{
  float *p = (float *) f->p + row * P_STRIDE;
  vec    high = (vec) (LOWEST);
  vec    sum = (vec) (0.0f);
  float  highest;

  for (int j = seen; j < n; j++)
    p[j] = LOWEST;
  for (int j = 0; j < n; j += VEC)
    high = fmax (high, vec_load (p + j));
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

/* y = keep y + p v. vp: row k0 of the head's first panel; panels are panel_size apart. */
static inline void
flash_values (Flash *f, __global const float *vp, ulong panel_size, int n_rows, int n_keys, int width)
{
  for (int p = 0; p < PANELS (width); p++, vp += panel_size)
    for (int i = 0; i < n_rows; i += TILE_M)
      {
        vec    acc[TILE_M][TILE_V];
        float *y = (float *) f->y + (p * QUERIES + i) * TILE_N;

        tile_load (acc, y);
        UNROLL for (int r = 0; r < TILE_M; r++)
        UNROLL for (int j = 0; j < TILE_V; j++)
          acc[r][j] *= f->keep[i + r];
        tile_multiply (acc, (const float *) f->p + i * P_STRIDE, P_STRIDE, vp, n_keys);
        tile_store (acc, y, TILE_N);
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
  for (int i = 0; i < QUERIES * PANELS (width) * TILE_V; i++)
    f->y[i] = (vec) (0.0f);
  for (int i = 0; i < n_rows; i++)
    for (int d = 0; d < width; d += VEC)
      vec_store (vec_load_n (q + i * stride + d, width - d) * scale,
                 (float *) f->q + i * Q_STRIDE + d);
}

static inline void
flash_end (const Flash *f, __global float *y, ulong stride, int n_rows, int width)
{
  const float *from = (const float *) f->y;

  for (int i = 0; i < n_rows; i++)
    for (int d = 0; d < width; d += VEC)
      vec_store_n (vec_load (from + (d / TILE_N * QUERIES + i) * TILE_N + d % TILE_N) / f->sum[i],
                   y + i * stride + d, width - d);
}

/* For devices whose work-items are threads: one makes QUERIES rows of one head; global
 * (query blocks, heads, batch). Private memory: QUERIES (KEYS + 2 HEAD_MAX + 35) floats. */
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

/* For devices whose work-items are lanes: a group of LANES makes QUERIES rows of one
 * head; in the scores a lane is a key, in the sums a column. Global (query blocks x LANES,
 * heads, batch). Local memory: QUERIES (HEAD_MAX + KEYS + 3) floats. KEYS = LANES. */
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
