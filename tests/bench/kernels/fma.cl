/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Independent chains of fused multiply-adds, out of registers: what the device can do at
 * most. out: one float a work-item. Each turn: CHAINS vectors of VEC, 2 operations each.
 * MULTIPLY_ADD: fma or mad. */

#define GLUE(a, b) a##b
#define WIDE(n)    GLUE (float, n)
#define SPLAT      WIDE (VEC)

__kernel void
fma_peak (__global float *out, ulong offset, int turns)
{
  SPLAT sums[CHAINS];
  SPLAT total = (SPLAT) (0.0f);

  for (int i = 0; i < CHAINS; i++)
    sums[i] = (SPLAT) ((float) (get_global_id (0) + i));

  for (int t = 0; t < turns; t++)
    {
#pragma unroll
      for (int i = 0; i < CHAINS; i++)
        sums[i] = MULTIPLY_ADD (sums[i], (SPLAT) (0.999999f), (SPLAT) (1e-6f));
    }

  for (int i = 0; i < CHAINS; i++)
    total += sums[i];
  out[offset + get_global_id (0)] = dot (total.lo.lo + total.lo.hi, total.hi.lo + total.hi.hi);
}
