/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of an embedding table. */

#include "load.h"

/* ids: [rows], table: [vocabulary, columns], positions: [.., columns] or unused, y: [rows,
 * columns]; row r is at position r % tokens. scaled: table_scale and positions_scale have
 * a factor for each row of theirs. Global (columns / VEC, rows). An id outside
 * the table reads its nearest row: memory safety alone, tokenizers do not make such ids. */
__kernel void
embed (__global const int *ids, ulong ids_at,
       __global const weight_t *table, __global const float *table_scale,
       __global const weight_t *positions, __global const float *positions_scale,
       __global float *y, ulong y_at,
       int columns, int vocabulary, int tokens, int with_positions, int scaled)
{
  const int c = get_global_id (0) * VEC;
  const int row = get_global_id (1);
  const int end = min (c + VEC, columns);

  if (c >= columns)
    return;

  const int   id = clamp (ids[ids_at + row], 0, vocabulary - 1);
  const int   position = row % tokens;
  const float a = scaled ? table_scale[id] : 1.0f;
  const float b = scaled && with_positions ? positions_scale[position] : 1.0f;

  table += (ulong) id * columns;
  positions += (ulong) position * columns;
  y += y_at + (ulong) row * columns;
  for (int i = c; i < end; i++)
    y[i] = load_weight (table + i) * a + (with_positions ? load_weight (positions + i) * b : 0.0f);
}
