/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CLIP's byte-pair tokenizer, from vocab.json and merges.txt of a tokenizer folder.
 * Special tokens and their ids come from the folder's files. */

#ifndef PAL_TEXT_CLIP_TOKENS_H
#define PAL_TEXT_CLIP_TOKENS_H

#include "pal-types.h"

typedef struct _PalClipTokenizer PalClipTokenizer;

PalClipTokenizer *pal_clip_tokenizer_open   (const gchar *folder, GError **error);
/* The vocabulary of the published encoders. pad_with_zero: by the token with the id 0, as
 * OpenCLIP's are, instead of the end token. */
PalClipTokenizer *pal_clip_tokenizer_standard (gboolean pad_with_zero);
void              pal_clip_tokenizer_free   (PalClipTokenizer *tokenizer);

/* Token ids of the text with start and end tokens, not padded, not cut; element
 * type gint32. text is UTF-8. */
GArray           *pal_clip_tokenizer_encode (const PalClipTokenizer *tokenizer, const gchar *text);

/* As the encoder wants it: start, at most length - 2 tokens, end, padded to length.
 * ids: [length]. Returns the number of the text's tokens that were cut off. */
gsize             pal_clip_tokenizer_fixed  (const PalClipTokenizer *tokenizer, const gchar *text,
                                             gsize length, gint32 *ids);
gint32            pal_clip_tokenizer_end_id (const PalClipTokenizer *tokenizer);
/* ids in the vocabulary */
gsize             pal_clip_tokenizer_size   (const PalClipTokenizer *tokenizer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalClipTokenizer, pal_clip_tokenizer_free)

#endif
