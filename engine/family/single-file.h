/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One checkpoint file: the parts that it holds, those that lie beside it, and their
 * configurations. For source.c alone. */

#ifndef PAL_FAMILY_SINGLE_FILE_H
#define PAL_FAMILY_SINGLE_FILE_H

#include "io/json.h"
#include "io/weights.h"

typedef struct _PalSingleFile PalSingleFile;

/* beside: the folder of parts that go first, or NULL. The error lists all that is missing. */
PalSingleFile *pal_single_file_open    (const gchar *path, const gchar *beside, GError **error);
void           pal_single_file_free    (PalSingleFile *file);

PalJson       *pal_single_file_index   (const PalSingleFile *file, GError **error);
/* part: "unet", "scheduler", .. */
PalJson       *pal_single_file_config  (const PalSingleFile *file, const gchar *part,
                                        GError **error);
PalWeights    *pal_single_file_weights (const PalSingleFile *file, const gchar *part);
/* Whether the part, a text encoder, is one that pads with id 0. */
gboolean       pal_single_file_is_open_clip (const PalSingleFile *file, const gchar *part);

#endif
