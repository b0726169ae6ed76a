/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Group normalisation in three launches, so that a plane of any size is split over
 * positions: mean and sum of squared deviations of each channel over a chunk of
 * positions; these joined per group (Chan, Golub, LeVeque 1979, as Welford's) into the
 * group's mean, and a scale and a bias per channel; and y = act ((x - mean) scale + bias).
 * The mean is not folded into the bias: that would round mean x scale. What modulates the
 * result is folded into both, so that it costs nothing per position.
 *
 * x, y: [B, P, C] with P positions, stats: [B][chunks][2][C], factors: [B][3][C],
 * modulation: [B][2][C]. */

#include "pal.h"

#define RUN 16               /* positions whose deviations are summed at once, in registers */

#ifndef REPEAT
#define REPEAT 1
#endif

/* A work-item: VEC channels of one chunk; global (channel vectors, chunks, B). */
__kernel void
group_norm_stats (__global const float *x, ulong x_at, __global float *stats, ulong stats_at,
                  int positions, int channels, int chunk)
{
  const int c = get_global_id (0) * VEC;
  const int p0 = get_global_id (1) * chunk;
  const int end = min (p0 + chunk, positions);
  vec       mean = (vec) (0.0f);
  vec       m2 = (vec) (0.0f);

  if (c >= channels)
    return;

  x += x_at + ((ulong) get_global_id (2) * positions + p0) * channels + c;

  /* Sums of differences from one value round less when the mean is large. */
  const vec pivot = vec_load_n (x, channels - c);

  for (int p = p0; p < end; p += RUN)
    {
      const int   n = min (RUN, end - p);
      const float before = p - p0;
      vec         v[RUN];
      vec         run_mean = (vec) (0.0f);
      vec         run_m2 = (vec) (0.0f);
      vec         delta;

      for (int i = 0; i < n; i++, x += channels)
        {
          v[i] = vec_load_n (x, channels - c) - pivot;
          run_mean += v[i];
        }
      run_mean /= (float) n;
      for (int i = 0; i < n; i++)
        run_m2 = fma (v[i] - run_mean, v[i] - run_mean, run_m2);
      delta = run_mean - mean;
      mean += delta * (n / (before + n));
      m2 += run_m2 + delta * delta * (before * n / (before + n));
    }

  const int chunks = (positions + chunk - 1) / chunk;

  stats += stats_at + ((ulong) get_global_id (2) * chunks + get_global_id (1)) * 2 * channels + c;
  vec_store_n (pivot + mean, stats, channels - c);
  vec_store_n (m2, stats + channels, channels - c);
}

/* A work-item: one group; global (groups, B). modulation is read where modulated is not 0. */
__kernel void
group_norm_factors (__global const float *stats, ulong stats_at,
                    __global const float *modulation, ulong modulation_at,
                    __global float *factors, ulong factors_at, __global const float *weight,
                    __global const float *bias, int positions, int channels, int chunk,
                    int groups, float eps, int modulated)
{
  const int   size = channels / groups;
  const int   c0 = get_global_id (0) * size;
  const int   chunks = (positions + chunk - 1) / chunk;
  const float total = (float) positions * size;
  float       mean = 0.0f;
  float       m2 = 0.0f;

  if (get_global_id (0) >= (size_t) groups)
    return;

  stats += stats_at + (ulong) get_global_id (1) * chunks * 2 * channels + c0;
  factors += factors_at + (ulong) get_global_id (1) * 3 * channels + c0;
  modulation += modulation_at + (ulong) get_global_id (1) * 2 * channels + c0;

  const float pivot = stats[0];

  for (int i = 0; i < chunks; i++)
    {
      const int n = min (chunk, positions - i * chunk);
      float     s = 0.0f;

      for (int c = 0; c < size; c++)
        s += stats[(ulong) i * 2 * channels + c] - pivot;
      mean += s * (n / total);
    }
  mean += pivot;
  for (int i = 0; i < chunks; i++)
    {
      const int n = min (chunk, positions - i * chunk);

      for (int c = 0; c < size; c++)
        {
          const float delta = stats[(ulong) i * 2 * channels + c] - mean;

          m2 += stats[((ulong) i * 2 + 1) * channels + c] + delta * delta * n;
        }
    }

  const float inverse = 1.0f / sqrt (m2 / total + eps);

  for (int c = 0; c < size; c++)
    {
      const float scale = modulated ? 1.0f + modulation[c] : 1.0f;
      const float shift = modulated ? modulation[channels + c] : 0.0f;

      factors[c] = mean;
      factors[channels + c] = inverse * weight[c0 + c] * scale;
      factors[2 * channels + c] = bias[c0 + c] * scale + shift;
    }
}

/* A work-item: REPEAT vectors of one position; global (channels / VEC / REPEAT, positions,
 * B). */
__kernel void
group_norm_apply (__global const float *x, ulong x_at,
                  __global const float *factors, ulong factors_at, __global float *y, ulong y_at,
                  int positions, int channels, int act)
{
  const int   first = get_global_id (0) * VEC * REPEAT;
  const int   end = min (first + VEC * REPEAT, channels);
  const ulong at = ((ulong) get_global_id (2) * positions + get_global_id (1)) * channels;

  factors += factors_at + (ulong) get_global_id (2) * 3 * channels;
  x += x_at + at;
  y += y_at + at;
  for (int c = first; c < end; c += VEC)
    {
      const int left = channels - c;
      const vec v = fma (vec_load_n (x + c, left) - vec_load_n (factors + c, left),
                         vec_load_n (factors + channels + c, left),
                         vec_load_n (factors + 2 * channels + c, left));

      vec_store_n (vec_act (v, act), y + c, left);
    }
}
