/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the variants of a picture have in common, computed once: the states of their
 * prompts and the latents of their source. Kept with the model. */

#ifndef PAL_DRIVE_MEMO_H
#define PAL_DRIVE_MEMO_H

#include "base/image.h"
#include "family/script.h"

/* As pal_script_new (): a copy, the caller's to change. */
PalScript *pal_memo_script (PalModel *model, const PalScriptSetup *setup, gchar **note,
                            GCancellable *cancellable, GError **error);

/* As pal_codec_encode (). */
gfloat    *pal_memo_encode (PalModel *model, const PalImage *image, GCancellable *cancellable,
                            GError **error);

#endif
