/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recipes: written, read back, and those of other programs. */

#include <string.h>

#include "base/error.h"
#include "pal.h"
#include "support.h"

static const PalModelInfo model = {
  .title = "sd15", .steps = 25, .guidance = 7.5, .restyle_guidance = 2.5, .fill_strength = 1.0,
  .restyle_strength = 0.6, .sampler = (gchar *) "dpmpp-2m"
};

static PalRecipe *
parse (const gchar *text)
{
  GError    *error  = NULL;
  PalRecipe *recipe = pal_recipe_parse (text, &error);

  g_assert_no_error (error);

  return recipe;
}

static void
test_written (void)
{
  const PalRequest request = {
    .intent = PAL_RESTYLE, .prompt = "a cat,\nsitting", .negative_prompt = "blurry", .steps = 12,
    .guidance = 3.25, .strength = 0.4, .seed = 18446744073709551615u, .sampler = "euler-a",
    .schedule = "sgm-uniform", .s_noise = 1.05, .clip_skip = 2
  };
  g_autofree gchar *text = pal_recipe_format (&request, &model, 640, 480);

  g_assert_cmpstr (text, ==,
                   "a cat,\nsitting\nNegative prompt: blurry\n"
                   "Steps: 12, Sampler: Euler a, Schedule type: SGM Uniform, CFG scale: 3.25, "
                   "Seed: 18446744073709551615, Size: 640x480, Model: sd15, "
                   "Denoising strength: 0.4, Sigma noise: 1.05, Clip skip: 2, RNG: CPU, "
                   "Intent: restyle, Version: Palimpsest " PAL_VERSION);
}

/* Adapters by their names, and the image guidance of a model that takes instructions. */
static void
test_edited (void)
{
  const PalAdapter   adapters[] = { { "/home/x/a,b.safetensors", 0.8 }, { "c.pt", -1 } };
  const PalRequest   request    = { .intent = PAL_RESTYLE, .prompt = "x", .image_guidance = 1.25,
                                    .adapters = adapters, .n_adapters = 2 };
  PalModelInfo       edits      = model;
  g_autofree gchar     *text    = NULL;
  g_autoptr (PalRecipe) recipe  = NULL;

  edits.instructed = TRUE;
  text             = pal_recipe_format (&request, &edits, 8, 8);
  recipe           = parse (text);
  g_assert_cmpstr (recipe->adapters, ==, "a,b.safetensors:0.8; c.pt:-1");
  g_assert_cmpfloat (recipe->image_guidance, ==, 1.25);
  g_assert_null (strstr (text, "/home"));
}

/* What a request leaves to the model is written with the model's values. */
static void
test_defaults (void)
{
  const struct { PalIntent intent; gdouble guidance, strength; } rows[] = {
    { PAL_FILL, 7.5, 1.0 }, { PAL_RESTYLE, 2.5, 0.6 }, { PAL_GENERATE, 7.5, 0.0 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const PalRequest      request = { .intent = rows[i].intent, .prompt = "x" };
      g_autofree gchar     *text    = pal_recipe_format (&request, &model, 8, 8);
      g_autoptr (PalRecipe) recipe  = parse (text);

      g_assert_cmpint (recipe->steps, ==, 25);
      g_assert_cmpfloat (recipe->guidance, ==, rows[i].guidance);
      g_assert_cmpfloat (recipe->strength, ==, rows[i].strength);
      g_assert_cmpstr (recipe->sampler, ==, "dpmpp-2m");
      g_assert_null (recipe->negative_prompt);
    }
}

static void
test_round_trip (void)
{
  gsize                  n, n_schedules;
  const PalSamplerInfo  *samplers  = pal_sampler_list (&n);
  const PalScheduleInfo *schedules = pal_schedule_list (&n_schedules);

  for (gsize i = 0; i < n * PAL_N_INTENTS; i++)
    {
      const PalRequest request = {
        .intent = (PalIntent) (i / n), .prompt = i % 2 ? "" : "Grüße: \"猫\", 50 %\nzweite Zeile",
        .negative_prompt = i % 3 ? NULL : "low, bad: \\x\nmore", .steps = 1 + (gint) i,
        .guidance = 1.0 + (gdouble) i / 8, .strength = 0.05 + (gdouble) i / 64,
        .eta = i % 4 ? 0 : 0.75, .seed = G_GUINT64_CONSTANT (0x8000000000000000) + i,
        .sampler = samplers[i % n].id, .schedule = schedules[i % n_schedules].id,
        .s_noise = i % 3 ? 0 : 1.25, .keep_colours = i % 7 < 3,
        .random = i % 2 ? PAL_RANDOM_PHILOX : PAL_RANDOM_TORCH
      };
      g_autofree gchar     *text   = pal_recipe_format (&request, &model, 640, 480 + (gint) i);
      g_autoptr (PalRecipe) recipe = parse (text);

      g_assert_cmpint ((gint) recipe->intent, ==, (gint) request.intent);
      g_assert_cmpstr (recipe->prompt, ==, request.prompt);
      g_assert_cmpstr (recipe->negative_prompt, ==, request.negative_prompt);
      g_assert_cmpstr (recipe->sampler, ==, request.sampler);
      g_assert_cmpstr (recipe->model, ==, "sd15");
      g_assert_cmpint (recipe->steps, ==, request.steps);
      g_assert_cmpfloat (recipe->guidance, ==, request.guidance);
      g_assert_cmpfloat_with_epsilon (recipe->strength,
                                      request.intent == PAL_GENERATE ? 0 : request.strength, 1e-9);
      g_assert_cmpfloat (recipe->eta, ==, request.eta);
      g_assert_cmpuint (recipe->seed, ==, request.seed);
      g_assert_cmpint (recipe->width, ==, 640);
      g_assert_cmpint (recipe->height, ==, 480 + (gint) i);
      g_assert_cmpstr (recipe->schedule, ==, request.schedule);
      g_assert_cmpfloat (recipe->s_noise, ==, request.s_noise);
      g_assert_cmpint (recipe->keep_colours, ==, request.keep_colours);
      g_assert_cmpint ((gint) recipe->random, ==, (gint) request.random);
    }
}

/* A model's name may hold whatever a folder's name may. */
static void
test_quoted_model (void)
{
  static const gchar *const names[] = { "a, b", "c: d", "\"e\"", "f\\g", "h\ni", " j", "k l" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      PalModelInfo     info    = model;
      const PalRequest request = { .intent = PAL_GENERATE, .prompt = "x", .seed = 7 };
      g_autofree gchar *title  = g_strdup (names[i]);
      g_autofree gchar *text   = NULL;

      info.title = title;
      text       = pal_recipe_format (&request, &info, 8, 8);
      {
        g_autoptr (PalRecipe) recipe = parse (text);

        g_assert_cmpstr (recipe->model, ==, names[i]);
        g_assert_cmpuint (recipe->seed, ==, 7);
        g_assert_cmpint ((gint) recipe->intent, ==, PAL_GENERATE);
      }
    }
}

static void
test_foreign (void)
{
  g_autoptr (PalRecipe) old = parse ("a castle\nNegative prompt: text, logo\nSteps: 20, "
                                     "Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 965475,\n"
                                     "Size: 512x768");
  g_autoptr (PalRecipe) rich = parse ("Steps: to heaven\nSteps: 30, Sampler: Euler a, "
                                      "CFG scale: 5.5, Seed: 1, Size: 1024x1024, "
                                      "Model hash: 6ce0161689, Model: v1-5, "
                                      "Denoising strength: 0.75, Lora hashes: "
                                      "\"a: 1, b: 2\", Clip skip: 2, RNG: NV, Version: v1.6.0\n");
  g_autoptr (PalRecipe) none = parse ("Negative prompt: b\nSteps: 3, Sampler: Mystery 9");

  g_assert_cmpstr (old->prompt, ==, "a castle");
  g_assert_cmpstr (old->negative_prompt, ==, "text, logo");
  g_assert_cmpstr (old->sampler, ==, "dpmpp-2m");
  g_assert_cmpstr (old->schedule, ==, "karras");
  g_assert_cmpuint (old->seed, ==, 965475);
  g_assert_cmpint (old->height, ==, 768);
  g_assert_cmpint ((gint) old->intent, ==, PAL_GENERATE);

  g_assert_cmpstr (rich->prompt, ==, "Steps: to heaven");
  g_assert_cmpint (rich->steps, ==, 30);
  g_assert_cmpstr (rich->model, ==, "v1-5");
  g_assert_cmpfloat (rich->strength, ==, 0.75);
  g_assert_cmpint ((gint) rich->random, ==, PAL_RANDOM_PHILOX);
  g_assert_cmpint (rich->clip_skip, ==, 2);
  g_assert_cmpint ((gint) rich->intent, ==, PAL_RESTYLE);

  g_assert_cmpstr (none->prompt, ==, "");
  g_assert_cmpstr (none->negative_prompt, ==, "b");
  g_assert_cmpstr (none->sampler, ==, "Mystery 9");
}

static void
test_malformed (void)
{
  static const struct { const gchar *text, *message; } rows[] = {
    { "", "is no recipe" },
    { "a cat", "is no recipe" },
    { "a cat, Steps: 20", "is no recipe" },
    { "a\nSteps: many", "\"many\" for \"Steps\"" },
    { "a\nSteps: 0", "\"0\" for \"Steps\"" },
    { "a\nSteps: 99999999999", "for \"Steps\"" },
    { "a\nSteps: 2, Seed: -1", "\"-1\" for \"Seed\"" },
    { "a\nSteps: 2, Seed: 18446744073709551616", "for \"Seed\"" },
    { "a\nSteps: 2, Size: 512", "\"512\" for \"Size\"" },
    { "a\nSteps: 2, Size: 0x9", "\"0x9\" for \"Size\"" },
    { "a\nSteps: 2, CFG scale: inf", "\"inf\" for \"CFG scale\"" },
    { "a\nSteps: 2, CFG scale: 7x", "\"7x\" for \"CFG scale\"" },
    { "a\nSteps: 2, Eta: -1", "\"-1\" for \"Eta\"" },
    { "a\nSteps: 2, Intent: destroy", "\"destroy\" for \"Intent\"" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      GError *error = NULL;

      g_assert_null (pal_recipe_parse (rows[i].text, &error));
      support_assert_error (error, PAL_ERROR_FORMAT, rows[i].message);
      g_clear_error (&error);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recipe/written", test_written);
  g_test_add_func ("/recipe/defaults", test_defaults);
  g_test_add_func ("/recipe/edited", test_edited);
  g_test_add_func ("/recipe/round-trip", test_round_trip);
  g_test_add_func ("/recipe/quoted-model", test_quoted_model);
  g_test_add_func ("/recipe/foreign", test_foreign);
  g_test_add_func ("/recipe/malformed", test_malformed);

  return g_test_run ();
}
