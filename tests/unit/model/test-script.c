/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a small model is told of prompts with weights, steps and many words, against
 * numbers computed elsewhere (tests/tools/prompt-states.py). */

#include "device-support.h"

#include <math.h>
#include <string.h>

#include "family/script.h"
#include "io/json.h"

#define TOLERANCE 2e-5
#define MOST_VALUES 4096

static PalModel *
open_named (const gchar *name)
{
  g_autofree gchar *path = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", name,
                                             NULL);
  g_autoptr (GError) error = NULL;
  PalModel *model = pal_model_open (test_device (), path, &error);

  g_assert_no_error (error);
  return model;
}

static PalModel *
open_model (void)
{
  return open_named ("sd15-tiny");
}

static PalScript *
read_script (PalModel *model, const gchar *prompt, guint n_steps)
{
  g_autoptr (GError) error = NULL;
  PalScript *script = pal_script_new (model, &(PalScriptSetup) { prompt, n_steps, 0 }, NULL, NULL,
                                      &error);

  g_assert_no_error (error);
  return script;
}

static void
check_states (PalJson *json, guint i, const PalCondition *c)
{
  g_autofree gchar *chunks = g_strdup_printf ("chunks.%u", i);
  g_autofree gchar *states = g_strdup_printf ("states.%u", i);
  g_autofree gdouble *want = g_new (gdouble, MOST_VALUES);
  gint64 rows[16], channels = 0, n_chunks = 0;
  guint n_rows = 0, n = 0, at = 0;

  g_assert_true (pal_json_int (json, chunks, &n_chunks, NULL));
  g_assert_true (pal_json_int (json, "channels", &channels, NULL));
  g_assert_true (pal_json_ints (json, "rows", rows, G_N_ELEMENTS (rows), &n_rows, NULL));
  g_assert_true (pal_json_doubles (json, states, want, MOST_VALUES, &n, NULL));
  g_assert_cmpint (c->tokens, ==, n_chunks * 77);
  g_assert_cmpuint (n, ==, (guint) (n_chunks * channels) * n_rows);

  for (gint64 chunk = 0; chunk < n_chunks; chunk++)
    for (guint r = 0; r < n_rows; r++)
      {
        const gfloat *row = c->states + (chunk * 77 + rows[r]) * c->channels;

        for (gint64 k = 0; k < channels; k++, at++)
          g_assert_cmpfloat_with_epsilon ((gdouble) row[k], want[at], TOLERANCE);
      }
}

static void
test_states (void)
{
  g_autofree gchar *path = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "prompts.json",
                                             NULL);
  g_autoptr (PalJson) json = pal_json_load (path, NULL);
  g_autoptr (PalModel) model = open_model ();
  g_auto (GStrv) prompts = NULL;

  g_assert_nonnull (json);
  g_assert_true (pal_json_strings (json, "prompts", &prompts, NULL));
  g_assert_cmpuint (g_strv_length (prompts), >=, 6);

  for (guint i = 0; prompts[i]; i++)
    {
      g_autoptr (PalScript) script = read_script (model, prompts[i], 4);

      check_states (json, i, pal_script_at (script, 3));
    }
}

/* A prompt without signs: the same bits as without this all. */
static void
test_plain (void)
{
  g_autoptr (PalModel) model = open_model ();
  g_autoptr (PalScript) script = read_script (model, "a wooden bench, old", 9);
  const PalCondition *got = pal_script_at (script, 0);
  g_auto (PalCondition) want = { 0 };

  g_assert_true (pal_model_condition (model, "a wooden bench, old", &want, NULL, NULL, NULL));
  g_assert_cmpint (got->tokens, ==, want.tokens);
  g_assert_cmpmem (got->states, (gsize) (got->tokens * got->channels) * sizeof (gfloat),
                   want.states, (gsize) (want.tokens * want.channels) * sizeof (gfloat));
  g_assert_true (pal_script_at (script, 8) == got);
}

/* Two encoders side by side: each chunk of a prompt as if it were the only one, and beside them
 * all the pooled state of the first. No prompt at all is zeros. */
static void
test_encoders (void)
{
  g_autoptr (PalModel) model = open_named ("sdxl-tiny");
  g_autoptr (PalScript) script = read_script (model, "a cat BREAK a dog", 2);
  g_autoptr (PalScript) none = read_script (model, NULL, 2);
  const PalCondition *got = pal_script_at (script, 0), *zero = pal_script_at (none, 0);
  const gchar *const chunks[] = { "a cat", "a dog" };

  g_assert_cmpuint (pal_model_n_encoders (model), ==, 2);
  g_assert_cmpint (got->tokens, ==, 2 * 77);

  for (gsize i = 0; i < G_N_ELEMENTS (chunks); i++)
    {
      g_auto (PalCondition) want = { 0 };
      gsize n;

      g_assert_true (pal_model_condition (model, chunks[i], &want, NULL, NULL, NULL));
      n = (gsize) (want.tokens * want.channels);
      g_assert_cmpint (got->channels, ==, want.channels);
      g_assert_cmpint (got->n_sizes, ==, 6);
      g_assert_cmpmem (got->states + i * n, n * sizeof (gfloat), want.states,
                       n * sizeof (gfloat));
      g_assert_cmpint (memcmp (got->vector, want.vector,
                               (gsize) want.vector_channels * sizeof (gfloat)) == 0, ==, i == 0);
    }

  for (gint64 i = 0; i < zero->tokens * zero->channels; i++)
    g_assert_cmpfloat (zero->states[i], ==, 0.0f);

  pal_script_place (script, &(PalPlacement) { 640, 480, 1, 2, 320, 240 }, FALSE);
  g_assert_cmpfloat (got->sizes[0], ==, 480.0f);
  g_assert_cmpfloat (got->sizes[5], ==, 320.0f);
}

static gboolean
says (PalModel *model, const PalCondition *c, const gchar *prompt)
{
  g_autoptr (PalScript) script = read_script (model, prompt, 1);
  const PalCondition *want = pal_script_at (script, 0);

  return c->tokens == want->tokens &&
         memcmp (c->states, want->states,
                 (gsize) (c->tokens * c->channels) * sizeof (gfloat)) == 0;
}

static void
test_steps (void)
{
  g_autoptr (PalModel) model = open_model ();
  g_autoptr (PalScript) turns = read_script (model, "a [cat|dog]", 6);
  g_autoptr (PalScript) change = read_script (model, "[cat:dog:0.5]", 6);

  for (guint step = 0; step < 6; step++)
    {
      g_assert_true (says (model, pal_script_at (turns, step), step % 2 ? "a dog" : "a cat"));
      g_assert_true (says (model, pal_script_at (change, step), step < 3 ? "cat" : "dog"));
    }
  g_assert_true (pal_script_at (turns, 0) == pal_script_at (turns, 4));
  g_assert_true (pal_script_at (change, 99) == pal_script_at (change, 5));
}

static void
denoise (PalModel *model, const PalCondition *c, gfloat *out)
{
  const PalUnetConfig *unet = pal_model_unet (model);
  gsize n = 64 * (gsize) unet->in_channels;
  g_autofree gfloat *x = g_new (gfloat, n);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < n; i++)
    x[i] = (gfloat) sin (0.7 * (gdouble) i);

  pal_model_denoise (model, &(PalDenoise) { .batch = 1, .width = 8, .height = 8, .x = x,
                                            .timestep = 500.0, .tokens = c->tokens,
                                            .context = c->states }, out, NULL, &error);
  g_assert_no_error (error);
}

/* A copy says the same, and what is done to it leaves the original alone. */
static void
test_copy (void)
{
  g_autoptr (PalModel) model = open_model ();
  g_autoptr (PalScript) script = read_script (model, "a [cat|dog]", 3);
  g_autoptr (PalScript) copy = pal_script_copy (script);
  g_autoptr (PalScript) two = read_script (model, "a BREAK b", 3);

  pal_script_align (copy, two);
  g_assert_cmpint (pal_script_at (copy, 1)->tokens, ==, 2 * 77);
  for (guint step = 0; step < 3; step++)
    g_assert_true (says (model, pal_script_at (script, step), step % 2 ? "a dog" : "a cat"));
}

/* What is told beforehand of the length that texts come to. */
static void
test_tokens (void)
{
  static const struct { const gchar *text; gint64 chunks; } rows[] = {
    { "a cat", 1 }, { "", 1 }, { "a BREAK b", 2 }, { "[a BREAK b:a BREAK b BREAK c:0.5]", 6 },
    /* 72 chunks would be too many */
    { "[a BREAK b BREAK c BREAK d BREAK e BREAK f BREAK g BREAK h:"
      "a BREAK b BREAK c BREAK d BREAK e BREAK f BREAK g BREAK h BREAK i:0.5]", 9 },
  };
  g_autoptr (PalModel) model = open_model ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (PalScript) script = read_script (model, rows[i].text, 4);
      PalScriptSetup setup = { rows[i].text, 4, 0 };

      pal_script_align (script, NULL);
      g_assert_cmpint (pal_script_at (script, 0)->tokens, ==, rows[i].chunks * 77);
      g_assert_cmpint (pal_script_tokens (model, &setup, 1), ==, rows[i].chunks * 77);
    }
}

/* Texts of two and three chunks come to one length, and the denoiser takes each for
 * what it was. */
static void
test_align (void)
{
  g_autoptr (PalModel) model = open_model ();
  g_autoptr (PalScript) two = read_script (model, "cat BREAK dog", 1);
  g_autoptr (PalScript) three = read_script (model, "a BREAK b BREAK c", 1);
  gsize n = 64 * (gsize) pal_model_unet (model)->out_channels;
  g_autofree gfloat *before = g_new (gfloat, n);
  g_autofree gfloat *after = g_new (gfloat, n);

  denoise (model, pal_script_at (two, 0), before);
  pal_script_align (two, three);
  g_assert_cmpint (pal_script_at (two, 0)->tokens, ==, 6 * 77);
  g_assert_cmpint (pal_script_at (three, 0)->tokens, ==, 6 * 77);
  denoise (model, pal_script_at (two, 0), after);

  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon ((gdouble) before[i], (gdouble) after[i], 1e-5);
}

/* 1 is the last layer, and there are no more than the encoder has. */
static void
test_clip_skip (void)
{
  g_autoptr (PalModel) model = open_model ();
  gint layers = pal_model_clip (model, 0)->layers;

  for (gint skip = 0; skip <= layers + 1; skip++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PalScript) script = pal_script_new (model, &(PalScriptSetup) { "cat", 1, skip },
                                                     NULL, NULL, &error);

      if (skip > layers)
        g_assert_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT);
      else
        g_assert_cmpint (says (model, pal_script_at (script, 0), "cat"), ==, skip < 2);
    }
}

static void
test_rules (void)
{
  g_autoptr (PalModel) model = open_model ();

  g_assert_nonnull (strstr (pal_model_info (model)->prompt_rules, "BREAK"));
  g_assert_null (strstr (pal_prompt_rules ("small"), "BREAK"));
}

gint
main (gint argc, gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/script/states", test_states);
  g_test_add_func ("/script/plain", test_plain);
  g_test_add_func ("/script/encoders", test_encoders);
  g_test_add_func ("/script/copy", test_copy);
  g_test_add_func ("/script/tokens", test_tokens);
  g_test_add_func ("/script/steps", test_steps);
  g_test_add_func ("/script/align", test_align);
  g_test_add_func ("/script/clip-skip", test_clip_skip);
  g_test_add_func ("/script/rules", test_rules);

  return device_test_run ();
}
