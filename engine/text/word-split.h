/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a prompt is split into words that can be looked up. */

#ifndef PAL_TEXT_WORD_SPLIT_H
#define PAL_TEXT_WORD_SPLIT_H

#include "pal-types.h"

typedef struct
{
  gsize  start, end;          /* bytes of the text */
  gchar *folded;              /* without case and accents */
} PalWord;

/* Words of a valid UTF-8 text, in order: runs of letters and digits; each character of
 * Chinese and Japanese is a word, since nothing parts them. Element type PalWord. */
GArray  *pal_word_split    (const gchar *text);

/* How many letters two folded words differ by: one too many, one missing, two swapped.
 * A wrong letter counts twice in a short word, where it mostly makes another word. */
guint    pal_word_distance (const gchar *a, const gchar *b);

/* Whether a folded word carries nothing of what a picture shows: "with", "a", "add". */
gboolean pal_word_is_empty (const gchar *folded);

#endif
