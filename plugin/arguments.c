/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the argument table: names, ranges, defaults and help of every parameter. */

#include "arguments.h"

#include <glib/gi18n-lib.h>

typedef enum
{
  ARGUMENT_STRING,
  ARGUMENT_DOUBLE,
  ARGUMENT_INT,
  ARGUMENT_BOOLEAN,
  ARGUMENT_CHOICE
} ArgumentKind;

typedef struct
{
  const gchar  *name;
  ArgumentKind  kind;
  gdouble       min, max, value;
  GimpChoice *(*choice) (void);
  const gchar  *text;           /* default of a string or a choice */
  const gchar  *nick, *blurb;
} Argument;

#define MOST_GROWTH_PX 8192
#define MOST_EDGE_PX   256

static GimpChoice *
purpose_choice (void)
{
  GimpChoice *choice = gimp_choice_new ();

  for (guint i = 0; i < PAL_N_PURPOSES; i++)
    {
      const PalPurposeInfo *info = pal_purpose_info ((PalPurpose) i);

      gimp_choice_add (choice, info->id, (gint) i, _(info->title), _(info->blurb));
    }

  return choice;
}

static GimpChoice *
prefill_choice (void)
{
  return gimp_choice_new_with_values ("default", PAL_N_PREFILLS, _("The purpose's own"), NULL,
                                      "none", PAL_PREFILL_NONE, _("What is there"), NULL,
                                      "neutral", PAL_PREFILL_NEUTRAL, _("Gray"), NULL,
                                      "blur", PAL_PREFILL_BLUR, _("Blurred"), NULL,
                                      "spread", PAL_PREFILL_SPREAD, _("Surroundings"), NULL,
                                      "noise", PAL_PREFILL_NOISE, _("Noise"), NULL,
                                      NULL);
}

static GimpChoice *
sampler_choice (void)
{
  GimpChoice           *choice = gimp_choice_new ();
  const PalSamplerInfo *samplers;
  gsize                 n;

  gimp_choice_add (choice, "default", 0, _("The model's own"), NULL);
  samplers = pal_sampler_list (&n);
  for (gsize i = 0; i < n; i++)
    gimp_choice_add (choice, samplers[i].id, (gint) i + 1, samplers[i].title, NULL);

  return choice;
}

static GimpChoice *
schedule_choice (void)
{
  GimpChoice            *choice = gimp_choice_new ();
  const PalScheduleInfo *schedules;
  gsize                  n;

  schedules = pal_schedule_list (&n);
  for (gsize i = 0; i < n; i++)
    gimp_choice_add (choice, schedules[i].id, (gint) i,
                     i == 0 ? _("The model's own") : schedules[i].title, NULL);

  return choice;
}

static GimpChoice *
random_choice (void)
{
  return gimp_choice_new_with_values ("torch", PAL_RANDOM_TORCH,
                                      _("CPU noise"), NULL,
                                      "philox", PAL_RANDOM_PHILOX,
                                      _("GPU noise"), NULL,
                                      NULL);
}

static GimpChoice *
region_choice (void)
{
  return gimp_choice_new_with_values ("selection", PAL_REGION_SELECTION,
                                      _("Selection, or all"), NULL,
                                      "layer-mask", PAL_REGION_LAYER_MASK,
                                      _("Layer mask"), NULL,
                                      NULL);
}

/* Those of the advanced settings have no mnemonics: GTK takes a letter for one of them too,
 * when it means a button and they are hidden. */
static const Argument arguments[] = {
  { "purpose", ARGUMENT_CHOICE, 0, 0, 0, purpose_choice, "fill",
    N_("P_urpose"), N_("What to do with the image: each purpose brings its own strength, "
                       "pre-fill and context") },
  { "prompt", ARGUMENT_STRING, 0, 0, 0, NULL, "",
    N_("_Prompt"), N_("What the picture should show, in words") },
  { "negative-prompt", ARGUMENT_STRING, 0, 0, 0, NULL, "",
    N_("Negative prompt"), N_("What the picture should not show, in words") },
  { "strength", ARGUMENT_DOUBLE, 0, 1, 0, NULL, NULL,
    N_("S_trength"), N_("How far the result may move away from the layer: near 0 keeps it, "
                        "1 ignores it; 0 takes the model's default") },
  { "steps", ARGUMENT_INT, 0, 1000, 0, NULL, NULL,
    N_("Steps"), N_("Number of sampling steps; more take longer; 0 takes the model's default") },
  { "guidance", ARGUMENT_DOUBLE, 0, 50, 0, NULL, NULL,
    N_("Guidance"), N_("How strictly the prompt is followed; values up to 1 ignore the negative "
                        "prompt and take half the time; 0 takes the model's default") },
  { "sampler", ARGUMENT_CHOICE, 0, 0, 0, sampler_choice, "default",
    N_("Sampler"), N_("The method that turns noise into a picture") },
  { "schedule", ARGUMENT_CHOICE, 0, 0, 0, schedule_choice, "automatic",
    N_("Schedule"), N_("How the noise levels of the steps are spaced; Karras spends more of "
                       "them on small details") },
  { "match-colors", ARGUMENT_BOOLEAN, 0, 0, TRUE, NULL, NULL,
    N_("Match colors"), N_("Let a fill take up the colors around it, so that no edge shows") },
  { "eta", ARGUMENT_DOUBLE, 0, 1, 0, NULL, NULL,
    N_("Fresh noise"), N_("Share of new noise at each step (eta), for the samplers that take it; "
                          "0 takes the sampler's own") },
  { "s-noise", ARGUMENT_DOUBLE, 0, 2, 0, NULL, NULL,
    N_("Noise scale"), N_("Scale of that noise (s_noise), for the samplers that take it; 0 "
                          "leaves it as it is") },
  { "clip-skip", ARGUMENT_INT, 0, 100, 0, NULL, NULL,
    N_("Clip skip"), N_("Layer of the text encoder to use, counted from its end: 1 is the last; "
                        "0 takes the model's own") },
  { "seed", ARGUMENT_INT, -1, G_MAXINT, -1, NULL, NULL,
    N_("Se_ed"), N_("The same seed and settings give the same picture; -1 draws one") },
  { "random", ARGUMENT_CHOICE, 0, 0, 0, random_choice, "torch",
    N_("Random numbers"), N_("Which generator the seed starts, to repeat the results of other "
                              "programs: torch on a CPU, or Philox as on a GPU") },
  { "count", ARGUMENT_INT, 1, 16, 1, NULL, NULL,
    N_("Varia_nts"), N_("How many results to make, each with the next seed") },
  { "region", ARGUMENT_CHOICE, 0, 0, 0, region_choice, "selection",
    N_("Region"), N_("Which part to change: the selection (the whole layer where there is "
                      "none), or the layer's mask, which then goes before any selection") },
  { "grow", ARGUMENT_INT, 0, MOST_EDGE_PX, 0, NULL, NULL,
    N_("Grow"), N_("Pixels by which the region is made larger on all sides") },
  { "feather", ARGUMENT_INT, 0, MOST_EDGE_PX, 0, NULL, NULL,
    N_("Feather"), N_("Pixels over which the region's edge is made soft") },
  { "prefill", ARGUMENT_CHOICE, 0, 0, 0, prefill_choice, "default",
    N_("Start from"), N_("What stands in the region before a run of less than full strength") },
  { "extend-left", ARGUMENT_INT, 0, MOST_GROWTH_PX, 0, NULL, NULL,
    N_("Left"), N_("Pixels that the canvas grows by at its left, to extend it") },
  { "extend-right", ARGUMENT_INT, 0, MOST_GROWTH_PX, 0, NULL, NULL,
    N_("Right"), N_("Pixels that the canvas grows by at its right, to extend it") },
  { "extend-top", ARGUMENT_INT, 0, MOST_GROWTH_PX, 0, NULL, NULL,
    N_("Top"), N_("Pixels that the canvas grows by at its top, to extend it") },
  { "extend-bottom", ARGUMENT_INT, 0, MOST_GROWTH_PX, 0, NULL, NULL,
    N_("Bottom"), N_("Pixels that the canvas grows by at its bottom, to extend it") },
  { "model", ARGUMENT_STRING, 0, 0, 0, NULL, "",
    N_("_Model"), N_("Folder of the model, or the name of an installed one; empty takes the "
                     "default model") },
  { "device", ARGUMENT_STRING, 0, 0, 0, NULL, "",
    N_("Dev_ice"), N_("OpenCL device: an identifier as 0:1, cpu, gpu, or a part of its name; "
                      "empty takes the fastest") }
};

static void
add_argument (GimpProcedure *procedure, const Argument *a)
{
  const gchar *nick  = _(a->nick);
  const gchar *blurb = _(a->blurb);

  switch (a->kind)
    {
    case ARGUMENT_STRING:
      gimp_procedure_add_string_argument (procedure, a->name, nick, blurb, a->text,
                                          G_PARAM_READWRITE);
      break;
    case ARGUMENT_DOUBLE:
      gimp_procedure_add_double_argument (procedure, a->name, nick, blurb, a->min, a->max,
                                          a->value, G_PARAM_READWRITE);
      break;
    case ARGUMENT_INT:
      gimp_procedure_add_int_argument (procedure, a->name, nick, blurb, (gint) a->min,
                                       (gint) a->max, (gint) a->value, G_PARAM_READWRITE);
      break;
    case ARGUMENT_BOOLEAN:
      gimp_procedure_add_boolean_argument (procedure, a->name, nick, blurb,
                                           a->value != 0, G_PARAM_READWRITE);
      break;
    case ARGUMENT_CHOICE:
      gimp_procedure_add_choice_argument (procedure, a->name, nick, blurb, a->choice (),
                                          a->text, G_PARAM_READWRITE);
      break;
    }
}

void
pal_arguments_add (GimpProcedure *procedure, PalPurpose purpose)
{
  const PalPurposeInfo *info = pal_purpose_info (purpose);

  for (guint i = 0; i < G_N_ELEMENTS (arguments); i++)
    {
      Argument argument = arguments[i];

      /* Defaults that make the procedure what it is. */
      if (g_str_equal (argument.name, "purpose"))
        argument.text = info->id;
      else if (g_str_equal (argument.name, "count"))
        argument.value = info->count;
      add_argument (procedure, &argument);
    }

  gimp_procedure_add_layer_return_value (procedure, "layer", _("Layer"),
                                         _("The new layer; of several, the lowest: the others "
                                           "stand directly above it"),
                                         TRUE, G_PARAM_READWRITE);
  gimp_procedure_add_int_return_value (procedure, "seed-used", _("Seed used"),
                                       _("The seed of that layer; further layers have the "
                                         "seeds that follow it"),
                                       -1, G_MAXINT, -1, G_PARAM_READWRITE);
}

void
pal_settings_read (PalSettings *settings, GimpProcedureConfig *config)
{
  const PalPurposeInfo *info;
  PalGrowth             growth;

  *settings = (PalSettings) { 0 };

  g_object_get (config,
                "prompt", &settings->prompt,
                "negative-prompt", &settings->negative_prompt,
                "strength", &settings->strength,
                "steps", &settings->steps,
                "guidance", &settings->guidance,
                "sampler", &settings->sampler,
                "schedule", &settings->schedule,
                "match-colors", &settings->match_colors,
                "eta", &settings->eta,
                "s-noise", &settings->s_noise,
                "clip-skip", &settings->clip_skip,
                "seed", &settings->seed,
                "count", &settings->count,
                "model", &settings->model,
                "device", &settings->device,
                "grow", &settings->edge.grow_px,
                "feather", &settings->edge.feather_px,
                "extend-left", &growth.left, "extend-right", &growth.right,
                "extend-top", &growth.top, "extend-bottom", &growth.bottom,
                NULL);
  settings->purpose = (PalPurpose) gimp_procedure_config_get_choice_id (config, "purpose");
  settings->prefill = (PalPrefill) gimp_procedure_config_get_choice_id (config, "prefill");
  settings->random  = (PalRandomKind) gimp_procedure_config_get_choice_id (config, "random");
  settings->region  = (PalRegion) gimp_procedure_config_get_choice_id (config, "region");

  if (g_strcmp0 (settings->sampler, "default") == 0)
    g_clear_pointer (&settings->sampler, g_free);

  info = pal_purpose_info (settings->purpose);
  if (settings->prefill == PAL_N_PREFILLS)
    settings->prefill = info->prefill;
  if (info->grows)
    settings->growth = growth;
  if (info->intent == PAL_GENERATE)
    {
      settings->strength = 1.0;
      settings->region   = PAL_REGION_SELECTION;
    }
  else if (settings->strength <= 0)
    settings->strength = info->strength;
}

void
pal_settings_clear (PalSettings *settings)
{
  g_clear_pointer (&settings->prompt, g_free);
  g_clear_pointer (&settings->negative_prompt, g_free);
  g_clear_pointer (&settings->sampler, g_free);
  g_clear_pointer (&settings->schedule, g_free);
  g_clear_pointer (&settings->model, g_free);
  g_clear_pointer (&settings->device, g_free);
}
