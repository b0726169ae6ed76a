/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normal random numbers that reproduce what other programs give for a seed. */

#ifndef PAL_BASE_RANDOM_H
#define PAL_BASE_RANDOM_H

#include "pal-types.h"

typedef struct _PalRandom PalRandom;

PalRandom *pal_random_new    (PalRandomKind kind, guint64 seed);
void       pal_random_free   (PalRandom *random);

/* One call of randn: n values of N(0,1) in the order of a contiguous tensor. The
 * generator's state moves on as torch's (mt19937) or CUDA's (offset) does. */
void       pal_random_normal (PalRandom *random, gfloat *out, gsize n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalRandom, pal_random_free)

#endif
