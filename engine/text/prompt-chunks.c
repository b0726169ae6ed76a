/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chunks of tokens with weights, and what weights do to states.
 *
 * As AUTOMATIC1111/stable-diffusion-webui does it (modules/sd_hijack_clip.py and
 * sd_emphasis.py, emphasis "Original"), so that its prompts mean the same here; but a chunk
 * ends where it is full, not at the last comma before. Guarded by
 * tests/unit/host/test-prompt-grammar.c. */

#include "text/prompt-chunks.h"

#include <math.h>
#include <string.h>

/* Where the rows' sum is this small a share of their sizes, it says nothing. */
#define LEAST_MEAN 1e-9

typedef struct
{
  const PalClipTokenizer *tokenizer;
  gsize                   length, used;   /* of the open chunk, with the start token */
  GArray                 *ids, *weights;
} Filler;

static void
open_chunk (Filler *f)
{
  g_autofree gint32 *empty = g_new (gint32, f->length);
  gfloat             one   = 1.0f;

  pal_clip_tokenizer_fixed (f->tokenizer, "", f->length, empty);
  g_array_append_vals (f->ids, empty, (guint) f->length);
  for (gsize i = 0; i < f->length; i++)
    g_array_append_val (f->weights, one);
  f->used = 1;
}

/* The end token moves behind what is put in. */
static void
put_token (Filler *f,
           gint32  id,
           gfloat  weight)
{
  gsize   at;
  gint32 *ids;

  if (f->used + 1 == f->length)
    open_chunk (f);

  at      = f->ids->len - f->length + f->used++;
  ids     = (gint32 *) (gpointer) f->ids->data;
  ids[at + 1] = ids[at];
  ids[at]     = id;
  g_array_index (f->weights, gfloat, at) = weight;
}

PalPromptChunks *
pal_prompt_chunks_new (const PalClipTokenizer *tokenizer,
                       const GPtrArray        *parts,
                       gsize                   length)
{
  PalPromptChunks *chunks = g_new0 (PalPromptChunks, 1);
  Filler           f      = { tokenizer, length, 1, g_array_new (FALSE, FALSE, sizeof (gint32)),
                              g_array_new (FALSE, FALSE, sizeof (gfloat)) };

  open_chunk (&f);
  for (guint i = 0; i < parts->len; i++)
    {
      const PalPromptPart *part = g_ptr_array_index (parts, i);
      g_autoptr (GArray)   all  = pal_clip_tokenizer_encode (tokenizer, part->text);

      for (guint t = 1; t + 1 < all->len; t++)
        put_token (&f, g_array_index (all, gint32, t), (gfloat) part->weight);
      if (part->breaks)
        open_chunk (&f);
    }

  chunks->n       = f.ids->len / length;
  chunks->length  = length;
  chunks->ids     = (gint32 *) (gpointer) g_array_free (f.ids, FALSE);
  chunks->weights = (gfloat *) (gpointer) g_array_free (f.weights, FALSE);

  return chunks;
}

void
pal_prompt_chunks_pad (PalPromptChunks        *chunks,
                       const PalClipTokenizer *tokenizer,
                       gsize                   n)
{
  gsize length = chunks->length;

  if (chunks->n >= n)
    return;

  chunks->ids     = g_renew (gint32, chunks->ids, n * length);
  chunks->weights = g_renew (gfloat, chunks->weights, n * length);
  for (gsize i = chunks->n * length; i < n * length; i++)
    chunks->weights[i] = 1.0f;

  for (; chunks->n < n; chunks->n++)
    pal_clip_tokenizer_fixed (tokenizer, "", length, chunks->ids + chunks->n * length);
}

void
pal_prompt_chunks_free (PalPromptChunks *chunks)
{
  if (! chunks)
    return;

  g_free (chunks->ids);
  g_free (chunks->weights);
  g_free (chunks);
}

void
pal_prompt_emphasise (gfloat       *states,
                      const gfloat *weights,
                      gsize         tokens,
                      gsize         width)
{
  gdouble  before = 0.0, after = 0.0, size = 0.0, restore;
  gboolean plain  = TRUE;

  for (gsize t = 0; t < tokens; t++)
    plain &= weights[t] == 1.0f;
  if (plain)
    return;

  for (gsize i = 0; i < tokens * width; i++)
    {
      before   += (gdouble) states[i];
      states[i] = states[i] * weights[i / width];
      after    += (gdouble) states[i];
      size     += fabs ((gdouble) states[i]);
    }

  restore = fabs (after) > LEAST_MEAN * size ? before / after : 1.0;
  for (gsize i = 0; i < tokens * width; i++)
    states[i] = (gfloat) ((gdouble) states[i] * restore);
}
