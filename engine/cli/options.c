/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of fill, restyle and generate: command line over recipe over defaults. */

#include <glib/gi18n.h>

#include "options.h"

#include "adapters.h"
#include "given.h"
#include "png-io.h"

static gboolean
usage (GError     **error,
       const gchar *format,
       ...) G_GNUC_PRINTF (2, 3);

static gboolean
usage (GError     **error,
       const gchar *format,
       ...)
{
  g_autofree gchar *text = NULL;
  va_list           args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error_literal (error, CLI_ERROR, CLI_EXIT_USAGE, text);

  return FALSE;
}

/* Takes over what the recipe of the file --from says. */
static gboolean
apply_recipe (CliOptions  *options,
              const gchar *path,
              GError     **error)
{
  g_autoptr (CliPng)    png     = cli_png_read (path, error);
  g_autoptr (PalRecipe) recipe  = NULL;
  g_autoptr (GError)    problem = NULL;
  const gchar          *text;

  if (! png)
    return FALSE;

  text = cli_png_get_text (png, "parameters");
  if (! text)
    {
      g_set_error (error, CLI_ERROR, CLI_EXIT_FAILED,
                   _("%s: holds no recipe (a PNG text \"parameters\")"), path);
      return FALSE;
    }

  recipe = pal_recipe_parse (text, &problem);
  if (! recipe)
    {
      g_set_error (error, CLI_ERROR, CLI_EXIT_FAILED, "%s: %s", path, problem->message);
      return FALSE;
    }

  options->prompt          = g_steal_pointer (&recipe->prompt);
  options->negative_prompt = g_steal_pointer (&recipe->negative_prompt);
  options->sampler         = g_steal_pointer (&recipe->sampler);
  options->schedule        = g_steal_pointer (&recipe->schedule);
  options->recipe_model    = g_steal_pointer (&recipe->model);
  options->recipe_adapters = g_steal_pointer (&recipe->adapters);
  options->strength        = recipe->strength;
  options->guidance        = recipe->guidance;
  options->image_guidance  = recipe->image_guidance;
  options->eta             = recipe->eta;
  options->steps           = recipe->steps;
  options->clip_skip       = recipe->clip_skip;
  options->width           = recipe->width;
  options->height          = recipe->height;
  options->keep_colours    = recipe->keep_colours;
  options->s_noise         = recipe->s_noise;
  options->random          = recipe->random;
  options->seed            = recipe->seed;

  return TRUE;
}

/* A number of an option where one was given, checked. */
static gboolean
take_number (const gchar *name,
             gdouble      given,
             gdouble      low,
             gdouble      high,
             gdouble     *out,
             GError     **error)
{
  if (given <= CLI_NO_NUMBER)
    return TRUE;

  if (! (given >= low && given <= high))
    return usage (error, _("--%s is out of its range, %g to %g"), name, low, high);

  *out = given;

  return TRUE;
}

static gboolean
take_integer (const gchar *name,
              gint         given,
              gint         high,
              gint        *out,
              GError     **error)
{
  if (given == G_MININT)
    return TRUE;

  if (given < 1 || given > high)
    return usage (error, _("--%s is out of its range, %d to %d"), name, 1, high);

  *out = given;

  return TRUE;
}

static void
take_string (gchar **given,
             gchar **out)
{
  if (*given)
    {
      g_free (*out);
      *out = g_steal_pointer (given);
    }
}

/* unknown: an error with the id given and all ids. */
static gboolean
take_id (gchar             **given,
         const gchar *const *ids,
         const gchar        *unknown,
         gchar             **out,
         GError            **error)
{
  g_autofree gchar *all = g_strjoinv (", ", (gchar **) ids);

  take_string (given, out);

  return ! *out || g_strv_contains (ids, *out) || usage (error, unknown, *out, all);
}

static gboolean
take_method (CliOptions *options,
             CliGiven   *given,
             GError    **error)
{
  g_auto (GStrv) samplers  = cli_sampler_ids ();
  g_auto (GStrv) schedules = cli_schedule_ids ();

  return take_id (&given->sampler, (const gchar *const *) samplers,
                  _("there is no sampler \"%s\"; these are known: %s"), &options->sampler,
                  error) &&
         take_id (&given->schedule, (const gchar *const *) schedules,
                  _("there is no schedule \"%s\"; these are known: %s"), &options->schedule,
                  error);
}

static gboolean
take_random (CliOptions      *options,
             const CliGiven  *given,
             GError         **error)
{
  if (! given->random)
    return TRUE;

  if (g_str_equal (given->random, "torch"))
    options->random = PAL_RANDOM_TORCH;
  else if (g_str_equal (given->random, "philox"))
    options->random = PAL_RANDOM_PHILOX;
  else
    return usage (error, _("--random is torch or philox, not \"%s\""), given->random);

  return TRUE;
}

static gboolean
take_seed (CliOptions      *options,
           const CliGiven  *given,
           GError         **error)
{
  if (given->seed)
    return g_ascii_string_to_unsigned (given->seed, 10, 0, G_MAXUINT64, &options->seed, NULL) ||
           usage (error, _("--seed is a whole number from 0 to 2^64 - 1, not \"%s\""),
                  given->seed);

  if (! given->from)
    options->seed = g_random_int ();

  return TRUE;
}

static gboolean
take_size (CliOptions      *options,
           const CliGiven  *given,
           GError         **error)
{
  g_auto (GStrv) sides = g_strsplit (given->size ? given->size : "", "x", -1);
  gint64         width, height;

  if (! given->size)
    return TRUE;

  if (g_strv_length (sides) < 1 || g_strv_length (sides) > 2 ||
      ! g_ascii_string_to_signed (sides[0], 10, 1, 65536, &width, NULL) ||
      ! g_ascii_string_to_signed (sides[1] ? sides[1] : sides[0], 10, 1, 65536, &height, NULL))
    return usage (error, _("--size is a size as 512x768, not \"%s\""), given->size);

  options->width  = (gint) width;
  options->height = (gint) height;

  return TRUE;
}

static gboolean
take_files (CliOptions      *options,
            const CliGiven  *given,
            GError         **error)
{
  const guint n = given->files ? g_strv_length (given->files) : 0;

  if (options->intent == PAL_GENERATE)
    return n == 0 || usage (error, _("this command takes no input file: \"%s\""), given->files[0]);

  if (n == 0)
    return usage (error, _("an input file is missing"));

  if (n > 1)
    return usage (error, _("one input file at a time; \"%s\" is too many"), given->files[1]);

  options->input = g_strdup (given->files[0]);

  return TRUE;
}

/* "photo.png" → "photo-fill.png", beside it. */
static gchar *
default_output (const CliOptions *options)
{
  static const gchar *const endings[PAL_N_INTENTS] = {
    [PAL_FILL] = "fill", [PAL_RESTYLE] = "restyle", [PAL_GENERATE] = "generated"
  };
  g_autofree gchar *stem = g_strdup (options->input ? options->input : "palimpsest");

  if (g_str_has_suffix (stem, ".png") || g_str_has_suffix (stem, ".PNG"))
    stem[strlen (stem) - 4] = '\0';

  return g_strdup_printf ("%s-%s.png", stem, endings[options->intent]);
}

static gboolean
merge (CliOptions *options,
       CliGiven   *given,
       GError    **error)
{
  if (given->from && ! apply_recipe (options, given->from, error))
    return FALSE;

  take_string (&given->prompt, &options->prompt);
  take_string (&given->negative, &options->negative_prompt);
  take_string (&given->model, &options->model);
  take_string (&given->device, &options->device);
  take_string (&given->mask, &options->mask);
  take_string (&given->output, &options->output);
  options->invert_mask  = given->invert;
  options->keep_colours = options->keep_colours || given->keep_colours;
  options->json         = given->json;
  options->quiet        = given->quiet;
  options->progress     = given->progress;
  options->dry_run      = given->dry_run;
  options->n_variants   = 1;

  if (! take_files (options, given, error) ||
      ! cli_adapters_parse (given->adapters, &options->adapters, error) ||
      ! take_number ("strength", given->strength, 0.01, 1.0, &options->strength, error) ||
      ! take_number ("guidance", given->guidance, 1.0, 50.0, &options->guidance, error) ||
      ! take_number ("image-guidance", given->image_guidance, 1.0, 50.0, &options->image_guidance,
                     error) ||
      ! take_number ("eta", given->eta, 0.0, 1.0, &options->eta, error) ||
      ! take_number ("s-noise", given->s_noise, 0.0, 2.0, &options->s_noise, error) ||
      ! take_integer ("steps", given->steps, 1000, &options->steps, error) ||
      ! take_integer ("clip-skip", given->clip_skip, 100, &options->clip_skip, error) ||
      ! take_integer ("variants", given->variants, 1000, &options->n_variants, error) ||
      ! take_method (options, given, error) ||
      ! take_random (options, given, error) ||
      ! take_seed (options, given, error) || ! take_size (options, given, error))
    return FALSE;

  if (options->recipe_adapters && ! options->adapters)
    return usage (error, _("the recipe was made with the adapters %s: give them with --lora"),
                  options->recipe_adapters);

  if (! options->prompt)
    return usage (error, _("a prompt is missing: --prompt \"what the picture is to show\""));

  if (! options->output)
    options->output = default_output (options);

  return TRUE;
}

/* arguments has no program name; GOption wants one and takes what it knows. */
static gboolean
parse_context (GOptionContext *context,
               gchar         **arguments,
               GError        **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv)           strings = NULL;
  g_autoptr (GError)       problem = NULL;

  g_strv_builder_add (builder, g_get_prgname ());
  g_strv_builder_addv (builder, (const gchar **) arguments);
  strings = g_strv_builder_end (builder);

  if (g_option_context_parse_strv (context, &strings, &problem))
    return TRUE;

  g_set_error (error, CLI_ERROR, CLI_EXIT_USAGE, "%s", problem->message);

  return FALSE;
}

CliOptions *
cli_options_parse (PalIntent intent,
                   gchar   **arguments,
                   GError  **error)
{
  g_autoptr (CliOptions)     options = g_new0 (CliOptions, 1);
  g_auto (CliGiven)          given;
  g_autoptr (GOptionContext) context = NULL;

  cli_given_init (&given);
  context = cli_given_context (&given, intent);

  options->intent = intent;
  if (! parse_context (context, arguments, error) ||
      ! merge (options, &given, error))
    return NULL;

  return g_steal_pointer (&options);
}

gboolean
cli_options_simple (const gchar        *parameter,
                    const gchar        *summary,
                    const GOptionEntry *more,
                    gchar             **arguments,
                    gboolean           *json,
                    gchar             **argument,
                    GError            **error)
{
  g_auto (GStrv)     files     = NULL;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, json, N_("Print the result as JSON"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, NULL, NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (parameter);
  guint                      n;

  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (more)
    g_option_context_add_main_entries (context, more, GETTEXT_PACKAGE);
  if (! parse_context (context, arguments, error))
    return FALSE;

  n = files ? g_strv_length (files) : 0;
  if (n > (argument ? 1 : 0))
    return usage (error, _("an argument too many: \"%s\""), files[argument ? 1 : 0]);

  if (argument && n == 0)
    return usage (error, _("an argument is missing: %s"), _(parameter));

  if (argument)
    *argument = g_strdup (files[0]);

  return TRUE;
}

void
cli_options_free (CliOptions *options)
{
  if (! options)
    return;

  g_free (options->input);
  g_free (options->output);
  g_free (options->mask);
  g_free (options->prompt);
  g_free (options->negative_prompt);
  g_free (options->model);
  g_free (options->device);
  g_free (options->sampler);
  g_free (options->schedule);
  g_free (options->recipe_model);
  g_free (options->recipe_adapters);
  g_clear_pointer (&options->adapters, g_array_unref);
  g_free (options);
}
