/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a user should know about how a prompt was read. */

#include "family/family.h"

#include <string.h>

/* Words that carry no subject; naming them as unknown would only be noise. */
static const gchar *const function_words[] = {
  "a", "an", "and", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on", "or",
  "over", "some", "style", "that", "the", "their", "this", "to", "under", "very", "with", NULL
};

/* Lower-case words of a text: runs of letters and digits. */
static GPtrArray *
words_of (const gchar *text)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);
  g_autofree gchar *lower = g_utf8_make_valid (text, -1);
  g_autoptr (GString) word = g_string_new (NULL);

  for (const gchar *p = lower;; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c && g_unichar_isalnum (c))
        {
          g_string_append_unichar (word, g_unichar_tolower (c));
          continue;
        }
      if (word->len > 0)
        g_ptr_array_add (words, g_strdup (word->str));
      g_string_truncate (word, 0);
      if (! c)
        return words;
    }
}

static void
add_words (GHashTable *set, const gchar *const *texts)
{
  for (guint i = 0; texts && texts[i]; i++)
    {
      GPtrArray *words = words_of (texts[i]);

      for (guint j = 0; j < words->len; j++)
        g_hash_table_add (set, g_strdup (words->pdata[j]));
      g_ptr_array_unref (words);
    }
}

/* Other words for styles: an object of lists. */
static void
add_style_words (GHashTable *set, const PalJson *extra)
{
  g_autoptr (PalJson) object = extra ? pal_json_object (extra, "style_words", NULL) : NULL;
  g_auto (GStrv) names = object ? pal_json_fields (object) : NULL;

  for (guint i = 0; names && names[i]; i++)
    {
      g_auto (GStrv) words = NULL;

      if (pal_json_strings (object, names[i], &words, NULL))
        add_words (set, (const gchar *const *) words);
    }
}

/* The prompt's words that are in no list, once each, joined by commas; NULL if none. */
static gchar *
unknown_words (const PalModelInfo *info, const PalJson *extra, const gchar *prompt)
{
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) words = words_of (prompt);
  g_autoptr (GString) line = g_string_new (NULL);

  add_words (known, function_words);
  add_words (known, (const gchar *const *) info->vocabulary);
  add_words (known, (const gchar *const *) info->styles);
  add_style_words (known, extra);

  for (guint i = 0; i < words->len; i++)
    if (g_hash_table_add (known, g_strdup (words->pdata[i])))
      g_string_append_printf (line, "%s%s", line->len > 0 ? ", " : "", (gchar *) words->pdata[i]);

  return line->len > 0 ? g_string_free (g_steal_pointer (&line), FALSE) : NULL;
}

gchar *
pal_prompt_note (const PalModelInfo *info, const PalJson *extra, const gchar *prompt,
                 gsize tokens_cut)
{
  g_autofree gchar *unknown = info->vocabulary ? unknown_words (info, extra, prompt) : NULL;
  g_autoptr (GString) note = g_string_new (NULL);

  if (unknown)
    g_string_append_printf (note, "not known to this model: %s", unknown);
  if (tokens_cut > 0)
    g_string_append_printf (note,
                            "%sthe prompt is too long: its last %" G_GSIZE_FORMAT
                            " tokens were left out", note->len > 0 ? "; " : "", tokens_cut);

  return note->len > 0 ? g_string_free (g_steal_pointer (&note), FALSE) : NULL;
}
