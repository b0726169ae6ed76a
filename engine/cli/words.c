/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prints vocabularies and readings. */

#include "words.h"

#include <glib/gi18n.h>

#include "json-out.h"

#define LINE_COLUMNS 80
#define INDENT       4
#define GAP          2

/* What becomes of a word: as a field's value, and told, of the word typed and used. */
static const struct { const gchar *id, *text; } fates[PAL_N_WORD_FATES] = {
  [PAL_WORD_KNOWN]     = { "known", N_("%1$s: known") },
  /* TRANSLATORS: the word typed, the one used. */
  [PAL_WORD_REPLACED]  = { "replaced", N_("%1$s: using %2$s") },
  [PAL_WORD_LEFT_OUT]  = { "left-out", N_("%1$s: known, but left out; one at a time") },
  [PAL_WORD_MISPLACED] = { "misplaced", N_("%1$s: known, but for the other purpose") },
  [PAL_WORD_UNKNOWN]   = { "unknown", N_("%1$s: not understood") },
};

static const struct { PalIntent intent; const gchar *id, *heading, *nothing; } purposes[] = {
  { PAL_FILL, "fill",
    N_("To fill or generate: %s"), N_("To fill or generate: nothing understood") },
  { PAL_RESTYLE, "restyle",
    N_("To restyle: %s"), N_("To restyle: nothing understood") },
};

/* Read down the columns, as dictionaries are. */
static void
print_columns (const gchar *heading, gchar *const *words)
{
  const guint n = words ? g_strv_length ((gchar **) words) : 0;
  guint width = 1, columns, rows;

  for (guint i = 0; i < n; i++)
    width = MAX (width, (guint) g_utf8_strlen (words[i], -1) + GAP);

  if (n == 0)
    return;

  columns = MAX (1, (LINE_COLUMNS - INDENT) / width);
  rows = (n + columns - 1) / columns;
  g_print ("\n  %s\n", heading);
  for (guint row = 0; row < rows; row++)
    {
      g_autoptr (GString) line = g_string_new (NULL);

      for (guint i = row; i < n; i += rows)
        {
          const guint column = i / rows;
          const guint at = (guint) g_utf8_strlen (line->str, -1);

          g_string_append_printf (line, "%*s%s", (gint) (INDENT + column * width - at), "",
                                  words[i]);
        }
      g_print ("%s\n", line->str);
    }
}

void
cli_words_print (const PalModelInfo *info)
{
  print_columns (_("Materials it knows, to fill and generate:"), info->vocabulary);
  print_columns (_("Styles it knows, to restyle:"), info->styles);
}

void
cli_words_print_reading (const PalModelInfo *info, const gchar *prompt)
{
  if (! info->words)
    {
      g_print (_("This model has an open vocabulary: any words will do.\n"));
      return;
    }

  for (gsize i = 0; i < G_N_ELEMENTS (purposes); i++)
    {
      g_autoptr (PalPromptReading) reading =
        pal_model_info_read_prompt (info, purposes[i].intent, prompt);

      g_print (reading->understood ? _(purposes[i].heading) : _(purposes[i].nothing),
               reading->prompt);
      g_print ("\n");
      for (guint j = 0; j < reading->words->len; j++)
        {
          const PalPromptWord *word = g_ptr_array_index (reading->words, j);

          g_print ("  ");
          g_print (_(fates[word->fate].text), word->typed, word->used);
          g_print ("\n");
        }
    }
}

static void
json_reading (JsonBuilder *json, const PalPromptReading *reading)
{
  json_builder_begin_object (json);
  cli_json_string (json, "prompt", reading->prompt);
  cli_json_bool (json, "understood", reading->understood);
  json_builder_set_member_name (json, "words");
  json_builder_begin_array (json);
  for (guint i = 0; i < reading->words->len; i++)
    {
      const PalPromptWord *word = g_ptr_array_index (reading->words, i);

      json_builder_begin_object (json);
      cli_json_string (json, "typed", word->typed);
      cli_json_string (json, "used", word->used);
      cli_json_string (json, "fate", fates[word->fate].id);
      json_builder_end_object (json);
    }
  json_builder_end_array (json);
  json_builder_end_object (json);
}

void
cli_words_json_reading (JsonBuilder *json, const PalModelInfo *info, const gchar *prompt)
{
  json_builder_set_member_name (json, "reading");
  if (! info->words)
    {
      json_builder_add_null_value (json);
      return;
    }

  json_builder_begin_object (json);
  for (gsize i = 0; i < G_N_ELEMENTS (purposes); i++)
    {
      g_autoptr (PalPromptReading) reading =
        pal_model_info_read_prompt (info, purposes[i].intent, prompt);

      json_builder_set_member_name (json, purposes[i].id);
      json_reading (json, reading);
    }
  json_builder_end_object (json);
}
