/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of an embedding table. */

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
