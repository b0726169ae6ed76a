/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A request from its checks to its picture: one pass over the whole, or a look at the
 * whole and a refinement in windows.
 *
 * A model without mask input holds the known region in latents; what it must not see
 * is filled from its surroundings first. One with mask input is shown the picture with
 * a mid-grey hole, or, where it restyles by looking, the picture itself. */

#include "drive/diffusion.h"

#include <math.h>

#include "base/debug.h"
#include "base/random.h"
#include "drive/canvas.h"
#include "drive/codec.h"
#include "drive/progress.h"
#include "drive/request.h"
#include "family/script.h"

/* Selected less than this is not: a feather's far end is no place to paint. */
#define LEAST_MASK (1.0f / 64.0f)

/* Noise of the refinement in windows. */
#define REFINE_STRENGTH 0.4

#define MID_GREY 0.5f

typedef struct
{
  PalCanvas    canvas;
  PalSampling *sampling;
  gdouble      strength;
} Pass;

typedef struct
{
  PalModel             *model;
  const PalModelInfo   *info;
  const PalModelTraits *traits;
  PalRequest            request;        /* resolved */
  PalRandom            *random;
  PalScript            *script;         /* of the prompt */
  PalScript            *against;        /* of the negative one; NULL without guidance */
  PalRecall            *recall;         /* NULL: the denoiser draws alone */
  Pass                  passes[2];
  guint                 n_passes;
  GCancellable         *cancellable;

  const Pass           *current;
  gboolean              skip_after;     /* the first noise of the pass: see draw_noise () */
  PalTracker            tracker;
  gchar                *note;
} Run;

static void
run_clear (Run *run)
{
  for (guint i = 0; i < G_N_ELEMENTS (run->passes); i++)
    g_clear_pointer (&run->passes[i].sampling, pal_sampling_free);
  g_clear_pointer (&run->random, pal_random_free);
  g_clear_pointer (&run->script, pal_script_free);
  g_clear_pointer (&run->against, pal_script_free);
  g_clear_pointer (&run->recall, pal_recall_free);
  g_clear_pointer (&run->note, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static gboolean
out_of_memory (GError **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
               "not enough memory for the picture; choose a smaller region");

  return FALSE;
}

static void
add_note (Run   *run,
          gchar *line /* taken */)
{
  gchar *before = run->note;

  run->note = before ? g_strdup_printf ("%s; %s", before, line) : g_strdup (line);
  g_free (before);
  g_free (line);
}

static void
after_call (const PalDiffusionStep *step,
            gpointer                data)
{
  pal_tracker_call (&((Run *) data)->tracker);
}

/* One value of noise for each of a canvas's latents, and none of it used. */
static gboolean
skip_noise (Run         *run,
            const Pass  *pass,
            GError     **error)
{
  const PalVaeConfig *vae = pal_model_vae (run->model);
  gsize               n   = (gsize) (pass->canvas.width / vae->factor) *
                            (gsize) (pass->canvas.height / vae->factor) *
                            (gsize) vae->latent_channels;
  g_autofree gfloat  *unused = NULL;

  if (vae->kind != PAL_VAE_KL)
    return TRUE;

  unused = pal_try_alloc (n * sizeof (gfloat));
  if (! unused)
    return out_of_memory (error);

  pal_random_normal (run->random, unused, n);

  return TRUE;
}

/* The reference samples the posterior of what it encodes: of the picture before it
 * draws the walk's first noise, of the masked picture after. The mean is used here, but
 * the seed's numbers must fall to the same steps. */
static gboolean
draw_noise (gpointer   data,
            gfloat    *out,
            gint       width,
            gint       height,
            gint       channels,
            GError   **error)
{
  Run     *run  = data;
  PalNoise base = pal_noise_from_random (run->random);

  if (! base.draw (base.data, out, width, height, channels, error))
    return FALSE;

  if (! run->skip_after)
    return TRUE;

  run->skip_after = FALSE;

  return skip_noise (run, run->current, error);
}

static gboolean
add_pass (Run      *run,
          gdouble   strength,
          gboolean  whole,
          GError  **error)
{
  const PalRequest *r       = &run->request;
  Pass             *pass    = &run->passes[run->n_passes++];
  PalSamplingSetup  setup   = { .steps = r->steps, .strength = strength, .eta = r->eta,
                                .s_noise = r->s_noise };

  setup.sampler  = pal_sampler_find (r->sampler, error);
  pass->strength = strength;
  if (setup.sampler && pal_schedule_find (r->schedule, &setup.schedule, error))
    pass->sampling = pal_sampling_new (&setup, pal_model_schedule (run->model), error);
  pass->canvas   = pal_canvas_plan (run->info, run->traits, pal_model_vae (run->model)->factor,
                                    r->width, r->height, whole);

  if (pass->sampling)
    run->tracker.n_calls += pal_sampling_n_calls (pass->sampling);

  return pass->sampling != NULL;
}

static gboolean
plan_passes (Run     *run,
             GError **error)
{
  const PalRequest *r     = &run->request;
  gboolean          large = pal_canvas_wants_two_passes (run->info, run->traits, r->width,
                                                         r->height);
  gboolean          look  = r->intent != PAL_RESTYLE && r->strength > REFINE_STRENGTH;
  gboolean          whole = run->traits->window_px == 0 && r->intent != PAL_RESTYLE && look;

  if (! add_pass (run, r->strength, whole, error) ||
      (large && look && ! add_pass (run, REFINE_STRENGTH, FALSE, error)))
    return FALSE;

  if (run->passes[run->n_passes - 1].canvas.reduced)
    {
      const PalCanvas *canvas = &run->passes[run->n_passes - 1].canvas;

      add_note (run, g_strdup_printf ("painted at %d x %d px and enlarged",
                                      canvas->content_width, canvas->content_height));
    }

  return TRUE;
}

static gboolean
read_prompts (Run     *run,
              GError **error)
{
  const PalRequest            *r       = &run->request;
  g_autofree gchar            *chosen  = pal_prompt_choose (r->prompt, r->seed, error);
  g_autofree gchar            *against = NULL;
  g_autoptr (PalPromptReading) reading = NULL;
  PalScriptSetup               setup   = { NULL, (guint) r->steps, r->clip_skip };
  const gchar                 *prompt;
  gchar                       *note, *cut = NULL;

  if (chosen)
    against = pal_prompt_choose (r->negative_prompt, r->seed, error);
  if (! against)
    return FALSE;

  reading = pal_model_info_read_prompt (run->info, r->intent, chosen);
  prompt  = reading ? reading->prompt : chosen;
  note    = reading ? pal_prompt_reading_note (reading, r->intent) : NULL;
  if (note)
    add_note (run, note);

  pal_tracker_phase (&run->tracker, PAL_PHASE_TEXT);
  if (r->intent != PAL_RESTYLE)
    run->recall = pal_recall_new (run->model, prompt, r->seed);
  setup.text  = prompt;
  run->script = pal_script_new (run->model, &setup, &cut, run->cancellable, error);
  if (! run->script)
    return FALSE;

  if (cut)
    add_note (run, cut);

  if (r->guidance > 1.0)
    {
      setup.text   = against;
      run->against = pal_script_new (run->model, &setup, NULL, run->cancellable, error);
      if (! run->against)
        return FALSE;
    }
  pal_script_align (run->script, run->against);

  return TRUE;
}

/* 1 where the canvas is to change; NULL when it is so everywhere. */
static gboolean
place_mask (const Run   *run,
            const Pass  *pass,
            PalImage   **out,
            GError     **error)
{
  PalImage *mask;

  *out = NULL;
  if (! run->request.mask || run->request.intent == PAL_GENERATE)
    return TRUE;

  mask = pal_canvas_place (&pass->canvas, run->request.mask);
  if (! mask)
    return out_of_memory (error);

  for (gsize i = 0; i < (gsize) mask->width * (gsize) mask->height; i++)
    mask->data[i] = mask->data[i] >= LEAST_MASK ? 1.0f : 0.0f;

  /* A selection that is faint all over is still one. */
  if (pal_image_bounds (mask).width == 0)
    {
      pal_image_free (mask);
      mask = pal_canvas_place (&pass->canvas, run->request.mask);
      for (gsize i = 0; mask && i < (gsize) mask->width * (gsize) mask->height; i++)
        mask->data[i] = mask->data[i] > 0.0f ? 1.0f : 0.0f;
    }

  *out = mask;

  return mask != NULL || out_of_memory (error);
}

/* What a model with mask input is shown: the picture, its hole grey. */
static PalImage *
shown_picture (const Run      *run,
               const Pass     *pass,
               const PalImage *picture,
               const PalImage *mask)
{
  gboolean  looks = run->request.intent == PAL_RESTYLE && run->info->source_restyle;
  gboolean  blank = ! picture || run->request.intent == PAL_GENERATE || (! mask && ! looks);
  PalImage *shown = blank ? pal_image_new (pass->canvas.width, pass->canvas.height, 3)
                          : pal_image_copy (picture);

  for (gsize i = 0; shown && ! looks && i < (gsize) shown->width * (gsize) shown->height; i++)
    if (blank || mask->data[i] > 0.0f)
      for (gsize c = 0; c < 3; c++)
        shown->data[i * 3 + c] = MID_GREY;

  return shown;
}

/* The latents a pass works from, each NULL when it needs none. */
typedef struct
{
  gfloat  *image, *shown, *mask;
  gboolean pure_noise;
} Inputs;

static void
inputs_clear (Inputs *inputs)
{
  g_free (inputs->image);
  g_free (inputs->shown);
  g_free (inputs->mask);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Inputs, inputs_clear)

static gboolean
encode_into (Run       *run,
             PalImage  *picture /* taken; NULL: no memory */,
             gfloat   **out,
             GError   **error)
{
  if (! picture)
    return out_of_memory (error);

  *out = pal_codec_encode (run->model, picture, run->cancellable, error);
  pal_image_free (picture);

  return *out != NULL;
}

static PalMaskRule
mask_rule (const Run *run)
{
  if (! pal_model_takes_mask (run->model))
    return PAL_MASK_ANY;

  return run->traits->mask_area ? PAL_MASK_AREA : PAL_MASK_NEAREST;
}

/* picture: what the pass starts from, on its canvas; source: the request's, likewise.
 * Either may be NULL when generating. */
static gboolean
prepare_inputs (Run             *run,
                const Pass      *pass,
                const PalImage  *picture,
                const PalImage  *source,
                Inputs          *inputs,
                GError         **error)
{
  gboolean             takes   = pal_model_takes_mask (run->model);
  gboolean             restyle = run->request.intent == PAL_RESTYLE;
  g_autoptr (PalImage) mask    = NULL;
  gboolean             hold;

  pal_tracker_phase (&run->tracker, PAL_PHASE_ENCODE);
  if (! place_mask (run, pass, &mask, error))
    return FALSE;

  run->current     = pass;
  run->skip_after  = mask || takes;
  inputs->pure_noise = ! picture ||
                       (pass->strength >= 1.0 && (! restyle || run->info->source_restyle));
  hold = mask && ! takes;

  if (picture && (! inputs->pure_noise || hold) &&
      (! skip_noise (run, pass, error) ||
       ! encode_into (run, inputs->pure_noise ? pal_image_spread (picture, mask)
                                              : pal_image_copy (picture), &inputs->image, error)))
    return FALSE;

  if (takes && ! encode_into (run, shown_picture (run, pass, source, mask), &inputs->shown, error))
    return FALSE;

  if (! mask)
    return TRUE;

  inputs->mask = pal_canvas_latent_mask (mask, pal_model_vae (run->model)->factor, mask_rule (run));

  return inputs->mask != NULL || out_of_memory (error);
}

/* The prompts of a call of the current pass. */
static void
tell_step (gpointer             data,
           gint                 call,
           const PalCondition **cond,
           const PalCondition **uncond)
{
  const Run *run  = data;
  guint      step = pal_sampling_step_of (run->current->sampling, call);

  *cond = pal_script_at (run->script, step);
  if (run->against)
    *uncond = pal_script_at (run->against, step);
}

static PalImage *
denoise_and_decode (Run           *run,
                    const Pass    *pass,
                    const Inputs  *inputs,
                    GError       **error)
{
  const PalVaeConfig *vae     = pal_model_vae (run->model);
  gint                width   = pass->canvas.width / vae->factor;
  gint                height  = pass->canvas.height / vae->factor;
  g_autofree gfloat  *latents = NULL;
  PalDiffusion        d;

  latents = pal_try_alloc ((gsize) width * (gsize) height * (gsize) vae->latent_channels *
                           sizeof (gfloat));
  if (! latents)
    {
      out_of_memory (error);
      return NULL;
    }

  d = (PalDiffusion) {
    .width        = width,
    .height       = height,
    .cond         = pal_script_at (run->script, 0),
    .uncond       = run->against ? pal_script_at (run->against, 0) : NULL,
    .tell         = tell_step,
    .tell_data    = run,
    .guidance     = run->request.guidance,
    .image        = inputs->image,
    .pure_noise   = inputs->pure_noise,
    .mask         = inputs->mask,
    .masked_image = inputs->shown,
    .window       = pass->canvas.window / vae->factor,
    .overlap      = pass->canvas.overlap / vae->factor,
    .recall       = run->recall,
    .sampling     = pass->sampling,
    .noise        = { draw_noise, run },
    .observe      = after_call,
    .observe_data = run
  };

  pal_tracker_phase (&run->tracker, PAL_PHASE_DENOISE);
  if (run->recall && ! pal_recall_place (run->recall, width, height, inputs->mask,
                                            inputs->shown ? inputs->shown : inputs->image, error))
    return NULL;
  if (! pal_diffuse (run->model, &d, latents, run->cancellable, error))
    return NULL;

  pal_tracker_phase (&run->tracker, PAL_PHASE_DECODE);

  return pal_codec_decode (run->model, latents, width, height, run->cancellable, error);
}

/* start: what to work from at the request's size, NULL for noise. */
static PalImage *
paint (Run             *run,
       const Pass      *pass,
       const PalImage  *start,
       const PalImage  *source,
       GError         **error)
{
  g_auto (Inputs)      inputs  = { 0 };
  g_autoptr (PalImage) picture = start ? pal_canvas_place (&pass->canvas, start) : NULL;
  g_autoptr (PalImage) placed  = source ? pal_canvas_place (&pass->canvas, source) : NULL;
  g_autoptr (PalImage) painted = NULL;
  PalImage            *result;

  if ((start && ! picture) || (source && ! placed))
    {
      out_of_memory (error);
      return NULL;
    }

  if (! prepare_inputs (run, pass, picture, placed, &inputs, error))
    return NULL;

  painted = denoise_and_decode (run, pass, &inputs, error);
  if (! painted)
    return NULL;

  result = pal_canvas_take (&pass->canvas, painted, run->request.width, run->request.height);
  if (! result)
    out_of_memory (error);

  return result;
}

/* What the refinement starts from: the first look inside the mask, the source around. */
static PalImage *
join (const Run      *run,
      const PalImage *source,
      PalImage       *painted /* taken */)
{
  PalImage *joined;

  if (! source || ! run->request.mask)
    return painted;

  joined = pal_image_composite (source, painted, run->request.mask);
  pal_image_free (painted);

  return joined;
}

static PalImage *
paint_all (Run     *run,
           GError **error)
{
  const PalRequest    *r       = &run->request;
  g_autoptr (PalImage) source  = NULL;
  PalImage            *painted = NULL;

  if (r->intent != PAL_GENERATE)
    {
      source = pal_image_to_rgb (r->source);
      if (! source)
        {
          out_of_memory (error);
          return NULL;
        }
    }

  for (guint i = 0; i < run->n_passes; i++)
    {
      g_autoptr (PalImage) start = NULL;

      if (i == 0)
        start = source ? pal_image_copy (source) : NULL;
      else
        start = join (run, source, painted);
      painted = NULL;

      if ((source || i > 0) && ! start)
        {
          out_of_memory (error);
          return NULL;
        }

      painted = paint (run, &run->passes[i], start, source, error);
      if (! painted)
        return NULL;
    }

  return painted;
}

static void
fill_report (Run       *run,
             PalReport *report)
{
  const PalCanvas *canvas = &run->passes[run->n_passes - 1].canvas;

  pal_report_clear (report);
  *report = (PalReport) {
    .sampled_width  = canvas->width,
    .sampled_height = canvas->height,
    .steps_run      = run->tracker.calls,
    .note           = g_steal_pointer (&run->note)
  };

  for (guint i = 0; i < PAL_N_PHASES; i++)
    report->phase_us[i] = run->tracker.phase_us[i];

  pal_model_memory (run->model, report);
}

PalImage *
pal_generate (PalModel          *model,
              const PalRequest  *request,
              PalProgressFunc    progress,
              gpointer           data,
              PalReport         *report,
              GCancellable      *cancellable,
              GError           **error)
{
  g_auto (Run) run = { .model = model, .cancellable = cancellable,
                       .tracker = { .func = progress, .data = data } };
  PalImage    *image;

  g_return_val_if_fail (model != NULL && request != NULL, NULL);

  run.info   = pal_model_info (model);
  run.traits = pal_model_traits (model);

  if (! pal_request_resolve (request, run.info, run.traits, &run.request, error) ||
      ! plan_passes (&run, error))
    return NULL;

  pal_tracker_start (&run.tracker);
  run.random = pal_random_new (run.request.random, run.request.seed);
  if (g_cancellable_set_error_if_cancelled (cancellable, error) || ! read_prompts (&run, error))
    return NULL;

  image = paint_all (&run, error);
  if (! image)
    return NULL;

  pal_tracker_end (&run.tracker);
  if (report)
    fill_report (&run, report);

  return image;
}
