/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words of a model with a closed vocabulary, and how a prompt is read against them. */

#ifndef PAL_TEXT_KNOWN_WORDS_H
#define PAL_TEXT_KNOWN_WORDS_H

#include "pal.h"

/* What a caption that the model was trained on is made of: one style, one material, or
 * "material under backdrop". */
typedef enum
{
  PAL_WORD_MATERIAL,
  PAL_WORD_BACKDROP,
  PAL_WORD_STYLE
} PalWordKind;

PalKnownWords    *pal_known_words_new   (void);
void              pal_known_words_free  (PalKnownWords *words);

/* A word or phrase of the model's own; one that is there already stays as it is.
 * meaning: what it is one of several words for, or itself. */
void              pal_known_words_add   (PalKnownWords *words, PalWordKind kind,
                                         const gchar *word, const gchar *meaning);

/* Another word for one of the model's own. FALSE when known is none of them. Materials
 * and styles are two lists, and an entry of a list stays as it came first. */
gboolean          pal_known_words_other (PalKnownWords *words, const gchar *known,
                                         const gchar *other);

/* style: whether a style is asked for, or a material. text may be any bytes. */
PalPromptReading *pal_known_words_read  (const PalKnownWords *words, gboolean style,
                                         const gchar *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalKnownWords, pal_known_words_free)

#endif
