/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 3x3 convolution of stride 1 by Winograd's minimal filtering, F(4x4, 3x3) (Lavin and
 * Gray, arXiv 1509.09308): 36 products make a square of 4x4 pixels instead of 144. For
 * devices whose work-items are threads with a cached stack.
 *
 * Operands and arguments are conv.cl's. Pixels and weights are transformed inside the
 * work-item, a block of the depth at a time, so that neither needs memory of its own and
 * weights stay in their packed form and precision.
 *
 * The polynomials are evaluated at 0, +-2/3, +-3/2 and infinity: with the usual 0, +-1, +-2
 * the squared error is five times as large. */

#include "load.h"
#include "tile.h"

/* Squares and columns a work-item makes, and channels it transforms at once: multiples of
 * TILE_M, TILE_N and VEC; a row of the catalogue sets them. */
#ifndef SQUARES
#define SQUARES TILE_M
#endif
#ifndef COLUMNS
#define COLUMNS TILE_N
#endif
#ifndef CHANNELS
#define CHANNELS 32
#endif

#define SIDE  4              /* pixels of a square's side */
#define PATCH 6              /* pixels under its taps */
#define TERMS (PATCH * PATCH)

/* Not a power of two: rows of a tile, and terms that are written side by side, must not
 * share a cache set. */
#define V_STRIDE (CHANNELS + 8)
#define U_STRIDE (CHANNELS * TILE_N + 16)

#define P1 (2.0f / 3.0f)
#define P2 (3.0f / 2.0f)
#define Q1 (P1 * P1)
#define Q2 (P2 * P2)

typedef struct
{
  int height, width, channels;
  int limit_h, limit_w, shift;
} Picture;

typedef struct
{
  float v[TERMS * SQUARES * V_STRIDE] ALIGNED;   /* [term][square][channel] */
  float u[TERMS * U_STRIDE] ALIGNED;             /* [term][channel][TILE_N], of one panel */
  float m[TERMS * SQUARES * COLUMNS] ALIGNED;    /* [panel][term][square][TILE_N] */
} Winograd;

/* Six pixels of a line → six terms. */
static inline void
pixel_terms (vec d0, vec d1, vec d2, vec d3, vec d4, vec d5, vec *r)
{
  const vec even1 = fma ((vec) (-Q2), d2, d4);
  const vec even2 = fma ((vec) (-Q1), d2, d4);
  const vec odd1 = fma ((vec) (-P2), d1, P1 * d3);
  const vec odd2 = fma ((vec) (-P1), d1, P2 * d3);

  r[0] = d0 + fma ((vec) (-(Q1 + Q2)), d2, d4);
  r[1] = even1 + odd1;
  r[2] = even1 - odd1;
  r[3] = even2 + odd2;
  r[4] = even2 - odd2;
  r[5] = d1 + fma ((vec) (-(Q1 + Q2)), d3, d5);
}

/* Three weights of a line → six terms. */
static inline void
weight_terms (vec g0, vec g1, vec g2, vec *r)
{
  const vec even1 = fma ((vec) (Q1), g2, g0) * (0.5f / (Q1 * (Q1 - Q2)));
  const vec even2 = fma ((vec) (Q2), g2, g0) * (0.5f / (Q2 * (Q2 - Q1)));
  const vec odd1 = g1 * (0.5f * P1 / (Q1 * (Q1 - Q2)));
  const vec odd2 = g1 * (0.5f * P2 / (Q2 * (Q2 - Q1)));

  r[0] = g0;
  r[1] = even1 + odd1;
  r[2] = even1 - odd1;
  r[3] = even2 + odd2;
  r[4] = even2 - odd2;
  r[5] = g2;
}

/* Six terms of a line → four pixels. */
static inline void
terms_pixels (vec m0, vec m1, vec m2, vec m3, vec m4, vec m5, vec *y)
{
  const vec even1 = m1 + m2;
  const vec odd1 = m1 - m2;
  const vec even2 = m3 + m4;
  const vec odd2 = m3 - m4;

  y[0] = m0 + (even1 + even2);
  y[1] = P1 * odd1 + P2 * odd2;
  y[2] = Q1 * even1 + Q2 * even2;
  y[3] = (P1 * Q1) * odd1 + (P2 * Q2) * odd2 + m5;
}

/* Element offsets of the pixels under a square, -1 outside the picture. */
static inline void
patch_at (const Picture *p, int square, long *at)
{
  const int across = (p->limit_w + SIDE - 1) / SIDE;
  const int down = (p->limit_h + SIDE - 1) / SIDE;
  const int x0 = square % across * SIDE - 1;
  const int y0 = square / across % down * SIDE - 1;
  const int batch = square / across / down;

  for (int i = 0; i < TERMS; i++)
    {
      const int y = y0 + i / PATCH;
      const int x = x0 + i % PATCH;

      at[i] = y < 0 || y >= p->limit_h || x < 0 || x >= p->limit_w
                ? -1
                : (((long) batch * p->height + (y >> p->shift)) * p->width + (x >> p->shift))
                    * p->channels;
    }
}

/* v = terms of n channels of one square. Lines are not unrolled, here and for weights: it is
 * no slower, and quicker to compile. */
static inline void
transform_pixels (Winograd *t, int square, __global const float *x, const long *at, int n)
{
  float *v = t->v + square * V_STRIDE;

  for (int k = 0; k < n; k += VEC, x += VEC, v += VEC)
    {
      vec r[PATCH][PATCH];   /* [column of the picture][term] */

      for (int i = 0; i < PATCH; i++)
        {
          vec d[PATCH];

          UNROLL for (int j = 0; j < PATCH; j++)
            d[j] = at[j * PATCH + i] < 0 ? (vec) (0.0f) : vec_load (x + at[j * PATCH + i]);
          pixel_terms (d[0], d[1], d[2], d[3], d[4], d[5], r[i]);
        }
      for (int i = 0; i < PATCH; i++)
        {
          vec e[PATCH];

          pixel_terms (r[0][i], r[1][i], r[2][i], r[3][i], r[4][i], r[5][i], e);
          UNROLL for (int j = 0; j < PATCH; j++)
            vec_store (e[j], v + (i * PATCH + j) * SQUARES * V_STRIDE);
        }
    }
}

/* u = terms of n channels of one panel; w: its first tap's channel k0. */
static inline void
transform_weights (Winograd *t, __global const weight_t *w, int channels, int n)
{
  const ulong tap = (ulong) channels * TILE_N;

  for (int k = 0; k < n * TILE_N; k += VEC)
    {
      vec r[3][PATCH];

      UNROLL for (int i = 0; i < 3; i++)
        weight_terms (load_weights (w + i * tap + k), load_weights (w + (i + 3) * tap + k),
                      load_weights (w + (i + 6) * tap + k), r[i]);
      for (int i = 0; i < PATCH; i++)
        {
          vec e[PATCH];

          weight_terms (r[0][i], r[1][i], r[2][i], e);
          UNROLL for (int j = 0; j < PATCH; j++)
            vec_store (e[j], t->u + (i * PATCH + j) * U_STRIDE + k);
        }
    }
}

/* m += v u for one panel, each term by itself. */
static inline void
multiply (Winograd *t, float *m, int n_squares, int n, int first)
{
  for (int e = 0; e < TERMS; e++, m += SQUARES * TILE_N)
    for (int i = 0; i < n_squares; i += TILE_M)
      {
        vec acc[TILE_M][TILE_V];

        if (first)
          {
            tile_zero (acc);
          }
        else
          {
            tile_load (acc, m + i * TILE_N);
          }
        tile_multiply (acc, t->v + (e * SQUARES + i) * V_STRIDE, V_STRIDE,
                       t->u + e * U_STRIDE, n);
        tile_store (acc, m + i * TILE_N, TILE_N);
      }
}

/* VEC columns of a square: y[x][y] of terms that are SQUARES rows apart. */
static inline void
transform_back (const float *m, vec *y)
{
  vec r[PATCH][SIDE];

  UNROLL for (int i = 0; i < PATCH; i++)
    {
      const float *line = m + i * PATCH * SQUARES * TILE_N;

      terms_pixels (vec_load (line), vec_load (line + SQUARES * TILE_N),
                    vec_load (line + 2 * SQUARES * TILE_N), vec_load (line + 3 * SQUARES * TILE_N),
                    vec_load (line + 4 * SQUARES * TILE_N), vec_load (line + 5 * SQUARES * TILE_N),
                    r[i]);
    }
  UNROLL for (int j = 0; j < SIDE; j++)
    terms_pixels (r[0][j], r[1][j], r[2][j], r[3][j], r[4][j], r[5][j], y + j * SIDE);
}

/* A work-item makes SQUARES squares by COLUMNS columns; global (column blocks, square blocks).
 * Private memory: TERMS (SQUARES (CHANNELS + 8 + COLUMNS) + CHANNELS TILE_N + 16) floats. */
__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
winograd_block (__global const float *x, ulong x_at, __global const weight_t *w,
                __global const float *scale, __global const float *bias,
                __global const float *residual, ulong residual_at, __global float *y, ulong y_at,
                int rows, int columns, int taps,
                int height, int width, int channels, int limit_h, int limit_w, int shift,
                int out_h, int out_w, int kernel_w, int stride, int pad, int flags, int act)
{
  const Picture picture = { height, width, channels, limit_h, limit_w, shift };
  const int     across = (out_w + SIDE - 1) / SIDE;
  const int     down = (out_h + SIDE - 1) / SIDE;
  const int     all = rows / out_w / out_h * across * down;
  const int     column0 = get_global_id (0) * COLUMNS;
  const int     square0 = get_global_id (1) * SQUARES;
  const int     n_squares = min (SQUARES, all - square0);
  const int     n_columns = min (COLUMNS, columns - column0);
  Winograd      t;

  x += x_at;
  w += (ulong) column0 * taps * channels;
  for (int k0 = 0; k0 < channels; k0 += CHANNELS)
    {
      const int n_k = min (CHANNELS, channels - k0);

      for (int i = 0; i < n_squares; i++)
        {
          long at[TERMS];

          patch_at (&picture, square0 + i, at);
          transform_pixels (&t, i, x + k0, at, n_k);
        }
      for (int c = 0; c < n_columns; c += TILE_N)
        {
          transform_weights (&t, w + ((ulong) c * taps * channels + (ulong) k0 * TILE_N),
                             channels, n_k);
          multiply (&t, t.m + c * TERMS * SQUARES, n_squares, n_k, k0 == 0);
        }
    }
  for (int i = 0; i < n_squares; i++)
    {
      const int square = square0 + i;
      const int x0 = square % across * SIDE;
      const int y0 = square / across % down * SIDE;
      const int line0 = square / across / down * out_h;

      for (int c = 0; c < n_columns; c += VEC)
        {
          const int column = column0 + c;
          vec       out[SIDE * SIDE];   /* [x][y] */

          transform_back (t.m + (c / TILE_N * TERMS * SQUARES + i) * TILE_N + c % TILE_N, out);
          for (int p = 0; p < SIDE * SIDE; p++)
            {
              const int   py = y0 + p % SIDE;
              const int   px = x0 + p / SIDE;
              const ulong at = ((ulong) (line0 + py) * out_w + px) * columns + column;

              if (py < out_h && px < out_w)
                tile_end (out[p], scale + column, bias + column, residual + residual_at + at,
                          y + y_at + at, columns - column, flags, act);
            }
        }
    }
}
