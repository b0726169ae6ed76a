/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Overlapping windows over an array, and their blending by smooth weights: for
 * pictures larger than a network takes at once. */

#ifndef PAL_DRIVE_WINDOWS_H
#define PAL_DRIVE_WINDOWS_H

#include "pal-types.h"

/* Windows of at most size along each axis, evenly spread, overlapping by at least
 * overlap. One, of the whole length, where that is not longer than size. */
typedef struct
{
  gint width, height;         /* of the array */
  gint size, overlap;         /* 0 <= overlap < size */
} PalWindows;

guint    pal_windows_count (const PalWindows *windows);
PalRect  pal_windows_nth   (const PalWindows *windows, guint nth);   /* row by row */

typedef struct
{
  PalWindows  windows;
  gint        channels;
  gint        margin;         /* < overlap: what of a window's edge counts only where no other
                               * window is; 0 after pal_blend_init () */
  gfloat     *sum, *weight;   /* [height, width, channels]; [height, width] */
} PalBlend;

/* FALSE when there is not enough memory. */
gboolean pal_blend_init    (PalBlend *blend, const PalWindows *windows, gint channels);
void     pal_blend_clear   (PalBlend *blend);

/* tile: [rect.height, rect.width, channels] */
void     pal_blend_add     (PalBlend *blend, PalRect rect, const gfloat *tile);

/* out: [height, width, channels], the weighted mean; ready for the next round. */
void     pal_blend_finish  (PalBlend *blend, gfloat *out);

/* Copies rect of an array [.., array_width, channels] into tile, packed. */
void     pal_window_cut    (const gfloat *array, gint array_width, PalRect rect, gint channels,
                            gfloat *tile);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalBlend, pal_blend_clear)

#endif
