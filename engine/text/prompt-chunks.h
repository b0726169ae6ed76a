/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A prompt's parts as a text encoder takes them: chunks of its length, each with start
 * and end tokens and padded, and a weight for each token. */

#ifndef PAL_TEXT_PROMPT_CHUNKS_H
#define PAL_TEXT_PROMPT_CHUNKS_H

#include "text/clip-tokens.h"
#include "text/prompt-grammar.h"

typedef struct
{
  gsize   n, length;
  gint32 *ids;                /* [n, length] */
  gfloat *weights;            /* [n, length]; 1 for start, end and padding */
} PalPromptChunks;

/* parts: element type PalPromptPart, see pal_prompt_at (). At least one chunk; length of
 * at least 3 tokens. A prompt of one part that fits is one chunk, with the ids of
 * pal_clip_tokenizer_fixed (). */
PalPromptChunks *pal_prompt_chunks_new  (const PalClipTokenizer *tokenizer,
                                         const GPtrArray *parts, gsize length);
void             pal_prompt_chunks_free (PalPromptChunks *chunks);

/* Adds chunks without words until there are n. */
void             pal_prompt_chunks_pad  (PalPromptChunks *chunks,
                                         const PalClipTokenizer *tokenizer, gsize n);

/* states: [tokens, width], of one chunk; each row times its weight, then all times one
 * number that restores their mean. Untouched where all weights are 1. */
void             pal_prompt_emphasise   (gfloat *states, const gfloat *weights, gsize tokens,
                                         gsize width);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalPromptChunks, pal_prompt_chunks_free)

#endif
