/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How prompts are read against a small vocabulary. */

#include <string.h>

#include "text/known-words.h"
#include "text/word-split.h"

static const gchar *const materials[] = { "grass", "lawn", "meadow", "brick wall", "brick", "water",
                                          "mountains", "stone wall", "wood", "concrete", "snow" };
static const gchar *const backdrops[] = { "sky", "blue sky", "sunset", "starry sky" };
static const gchar *const styles[]    = { "oil painting", "black and white", "sepia", "night",
                                          "winter", "pencil sketch", "watercolor" };

static const struct { const gchar *known, *other; } others[] = {
  { "grass", "lawn mower" }, { "grass", "grassy" }, { "meadow", "Wiese" }, { "meadow", "daisy" },
  { "water", "ocean waves" }, { "water", "川" }, { "mountains", "山" }, { "snow", "snowy" },
  { "starry sky", "night" }, { "blue sky", "青空" }, { "meadow", "pré" }, { "snow", "雪" },
  { "oil painting", "Van Gogh" }, { "oil painting", "oil" }, { "oil painting", "Ölgemälde" },
  { "winter", "snow" }, { "black and white", "b&w" }, { "watercolor", "水彩画" },
};

typedef struct
{
  const gchar *text;
  gboolean     style;
  const gchar *prompt;        /* NULL: not understood */
  const gchar *fates;         /* "typed>used" or "typed?" ..., one for each word */
} Row;

static const Row rows[] = {
  { "grass", FALSE, "grass", "grass=" },
  { "GRASS!", FALSE, "grass", "GRASS=" },
  { "a patch of grass", FALSE, "grass", "grass=" },
  { "photo of a brick wall, texture", FALSE, "brick wall", "brick wall=" },
  { "some bricks", FALSE, "brick", "bricks=" },
  { "add a lawn with daisies", FALSE, "lawn", "lawn= daisies-" },
  { "ocean waves", FALSE, "water", "ocean waves>water" },
  { "lawn mower", FALSE, "grass", "lawn mower>grass" },
  { "eine Wiese", FALSE, "meadow", "Wiese>meadow" },
  { "un PRE", FALSE, "meadow", "PRE>meadow" },
  { "grass under a blue sky", FALSE, "grass under blue sky", "grass= blue sky=" },
  { "sunset over the mountains", FALSE, "mountains under sunset", "sunset= mountains=" },
  { "mountains at night", FALSE, "mountains under starry sky", "mountains= night>starry sky" },
  { "青空と山", FALSE, "mountains under blue sky", "青空>blue sky 山>mountains" },
  { "snowy mountains", FALSE, "mountains", "snowy- mountains=" },
  { "grass, grassy", FALSE, "grass", "grass= grassy>grass" },
  /* as one of many */
  { "gras", FALSE, "grass", "gras=" },
  { "laawn", FALSE, "lawn", "laawn>lawn" },
  { "watter", FALSE, "water", "watter>water" },
  { "wtaer", FALSE, "water", "wtaer>water" },
  { "concrtee", FALSE, "concrete", "concrtee>concrete" },
  { "conkrete", FALSE, "concrete", "conkrete>concrete" },
  { "food", FALSE, NULL, "food?" },
  { "glass", FALSE, NULL, "glass?" },
  { "a unicorn on grass", FALSE, "grass", "unicorn? grass=" },
  { "a unicorn, a unicorn", FALSE, NULL, "unicorn?" },
  { "一角獣", FALSE, NULL, "一角獣?" },
  { "oil painting of a meadow", FALSE, "meadow", "oil painting! meadow=" },
  { "watercolour", FALSE, NULL, "watercolour!" },
  { "sepia", FALSE, NULL, "sepia!" },
  { "make it look like Van Gogh", TRUE, "oil painting", "Van Gogh>oil painting" },
  { "in the style of an oil painting", TRUE, "oil painting", "oil painting=" },
  { "Olgemalde", TRUE, "oil painting", "Olgemalde>oil painting" },
  { "b/w pencil sketch", TRUE, "pencil sketch", "b/w- pencil sketch=" },
  { "a Van Gogh painting", TRUE, "oil painting", "Van Gogh>oil painting painting=" },
  { "painting", TRUE, "painting", "painting=" },
  { "sepia, winter", TRUE, "sepia", "sepia= winter-" },
  { "night", TRUE, "night", "night=" },
  { "snow", TRUE, "winter", "snow>winter" },
  { "水彩画", TRUE, "watercolor", "水彩画>watercolor" },
  { "grass", TRUE, NULL, "grass!" },
  { "", TRUE, NULL, "" },
  { "with the", FALSE, NULL, "" },
  { "gr\xff" "ass", FALSE, NULL, "gr? ass?" },
};

static PalKnownWords *
make_words (void)
{
  PalKnownWords *words = pal_known_words_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (backdrops); i++)
    pal_known_words_add (words, PAL_WORD_BACKDROP, backdrops[i], backdrops[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (materials); i++)
    pal_known_words_add (words, PAL_WORD_MATERIAL, materials[i], materials[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (styles); i++)
    pal_known_words_add (words, PAL_WORD_STYLE, styles[i], styles[i]);
  pal_known_words_add (words, PAL_WORD_STYLE, "painting", "oil painting");
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_true (pal_known_words_other (words, others[i].known, others[i].other));

  return words;
}

static gchar *
fates_of (const PalPromptReading *reading)
{
  static const gchar marks[PAL_N_WORD_FATES] = {
    [PAL_WORD_KNOWN] = '=', [PAL_WORD_REPLACED] = '>', [PAL_WORD_LEFT_OUT] = '-',
    [PAL_WORD_MISPLACED] = '!', [PAL_WORD_UNKNOWN] = '?'
  };
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < reading->words->len; i++)
    {
      const PalPromptWord *word = g_ptr_array_index (reading->words, i);

      g_assert_true ((word->used == NULL) == (word->fate == PAL_WORD_UNKNOWN));
      g_string_append_printf (text, "%s%s%c%s", i > 0 ? " " : "", word->typed, marks[word->fate],
                              word->fate == PAL_WORD_REPLACED ? word->used : "");
    }

  return g_string_free (text, FALSE);
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (PalKnownWords) words = make_words ();
  g_autoptr (PalPromptReading) reading = pal_known_words_read (words, row->style, row->text);
  g_autofree gchar *fates = fates_of (reading);

  g_assert_cmpstr (fates, ==, row->fates);
  g_assert_cmpint (reading->understood, ==, row->prompt != NULL);
  g_assert_cmpstr (reading->prompt, ==, row->prompt ? row->prompt : row->text);
}

/* What the model was shown is a prompt that stays as it is. */
static void
test_own_words (void)
{
  g_autoptr (PalKnownWords) words = make_words ();

  for (gsize i = 0; i < G_N_ELEMENTS (materials); i++)
    {
      g_autoptr (PalPromptReading) reading = pal_known_words_read (words, FALSE, materials[i]);

      g_assert_cmpstr (reading->prompt, ==, materials[i]);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (styles); i++)
    {
      g_autoptr (PalPromptReading) reading = pal_known_words_read (words, TRUE, styles[i]);

      g_assert_cmpstr (reading->prompt, ==, styles[i]);
    }

  g_assert_false (pal_known_words_other (words, "unicorn", "horse"));
}

static void
test_list (void)
{
  g_autoptr (PalKnownWords) words = make_words ();
  g_autoptr (PalPromptReading) reading =
    pal_known_words_read (words, FALSE, "a dragon, grass and a Unicorn");
  g_autofree gchar *unknown = pal_prompt_reading_list (reading, PAL_WORD_UNKNOWN);

  g_assert_cmpstr (unknown, ==, "dragon, Unicorn");
  g_assert_null (pal_prompt_reading_list (reading, PAL_WORD_REPLACED));
}

static void
test_distance (void)
{
  static const struct { const gchar *a, *b; guint distance; } pairs[] = {
    { "", "", 0 }, { "grass", "grass", 0 }, { "gras", "grass", 1 }, { "garss", "grass", 1 },
    { "glass", "grass", 2 }, { "conkrete", "concrete", 1 }, { "", "abc", 3 }, { "öl", "ol", 2 },
  };
  g_autofree gchar *endless = g_strnfill (1000, 'a');

  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_assert_cmpuint (pal_word_distance (pairs[i].a, pairs[i].b), ==, pairs[i].distance);
      g_assert_cmpuint (pal_word_distance (pairs[i].b, pairs[i].a), ==, pairs[i].distance);
    }
  g_assert_cmpuint (pal_word_distance (endless, "a"), ==, G_MAXUINT);
}

gint
main (gint argc, gchar **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/known-words/%" G_GSIZE_FORMAT, i);

      g_test_add_data_func (path, &rows[i], test_row);
    }
  g_test_add_func ("/known-words/own", test_own_words);
  g_test_add_func ("/known-words/list", test_list);
  g_test_add_func ("/known-words/distance", test_distance);

  return g_test_run ();
}
