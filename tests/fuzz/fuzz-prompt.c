/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a prompt of a closed vocabulary: what is understood is valid text, and
 * reads as itself. */

#include "fuzz.h"
#include "text/known-words.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar         *text  = fuzz_text (data, size);
  g_autoptr (PalKnownWords) words = pal_known_words_new ();

  pal_known_words_add (words, PAL_WORD_BACKDROP, "blue sky", "blue sky");
  pal_known_words_add (words, PAL_WORD_MATERIAL, "brick wall", "brick wall");
  pal_known_words_add (words, PAL_WORD_STYLE, "oil painting", "painting");
  pal_known_words_other (words, "brick wall", "煉瓦の壁");
  pal_known_words_other (words, "blue sky", text);

  for (gint style = 0; style < 2; style++)
    {
      g_autoptr (PalPromptReading) reading = pal_known_words_read (words, style, text);
      g_autoptr (PalPromptReading) again   = pal_known_words_read (words, style, reading->prompt);

      g_assert (! reading->understood || g_utf8_validate (reading->prompt, -1, NULL));
      g_assert (g_str_equal (again->prompt, reading->prompt));
    }

  return 0;
}
