/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the dialog's preview shows of an image before a run. Main thread alone. */

#ifndef PAL_PLUGIN_SCENE_H
#define PAL_PLUGIN_SCENE_H

#include "layer-io.h"
#include "result.h"

G_BEGIN_DECLS

/* Reduced pictures of the image and of what a run would change. Fails as the run would, but
 * for a region that only its pixels show to be empty. */
PalScene *pal_scene_new (GimpImage          *image,
                         GimpLayer          *layer,
                         const PalSettings  *settings,
                         const PalModelInfo *info,
                         GError            **error);

G_END_DECLS

#endif
