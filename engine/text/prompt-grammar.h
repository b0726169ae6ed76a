/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The grammar of prompts: a text is expanded (comments, wildcards) and then read into
 * parts with weights and the steps in which they count. Pure; any bytes are a prompt, and
 * a bracket without its partner is the character itself.
 *
 *   (a)  (a:1.3)        more weight: 1.1 times, 1.3 times; inside one another they multiply
 *   [a]                 less: 1 / 1.1
 *   [a|b|c]             one of them in each step, in turn
 *   [a:b:0.4]           a, and after 0.4 of the steps b; from 1 on the number counts steps
 *   [b:0.4]  [a::0.4]   the same with nothing before or after
 *   BREAK               what follows begins a new chunk
 *   {a|b|c}             one of them, by the seed
 *   __name__            a line of the file "name.txt", by the seed
 *   # ...               a line that begins so is a comment
 *   \                   before any of these signs: the sign itself */

#ifndef PAL_TEXT_PROMPT_GRAMMAR_H
#define PAL_TEXT_PROMPT_GRAMMAR_H

#include "pal-types.h"

/* The text of the file of a wildcard, g_free (); NULL and an error without one. */
typedef gchar *(*PalWildcardFunc) (gpointer data, const gchar *name, GError **error);

/* The text with comments left out and a choice made for each wildcard; the same for the
 * same seed. */
gchar     *pal_prompt_expand (const gchar *text, guint64 seed, PalWildcardFunc read,
                              gpointer data, GError **error);

/* A piece of text that counts in the steps first <= step < end of which step % period is
 * phase. */
typedef struct
{
  gchar   *text;
  gdouble  weight;
  gboolean breaks;            /* a chunk ends behind it */
  guint    first, end, period, phase;
} PalPromptPart;

/* Element type PalPromptPart, in the text's order. */
GPtrArray *pal_prompt_parse  (const gchar *text, guint n_steps);

/* The parts that count in a step: element type PalPromptPart, of parts. */
GPtrArray *pal_prompt_at     (const GPtrArray *parts, guint step);

#endif
