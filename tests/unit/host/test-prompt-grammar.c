/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The grammar of prompts: weights, steps, wildcards, chunks. */

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "support.h"
#include "text/prompt-chunks.h"

#define STEPS 10

/* "a *1.1(b) /" for a part "a ", one "b" of weight 1.1, and a break. */
static gchar *
shown (const GPtrArray *parts,
       guint            step)
{
  g_autoptr (GPtrArray) here = pal_prompt_at (parts, step);
  g_autoptr (GString)   text = g_string_new (NULL);

  for (guint i = 0; i < here->len; i++)
    {
      const PalPromptPart *part = g_ptr_array_index (here, i);

      if (part->weight == 1.0)
        g_string_append (text, part->text);
      else
        g_string_append_printf (text, "*%.4g(%s)", part->weight, part->text);
      if (part->breaks)
        g_string_append_c (text, '/');
    }

  return g_string_free (g_steal_pointer (&text), FALSE);
}

static const struct { const gchar *text; guint step; const gchar *want; } rows[] = {
  /* no signs, or signs without partners */
  { "a cat, sitting", 0, "a cat, sitting" },
  { "", 0, "" },
  { ":) and (: or ][", 0, ":) and (: or ][" },
  { "C:\\temp {x} a|b", 3, "C:\\temp {x} a|b" },
  { "BREAKFAST", 0, "BREAKFAST" },

  /* weights */
  { "a (red) car", 0, "a *1.1(red) car" },
  { "((x))", 0, "*1.21(x)" },
  { "[x]", 0, "*0.9091(x)" },
  { "([x])", 0, "x" },
  { "(x:1.3)", 0, "*1.3(x)" },
  { "(x: 0.5 )", 0, "*0.5(x)" },
  { "(a (b:2) c:1.5)", 0, "*1.5(a )*3(b)*1.5( c)" },
  { "(a:b)", 0, "*1.1(a:b)" },
  { "(a:b:2)", 0, "*2(a:b)" },
  { "(x:1e9)", 0, "*1.1(x:1e9)" },
  { "(x:99999)", 0, "*100(x)" },
  { "(x:-1)", 0, "*-1(x)" },
  { "(x:1.2", 0, "(x:1.2" },
  { "a (b [c) d]", 0, "a *1.1(b [c) d]" },

  /* signs as characters */
  { "\\(x\\)", 0, "(x)" },
  { "(\\):2)", 0, "*2())" },
  { "\\[a\\|b\\]", 1, "[a|b]" },
  { "a\\\\b", 0, "a\\b" },

  /* steps */
  { "[a|b]", 0, "a" },
  { "[a|b]", 1, "b" },
  { "[a|b|c] x", 5, "c x" },
  { "[a|]", 1, "" },
  { "[a|[b|c]]", 0, "a" },
  { "[a|[b|c]]", 1, "c" },
  { "[a|[b|c|d]]", 3, "b" },
  { "[a|[b|c|d]]", 5, "d" },
  { "[a|(b:2)]", 1, "*2(b)" },
  { "[a:b:0.4]", 3, "a" },
  { "[a:b:0.4]", 4, "b" },
  { "[a:b:7]", 6, "a" },
  { "[a:b:7]", 7, "b" },
  { "[a::3]x", 2, "ax" },
  { "[a::3]x", 3, "x" },
  { "[b:3]x", 2, "x" },
  { "[b:3]x", 3, "bx" },
  { "[[a|b]:c:4]", 3, "b" },
  { "[[a|b]:c:4]", 4, "c" },
  { "([a:b:0.5]:2)", 9, "*2(b)" },
  { "[a:b:99]", 9, "a" },
  { "[a:b:-1]", 0, "b" },

  /* chunks */
  { "a BREAK b", 0, "a / b" },
  { "(a BREAK b:2)", 0, "*2(a )/*2( b)" }
};

static void
test_parts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GPtrArray) parts = pal_prompt_parse (rows[i].text, STEPS);
      g_autofree gchar     *got   = shown (parts, rows[i].step);

      if (! g_str_equal (got, rows[i].want))
        g_error ("\"%s\" at step %u is \"%s\", not \"%s\"", rows[i].text, rows[i].step, got,
                 rows[i].want);
    }
}

/* Many lone brackets are themselves, many options take turns; a reader that went back for
 * each would not come to an end before the test's time is over. */
static void
test_large (void)
{
  g_autofree gchar     *open  = g_strnfill (200000, '(');
  g_autofree gchar     *bars  = g_strnfill (200000, '|');
  g_autofree gchar     *turns = g_strdup_printf ("[a|b%s]", bars);
  g_autoptr (GPtrArray) lone  = pal_prompt_parse (open, STEPS);
  g_autoptr (GPtrArray) many  = pal_prompt_parse (turns, STEPS);
  g_autofree gchar     *all   = shown (lone, 0);
  g_autofree gchar     *first = shown (many, 0);
  g_autofree gchar     *next  = shown (many, 1);

  g_assert_cmpstr (all, ==, open);
  g_assert_cmpstr (first, ==, "a");
  g_assert_cmpstr (next, ==, "b");
}

static gchar *
read_file (gpointer      data,
           const gchar  *name,
           GError      **error)
{
  if (g_str_equal (name, "colours/warm"))
    return g_strdup ("# warm ones\nred\n\n  orange  \n");
  if (g_str_equal (name, "car"))
    return g_strdup ("a {fast|slow} __colours/warm__ car");
  if (g_str_equal (name, "loop"))
    return g_strdup ("__loop__");

  g_set_error (error, PAL_ERROR, PAL_ERROR_IO, "no file %s", name);

  return NULL;
}

static gchar *
expand (const gchar *text,
        guint64      seed)
{
  GError *error = NULL;
  gchar  *got   = pal_prompt_expand (text, seed, read_file, NULL, &error);

  g_assert_no_error (error);

  return got;
}

static void
test_expansion (void)
{
  static const struct { const gchar *text, *want; } plain[] = {
    { "a cat: (x:1.2) {one} _a_ __ ___", "a cat: (x:1.2) {one} _a_ __ ___" },
    { "#1 of all\na cat\n  # two\nsits", "a cat\nsits" },
    { "mug #1", "mug #1" },
    { "\\#1 \\{a|b\\} \\__car__ \\(x\\)", "#1 {a|b} __car__ \\(x\\)" },
    { "{a|a}b", "ab" },
    { "{[x|y]|[x|y]}", "[x|y]" }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (plain); i++)
    {
      g_autofree gchar *got = expand (plain[i].text, 5);

      g_assert_cmpstr (got, ==, plain[i].want);
    }
}

static void
test_choices (void)
{
  guint counts[3] = { 0 }, cars = 0;

  for (guint64 seed = 0; seed < 3000; seed++)
    {
      g_autofree gchar *got   = expand ("{a|b|c}", seed);
      g_autofree gchar *car   = expand ("{__car__|none}", seed);
      g_autofree gchar *again = expand ("{__car__|none}", seed);

      counts[got[0] - 'a']++;
      cars += g_str_has_prefix (car, "a fast ") && strstr (car, " orange car") != NULL;
      g_assert_cmpstr (car, ==, again);
    }

  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat (fabs (counts[i] - 1000.0), <, 120.0);
  g_assert_cmpfloat (fabs (cars - 3000.0 / 8.0), <, 75.0);
}

static void
test_endless (void)
{
  g_autoptr (GError) loop = NULL, missing = NULL;

  g_assert_null (pal_prompt_expand ("x __loop__", 1, read_file, NULL, &loop));
  g_assert_error (loop, PAL_ERROR, PAL_ERROR_ARGUMENT);
  g_assert_null (pal_prompt_expand ("__nothing__", 1, read_file, NULL, &missing));
  g_assert_error (missing, PAL_ERROR, PAL_ERROR_IO);
}

static PalClipTokenizer *
open_tokenizer (void)
{
  g_autofree gchar *folder = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models",
                                               "sd15-tiny", "tokenizer", NULL);
  GError           *error  = NULL;
  PalClipTokenizer *opened = pal_clip_tokenizer_open (folder, &error);

  g_assert_no_error (error);

  return opened;
}

static PalPromptChunks *
chunks_of (const PalClipTokenizer *tokenizer,
           const gchar            *text,
           gsize                   length)
{
  g_autoptr (GPtrArray) parts = pal_prompt_parse (text, 1);
  g_autoptr (GPtrArray) here  = pal_prompt_at (parts, 0);

  return pal_prompt_chunks_new (tokenizer, here, length);
}

/* A prompt without signs is what it is without this grammar. */
static void
test_plain_chunk (void)
{
  static const gchar *const    texts[]   = { "", "a cat", "a cat, sitting on 3 mats" };
  g_autoptr (PalClipTokenizer) tokenizer = open_tokenizer ();

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (PalPromptChunks) chunks = chunks_of (tokenizer, texts[i], 77);
      gint32                      want[77];

      g_assert_cmpuint (pal_clip_tokenizer_fixed (tokenizer, texts[i], 77, want), ==, 0);
      g_assert_cmpuint (chunks->n, ==, 1);
      g_assert_cmpmem (chunks->ids, 77 * sizeof (gint32), want, sizeof want);
      for (gsize t = 0; t < 77; t++)
        g_assert_cmpfloat (chunks->weights[t], ==, 1.0f);
    }
}

/* The tokens of all chunks in a row are those of the text. */
static void
test_long_prompt (void)
{
  const gchar                 *text      = "a cat and a dog and a bird and a fish and a cow";
  g_autoptr (PalClipTokenizer) tokenizer = open_tokenizer ();
  g_autoptr (PalPromptChunks)  chunks    = chunks_of (tokenizer, text, 7);
  g_autoptr (GArray)           all       = pal_clip_tokenizer_encode (tokenizer, text);
  gint32                       start     = g_array_index (all, gint32, 0);
  gint32                       end       = pal_clip_tokenizer_end_id (tokenizer);

  g_assert_cmpuint (chunks->n, ==, (all->len - 2 + 4) / 5);
  for (gsize c = 0; c < chunks->n; c++)
    {
      const gint32 *ids = chunks->ids + c * 7;
      gsize         n   = MIN (5, all->len - 2 - c * 5);

      g_assert_cmpint (ids[0], ==, start);
      g_assert_cmpmem (ids + 1, n * sizeof *ids, &g_array_index (all, gint32, 1 + c * 5),
                       n * sizeof *ids);
      g_assert_cmpint (ids[n + 1], ==, end);
    }
}

static void
test_weights_and_breaks (void)
{
  g_autoptr (PalClipTokenizer) tokenizer = open_tokenizer ();
  g_autoptr (PalPromptChunks)  chunks    = chunks_of (tokenizer, "a (cat:1.5) BREAK b", 77);
  g_autoptr (GArray)           cat       = pal_clip_tokenizer_encode (tokenizer, "cat");
  g_autoptr (GArray)           a         = pal_clip_tokenizer_encode (tokenizer, "a");
  gsize                        first     = a->len - 1, last = first + cat->len - 2;

  g_assert_cmpuint (chunks->n, ==, 2);
  for (gsize t = 0; t < 2 * 77; t++)
    g_assert_cmpfloat (chunks->weights[t], ==, t >= first && t < last ? 1.5f : 1.0f);
  g_assert_cmpint (chunks->ids[0], ==, chunks->ids[77]);
}

static void
test_emphasis (void)
{
  gfloat states[] = { 1.0f, 2.0f, 3.0f, 4.0f, -1.0f, 3.0f };
  gfloat zero[]   = { 1.0f, -1.0f, 2.0f, -2.0f };
  gfloat same[]   = { 0.1f, 0.3f };

  /* sums 12 before and 1 + 2 + 6 + 8 - 1 + 3 = 19 after */
  pal_prompt_emphasise (states, (gfloat[]) { 1.0f, 2.0f, 1.0f }, 3, 2);
  g_assert_cmpfloat_with_epsilon ((gdouble) states[0], 12.0 / 19.0, 1e-6);
  g_assert_cmpfloat_with_epsilon ((gdouble) states[3], 8.0 * 12.0 / 19.0, 1e-6);

  pal_prompt_emphasise (zero, (gfloat[]) { 1.0f, 2.0f }, 2, 2);
  g_assert_cmpfloat (zero[2], ==, 4.0f);

  pal_prompt_emphasise (same, (gfloat[]) { 1.0f, 1.0f }, 2, 1);
  g_assert_cmpfloat (same[0], ==, 0.1f);
  g_assert_cmpfloat (same[1], ==, 0.3f);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/prompt-grammar/parts", test_parts);
  g_test_add_func ("/prompt-grammar/large", test_large);
  g_test_add_func ("/prompt-grammar/expansion", test_expansion);
  g_test_add_func ("/prompt-grammar/choices", test_choices);
  g_test_add_func ("/prompt-grammar/endless", test_endless);
  g_test_add_func ("/prompt-grammar/plain-chunk", test_plain_chunk);
  g_test_add_func ("/prompt-grammar/long-prompt", test_long_prompt);
  g_test_add_func ("/prompt-grammar/weights-and-breaks", test_weights_and_breaks);
  g_test_add_func ("/prompt-grammar/emphasis", test_emphasis);

  return g_test_run ();
}
