/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a user is told of a prompt that a model can't follow in full, and the words of a
 * model's files. */

#include "family/family.h"

#include <string.h>

#include "support.h"
#include "text/known-words.h"

static gchar *vocabulary[] = { (gchar *) "grass", (gchar *) "night sky", NULL };
static gchar *styles[]     = { (gchar *) "sepia", (gchar *) "fog", NULL };

static const gchar extra_text[] =
  "{\"backdrops\": [\"night sky\"], \"style_words\": {\"sepia\": [\"brown photo\"]}}";

typedef struct
{
  const gchar *prompt;
  PalIntent    intent;
  const gchar *used, *note;
} Row;

static const Row rows[] = {
  { "grass", PAL_FILL, "grass", NULL },
  { "a Lawn at night", PAL_GENERATE, "grass under night sky",
    "using: grass (for Lawn), night sky (for night)" },
  { "grass, lawn with a dragon", PAL_FILL, "grass",
    "using: grass (for lawn); not understood: dragon" },
  { "a red dragon", PAL_FILL, "a red dragon",
    "not understood: red, dragon; the model is given the prompt as it is" },
  { "sepia grass", PAL_FILL, "grass", "'sepia' is a style: choose Restyle" },
  { "brown photo", PAL_RESTYLE, "brown photo", NULL },
  { "grass", PAL_RESTYLE, "grass",
    "'grass' is a material: choose Fill; the model is given the prompt as it is" },
  { "brown photo, sepia", PAL_RESTYLE, "brown photo", NULL },
  { "brown photo, fog", PAL_RESTYLE, "brown photo", "left out: fog (one style at a time)" },
  { "", PAL_FILL, "", NULL },
};

static PalKnownWords *
read_words (const gchar *extra_json, const gchar *synonyms, GError **error)
{
  PalModelInfo info = { .vocabulary = vocabulary, .styles = styles };
  g_autoptr (PalJson) extra = pal_json_parse (extra_json, -1, "extra", NULL);
  gchar *folder = support_folder ();
  gboolean ok;

  support_write (folder, "synonyms.json", synonyms, -1);
  ok = pal_words_read (extra, folder, &info, error);

  support_remove (folder);
  g_assert_cmpint (ok, ==, info.words != NULL);

  return info.words;
}

static void
test_note (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (PalKnownWords) words = read_words (extra_text, "{\"grass\": [\"lawn\"], "
                                                "\"night sky\": [\"night\"]}", NULL);
  const PalModelInfo info = { .words = words };
  g_autoptr (PalPromptReading) reading = pal_model_info_read_prompt (&info, row->intent,
                                                                     row->prompt);
  g_autofree gchar *note = pal_prompt_reading_note (reading, row->intent);

  g_assert_cmpstr (reading->prompt, ==, row->used);
  g_assert_cmpstr (note, ==, row->note);
}

static void
test_open (void)
{
  const PalModelInfo open = { .path = NULL };

  g_assert_null (pal_model_info_read_prompt (&open, PAL_FILL, "anything"));
}

/* Files that are wrong, and what is said of them. */
static void
test_faults (void)
{
  static const struct { const gchar *extra, *synonyms, *said; } faults[] = {
    { "{}", "{\"unicorn\": [\"horse\"]}", "\"unicorn\" is neither in \"vocabulary\"" },
    { "{}", "{\"grass\": \"lawn\"}", "grass" },
    { "{}", "[]", "synonyms.json" },
    { "{\"style_words\": [\"sepia\"]}", "{}", "style_words" },
    { "{\"style_words\": {\"sepia\": 3}}", "{}", "sepia" },
    { "{\"backdrops\": {}}", "{}", "backdrops" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (read_words (faults[i].extra, faults[i].synonyms, &error));
      g_assert_error (error, PAL_ERROR, PAL_ERROR_FORMAT);
      g_assert_nonnull (strstr (error->message, faults[i].said));
    }
}

/* The bundled model reads words of everyday, in several languages. */
static void
test_bundled (void)
{
  static const struct { PalIntent intent; const gchar *typed, *used; } words[] = {
    { PAL_FILL, "ocean waves", "ocean" }, { PAL_FILL, "Wiese", "meadow" },
    { PAL_FILL, "daisies", "meadow" }, { PAL_FILL, "granite", "rock" },
    { PAL_FILL, "brook", "river" }, { PAL_FILL, "césped", "lawn" }, { PAL_FILL, "neige", "snow" },
    { PAL_FILL, "芝生", "lawn" }, { PAL_FILL, "砖墙", "brick wall" },
    { PAL_FILL, "sunset over the sea", "sea under sunset" },
    { PAL_RESTYLE, "make it look like Van Gogh", "oil painting" },
    { PAL_RESTYLE, "manga", "cartoon" }, { PAL_RESTYLE, "Minecraft", "pixel art" },
    { PAL_RESTYLE, "film noir", "black and white" }, { PAL_RESTYLE, "Aquarell", "watercolor" },
    { PAL_RESTYLE, "noir et blanc", "black and white" }, { PAL_RESTYLE, "油絵", "oil painting" },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (PalModelInfo) info = pal_model_inspect (g_getenv ("PALIMPSEST_BUNDLED_MODEL"), &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autoptr (PalPromptReading) reading =
        pal_model_info_read_prompt (info, words[i].intent, words[i].typed);

      g_assert_cmpstr (reading->prompt, ==, words[i].used);
    }
}

gint
main (gint argc, gchar **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/prompt/note/%" G_GSIZE_FORMAT, i);

      g_test_add_data_func (path, &rows[i], test_note);
    }
  g_test_add_func ("/prompt/open", test_open);
  g_test_add_func ("/prompt/faults", test_faults);
  g_test_add_func ("/prompt/bundled", test_bundled);

  return g_test_run ();
}
