/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The prompts of a request, as they are told from step to step. */

#ifndef PAL_DRIVE_PROMPTS_H
#define PAL_DRIVE_PROMPTS_H

#include "drive/recall.h"
#include "family/script.h"

typedef struct
{
  PalScript *script;          /* of the prompt */
  PalScript *against;         /* of the negative one; NULL when it is not asked for */
  PalRecall *recall;          /* NULL: the denoiser draws alone */
  gchar     *read, *cut;      /* lines for the user about the prompt, or NULL */
} PalPrompts;

/* r: resolved. How many tokens the denoiser will be told; nothing is run. */
gint     pal_prompts_tokens (PalModel *model, const PalRequest *r);

/* r: resolved. */
gboolean pal_prompts_read   (PalModel *model, const PalRequest *r, PalPrompts *out,
                             GCancellable *cancellable, GError **error);
void     pal_prompts_clear  (PalPrompts *prompts);

/* Of a canvas that is all there is: neither cropped nor scaled. */
void     pal_prompts_place  (PalPrompts *prompts, gint width, gint height);

/* What is told in a step; *uncond is left alone without a negative prompt. */
void     pal_prompts_tell   (const PalPrompts *prompts, guint step, const PalCondition **cond,
                             const PalCondition **uncond);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalPrompts, pal_prompts_clear)

#endif
