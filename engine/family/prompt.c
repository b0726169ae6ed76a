/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words of a model with a closed vocabulary, and what a user should know about how
 * a prompt was read. */

#include "family/family.h"

#include "text/known-words.h"

static void
add_words (PalKnownWords *words, PalWordKind kind, gchar *const *list, const gchar *meaning)
{
  for (guint i = 0; list && list[i]; i++)
    pal_known_words_add (words, kind, list[i], meaning ? meaning : list[i]);
}

/* Words that the model was shown for a style beside its name: an object of lists. */
static gboolean
add_style_words (PalKnownWords *words, const PalJson *extra, GError **error)
{
  g_autoptr (PalJson) object = NULL;
  g_auto (GStrv) names = NULL;

  if (! pal_json_child (extra, "style_words", &object, error))
    return FALSE;

  names = object ? pal_json_fields (object) : NULL;

  for (guint i = 0; names && names[i]; i++)
    {
      g_auto (GStrv) list = NULL;

      if (! pal_json_strings (object, names[i], &list, error))
        return FALSE;
      add_words (words, PAL_WORD_STYLE, list, names[i]);
    }

  return TRUE;
}

/* The file "synonyms.json": for words of the model, lists of other words. */
static gboolean
add_synonyms (PalKnownWords *words, const gchar *folder, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, "synonyms.json", NULL);
  g_autoptr (PalJson) object = NULL;
  g_auto (GStrv) names = NULL;

  if (! g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;

  object = pal_json_load (path, error);
  if (! object)
    return FALSE;

  names = pal_json_fields (object);
  for (guint i = 0; names[i]; i++)
    {
      g_auto (GStrv) list = NULL;

      if (! pal_json_strings (object, names[i], &list, error))
        return FALSE;

      for (guint j = 0; list && list[j]; j++)
        if (! pal_known_words_other (words, names[i], list[j]))
          {
            g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                         "%s: \"%s\" is neither in \"vocabulary\" nor in \"styles\" of the "
                         "model's model_index.json; name a word that is", path, names[i]);
            return FALSE;
          }
    }

  return TRUE;
}

gboolean
pal_words_read (const PalJson *extra, const gchar *folder, PalModelInfo *info, GError **error)
{
  g_autoptr (PalKnownWords) words = pal_known_words_new ();
  g_auto (GStrv) backdrops = NULL;

  /* Backdrops first: they are in the vocabulary too. */
  if (! pal_json_strings (extra, "backdrops", &backdrops, error))
    return FALSE;
  add_words (words, PAL_WORD_BACKDROP, backdrops, NULL);
  add_words (words, PAL_WORD_MATERIAL, info->vocabulary, NULL);
  add_words (words, PAL_WORD_STYLE, info->styles, NULL);

  if (! add_style_words (words, extra, error) || ! add_synonyms (words, folder, error))
    return FALSE;

  info->words = g_steal_pointer (&words);
  return TRUE;
}

PalPromptReading *
pal_model_info_read_prompt (const PalModelInfo *info, PalIntent intent, const gchar *prompt)
{
  g_return_val_if_fail (info != NULL && intent < PAL_N_INTENTS, NULL);

  if (! info->words)
    return NULL;

  return pal_known_words_read (info->words, intent == PAL_RESTYLE, prompt ? prompt : "");
}

/* "grass (for lawn mower), water (for brook)"; NULL if nothing was replaced. */
static gchar *
replacements (const PalPromptReading *reading)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < reading->words->len; i++)
    {
      const PalPromptWord *word = g_ptr_array_index (reading->words, i);

      if (word->fate == PAL_WORD_REPLACED)
        g_string_append_printf (list, "%s%s (for %s)", list->len > 0 ? ", " : "", word->used,
                                word->typed);
    }

  return list->len > 0 ? g_string_free (g_steal_pointer (&list), FALSE) : NULL;
}

gchar *
pal_prompt_reading_note (const PalPromptReading *reading, PalIntent intent)
{
  const gboolean restyle = intent == PAL_RESTYLE;
  const struct { gchar *words; const gchar *before, *after; } parts[] = {
    { replacements (reading), "using: ", "" },
    { pal_prompt_reading_list (reading, PAL_WORD_LEFT_OUT), "left out: ",
      restyle ? " (one style at a time)" : " (one material at a time)" },
    { pal_prompt_reading_list (reading, PAL_WORD_MISPLACED), "'",
      restyle ? "' is a material: choose Fill" : "' is a style: choose Restyle" },
    { pal_prompt_reading_list (reading, PAL_WORD_UNKNOWN), "not understood: ", "" },
    { reading->words->len > 0 && ! reading->understood ? g_strdup ("") : NULL,
      "the model is given the prompt as it is", "" },
  };
  g_autoptr (GString) note = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    if (parts[i].words)
      {
        g_string_append_printf (note, "%s%s%s%s", note->len > 0 ? "; " : "", parts[i].before,
                                parts[i].words, parts[i].after);
        g_free (parts[i].words);
      }

  return note->len > 0 ? g_string_free (g_steal_pointer (&note), FALSE) : NULL;
}
