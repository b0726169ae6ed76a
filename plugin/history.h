/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Results kept in the user's data folder, so that they outlive the dialog. */

#ifndef PAL_PLUGIN_HISTORY_H
#define PAL_PLUGIN_HISTORY_H

#include <libgimp/gimp.h>

#include "result.h"

G_BEGIN_DECLS

/* Writes the result's picture as PNG, its mask as alpha, with its recipe, and sets its path.
 * The oldest files go when all together grow too large. A failure is logged alone: the
 * result is still there. */
void       pal_history_keep   (GimpImage *image,
                               PalResult *result);

/* Those kept for the image, oldest first; element type PalResult, each with the PalCapture
 * that it is applied by. */
GPtrArray *pal_history_read   (GimpImage *image);

/* Deletes the result's file. */
void       pal_history_forget (PalResult *result);

G_END_DECLS

#endif
