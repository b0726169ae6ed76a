/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stands in a region before a run that looks at it. */

#ifndef PAL_PLUGIN_PREFILL_H
#define PAL_PLUGIN_PREFILL_H

#include "purpose.h"

G_BEGIN_DECLS

/* picture: RGB or RGBA; mask of its size, 1 = change, NULL = all. A new picture, or NULL when
 * there is not enough memory. */
PalImage *pal_prefill (const PalImage *picture,
                       const PalImage *mask,
                       PalPrefill      kind,
                       guint32         seed);

G_END_DECLS

#endif
