/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a tokenizer folder and a prompt: vocab.json, merges.txt,
 * tokenizer_config.json and the prompt, with lines "---" between. */

#include <string.h>

#include "fuzz.h"
#include "text/clip-tokens.h"

static const gchar *const names[] = { "vocab.json", "merges.txt", "tokenizer_config.json", NULL };

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar             *text      = fuzz_text (data, size);
  g_auto (GStrv)                parts     = g_strsplit (text, "\n---\n", 4);
  const guint                   n_parts   = g_strv_length (parts);
  g_autoptr (GError)            error     = NULL;
  g_autoptr (PalClipTokenizer)  tokenizer = NULL;

  for (guint i = 0; names[i]; i++)
    {
      const gchar *part = i < n_parts ? parts[i] : "{}";

      g_free (fuzz_file (names[i], part, strlen (part)));
    }

  tokenizer = pal_clip_tokenizer_open (fuzz_folder (), &error);
  g_assert ((tokenizer == NULL) == (error != NULL));

  if (tokenizer)
    {
      const gchar       *prompt = n_parts > 3 ? parts[3] : "It's a CAT";
      g_autoptr (GArray) ids    = pal_clip_tokenizer_encode (tokenizer, prompt);
      gint32             fixed[77];

      for (guint i = 0; i < ids->len; i++)
        {
          const gint32 id = g_array_index (ids, gint32, i);

          g_assert (id >= 0 && (gsize) id < pal_clip_tokenizer_size (tokenizer));
        }
      pal_clip_tokenizer_fixed (tokenizer, prompt, G_N_ELEMENTS (fixed), fixed);
    }

  return 0;
}
