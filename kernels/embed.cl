/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of an embedding table, and sinusoids of a timestep. */

#include "load.h"

/* ids: [rows], table: [vocabulary, columns], positions: [.., columns] or unused, y: [rows,
 * columns]; row r is at position r % tokens. Global (columns / VEC, rows). An id outside
 * the table reads its nearest row: memory safety alone, tokenizers do not make such ids. */
__kernel void
embed (__global const int *ids, ulong ids_at, __global const weight_t *table,
       __global const weight_t *positions, __global float *y, ulong y_at,
       int columns, int vocabulary, int tokens, int with_positions)
{
  const int c = get_global_id (0) * VEC;
  const int row = get_global_id (1);
  const int end = min (c + VEC, columns);

  if (c >= columns)
    return;

  table += (ulong) clamp (ids[ids_at + row], 0, vocabulary - 1) * columns;
  positions += (ulong) (row % tokens) * columns;
  y += y_at + (ulong) row * columns;
  for (int i = c; i < end; i++)
    y[i] = load_weight (table + i) + (with_positions ? load_weight (positions + i) : 0.0f);
}

/* timesteps: [rows], y: [rows, columns]; columns / 2 sines, as many cosines, and a 0 when
 * columns is odd. Global (columns, rows). */
__kernel void
timestep_embed (__global const float *timesteps, ulong timesteps_at, __global float *y, ulong y_at,
                int columns, int cosines_first, float shift)
{
  const int   c = get_global_id (0);
  const int   row = get_global_id (1);
  const int   half_columns = columns / 2;
  const int   i = c % half_columns;
  const float angle = timesteps[timesteps_at + row]
                      * exp (-9.21034037f * i / (half_columns - shift));

  if (c >= columns)
    return;

  y += y_at + (ulong) row * columns;
  if (c >= 2 * half_columns)
    y[c] = 0.0f;
  else
    y[c] = (c < half_columns) == (cosines_first != 0) ? cos (angle) : sin (angle);
}
