/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The register tile that gemm, conv2d and attention share: TILE_M rows by TILE_N columns
 * of C, held by one work-item in TILE_M x TILE_V vectors while it walks the depth, and
 * what happens to it at the end.
 *
 * Macros, since OpenCL C 1.2 has no pointer that spans address spaces. fma () and not
 * mad (): pocl's mad () costs a quarter of the speed. */

#ifndef PAL_TILE_H
#define PAL_TILE_H

#include "pal.h"

#ifndef TILE_M
#define TILE_M 4
#endif
#ifndef TILE_N
#define TILE_N 8
#endif

#define TILE_V (TILE_N / VEC)

#define tile_zero(acc)                           \
  UNROLL for (int i_ = 0; i_ < TILE_M; i_++)     \
  UNROLL for (int j_ = 0; j_ < TILE_V; j_++)     \
    acc[i_][j_] = (vec) (0.0f)

/* c: [TILE_M][TILE_N] */
#define tile_load(acc, c)                        \
  UNROLL for (int i_ = 0; i_ < TILE_M; i_++)     \
  UNROLL for (int j_ = 0; j_ < TILE_V; j_++)     \
    acc[i_][j_] = vec_load ((c) + i_ * TILE_N + j_ * VEC)

/* The rows of c are stride floats apart. */
#define tile_store(acc, c, stride)               \
  UNROLL for (int i_ = 0; i_ < TILE_M; i_++)     \
  UNROLL for (int j_ = 0; j_ < TILE_V; j_++)     \
    vec_store (acc[i_][j_], (c) + i_ * (stride) + j_ * VEC)

/* acc += a b; a: [TILE_M][depth], rows stride floats apart, b: [depth][TILE_N] of floats */
#define tile_multiply(acc, a, stride, b, depth)                         \
  for (int k_ = 0; k_ < (depth); k_++)                                  \
    {                                                                   \
      vec b_[TILE_V];                                                   \
                                                                        \
      UNROLL for (int j_ = 0; j_ < TILE_V; j_++)                        \
        b_[j_] = vec_load ((b) + k_ * TILE_N + j_ * VEC);               \
      UNROLL for (int i_ = 0; i_ < TILE_M; i_++)                        \
        {                                                               \
          const vec a_ = (vec) ((a)[i_ * (stride) + k_]);               \
                                                                        \
          UNROLL for (int j_ = 0; j_ < TILE_V; j_++)                    \
            acc[i_][j_] = fma (a_, b_[j_], acc[i_][j_]);                \
        }                                                               \
    }

/* What gemm and conv2d do with a finished sum. */
#define END_BIAS           1
#define END_RESIDUAL       2
#define END_RESIDUAL_FIRST 4   /* residual before the activation */
#define END_SCALE          8   /* of weights that are whole numbers, before all else */

/* Finishes up to VEC columns of one row; the pointers stand at the first of them, n are
 * left in the row. y may be residual: each element is read and then written here alone. */
static inline void
tile_end (vec v, __global const float *scale, __global const float *bias,
          __global const float *residual, __global float *y, int n, int flags, int act)
{
  if (flags & END_SCALE)
    v *= vec_load_n (scale, n);
  if (flags & END_BIAS)
    v += vec_load_n (bias, n);
  if (flags & END_RESIDUAL_FIRST)
    v += vec_load_n (residual, n);
  v = vec_act (v, act);
  if (flags & END_RESIDUAL)
    v += vec_load_n (residual, n);
  vec_store_n (v, y, n);
}

#endif
