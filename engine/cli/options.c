/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of fill, restyle and generate: command line over recipe over defaults. */

#include <glib/gi18n.h>

#include "options.h"
#include "png-io.h"

/* What no user types: not given. */
#define NO_NUMBER (-G_MAXDOUBLE)

/* As GOption fills it. */
typedef struct
{
  gchar  **files;
  gchar   *output, *mask, *prompt, *negative, *model, *device, *sampler, *schedule;
  gchar   *seed, *random, *size, *from;
  gboolean invert, json, quiet, progress;
  gdouble  strength, guidance, eta, s_noise;
  gint     steps, variants, clip_skip;
} Given;

static const struct
{
  const gchar *parameter, *summary, *description;
} texts[PAL_N_INTENTS] = {
  [PAL_FILL] = {
    N_("INPUT.png"),
    N_("Repaints the masked part of a picture from a prompt."),
    N_("The mask is a second PNG, white where the picture is to change, or the input's own\n"
       "transparency. Pixels where the mask is black keep exactly their values.\n\n"
       "Example:\n"
       "  palimpsest fill beach.png --mask hole.png --prompt \"green grass\" -o meadow.png") },
  [PAL_RESTYLE] = {
    N_("INPUT.png"),
    N_("Repaints a picture in another look and keeps its content."),
    N_("--strength says how far it may go: 0.3 keeps nearly everything, 0.8 little.\n\n"
       "Example:\n"
       "  palimpsest restyle photo.png --prompt \"watercolor painting\" --strength 0.6") },
  [PAL_GENERATE] = {
    NULL,
    N_("Makes a picture from a prompt alone."),
    N_("Example:\n"
       "  palimpsest generate --prompt \"a lake at dawn\" --size 512x512 --variants 4") },
};

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

static void
given_clear (Given *given)
{
  g_strfreev (given->files);
  g_free (given->output);
  g_free (given->mask);
  g_free (given->prompt);
  g_free (given->negative);
  g_free (given->model);
  g_free (given->device);
  g_free (given->sampler);
  g_free (given->schedule);
  g_free (given->seed);
  g_free (given->random);
  g_free (given->size);
  g_free (given->from);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Given, given_clear)

/* "dpmpp-2m, euler, ..." */
static gchar *
sampler_ids (void)
{
  g_autoptr (GString)   text = g_string_new (NULL);
  gsize                 n;
  const PalSamplerInfo *samplers = pal_sampler_list (&n);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", samplers[i].id);

  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* "automatic, karras, ..." */
static gchar *
schedule_ids (void)
{
  g_autoptr (GString)    text = g_string_new (NULL);
  gsize                  n;
  const PalScheduleInfo *schedules = pal_schedule_list (&n);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", schedules[i].id);

  return g_string_free (g_steal_pointer (&text), FALSE);
}

#define STRING   G_OPTION_ARG_STRING
#define FILENAME G_OPTION_ARG_FILENAME
#define NUMBER   G_OPTION_ARG_DOUBLE
#define INTEGER  G_OPTION_ARG_INT
#define FLAG     G_OPTION_ARG_NONE

static void
add_common (GOptionContext *context,
            Given          *given)
{
  const GOptionEntry entries[] = {
    { "prompt", 'p', 0, STRING, &given->prompt, N_("What the picture is to show"), N_("TEXT") },
    { "negative", 'n', 0, STRING, &given->negative, N_("What it is not to show"), N_("TEXT") },
    { "output", 'o', 0, FILENAME, &given->output,
      N_("File to write; with several variants -1, -2, … go before the ending"), N_("FILE.png") },
    { "model", 'M', 0, FILENAME, &given->model,
      N_("Model folder, or a name that \"palimpsest models\" lists"), N_("FOLDER") },
    { "device", 'd', 0, STRING, &given->device,
      N_("OpenCL device: an id or part of a name from \"palimpsest devices\", cpu, gpu"),
      N_("DEVICE") },
    { "from", 0, 0, FILENAME, &given->from,
      N_("Take the settings from the recipe in this PNG; options given here go before it"),
      N_("FILE.png") },
    { "json", 0, 0, FLAG, &given->json, N_("Print the result as JSON to standard output"), NULL },
    { "progress", 0, 0, FLAG, &given->progress,
      N_("Report progress to standard error even when that is no terminal"), NULL },
    { "quiet", 'q', 0, FLAG, &given->quiet, N_("No progress and no notes"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &given->files, NULL, NULL },
    { NULL }
  };

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
}

static void
add_sampling (GOptionContext *context,
              Given          *given)
{
  const GOptionEntry entries[] = {
    { "steps", 0, 0, INTEGER, &given->steps, N_("Denoising steps, 1 to 1000"), N_("N") },
    { "guidance", 'g', 0, NUMBER, &given->guidance,
      N_("How closely to follow the prompt, 1 to 50"), N_("N") },
    { "sampler", 0, 0, STRING, &given->sampler, N_("Sampler, see below"), N_("ID") },
    { "schedule", 0, 0, STRING, &given->schedule, N_("Spacing of the noise levels, see below"),
      N_("ID") },
    { "eta", 0, 0, NUMBER, &given->eta,
      N_("Share of fresh noise at each step, 0 to 1, for the samplers that take it"), N_("N") },
    { "s-noise", 0, 0, NUMBER, &given->s_noise,
      N_("Scale of that noise, 0 to 2, for the samplers that take it"), N_("N") },
    { "clip-skip", 0, 0, INTEGER, &given->clip_skip,
      N_("Layer of the text encoder to use, counted from its end: 1 is the last"), N_("N") },
    { "seed", 0, 0, STRING, &given->seed,
      N_("Number that fixes the noise, 0 to 2^64 - 1; random if not given"), N_("N") },
    { "random", 0, 0, STRING, &given->random,
      N_("Kind of noise: torch (other programs' CPU seeds) or philox (CUDA seeds)"), N_("KIND") },
    { "variants", 0, 0, INTEGER, &given->variants,
      N_("Number of pictures, each with the next seed"), N_("N") },
    { "count", 0, G_OPTION_FLAG_HIDDEN, INTEGER, &given->variants, NULL, NULL },
    { NULL }
  };

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
}

/* What only a command with a source, or one without, has. */
static void
add_special (GOptionContext *context,
             Given          *given,
             PalIntent       intent)
{
  const GOptionEntry source[] = {
    { "mask", 'm', 0, FILENAME, &given->mask,
      N_("PNG of the input's size, white where to change; or transparent there"), N_("FILE.png") },
    { "invert-mask", 0, 0, FLAG, &given->invert, N_("Change where the mask is black"), NULL },
    { "strength", 's', 0, NUMBER, &given->strength,
      N_("How much may change, above 0 to 1"), N_("N") },
    { NULL }
  };
  const GOptionEntry size[] = {
    { "size", 0, 0, STRING, &given->size, N_("Size of the picture, as 512x512"), N_("SIZE") },
    { NULL }
  };

  g_option_context_add_main_entries (context, intent == PAL_GENERATE ? size : source,
                                     GETTEXT_PACKAGE);
}

static GOptionContext *
make_context (PalIntent intent,
              Given    *given)
{
  g_autofree gchar *samplers = sampler_ids ();
  g_autofree gchar *schedules = schedule_ids ();
  g_autofree gchar *ending   = NULL;
  GOptionContext   *context  = g_option_context_new (texts[intent].parameter);

  /* TRANSLATORS: first the help text of a command, then a list of names. */
  ending = g_strdup_printf (_("%s\n\nSamplers: %s.\n\nSchedules: %s."),
                            _(texts[intent].description), samplers, schedules);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, texts[intent].summary);
  g_option_context_set_description (context, ending);
  add_special (context, given, intent);
  add_common (context, given);
  add_sampling (context, given);

  return context;
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
  options->strength        = recipe->strength;
  options->guidance        = recipe->guidance;
  options->eta             = recipe->eta;
  options->steps           = recipe->steps;
  options->clip_skip       = recipe->clip_skip;
  options->width           = recipe->width;
  options->height          = recipe->height;
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
  if (given <= NO_NUMBER)
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

static gboolean
take_sampler (CliOptions *options,
              Given      *given,
              GError    **error)
{
  g_autofree gchar     *known = sampler_ids ();
  gsize                 n;
  const PalSamplerInfo *samplers = pal_sampler_list (&n);

  take_string (&given->sampler, &options->sampler);
  if (! options->sampler)
    return TRUE;

  for (gsize i = 0; i < n; i++)
    if (g_str_equal (samplers[i].id, options->sampler))
      return TRUE;

  return usage (error, _("there is no sampler \"%s\"; these are known: %s"),
                options->sampler, known);
}

static gboolean
take_schedule (CliOptions *options,
               Given      *given,
               GError    **error)
{
  g_autofree gchar      *known = schedule_ids ();
  gsize                  n;
  const PalScheduleInfo *schedules = pal_schedule_list (&n);

  take_string (&given->schedule, &options->schedule);
  if (! options->schedule)
    return TRUE;

  for (gsize i = 0; i < n; i++)
    if (g_str_equal (schedules[i].id, options->schedule))
      return TRUE;

  return usage (error, _("there is no schedule \"%s\"; these are known: %s"),
                options->schedule, known);
}

static gboolean
take_random (CliOptions  *options,
             const Given *given,
             GError     **error)
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
take_seed (CliOptions  *options,
           const Given *given,
           GError     **error)
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
take_size (CliOptions  *options,
           const Given *given,
           GError     **error)
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
take_files (CliOptions  *options,
            const Given *given,
            GError     **error)
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
       Given      *given,
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
  options->invert_mask = given->invert;
  options->json        = given->json;
  options->quiet       = given->quiet;
  options->progress    = given->progress;
  options->n_variants  = 1;

  if (! take_files (options, given, error) ||
      ! take_number ("strength", given->strength, 0.01, 1.0, &options->strength, error) ||
      ! take_number ("guidance", given->guidance, 1.0, 50.0, &options->guidance, error) ||
      ! take_number ("eta", given->eta, 0.0, 1.0, &options->eta, error) ||
      ! take_number ("s-noise", given->s_noise, 0.0, 2.0, &options->s_noise, error) ||
      ! take_integer ("steps", given->steps, 1000, &options->steps, error) ||
      ! take_integer ("clip-skip", given->clip_skip, 100, &options->clip_skip, error) ||
      ! take_integer ("variants", given->variants, 1000, &options->n_variants, error) ||
      ! take_sampler (options, given, error) || ! take_schedule (options, given, error) ||
      ! take_random (options, given, error) ||
      ! take_seed (options, given, error) || ! take_size (options, given, error))
    return FALSE;

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
  g_auto (Given)             given   = { .strength = NO_NUMBER, .guidance = NO_NUMBER,
                                         .eta = NO_NUMBER, .s_noise = NO_NUMBER, .steps = G_MININT,
                                         .variants = G_MININT, .clip_skip = G_MININT };
  g_autoptr (GOptionContext) context = make_context (intent, &given);

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
  g_free (options);
}
