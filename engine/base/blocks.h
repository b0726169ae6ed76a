/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values that are stored as blocks of small whole numbers with common scales. For
 * engine/base alone; others convert by pal_to_float (). */

#ifndef PAL_BASE_BLOCKS_H
#define PAL_BASE_BLOCKS_H

#include <glib.h>

/* One block, not aligned, to its 32 or 256 values. */
typedef void (*PalBlockDecoder) (const guint8 *block, gfloat *out);

void pal_block_q8_0 (const guint8 *block, gfloat *out);
void pal_block_q4_0 (const guint8 *block, gfloat *out);
void pal_block_q4_1 (const guint8 *block, gfloat *out);
void pal_block_q5_0 (const guint8 *block, gfloat *out);
void pal_block_q5_1 (const guint8 *block, gfloat *out);
void pal_block_q4_k (const guint8 *block, gfloat *out);
void pal_block_q5_k (const guint8 *block, gfloat *out);
void pal_block_q6_k (const guint8 *block, gfloat *out);

#endif
