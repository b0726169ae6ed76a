/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The passes of a request: one over the whole, or a look at the whole and a refinement
 * in windows. */

#ifndef PAL_DRIVE_PASSES_H
#define PAL_DRIVE_PASSES_H

#include "drive/canvas.h"

#define PAL_MAX_PASSES PAL_MAX_WORKS

typedef struct
{
  PalCanvas canvas;
  gdouble   strength;
} PalPass;

/* r: resolved. Returns how many there are. */
guint    pal_passes_plan  (PalModel *model, const PalRequest *r, PalPass passes[PAL_MAX_PASSES]);

/* How many answers of the denoiser make one step: without guidance, or where it is told the
 * guidance, it gives the only one. */
gint     pal_passes_batch (PalModel *model, const PalRequest *r);

/* Chooses the model's ladder for them; MEMORY with the numbers when they do not fit. */
gboolean pal_passes_fit   (PalModel *model, const PalRequest *r, const PalPass *passes,
                           guint n_passes, PalMemoryReport *report, GError **error);

#endif
