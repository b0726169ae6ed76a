/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys and values of attention, packed once a call so that both products read panels.
 *
 * k, v: [B, S, N * D] →
 *   kp: [B N][S / TILE_N][D][TILE_N]    vp: [B N][D / TILE_N][S rounded up to TILE_N][TILE_N]
 * (sizes rounded up, filled with 0). */

#include "tile.h"

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
