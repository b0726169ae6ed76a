/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names, help and types of the options. */

#include <glib/gi18n.h>

#include "given.h"

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

void
cli_given_init (CliGiven *given)
{
  *given = (CliGiven) { .strength = CLI_NO_NUMBER, .guidance = CLI_NO_NUMBER,
                        .image_guidance = CLI_NO_NUMBER, .eta = CLI_NO_NUMBER,
                        .s_noise = CLI_NO_NUMBER, .steps = G_MININT, .variants = G_MININT,
                        .clip_skip = G_MININT };
}

void
cli_given_clear (CliGiven *given)
{
  g_strfreev (given->files);
  g_strfreev (given->adapters);
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

gchar **
cli_sampler_ids (void)
{
  g_autoptr (GStrvBuilder) ids = g_strv_builder_new ();
  gsize                    n;
  const PalSamplerInfo    *samplers = pal_sampler_list (&n);

  for (gsize i = 0; i < n; i++)
    g_strv_builder_add (ids, samplers[i].id);

  return g_strv_builder_end (ids);
}

gchar **
cli_schedule_ids (void)
{
  g_autoptr (GStrvBuilder) ids = g_strv_builder_new ();
  gsize                    n;
  const PalScheduleInfo   *schedules = pal_schedule_list (&n);

  for (gsize i = 0; i < n; i++)
    g_strv_builder_add (ids, schedules[i].id);

  return g_strv_builder_end (ids);
}

#define STRING   G_OPTION_ARG_STRING
#define FILENAME G_OPTION_ARG_FILENAME
#define NUMBER   G_OPTION_ARG_DOUBLE
#define INTEGER  G_OPTION_ARG_INT
#define FLAG     G_OPTION_ARG_NONE

static void
add_common (GOptionContext *context,
            CliGiven       *given)
{
  const GOptionEntry entries[] = {
    { "prompt", 'p', 0, STRING, &given->prompt, N_("What the picture is to show"), N_("TEXT") },
    { "negative", 'n', 0, STRING, &given->negative, N_("What it is not to show"), N_("TEXT") },
    { "output", 'o', 0, FILENAME, &given->output,
      N_("File to write; with several variants -1, -2, … go before the ending"), N_("FILE.png") },
    { "model", 'M', 0, FILENAME, &given->model,
      N_("Model folder, or a name that \"palimpsest models\" lists"), N_("FOLDER") },
    { "lora", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &given->adapters,
      N_("Adapter to change the model by, and how much; may be given several times"),
      N_("FILE:0.8") },
    { "device", 'd', 0, STRING, &given->device,
      N_("OpenCL device: an id or part of a name from \"palimpsest devices\", cpu, gpu"),
      N_("DEVICE") },
    { "from", 0, 0, FILENAME, &given->from,
      N_("Take the settings from the recipe in this PNG; options given here go before it"),
      N_("FILE.png") },
    { "json", 0, 0, FLAG, &given->json, N_("Print the result as JSON to standard output"), NULL },
    { "progress", 0, 0, FLAG, &given->progress,
      N_("Report progress to standard error even when that is no terminal"), NULL },
    { "dry-run", 0, 0, FLAG, &given->dry_run,
      N_("Tell what memory it will take, and paint nothing"), NULL },
    { "quiet", 'q', 0, FLAG, &given->quiet, N_("No progress and no notes"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &given->files, NULL, NULL },
    { NULL }
  };

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
}

static void
add_sampling (GOptionContext *context,
              CliGiven       *given)
{
  const GOptionEntry entries[] = {
    { "steps", 0, 0, INTEGER, &given->steps, N_("Denoising steps, 1 to 1000"), N_("N") },
    { "guidance", 'g', 0, NUMBER, &given->guidance,
      N_("How closely to follow the prompt, 1 to 50"), N_("N") },
    { "image-guidance", 0, 0, NUMBER, &given->image_guidance,
      N_("How closely to keep to the input, 1 to 50; for edits by instruction"), N_("N") },
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
             CliGiven       *given,
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
  const GOptionEntry fill[] = {
    { "keep-colours", 0, 0, FLAG, &given->keep_colours,
      N_("Leave the colours as painted instead of drawing them to those around the mask"), NULL },
    { NULL }
  };
  const GOptionEntry size[] = {
    { "size", 0, 0, STRING, &given->size, N_("Size of the picture, as 512x512"), N_("SIZE") },
    { NULL }
  };

  g_option_context_add_main_entries (context, intent == PAL_GENERATE ? size : source,
                                     GETTEXT_PACKAGE);
  if (intent == PAL_FILL)
    g_option_context_add_main_entries (context, fill, GETTEXT_PACKAGE);
}

GOptionContext *
cli_given_context (CliGiven  *given,
                   PalIntent  intent)
{
  g_auto (GStrv)    sampler_ids  = cli_sampler_ids ();
  g_auto (GStrv)    schedule_ids = cli_schedule_ids ();
  g_autofree gchar *samplers     = g_strjoinv (", ", sampler_ids);
  g_autofree gchar *schedules    = g_strjoinv (", ", schedule_ids);
  g_autofree gchar *ending       = NULL;
  GOptionContext   *context      = g_option_context_new (texts[intent].parameter);

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
