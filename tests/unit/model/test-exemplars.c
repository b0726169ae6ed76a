/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model's exemplar memory: which words recall what, which exemplar suits, and folders
 * that are wrong in one way. What is recalled, default-fill of the reference cases says. */

#include "family/exemplars.h"

#include <string.h>

#include "base/error.h"
#include "support.h"

#define CHANNELS 2
#define SIDE 3
#define CELLS (SIDE * SIDE * CHANNELS)

/* Exemplars of one value a channel: grass.0 is 10, 20; grass.1 30, 40; sky.0 50, 60 ... */
static const gchar *const names[] = { "grass.0", "grass.1", "grass.2", "night sky.0", "sand.0",
                                     "sky.0" };

static const gchar good[] =
  "{\"form_channels\": 1, \"stage_above\": [0.5, 0], \"stage_side\": [3, 3], "
  "\"stage_channels\": [1, 2], \"nearest\": 2, \"form_smooth_of\": {\"sky\": 9}, "
  "\"above\": [\"sky\"], \"tilt\": 3, \"whole_above\": 0.5, "
  "\"words\": {\"grass\": \"grass\", \"lawn\": \"grass\", \"sky\": \"sky\", \"sand\": \"sand\", "
  "\"night sky\": \"night sky\"}}";

static gchar *
make_folder (const gchar *config)
{
  gchar *folder = support_folder ();
  g_autoptr (GString) header = g_string_new ("{");
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const gfloat scale[CHANNELS] = { 0.5f, 2.0f };
  guint64 length;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_string_append_printf (header, "\"%s\": {\"dtype\": \"I8\", \"shape\": [%d, %d, %d], "
                            "\"data_offsets\": [%u, %u]}, ", names[i], SIDE, SIDE, CHANNELS,
                            i * CELLS, (i + 1) * CELLS);
  g_string_append_printf (header, "\"scale\": {\"dtype\": \"F32\", \"shape\": [%d], "
                          "\"data_offsets\": [%u, %u]}}", CHANNELS,
                          (guint) G_N_ELEMENTS (names) * CELLS,
                          (guint) (G_N_ELEMENTS (names) * CELLS + sizeof scale));

  length = GUINT64_TO_LE (header->len);
  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header->str, (guint) header->len);
  for (guint i = 0; i < G_N_ELEMENTS (names) * CELLS; i++)
    {
      guint8 value = (guint8) (20 * (i / CELLS) + 10 + 10 * (i % CHANNELS));

      g_byte_array_append (bytes, &value, 1);
    }
  g_byte_array_append (bytes, (const guint8 *) scale, sizeof scale);

  support_write (folder, "config.json", config, -1);
  support_write (folder, "exemplars.safetensors", bytes->data, bytes->len);

  return folder;
}

static PalExemplars *
open_good (gchar **folder)
{
  GError *error = NULL;
  PalExemplars *exemplars;

  *folder = make_folder (good);
  exemplars = pal_exemplars_open (*folder, CHANNELS, &error);
  g_assert_no_error (error);

  return exemplars;
}

static void
test_words (void)
{
  static const struct
  {
    const gchar *prompt, *labels[3];
  } rows[] = {
    { "grass", { "grass" } },
    { "A patch of LAWN", { "grass" } },
    { "night sky", { "night sky" } },
    { "lawn under sky", { "grass", "sky" } },
    { "grass and lawn", { "grass" } },
    { "grasshopper", { NULL } },
    { "skyline", { NULL } },
    { "grass, sky, and another: night sky", { "grass", "night sky" } },
    { "sand and grass under a night sky", { NULL } },
    { "", { NULL } },
  };
  gchar *folder;
  g_autoptr (PalExemplars) exemplars = open_good (&folder);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const PalExemplarLabel *labels[PAL_EXEMPLARS_MAX_LABELS];
      guint n = pal_exemplars_labels (exemplars, rows[i].prompt, labels);

      g_test_message ("%s", rows[i].prompt);
      for (guint k = 0; k < n; k++)
        g_assert_cmpstr (labels[k]->name, ==, rows[i].labels[k]);
      g_assert_null (rows[i].labels[n]);
    }

  support_remove (folder);
}

/* The label that a word stands for. */
static const PalExemplarLabel *
label_of (const PalExemplars *exemplars, const gchar *word)
{
  const PalExemplarLabel *labels[PAL_EXEMPLARS_MAX_LABELS];

  g_assert_cmpuint (pal_exemplars_labels (exemplars, word, labels), ==, 1);

  return labels[0];
}

/* Means of the first channel: 5, 15, 25. Of the two nearest to 24, the seed takes one. */
static void
test_choice (void)
{
  const gfloat form = 24.0f;
  gfloat out[CELLS];
  gchar *folder;
  g_autoptr (PalExemplars) exemplars = open_good (&folder);
  const PalExemplarLabel *grass = label_of (exemplars, "grass"), *sky = label_of (exemplars, "sky");
  const PalExemplar *nearest = pal_exemplars_choose (exemplars, grass, &form, 4);
  const PalExemplar *next = pal_exemplars_choose (exemplars, grass, &form, 7);

  g_assert_cmpfloat (nearest->mean[0], ==, 25.0f);
  g_assert_cmpfloat (nearest->mean[1], ==, 120.0f);
  g_assert_cmpfloat (next->mean[0], ==, 15.0f);
  g_assert_cmpfloat (grass->mean[0], ==, 15.0f);
  g_assert_cmpfloat (pal_exemplars_distance (exemplars, grass, &form), ==, 1.0);

  g_assert_true (sky->above);
  g_assert_false (grass->above);
  g_assert_cmpfloat (sky->smooth, ==, 9.0);
  g_assert_cmpfloat (grass->smooth, ==, 4.0);

  pal_exemplars_read (exemplars, nearest, out);
  for (gsize i = 0; i < CELLS; i++)
    g_assert_cmpfloat (out[i], ==, 0.0f);

  support_remove (folder);
}

typedef struct
{
  const gchar *name, *from, *to;     /* good with from replaced by to */
  gint         code;
  const gchar *text;
} Wrong;

static const Wrong wrong[] = {
  { "form", "\"form_channels\": 1", "\"form_channels\": 3", PAL_ERROR_FORMAT, "form_channels" },
  { "rising", "[0.5, 0]", "[0, 0.5]", PAL_ERROR_FORMAT, "stage_above" },
  { "never clean", "[0.5, 0]", "[0.5, 0.1]", PAL_ERROR_FORMAT, "stage_above" },
  { "lengths", "[0.5, 0]", "[0]", PAL_ERROR_FORMAT, "as long as" },
  { "even side", "\"stage_side\": [3, 3]", "\"stage_side\": [3, 4]", PAL_ERROR_FORMAT, "odd" },
  { "channels", "\"stage_channels\": [1, 2]", "\"stage_channels\": [1, 3]", PAL_ERROR_FORMAT,
    "stage_channels" },
  { "too small", "\"stage_side\": [3, 3]", "\"stage_side\": [5, 3]", PAL_ERROR_WEIGHT,
    "\"grass.0\" must be I8 of [5" },
  { "tilt", "\"tilt\": 3", "\"tilt\": -3", PAL_ERROR_FORMAT, "\"tilt\"" },
  { "whole", "\"whole_above\": 0.5", "\"whole_above\": 2", PAL_ERROR_FORMAT,
    "\"whole_above\"" },
  { "smooth", "\"sky\": 9", "\"sky\": 100", PAL_ERROR_FORMAT, "\"sky\"" },
  { "weight", "\"nearest\"", "\"around_weight\": -1, \"nearest\"", PAL_ERROR_FORMAT,
    "around_weight" },
  { "alike", "\"nearest\"", "\"around_alike\": 0, \"nearest\"", PAL_ERROR_FORMAT,
    "around_alike" },
  { "own colour", "\"nearest\"", "\"own_colour\": 2, \"nearest\"", PAL_ERROR_FORMAT,
    "own_colour" },
  { "nearest", "\"nearest\": 2", "\"nearest\": 0", PAL_ERROR_FORMAT, "nearest" },
  { "no label", "\"lawn\": \"grass\"", "\"lawn\": \"moss\"", PAL_ERROR_WEIGHT, "moss.0" },
  { "no words", "\"words\"", "\"other\"", PAL_ERROR_FORMAT, "\"words\"" },
  { "label type", "\"lawn\": \"grass\"", "\"lawn\": 3", PAL_ERROR_FORMAT, "lawn" },
};

static void
test_wrong (gconstpointer data)
{
  const Wrong *row = data;
  g_auto (GStrv) parts = g_strsplit (good, row->from, 2);
  g_autofree gchar *config = g_strjoinv (row->to, parts);
  gchar *folder = make_folder (config);
  GError *error = NULL;

  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  g_assert_null (pal_exemplars_open (folder, CHANNELS, &error));
  g_assert_nonnull (strstr (error->message, folder));
  support_assert_error (error, row->code, row->text);
  g_error_free (error);

  support_remove (folder);
}

/* For a codec of other channels. */
static void
test_other_codec (void)
{
  gchar *folder = make_folder (good);
  GError *error = NULL;

  g_assert_null (pal_exemplars_open (folder, CHANNELS + 1, &error));
  support_assert_error (error, PAL_ERROR_WEIGHT, "\"scale\"");
  g_error_free (error);

  support_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/exemplars/words", test_words);
  g_test_add_func ("/exemplars/choice", test_choice);
  g_test_add_func ("/exemplars/other-codec", test_other_codec);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autofree gchar *path = g_strconcat ("/exemplars/wrong/", wrong[i].name, NULL);

      g_test_add_data_func (path, &wrong[i], test_wrong);
    }

  return g_test_run ();
}
