/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A prompt read for a walk: what the denoiser is told in each of its steps. */

#ifndef PAL_FAMILY_SCRIPT_H
#define PAL_FAMILY_SCRIPT_H

#include "family/model.h"

typedef struct _PalScript PalScript;

/* How prompts of a family are written: a text for its user, in English, marked for
 * translation. */
const gchar *pal_prompt_rules (const gchar *family);

/* The text with comments left out and its wildcards chosen by the seed; their files are in
 * the folder "palimpsest/wildcards" of the user's data. */
gchar       *pal_prompt_choose (const gchar *prompt, guint64 seed, GError **error);

typedef struct
{
  const gchar *text;          /* chosen; NULL: see pal_model_condition () */
  guint        n_steps;       /* of the whole schedule, whatever part of it is walked */
  gint         clip_skip;     /* see PalRequest */
} PalScriptSetup;

/* note: as of pal_model_condition (). ARGUMENT when clip_skip leaves nothing. */
PalScript   *pal_script_new    (PalModel *model, const PalScriptSetup *setup, gchar **note,
                                GCancellable *cancellable, GError **error);
PalScript   *pal_script_copy   (const PalScript *script);
void         pal_script_free   (PalScript *script);

/* What is told in a step; the script's. */
const PalCondition *pal_script_at (const PalScript *script, guint step);

/* See pal_condition_place (). */
void         pal_script_place  (PalScript *script, const PalPlacement *placement,
                                gboolean negative);

/* The least multiple of tokens that all of a script's conditions can be brought to, see
 * pal_script_align (); nothing is run. */
gint64       pal_script_tokens (PalModel *model, const PalScriptSetup *setup, gint64 tokens);

/* Brings all conditions of both to one length, by repeating each: attention to a text that
 * is there twice is attention to the text. Lengths that have no common multiple up to some
 * thousands are repeated to the longest. other may be NULL. */
void         pal_script_align  (PalScript *script, PalScript *other);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalScript, pal_script_free)

#endif
