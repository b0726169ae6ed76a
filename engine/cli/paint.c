/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The subcommands that make pictures: fill, restyle, generate. */

#include <string.h>

#include <glib/gi18n.h>

#include "memory.h"
#include "options.h"
#include "pixels.h"
#include "report.h"

/* One run: what was read, and what the engine is asked. */
typedef struct
{
  const CliOptions *options;
  CliReport        *report;
  PalDevice        *device;
  PalModel         *model;

  CliPng           *input;
  CliPng           *mask_file;  /* of the input's size; NULL = none */
  gboolean          masked;     /* by that file, or by the input's own transparency */
  CliPatch          patch;      /* part of the input that the engine is given */
  PalImage         *source;     /* of the patch */
} Job;

static void
job_clear (Job *job)
{
  g_clear_pointer (&job->model, pal_model_unref);
  g_clear_pointer (&job->device, pal_device_unref);
  g_clear_pointer (&job->input, cli_png_free);
  g_clear_pointer (&job->mask_file, cli_png_free);
  g_clear_pointer (&job->patch.below, cli_png_free);
  g_clear_pointer (&job->patch.mask, pal_image_free);
  g_clear_pointer (&job->source, pal_image_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Job, job_clear)

static gboolean
no_memory (GError **error)
{
  g_set_error_literal (error, CLI_ERROR, CLI_EXIT_DEVICE,
                       _("there is too little memory for the picture"));

  return FALSE;
}

static gboolean
usage (GError     **error,
       const gchar *text)
{
  g_set_error_literal (error, CLI_ERROR, CLI_EXIT_USAGE, text);

  return FALSE;
}

static gboolean
read_mask (Job     *job,
           GError **error)
{
  const CliOptions  *options = job->options;
  const CliPng      *input   = job->input;
  g_autoptr (CliPng) file    = NULL;

  if (! options->mask)
    {
      if (options->intent != PAL_FILL)
        return TRUE;

      if (! cli_pixels_transparent (input))
        return usage (error, _("a mask is missing: give one with --mask FILE.png, or an input"
                               " that is transparent where it is to be filled"));

      job->masked       = TRUE;
      job->patch.opaque = ! options->invert_mask;
      return TRUE;
    }

  file = cli_png_read (options->mask, error);
  if (! file)
    return FALSE;

  if (file->width != input->width || file->height != input->height)
    {
      g_set_error (error, CLI_ERROR, CLI_EXIT_USAGE,
                   _("the mask %s has %d × %d px, the picture %s %d × %d px; they must be equal"),
                   options->mask, file->width, file->height, options->input,
                   input->width, input->height);
      return FALSE;
    }

  job->masked    = TRUE;
  job->mask_file = g_steal_pointer (&file);

  return TRUE;
}

/* What the engine is given: the masked part with its surroundings. From here on nothing
 * touches the picture around them. */
static gboolean
crop (Job     *job,
      GError **error)
{
  const PalModelInfo *info   = pal_model_info (job->model);
  const CliOptions   *o      = job->options;
  const CliPng       *mask   = job->mask_file ? job->mask_file : job->input;
  const gdouble       usual  = pal_model_info_strength (info, o->intent);
  CliPatch           *patch  = &job->patch;
  PalRect             masked = { 0, 0, job->input->width, job->input->height };

  if (job->masked)
    masked = cli_pixels_bounds (mask, o->invert_mask);

  if (masked.width == 0)
    return usage (error, _("the mask leaves nothing to change: it is black everywhere"));

  patch->rect = pal_context_rect (info, o->intent, o->strength > 0 ? o->strength : usual,
                                  job->input->width, job->input->height, masked);
  job->source = cli_pixels_source (job->input, patch->rect);
  patch->mask = job->masked ? cli_pixels_mask (mask, patch->rect, o->invert_mask) : NULL;
  g_clear_pointer (&job->mask_file, cli_png_free);

  job->input   = cli_pixels_to_colour (job->input);
  patch->below = job->input ? cli_pixels_part (job->input, patch->rect) : NULL;

  return job->source && patch->below && (patch->mask || ! job->masked) ? TRUE
                                                                       : no_memory (error);
}

/* What the user may not expect of this input or recipe. */
static void
tell_differences (Job *job)
{
  const CliOptions *options = job->options;

  if (job->input && cli_png_gray_profile (job->input))
    cli_report_note (job->report, _("the result is in colour, so the input's profile for gray"
                                    " values is left out"));

  if (options->recipe_model && ! options->model &&
      g_strcmp0 (options->recipe_model, pal_model_info (job->model)->title) != 0)
    {
      g_autofree gchar *note = g_strdup_printf (_("the recipe is of the model \"%s\", this run uses"
                                                  " \"%s\""), options->recipe_model,
                                                pal_model_info (job->model)->title);

      cli_report_note (job->report, note);
    }
}

static gboolean
prepare (Job     *job,
         GError **error)
{
  const CliOptions *options = job->options;
  g_autofree gchar *path    = NULL;

  if (options->input)
    {
      job->input = cli_png_read (options->input, error);
      if (! job->input || ! read_mask (job, error))
        return FALSE;
    }

  /* The model before the device: a wrong path is the likelier mistake. */
  path = cli_models_resolve (options->model, error);
  if (! path)
    return FALSE;

  job->device = pal_device_open (options->device, error);
  job->model  = job->device ? pal_model_open (job->device, path, error) : NULL;
  if (! job->model)
    return FALSE;

  tell_differences (job);

  return job->input ? crop (job, error) : TRUE;
}

static PalRequest
make_request (const Job *job,
              guint64    seed)
{
  const CliOptions *o = job->options;

  return (PalRequest) {
    .intent = o->intent, .prompt = o->prompt, .negative_prompt = o->negative_prompt,
    .source = job->source, .mask = job->patch.mask,
    .width = job->source ? job->patch.rect.width : o->width,
    .height = job->source ? job->patch.rect.height : o->height,
    .strength = o->strength, .steps = o->steps, .guidance = o->guidance, .eta = o->eta,
    .image_guidance = o->image_guidance, .s_noise = o->s_noise,
    .adapters = o->adapters ? (const PalAdapter *) o->adapters->data : NULL,
    .n_adapters = o->adapters ? o->adapters->len : 0,
    .sampler = o->sampler, .schedule = o->schedule, .clip_skip = o->clip_skip,
    .keep_colours = o->keep_colours, .seed = seed, .random = o->random,
  };
}

/* "out.png" → "out-2.png" when there are several. */
static gchar *
variant_path (const CliOptions *options,
              gint              variant)
{
  const gchar *dot   = strrchr (options->output, '.');
  const gchar *slash = strrchr (options->output, '/');
  const gsize  stem  = dot && (! slash || dot > slash + 1) ? (gsize) (dot - options->output)
                                                           : strlen (options->output);

  if (options->n_variants == 1)
    return g_strdup (options->output);

  return g_strdup_printf ("%.*s-%d%s", (gint) stem, options->output, variant + 1,
                          options->output + stem);
}

static gboolean
save (Job              *job,
      const PalRequest *request,
      const PalImage   *result,
      const gchar      *path,
      GError          **error)
{
  g_autoptr (CliPng) made   = job->input ? NULL : cli_pixels_new (result);
  CliPng            *png    = job->input ? job->input : made;
  g_autofree gchar  *recipe = NULL;

  if (! png)
    return no_memory (error);

  if (job->input)
    cli_pixels_lay (png, &job->patch, result);

  recipe = pal_recipe_format (request, pal_model_info (job->model), png->width, png->height);
  cli_png_set_text (png, "parameters", recipe);
  cli_png_set_text (png, "Software", "Palimpsest " PAL_VERSION);

  return cli_png_write (png, path, error);
}

static gboolean
paint_one (Job          *job,
           gint          variant,
           GCancellable *cancellable,
           GError      **error)
{
  const guint64        seed    = job->options->seed + (guint64) variant;
  const gint64         start   = g_get_monotonic_time ();
  const PalRequest     request = make_request (job, seed);
  g_auto (PalReport)   figures = { 0 };
  g_autoptr (PalImage) result  = NULL;
  g_autofree gchar    *path    = variant_path (job->options, variant);

  cli_report_variant (job->report, variant);
  result = pal_generate (job->model, &request, cli_report_progress, job->report, &figures,
                         cancellable, error);
  if (! result || ! save (job, &request, result, path, error))
    return FALSE;

  cli_report_result (job->report, path, seed,
                     job->input ? job->input->width : result->width,
                     job->input ? job->input->height : result->height,
                     (gdouble) (g_get_monotonic_time () - start) * 1e-6, &figures);

  return TRUE;
}

static gboolean
tell_memory (Job     *job,
             GError **error)
{
  const PalRequest request = make_request (job, job->options->seed);

  return cli_memory_print (job->model, &request, job->options->json, error);
}

gboolean
cli_paint (const gchar  *name,
           gchar       **arguments,
           GCancellable *cancellable,
           GError      **error)
{
  static const gchar *const names[PAL_N_INTENTS] = {
    [PAL_FILL] = "fill", [PAL_RESTYLE] = "restyle", [PAL_GENERATE] = "generate"
  };
  g_autoptr (CliOptions) options = NULL;
  g_autoptr (CliReport)  report  = NULL;
  g_auto (Job)           job     = { 0 };
  PalIntent              intent  = PAL_FILL;

  while (! g_str_equal (names[intent], name))
    intent++;

  options = cli_options_parse (intent, arguments, error);
  if (! options)
    return FALSE;

  report      = cli_report_new (options);
  job.options = options;
  job.report  = report;
  if (! prepare (&job, error))
    return FALSE;

  if (options->dry_run)
    return tell_memory (&job, error);

  for (gint i = 0; i < options->n_variants; i++)
    if (! paint_one (&job, i, cancellable, error))
      return FALSE;

  cli_report_finish (report, pal_model_info (job.model), pal_device_info (job.device));

  return TRUE;
}
