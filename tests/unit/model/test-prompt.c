/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a user is told of a prompt that a model can't follow in full. */

#include "family/family.h"

static gchar *const vocabulary[] = { "grass", "night sky", "Stone Wall", NULL };
static gchar *const styles[]     = { "sepia", NULL };

typedef struct
{
  const gchar *prompt;
  gboolean     closed;
  gsize        cut;
  const gchar *note;
} Row;

static const Row rows[] = {
  { "grass", TRUE, 0, NULL },
  { "a stone wall at night, sepia", TRUE, 0, NULL },
  { "Grass under the SKY", TRUE, 0, NULL },
  { "a red dragon on grass, a dragon", TRUE, 0, "not known to this model: red, dragon" },
  { "monochrome grass", TRUE, 0, NULL },
  { "", TRUE, 0, NULL },
  { "Gr\xff" "ass", TRUE, 0, "not known to this model: gr, ass" },
  { "\303\204pfel", TRUE, 0, "not known to this model: \303\244pfel" },
  { "a red dragon", FALSE, 0, NULL },
  { "a red dragon", FALSE, 3, "the prompt is too long: its last 3 tokens were left out" },
  { "dragon", TRUE, 3,
    "not known to this model: dragon; the prompt is too long: its last 3 tokens were left out" },
};

static void
test_note (gconstpointer data)
{
  const Row *row = data;
  const PalModelInfo closed = { .vocabulary = (gchar **) vocabulary, .styles = (gchar **) styles };
  const PalModelInfo open = { .path = NULL };
  g_autoptr (PalJson) extra =
    pal_json_parse ("{\"style_words\": {\"sepia\": [\"monochrome\"]}}", -1, "extra", NULL);
  g_autofree gchar *note = pal_prompt_note (row->closed ? &closed : &open, extra, row->prompt,
                                            row->cut);

  g_assert_cmpstr (note, ==, row->note);
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

  return g_test_run ();
}
