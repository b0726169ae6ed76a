/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ladder: what a run does where memory is short, one rung after another. It is
 * chosen from the plans of a run's phases before anything is allocated, and climbed
 * down further when an allocation fails in spite of them. */

#ifndef PAL_FAMILY_LADDER_H
#define PAL_FAMILY_LADDER_H

#include "pal.h"

typedef struct
{
  gboolean parts;                       /* weights stay only while their network works */
  gboolean split;                       /* guidance in two runs */
  gint     tile_px[PAL_N_PHASES];       /* largest side of a tile of the codec; 0 = any */
  gboolean streamed[PAL_N_PHASES];
  guint    rungs;                       /* PalRungs that memory was too short without */
} PalLadder;

/* Where a run on this device begins: memory that the host shares is not held for what
 * may come. */
PalLadder pal_ladder_top     (PalDevice *device);

/* One rung further for a phase; FALSE at the foot. size: the batch to denoise, px of the
 * longer side to encode and decode. */
gboolean  pal_ladder_descend (PalLadder *ladder, PalPhase phase, gint size);

/* Side of the tiles in which a picture goes through the codec; 0 = whole. */
gint      pal_ladder_tile    (const PalLadder *ladder, PalPhase phase, gint width_px,
                              gint height_px);

/* What tiles of a side overlap by. */
gint      pal_ladder_overlap (gint tile_px);

/* The largest sizes at which a run calls a network: px to encode, latent px to denoise
 * and to decode. batch 0: it does not. tokens: that the denoiser is told; 0 = one chunk. */
typedef struct
{
  gint   batch, width, height;
  gint64 tokens;
} PalCallSize;

#define PAL_MAX_WORKS 2

/* Of the largest pal_model_match () beside the denoiser; n_queries 0: none. */
typedef struct
{
  gint n_queries, n_keys, width;
} PalMatchSize;

typedef struct
{
  PalCallSize  works[PAL_N_PHASES][PAL_MAX_WORKS];
  PalMatchSize match;
} PalWorkload;

/* The first rungs that fit budget_bytes, and what is used then. MEMORY with the numbers
 * when not even the last do; *report is filled nevertheless. */
gboolean  pal_ladder_plan    (PalModel *model, const PalWorkload *load, guint64 budget_bytes,
                              PalLadder *ladder, PalMemoryReport *report, GError **error);

#endif
