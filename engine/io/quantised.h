/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights stored as whole numbers with a scale for each row. For engine/io alone. */

#ifndef PAL_IO_QUANTISED_H
#define PAL_IO_QUANTISED_H

#include "io/weights.h"

/* Makes one view "X" of each "X._data" and its "X._scale" [M, 1, ..]. views: of
 * PalWeightView, which the array frees; by_name: the same by their names. label: of the
 * part, for messages. */
gboolean pal_quantised_join (GPtrArray *views, GHashTable *by_name, const gchar *label,
                             GError **error);

#endif
