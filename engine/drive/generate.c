/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A request from its checks to its picture: one pass over the whole, or a look at the
 * whole and a refinement in windows.
 *
 * A model without mask input holds the known region in latents; what it must not see
 * is filled from its surroundings first. One with mask input is shown the picture with
 * a mid-grey hole, or, where it restyles by looking, the picture itself; so is one that
 * edits by instruction. */

#include "drive/diffusion.h"

#include <math.h>

#include "base/debug.h"
#include "base/random.h"
#include "drive/codec.h"
#include "drive/floats.h"
#include "drive/memo.h"
#include "drive/passes.h"
#include "drive/progress.h"
#include "drive/prompts.h"
#include "drive/request.h"
#include "drive/seamless.h"
#include "drive/soft-mask.h"

#define MID_GREY 0.5f

/* How far a fill takes up the colours around it, as a share of the model's trained size. */
#define COLOUR_REACH 0.15

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
  PalRequest            request;        /* resolved */
  PalRandom            *random;
  PalPrompts            prompts;
  PalPreview           *preview;        /* NULL: none is wanted */
  Pass                  passes[PAL_MAX_PASSES];
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
  pal_prompts_clear (&run->prompts);
  g_clear_pointer (&run->preview, pal_preview_free);
  g_clear_pointer (&run->note, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static void
add_note (Run   *run,
          gchar *line /* taken; NULL: nothing to say */)
{
  gchar *before = run->note;

  if (! line)
    return;

  run->note = before ? g_strdup_printf ("%s; %s", before, line) : g_strdup (line);
  g_free (before);
  g_free (line);
}

static void
after_call (const PalDiffusionStep *step,
            gpointer                data)
{
  Run                 *run     = data;
  g_autoptr (PalImage) preview = run->preview ? pal_preview_take (run->preview) : NULL;

  pal_tracker_call (&run->tracker, preview);
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
    return pal_no_memory ("the picture", error);

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
plan_sampling (Run           *run,
               const PalPass *planned,
               GError       **error)
{
  const PalRequest *r     = &run->request;
  Pass             *pass  = &run->passes[run->n_passes++];
  PalSamplingSetup  setup = { .steps = r->steps, .strength = planned->strength, .eta = r->eta,
                              .s_noise = r->s_noise };

  setup.sampler  = pal_sampler_find (r->sampler, error);
  pass->strength = planned->strength;
  pass->canvas   = planned->canvas;
  if (setup.sampler && pal_schedule_find (r->schedule, &setup.schedule, error))
    pass->sampling = pal_sampling_new (&setup, pal_model_schedule (run->model), error);

  if (pass->sampling)
    run->tracker.n_calls += pal_sampling_n_calls (pass->sampling);

  return pass->sampling != NULL;
}

static gboolean
plan_passes (Run     *run,
             GError **error)
{
  PalPass         planned[PAL_MAX_PASSES];
  const guint     n_passes = pal_passes_plan (run->model, &run->request, planned);
  PalMemoryReport memory;

  for (guint i = 0; i < n_passes; i++)
    if (! plan_sampling (run, &planned[i], error))
      return FALSE;

  if (planned[n_passes - 1].canvas.reduced)
    {
      const PalCanvas *canvas = &planned[n_passes - 1].canvas;

      add_note (run, g_strdup_printf ("painted at %d x %d px and enlarged",
                                      canvas->content_width, canvas->content_height));
    }

  return pal_passes_fit (run->model, &run->request, planned, n_passes, &memory, error);
}

static gboolean
read_prompts (Run     *run,
              GError **error)
{
  pal_tracker_phase (&run->tracker, PAL_PHASE_TEXT);
  if (! pal_prompts_read (run->model, &run->request, &run->prompts, run->cancellable, error))
    return FALSE;

  add_note (run, g_steal_pointer (&run->prompts.read));
  add_note (run, g_steal_pointer (&run->prompts.cut));

  return TRUE;
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
  gfloat  *image, *shown, *mask, *strengths;
  gboolean pure_noise;
} Inputs;

static void
inputs_clear (Inputs *inputs)
{
  g_free (inputs->image);
  g_free (inputs->shown);
  g_free (inputs->mask);
  g_free (inputs->strengths);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Inputs, inputs_clear)

static gboolean
encode_into (Run       *run,
             PalImage  *picture /* taken; NULL: no memory */,
             gfloat   **out,
             GError   **error)
{
  if (! picture)
    return pal_no_memory ("the picture", error);

  *out = pal_memo_encode (run->model, picture, run->cancellable, error);
  pal_image_free (picture);

  return *out != NULL;
}

/* What the denoiser is shown beside the noise: the picture behind the mask, or, scaled as
 * the codec gives it, the picture to edit. */
static gboolean
prepare_shown (Run             *run,
               const Pass      *pass,
               const PalImage  *source,
               const PalImage  *mask,
               Inputs          *inputs,
               GError         **error)
{
  const PalVaeConfig *vae  = pal_model_vae (run->model);
  gboolean            hole = pal_mask_is_shown (run->model, pass->strength);
  gsize               n    = (gsize) (pass->canvas.width / vae->factor) *
                             (gsize) (pass->canvas.height / vae->factor) *
                             (gsize) vae->latent_channels;

  if (pal_model_takes_mask (run->model))
    return encode_into (run, shown_picture (run, pass, source, hole ? mask : NULL),
                        &inputs->shown, error);

  if (! pal_model_edits (run->model))
    return TRUE;

  if (! source)
    {
      inputs->shown = g_try_new0 (gfloat, n);
      return inputs->shown != NULL || pal_no_memory ("the picture", error);
    }

  if (! encode_into (run, pal_image_copy (source), &inputs->shown, error))
    return FALSE;

  for (gsize i = 0; i < n; i++)
    inputs->shown[i] = inputs->shown[i] / vae->scaling_factor + vae->shift_factor;

  return TRUE;
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
  gboolean            restyle = run->request.intent == PAL_RESTYLE;
  gboolean            masked  = run->request.mask && run->request.intent != PAL_GENERATE;
  g_auto (PalSoftMask) mask   = { NULL };

  pal_tracker_phase (&run->tracker, PAL_PHASE_ENCODE);
  if (! pal_soft_mask_place (&mask, &pass->canvas, masked ? run->request.mask : NULL, error) ||
      ! pal_soft_mask_latents (&mask, run->model, pass->strength, &inputs->mask,
                               &inputs->strengths, error))
    return FALSE;

  run->current       = pass;
  run->skip_after    = masked || pal_model_takes_mask (run->model);
  inputs->pure_noise = ! picture ||
                       (pass->strength >= 1.0 && (! restyle || run->info->source_restyle));

  if (picture && (! inputs->pure_noise || inputs->strengths) &&
      (! skip_noise (run, pass, error) ||
       ! encode_into (run, inputs->pure_noise ? pal_image_spread (picture, mask.replaced)
                                              : pal_image_copy (picture), &inputs->image, error)))
    return FALSE;

  return prepare_shown (run, pass, source, mask.touched, inputs, error);
}

/* The prompts of a call of the current pass. */
static void
tell_step (gpointer             data,
           gint                 call,
           const PalCondition **cond,
           const PalCondition **uncond)
{
  const Run *run = data;

  pal_prompts_tell (&run->prompts, pal_sampling_step_of (run->current->sampling, call), cond,
                    uncond);
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
      pal_no_memory ("the picture", error);
      return NULL;
    }

  d = (PalDiffusion) {
    .width        = width,
    .height       = height,
    .tell         = tell_step,
    .tell_data    = run,
    .guidance     = run->request.guidance,
    .image_guidance = run->request.image_guidance,
    .image        = inputs->image,
    .pure_noise   = inputs->pure_noise,
    .mask         = inputs->mask,
    .strengths    = inputs->strengths,
    .masked_image = inputs->shown,
    .window       = pass->canvas.window / vae->factor,
    .overlap      = pass->canvas.overlap / vae->factor,
    .recall       = run->prompts.recall,
    .preview      = run->preview,
    .sampling     = pass->sampling,
    .noise        = { draw_noise, run },
    .observe      = after_call,
    .observe_data = run
  };

  pal_prompts_place (&run->prompts, pass->canvas.width, pass->canvas.height);
  pal_prompts_tell (&run->prompts, 0, &d.cond, &d.uncond);
  pal_tracker_phase (&run->tracker, PAL_PHASE_DENOISE);
  if (run->prompts.recall && ! pal_recall_place (run->prompts.recall, width, height, inputs->mask,
                                            inputs->shown ? inputs->shown : inputs->image, error))
    return NULL;
  if (run->preview)
    pal_preview_place (run->preview, width, MAX (pass->canvas.content_width / vae->factor, 1),
                       MAX (pass->canvas.content_height / vae->factor, 1));
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
      pal_no_memory ("the picture", error);
      return NULL;
    }

  if (! prepare_inputs (run, pass, picture, placed, &inputs, error))
    return NULL;

  painted = denoise_and_decode (run, pass, &inputs, error);
  if (! painted)
    return NULL;

  result = pal_canvas_take (&pass->canvas, painted, run->request.width, run->request.height);
  if (! result)
    pal_no_memory ("the picture", error);

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

/* A fill's colours meet those around it. */
static gboolean
match_colours (const Run       *run,
               const PalImage  *source,
               PalImage        *painted,
               GError         **error)
{
  const PalRequest *r      = &run->request;
  const PalCanvas  *canvas = &run->passes[run->n_passes - 1].canvas;
  gdouble           scale  = (gdouble) r->width / canvas->content_width;

  if (r->intent != PAL_FILL || ! r->mask || r->keep_colours)
    return TRUE;

  return pal_seamless (painted, source, r->mask, COLOUR_REACH * run->info->trained_px * scale,
                       error);
}

static PalImage *
paint_all (Run     *run,
           GError **error)
{
  const PalRequest    *r       = &run->request;
  g_autoptr (PalImage) source  = NULL;
  g_autoptr (PalImage) painted = NULL;

  if (r->intent != PAL_GENERATE)
    {
      source = pal_image_to_rgb (r->source);
      if (! source)
        {
          pal_no_memory ("the picture", error);
          return NULL;
        }
    }

  for (guint i = 0; i < run->n_passes; i++)
    {
      g_autoptr (PalImage) start = NULL;

      if (i == 0)
        start = source ? pal_image_copy (source) : NULL;
      else
        start = join (run, source, g_steal_pointer (&painted));

      if ((source || i > 0) && ! start)
        {
          pal_no_memory ("the picture", error);
          return NULL;
        }

      painted = paint (run, &run->passes[i], start, source, error);
      if (! painted)
        return NULL;
    }

  if (! match_colours (run, source, painted, error))
    return NULL;

  return g_steal_pointer (&painted);
}

/* What was done for want of memory, a line each. */
static void
note_rungs (Run *run)
{
  const guint rungs = pal_model_ladder (run->model)->rungs;

  for (guint rung = PAL_RUNG_PARTS; rung <= PAL_RUNG_STREAM; rung <<= 1)
    if (rungs & rung)
      add_note (run, g_strdup (pal_rung_text ((PalRungs) rung)));
}

static void
fill_report (Run       *run,
             PalReport *report)
{
  const PalCanvas *canvas = &run->passes[run->n_passes - 1].canvas;

  note_rungs (run);
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

  run.info = pal_model_info (model);

  if (! pal_request_resolve (request, run.info, &run.request, error) ||
      ! pal_model_set_adapters (model, request->adapters, request->n_adapters, error) ||
      ! plan_passes (&run, error))
    return NULL;

  pal_tracker_start (&run.tracker);
  run.random = pal_random_new (run.request.random, run.request.seed);
  if (g_cancellable_set_error_if_cancelled (cancellable, error) || ! read_prompts (&run, error))
    return NULL;
  if (run.request.preview &&
      ! (run.preview = pal_preview_new (model, cancellable, error)))
    return NULL;

  image = paint_all (&run, error);
  if (! image)
    return NULL;

  pal_tracker_end (&run.tracker);
  if (report)
    fill_report (&run, report);

  return image;
}
