/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the variants of a picture have in common, computed once: the states of their
 * prompts and the latents of their source. Kept with the model. */

#ifndef PAL_DRIVE_MEMO_H
#define PAL_DRIVE_MEMO_H

#include "base/image.h"
#include "family/model.h"

/* As pal_model_condition (), but what out points to stays the memo's: it is not to be
 * cleared, and lasts until two other prompts have been read. */
gboolean pal_memo_condition (PalModel *model, const gchar *prompt, PalCondition *out,
                             gchar **note, GCancellable *cancellable, GError **error);

/* As pal_codec_encode (). */
gfloat  *pal_memo_encode    (PalModel *model, const PalImage *image, GCancellable *cancellable,
                             GError **error);

#endif
