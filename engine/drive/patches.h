/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The patches of one exemplar, as keys and values of an attention. */

#ifndef PAL_DRIVE_PATCHES_H
#define PAL_DRIVE_PATCHES_H

#include "family/exemplars.h"

#define PAL_VOTE 3                            /* cells, side of the middle that votes */
#define PAL_N_VOTES (PAL_VOTE * PAL_VOTE)

typedef struct
{
  gint    n_patches;
  gfloat *keys;               /* [n_patches, row]: the patch, channel by channel, and its energy */
  gfloat *values;             /* [n_patches, row]: its middle, [L, 3, 3] */
} PalPatchStage;

typedef struct
{
  const PalExemplars *exemplars;
  const PalExemplar  *exemplar;
  PalPatchStage       stages[PAL_EXEMPLARS_MAX_STAGES];   /* read when first asked for */
} PalPatches;

/* Floats of a row: the longest key of all stages, or value. */
gint                 pal_patches_row   (const PalExemplarsConfig *config);

/* NULL and an error when there is not enough memory. */
const PalPatchStage *pal_patches_stage (PalPatches *patches, guint nth, GError **error);
void                 pal_patches_clear (PalPatches *patches);

#endif
