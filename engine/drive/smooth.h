/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gaussian means over a part of an array. */

#ifndef PAL_DRIVE_SMOOTH_H
#define PAL_DRIVE_SMOOTH_H

#include "pal-types.h"

typedef struct
{
  gint    width, height, reach;
  gfloat *kernel;             /* [2 reach + 1], normalised */
  gfloat *plane, *scratch, *total;   /* [height, width] */
} PalSmooth;

/* out: [2 radius + 1], the Gaussian's weights normalised over these. */
void     pal_gaussian     (gdouble sigma, gint radius, gfloat *out);

/* sigma in elements; FALSE when there is not enough memory. */
gboolean pal_smooth_init  (PalSmooth *smooth, gint width, gint height, gdouble sigma,
                           GError **error);
void     pal_smooth_clear (PalSmooth *smooth);

/* out: [height, width, channels], the mean of values of that shape around each element,
 * each counted as weight [height, width] says; 0 where nothing near counts. */
void     pal_smooth_run   (PalSmooth *smooth, const gfloat *values, gint channels,
                           const gfloat *weight, gfloat *out);

#endif
