/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How CLIP's tokenizer cleans a text and splits it into words. */

#ifndef PAL_TEXT_CLIP_WORDS_H
#define PAL_TEXT_CLIP_WORDS_H

#include "pal-types.h"

/* The first length bytes of text, valid UTF-8: composed (NFC), each run of white space
 * one space, lower case. Free with g_free (). */
gchar       *pal_clip_normalize (const gchar  *text,
                                 gsize         length);

/* The next word of a normalized text, NULL at its end; *text is left behind the word. A
 * word is an English contraction's ending, a run of letters, one digit, or a run of
 * anything else that is not white space. */
const gchar *pal_clip_next_word (const gchar **text);

#endif
