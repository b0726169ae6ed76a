/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns folding, splitting and comparing words. */

#include "text/word-split.h"

#include <string.h>

/* From this length on a wrong letter is a typing error. */
#define LONG_WORD 8
#define MAX_WORD  32

/* Folded. Articles, prepositions and what people say around a subject, in the languages
 * that other words for materials and styles are given in. */
static const gchar *const empty_words[] = {
  "add", "all", "an", "and", "as", "at", "be", "beautiful", "behind", "below", "beneath", "bit",
  "by", "can", "change", "convert", "could", "cover", "covered", "create", "draw", "effect",
  "fill", "filled", "for", "from", "full", "generate", "give", "have", "here", "image", "in",
  "into", "is", "it", "its", "like", "look", "looking", "looks", "lots", "made", "make", "me",
  "more", "my", "nice", "of", "on", "onto", "or", "over", "paint", "patch", "photo", "photograph",
  "picture", "piece", "please", "put", "realistic", "render", "replace", "scene", "show", "some",
  "style", "styled", "surface", "texture", "textured", "that", "the", "their", "there", "this",
  "to", "top", "transform", "turn", "under", "up", "very", "want", "was", "were", "with", "would",
  "you",
  /* German */
  "auf", "aus", "bitte", "das", "dem", "den", "der", "des", "die", "ein", "eine", "einem", "einen",
  "einer", "eines", "fulle", "fur", "im", "mache", "mit", "neben", "stil", "uber", "und", "unter",
  "vom", "von", "wie", "zu",
  /* French */
  "aux", "avec", "comme", "dans", "du", "en", "et", "la", "le", "les", "pour", "sous", "sur", "un",
  "une",
  /* Spanish */
  "bajo", "como", "con", "de", "del", "el", "estilo", "las", "los", "para", "sobre", "una", "unos",
  "unas", "por",
  /* Japanese and Chinese */
  "の", "と", "に", "を", "が", "は", "で", "な", "的", "和", "在", "上", "下", "风", "格",
};

/* Marks that are no letter's own part in the scripts that use them. */
static gboolean
is_accent (gunichar c)
{
  return c >= 0x300 && c <= 0x36f;
}

static gchar *
fold (const gchar *text, gsize length)
{
  g_autofree gchar *parts = g_utf8_normalize (text, (gssize) length, G_NORMALIZE_ALL);
  g_autofree gchar *lower = g_utf8_casefold (parts, -1);
  GString *out = g_string_new (NULL);

  for (const gchar *p = lower; *p; p = g_utf8_next_char (p))
    if (! is_accent (g_utf8_get_char (p)))
      g_string_append_unichar (out, g_utf8_get_char (p));

  return g_string_free (out, FALSE);
}

static gboolean
stands_alone (gunichar c)
{
  const GUnicodeScript script = g_unichar_get_script (c);

  return script == G_UNICODE_SCRIPT_HAN || script == G_UNICODE_SCRIPT_HIRAGANA ||
         script == G_UNICODE_SCRIPT_KATAKANA || c == 0x30fc /* a long vowel */;
}

static gboolean
is_letter (gunichar c)
{
  return g_unichar_isalnum (c) || g_unichar_ismark (c);
}

static void
clear_word (gpointer data)
{
  g_free (((PalWord *) data)->folded);
}

GArray *
pal_word_split (const gchar *text)
{
  GArray *words = g_array_new (FALSE, FALSE, sizeof (PalWord));
  const gchar *p = text;

  g_array_set_clear_func (words, clear_word);
  while (*p)
    {
      const gchar *start = p;
      gboolean alone = stands_alone (g_utf8_get_char (p));
      PalWord word;

      p = g_utf8_next_char (p);
      if (! is_letter (g_utf8_get_char (start)))
        continue;
      while (*p && ! alone && is_letter (g_utf8_get_char (p)) &&
             ! stands_alone (g_utf8_get_char (p)))
        p = g_utf8_next_char (p);

      word = (PalWord) { (gsize) (start - text), (gsize) (p - text),
                         fold (start, (gsize) (p - start)) };
      if (*word.folded)
        g_array_append_val (words, word);
      else
        clear_word (&word);
    }

  return words;
}

guint
pal_word_distance (const gchar *a, const gchar *b)
{
  const glong na = g_utf8_strlen (a, -1), nb = g_utf8_strlen (b, -1);
  const guint wrong = MIN (na, nb) < LONG_WORD ? 2 : 1;
  g_autofree gunichar *ca = g_utf8_to_ucs4_fast (a, -1, NULL);
  g_autofree gunichar *cb = g_utf8_to_ucs4_fast (b, -1, NULL);
  guint d[MAX_WORD + 1][MAX_WORD + 1];

  if (na > MAX_WORD || nb > MAX_WORD)
    return G_MAXUINT;

  for (glong i = 0; i <= na; i++)
    for (glong j = 0; j <= nb; j++)
      {
        if (i == 0 || j == 0)
          {
            d[i][j] = (guint) (i + j);
            continue;
          }
        d[i][j] = MIN (MIN (d[i - 1][j], d[i][j - 1]) + 1,
                       d[i - 1][j - 1] + (ca[i - 1] == cb[j - 1] ? 0 : wrong));
        if (i > 1 && j > 1 && ca[i - 1] == cb[j - 2] && ca[i - 2] == cb[j - 1])
          d[i][j] = MIN (d[i][j], d[i - 2][j - 2] + 1);
      }

  return d[na][nb];
}

gboolean
pal_word_is_empty (const gchar *folded)
{
  if (g_ascii_isalnum (folded[0]) && folded[1] == '\0')
    return TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (empty_words); i++)
    if (g_str_equal (folded, empty_words[i]))
      return TRUE;

  return FALSE;
}
