/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How CLIP's tokenizer cleans a text and splits it into words. */

#include <string.h>

#include "text/clip-words.h"

static const gchar *const contractions[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };

/* White_Space of Unicode; g_unichar_isspace () lacks two of them. */
static gboolean
is_space (gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || c == 0x85 || g_unichar_isspace (c);
}

/* GLib's leaves out what has a lower case but is no letter: Roman numerals and
 * circled letters. */
static gunichar
to_lower (gunichar c)
{
  if (c >= 0x2160 && c <= 0x216f)
    return c + 0x10;

  if (c >= 0x24b6 && c <= 0x24cf)
    return c + 0x1a;

  return g_unichar_tolower (c);
}

/* Composed, each run of white space one space, lower case. */
gchar *
pal_clip_normalize (const gchar *text,
                    gsize        length)
{
  g_autofree gchar *composed = g_utf8_normalize (text, (gssize) length, G_NORMALIZE_NFC);
  GString          *out      = g_string_sized_new (length);

  for (const gchar *at = composed; *at; at = g_utf8_next_char (at))
    {
      const gunichar c = g_utf8_get_char (at);

      if (! is_space (c))
        g_string_append_unichar (out, to_lower (c));
      else if (at == composed || ! is_space (g_utf8_get_char (g_utf8_prev_char (at))))
        g_string_append_c (out, ' ');

      /* The one letter whose lower case is two characters. */
      if (c == 0x130)
        g_string_append_unichar (out, 0x307);
    }

  return g_string_free (out, FALSE);
}

typedef enum { SPACE, LETTER, NUMBER, OTHER } Kind;

static Kind
kind_of (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER:
      return LETTER;
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER:
      return NUMBER;
    default:
      return is_space (c) ? SPACE : OTHER;
    }
}

/* End of the word that starts at text, which is no space. */
static const gchar *
word_end (const gchar *text)
{
  const Kind kind = kind_of (g_utf8_get_char (text));

  for (gsize i = 0; i < G_N_ELEMENTS (contractions); i++)
    if (g_str_has_prefix (text, contractions[i]))
      return text + strlen (contractions[i]);

  text = g_utf8_next_char (text);
  while (kind != NUMBER && *text && kind_of (g_utf8_get_char (text)) == kind)
    text = g_utf8_next_char (text);

  return text;
}

const gchar *
pal_clip_next_word (const gchar **text)
{
  const gchar *word = *text;

  while (*word && is_space (g_utf8_get_char (word)))
    word = g_utf8_next_char (word);

  if (! *word)
    return NULL;

  *text = word_end (word);

  return word;
}
