/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every kernel shares: vector names, exponentials, activations.
 *
 * VEC is the width of the vectors that one work-item holds: 8 or 16 where a work-item is
 * a thread with SIMD registers, 4 where work-items themselves are SIMD lanes.
 *
 * Sources: none of the coefficients is taken over. exp2: polynomial of degree 6, relative
 * error 2e-9 before rounding; erf: x P (x x) / Q (x x), degrees 5 and 5, absolute error
 * 2e-8 before rounding and 3e-7 in float; both fitted by least squares on Chebyshev nodes
 * with weights iterated towards the least maximum. Why not the built-in ones: pocl's
 * erf () is not vectorised and twenty times slower. The gelu rows of tests/op guard them. */

#ifndef PAL_CL_H
#define PAL_CL_H

#ifndef VEC
#define VEC 4
#endif

#define PAL_JOIN_(a, b) a##b
#define PAL_JOIN(a, b)  PAL_JOIN_ (a, b)

typedef PAL_JOIN (float, VEC) vec;

#define vec_load(p)       PAL_JOIN (vload, VEC) (0, p)
#define vec_store(v, p)   PAL_JOIN (vstore, VEC) (v, 0, p)

#define UNROLL _Pragma ("unroll")

/* Of private arrays that hold vectors. */
#define ALIGNED __attribute__ ((aligned (64)))

/* Largest element and sum of all, by halves: the chain of operations is short. */
#if VEC >= 16
#define vec_to8_(v, join) join ((v).lo, (v).hi)
#else
#define vec_to8_(v, join) (v)
#endif
#if VEC >= 8
#define vec_to4_(v, join) join (vec_to8_ (v, join).lo, vec_to8_ (v, join).hi)
#else
#define vec_to4_(v, join) (v)
#endif
#define vec_sum_(a, b) ((a) + (b))

static inline float
vec_highest (vec v)
{
  const float4 a = vec_to4_ (v, fmax);
  const float2 b = fmax (a.lo, a.hi);

  return fmax (b.x, b.y);
}

static inline float
vec_total (vec v)
{
  const float4 a = vec_to4_ (v, vec_sum_);
  const float2 b = a.lo + a.hi;

  return b.x + b.y;
}

/* PalAct of engine/op/op.h */
#define ACT_NONE       0
#define ACT_SILU       1
#define ACT_GELU       2
#define ACT_GELU_TANH  3
#define ACT_QUICK_GELU 4
#define ACT_RELU       5

/* x + ROUND is rounded to a whole number, which its low bits hold; |x| < 2 ** 22 */
#define ROUND 12582912.0f

/* 2 ** (n + f), rounded = n + ROUND, |f| <= 0.5, -126 <= n <= 127 */
static inline vec
vec_exp2_split (vec rounded, vec f)
{
  vec p = (vec) (1.5345790598e-4f);

  p = fma (p, f, (vec) (1.3399930904e-3f));
  p = fma (p, f, (vec) (9.6184890717e-3f));
  p = fma (p, f, (vec) (5.5503286421e-2f));
  p = fma (p, f, (vec) (2.4022646248e-1f));
  p = fma (p, f, (vec) (6.9314718246e-1f));
  p = fma (p, f, (vec) (1.0f));

  return PAL_JOIN (as_float, VEC) (PAL_JOIN (as_int, VEC) (p)
                                   + (PAL_JOIN (as_int, VEC) (rounded) << 23));
}

/* 2 ** x; below 2 ** -126 it stays there. max () and not fmax (): NaN is passed on by either,
 * but the latter takes three instructions. */
static inline vec
vec_exp2 (vec x)
{
  x = min (max (x, (vec) (-126.0f)), (vec) (127.0f));

  const vec rounded = x + ROUND;

  return vec_exp2_split (rounded, x - (rounded - ROUND));
}

/* e ** x, with the reduced argument in two parts so that the error stays below 2e-7 */
static inline vec
vec_exp (vec x)
{
  x = min (max (x, (vec) (-87.0f)), (vec) (88.0f));

  const vec rounded = fma (x, (vec) (1.44269504f), (vec) (ROUND));
  const vec n = rounded - ROUND;
  vec       r = fma (n, (vec) (-6.93359375e-1f), x);

  r = fma (n, (vec) (2.12194440e-4f), r);

  return vec_exp2_split (rounded, r * 1.44269504f);
}

static inline vec
vec_sigmoid (vec x)
{
  return 1.0f / (1.0f + vec_exp (-x));
}

static inline vec
vec_erf (vec x)
{
  x = clamp (x, -3.95f, 3.95f);

  const vec u = x * x;
  vec       p = (vec) (2.0117397526e-6f);
  vec       q = (vec) (3.7839599827e-5f);

  p = fma (p, u, (vec) (2.8759907582e-4f));
  p = fma (p, u, (vec) (3.9172791876e-3f));
  p = fma (p, u, (vec) (5.3206939250e-2f));
  p = fma (p, u, (vec) (1.9403488934e-1f));
  p = fma (p, u, (vec) (1.1283789873f));
  q = fma (q, u, (vec) (1.1981902644e-3f));
  q = fma (q, u, (vec) (1.5270626172e-2f));
  q = fma (q, u, (vec) (1.1559040844e-1f));
  q = fma (q, u, (vec) (5.0529044867e-1f));
  q = fma (q, u, (vec) (1.0f));

  return x * p / q;
}

static inline vec
vec_gelu (vec x)
{
  return 0.5f * x * (1.0f + vec_erf (x * 0.70710678f));
}

/* The activation is an argument and not a define: the branch is uniform, and one
 * compiled kernel serves them all. */
static inline vec
vec_act (vec x, int act)
{
  if (act == ACT_SILU)
    return x * vec_sigmoid (x);
  if (act == ACT_GELU)
    return vec_gelu (x);
  /* 0.5 (1 + tanh (u)) = sigmoid (2 u), u = sqrt (2 / pi) (x + 0.044715 x x x) */
  if (act == ACT_GELU_TANH)
    return x * vec_sigmoid (1.59576912f * fma (0.044715f * x * x, x, x));
  if (act == ACT_QUICK_GELU)
    return x * vec_sigmoid (1.702f * x);
  if (act == ACT_RELU)
    return fmax (x, (vec) (0.0f));

  return x;
}

/* The first n < VEC elements; the others are 0 and left alone. */
static inline vec
vec_load_some (__global const float *p, int n)
{
  float t[VEC];

  UNROLL for (int i = 0; i < VEC; i++)
    t[i] = i < n ? p[i] : 0.0f;

  return vec_load (t);
}

static inline void
vec_store_some (vec v, __global float *p, int n)
{
  float t[VEC];

  vec_store (v, t);
  UNROLL for (int i = 0; i < VEC; i++)
    if (i < n)
      p[i] = t[i];
}

/* n: elements left from p on, at least 1 */
static inline vec
vec_load_n (__global const float *p, int n)
{
  return n >= VEC ? vec_load (p) : vec_load_some (p, n);
}

static inline void
vec_store_n (vec v, __global float *p, int n)
{
  if (n >= VEC)
    vec_store (v, p);
  else
    vec_store_some (v, p, n);
}

#endif
