/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options: defaults, ranges, and what goes before what. */

#include <string.h>

#include "options.h"
#include "png-io.h"
#include "support.h"

#define WORDS(...) ((gchar *[]) { __VA_ARGS__, NULL })

static CliOptions *
parse (PalIntent intent,
       gchar   **words)
{
  GError     *error   = NULL;
  CliOptions *options = cli_options_parse (intent, words, &error);

  g_assert_no_error (error);

  return options;
}

static void
test_defaults (void)
{
  g_autoptr (CliOptions) o = parse (PAL_FILL, WORDS ("a/b.png", "-p", "x"));
  g_autoptr (CliOptions) g = parse (PAL_GENERATE, WORDS ("-p", "x"));

  g_assert_cmpstr (o->input, ==, "a/b.png");
  g_assert_cmpstr (o->output, ==, "a/b-fill.png");
  g_assert_cmpstr (g->output, ==, "palimpsest-generated.png");
  g_assert_cmpint (o->n_variants, ==, 1);
  g_assert_cmpfloat (o->strength, ==, 0);
  g_assert_cmpint (o->steps, ==, 0);
  g_assert_null (o->sampler);
  g_assert_null (o->negative_prompt);
}

static void
test_all (void)
{
  g_autoptr (CliOptions) o =
    parse (PAL_RESTYLE, WORDS ("a.png", "--prompt", "x", "--negative", "y", "-o", "out.png", "-m",
                               "m.png", "--invert-mask", "--strength", "0.5", "--steps", "7",
                               "--guidance", "2.5", "--sampler", "ddim", "--eta", "1", "--seed",
                               "18446744073709551615", "--random", "philox", "--variants", "3",
                               "--schedule", "karras", "--s-noise", "1.1",
                               "--clip-skip", "2", "--json", "-q", "-d", "cpu", "-M",
                               "models/m"));

  g_assert_cmpstr (o->prompt, ==, "x");
  g_assert_cmpstr (o->negative_prompt, ==, "y");
  g_assert_cmpstr (o->output, ==, "out.png");
  g_assert_cmpstr (o->mask, ==, "m.png");
  g_assert_true (o->invert_mask && o->json && o->quiet);
  g_assert_cmpfloat (o->strength, ==, 0.5);
  g_assert_cmpint (o->steps, ==, 7);
  g_assert_cmpfloat (o->guidance, ==, 2.5);
  g_assert_cmpstr (o->sampler, ==, "ddim");
  g_assert_cmpstr (o->schedule, ==, "karras");
  g_assert_cmpfloat (o->eta, ==, 1);
  g_assert_cmpfloat (o->s_noise, ==, 1.1);
  g_assert_cmpint (o->clip_skip, ==, 2);
  g_assert_cmpuint (o->seed, ==, G_MAXUINT64);
  g_assert_cmpint ((gint) o->random, ==, PAL_RANDOM_PHILOX);
  g_assert_cmpint (o->n_variants, ==, 3);
  g_assert_cmpstr (o->device, ==, "cpu");
  g_assert_cmpstr (o->model, ==, "models/m");
}

/* A name may have colons; a strength is what follows the last. */
static void
test_adapters (void)
{
  static const PalAdapter expected[] = { { "a.safetensors", 1.0 }, { "b:c.safetensors", -0.5 },
                                         { "d:e", 1.0 }, { "f:", 1.0 } };
  g_autoptr (CliOptions) o =
    parse (PAL_GENERATE, WORDS ("-p", "x", "--lora", "a.safetensors", "--lora",
                                "b:c.safetensors:-0.5", "--lora", "d:e", "--lora", "f:",
                                "--image-guidance", "1.25"));
  g_autoptr (CliOptions) none = parse (PAL_GENERATE, WORDS ("-p", "x"));

  g_assert_null (none->adapters);
  g_assert_cmpfloat (o->image_guidance, ==, 1.25);
  g_assert_cmpuint (o->adapters->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < o->adapters->len; i++)
    {
      const PalAdapter *adapter = &g_array_index (o->adapters, PalAdapter, i);

      g_assert_cmpstr (adapter->path, ==, expected[i].path);
      g_assert_cmpfloat (adapter->strength, ==, expected[i].strength);
    }
}

static const struct { PalIntent intent; const gchar *words, *message; } wrong[] = {
  { PAL_GENERATE, "-p x --lora a:11", "--lora a:11: the strength must be from -10 to 10" },
  { PAL_FILL, "a.png -p x --image-guidance 0.5", "--image-guidance is out of its range" },
  { PAL_FILL, "-p x", "an input file is missing" },
  { PAL_FILL, "a.png b.png -p x", "\"b.png\" is too many" },
  { PAL_FILL, "a.png", "a prompt is missing" },
  { PAL_GENERATE, "a.png -p x", "takes no input file" },
  { PAL_GENERATE, "-p x --mask m.png", "Unknown option" },
  { PAL_FILL, "a.png -p x --size 8x8", "Unknown option" },
  { PAL_FILL, "a.png -p x --colour", "Unknown option" },
  { PAL_FILL, "a.png -p x --strength 0", "--strength is out of its range" },
  { PAL_FILL, "a.png -p x --strength 1.01", "--strength is out of its range" },
  { PAL_FILL, "a.png -p x --strength -1", "--strength is out of its range" },
  { PAL_FILL, "a.png -p x --strength nan", "--strength is out of its range" },
  { PAL_FILL, "a.png -p x --strength half", "Cannot parse" },
  { PAL_FILL, "a.png -p x --steps 0", "--steps is out of its range" },
  { PAL_FILL, "a.png -p x --steps 1001", "--steps is out of its range" },
  { PAL_FILL, "a.png -p x --steps 5x", "Cannot parse" },
  { PAL_FILL, "a.png -p x --guidance 0.5", "--guidance is out of its range" },
  { PAL_FILL, "a.png -p x --guidance inf", "--guidance is out of its range" },
  { PAL_FILL, "a.png -p x --eta 2", "--eta is out of its range" },
  { PAL_FILL, "a.png -p x --variants 0", "--variants is out of its range" },
  { PAL_FILL, "a.png -p x --seed -1", "--seed is a whole number" },
  { PAL_FILL, "a.png -p x --seed 18446744073709551616", "--seed is a whole number" },
  { PAL_FILL, "a.png -p x --seed many", "--seed is a whole number" },
  { PAL_FILL, "a.png -p x --random dice", "--random is torch or philox" },
  { PAL_FILL, "a.png -p x --sampler magic", "there is no sampler \"magic\"" },
  { PAL_GENERATE, "-p x --size 8x", "--size is a size" },
  { PAL_GENERATE, "-p x --size 0x8", "--size is a size" },
  { PAL_GENERATE, "-p x --size 1x2x3", "--size is a size" },
};

static void
test_wrong (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_auto (GStrv) words = g_strsplit (wrong[i].words, " ", -1);
      GError        *error = NULL;

      g_assert_null (cli_options_parse (wrong[i].intent, words, &error));
      g_assert_error (error, CLI_ERROR, CLI_EXIT_USAGE);
      if (! strstr (error->message, wrong[i].message))
        g_error ("expected \"%s\" in \"%s\"", wrong[i].message, error->message);
      g_clear_error (&error);
    }
}

/* Options stand before the recipe, the recipe before the defaults. */
static void
test_recipe (void)
{
  gchar                 *folder = support_folder ();
  g_autofree gchar      *path   = g_build_filename (folder, "r.png", NULL);
  g_autoptr (CliPng)     png    = cli_png_new (1, 1, 1, 8);
  g_autoptr (CliOptions) o      = NULL;
  GError                *error  = NULL;

  cli_png_set_text (png, "parameters",
                    "ünder\nNegative prompt: n\nSteps: 9, Sampler: Heun, CFG scale: 4, Seed: 77,"
                    " Size: 64x48, Model: m, Denoising strength: 0.3, RNG: NV");
  g_assert_true (cli_png_write (png, path, NULL));

  o = parse (PAL_FILL, WORDS ("a.png", "--from", path, "--steps", "5", "-n", "other"));
  g_assert_cmpstr (o->prompt, ==, "ünder");
  g_assert_cmpstr (o->negative_prompt, ==, "other");
  g_assert_cmpint (o->steps, ==, 5);
  g_assert_cmpstr (o->sampler, ==, "heun");
  g_assert_cmpfloat (o->guidance, ==, 4);
  g_assert_cmpfloat (o->strength, ==, 0.3);
  g_assert_cmpuint (o->seed, ==, 77);
  g_assert_cmpint ((gint) o->random, ==, PAL_RANDOM_PHILOX);
  g_assert_cmpstr (o->recipe_model, ==, "m");
  g_assert_cmpint (o->width, ==, 64);

  cli_png_set_text (png, "parameters", "x\nSteps: 9, Seed: 77, Adapters: \"a.safetensors:0.8\"");
  g_assert_true (cli_png_write (png, path, NULL));
  g_assert_null (cli_options_parse (PAL_FILL, WORDS ("a.png", "--from", path), &error));
  g_assert_error (error, CLI_ERROR, CLI_EXIT_USAGE);
  g_assert_nonnull (strstr (error->message, "a.safetensors:0.8"));
  g_clear_error (&error);
  cli_options_free (parse (PAL_FILL, WORDS ("a.png", "--from", path, "--lora", "b")));

  cli_png_set_text (png, "parameters", "no settings");
  g_assert_true (cli_png_write (png, path, NULL));
  g_assert_null (cli_options_parse (PAL_FILL, WORDS ("a.png", "--from", path), &error));
  g_assert_error (error, CLI_ERROR, CLI_EXIT_FAILED);
  g_clear_error (&error);

  g_ptr_array_set_size (png->texts, 0);
  g_assert_true (cli_png_write (png, path, NULL));
  g_assert_null (cli_options_parse (PAL_FILL, WORDS ("a.png", "--from", path), &error));
  g_assert_error (error, CLI_ERROR, CLI_EXIT_FAILED);
  g_clear_error (&error);

  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_set_prgname ("palimpsest test");
  g_test_add_func ("/options/defaults", test_defaults);
  g_test_add_func ("/options/all", test_all);
  g_test_add_func ("/options/adapters", test_adapters);
  g_test_add_func ("/options/wrong", test_wrong);
  g_test_add_func ("/options/recipe", test_recipe);

  return g_test_run ();
}
