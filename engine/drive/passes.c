/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The passes of a request, and what they need. */

#include "drive/passes.h"

#include "base/debug.h"
#include "drive/prompts.h"
#include "drive/request.h"

/* Noise of the refinement in windows. */
#define REFINE_STRENGTH 0.4

static PalPass
pass_new (PalModel *model, const PalRequest *r, gdouble strength, gboolean whole)
{
  return (PalPass) {
    .canvas   = pal_canvas_plan (pal_model_info (model), pal_model_traits (model),
                                 pal_model_vae (model)->factor, r->width, r->height, whole),
    .strength = strength
  };
}

guint
pal_passes_plan (PalModel         *model,
                 const PalRequest *r,
                 PalPass           passes[PAL_MAX_PASSES])
{
  const PalModelTraits *traits = pal_model_traits (model);
  gboolean              large  = pal_canvas_wants_two_passes (pal_model_info (model), traits,
                                                              r->width, r->height);
  gboolean              look   = r->intent != PAL_RESTYLE && r->strength > REFINE_STRENGTH;

  passes[0] = pass_new (model, r, r->strength, traits->window_px == 0 && look);
  if (! large || ! look)
    return 1;

  passes[1] = pass_new (model, r, REFINE_STRENGTH, FALSE);
  return 2;
}

gint
pal_passes_batch (PalModel         *model,
                  const PalRequest *r)
{
  if (r->guidance <= 1.0 || pal_model_unet (model)->guidance_channels > 0)
    return 1;

  return pal_model_edits (model) ? 3 : 2;
}

/* What the exemplar memory adds to a pass, where one is asked. A prompt whose choices can't be
 * made is refused when it is read. */
static PalMatchSize
match_size (PalModel *model, const PalRequest *r, const PalCanvas *canvas)
{
  const gint                   factor  = pal_model_vae (model)->factor;
  g_autofree gchar            *chosen  = pal_prompt_choose (r->prompt, r->seed, NULL);
  g_autoptr (PalPromptReading) reading = NULL;

  if (r->intent == PAL_RESTYLE || ! chosen)
    return (PalMatchSize) { 0 };

  reading = pal_model_info_read_prompt (pal_model_info (model), r->intent, chosen);
  return pal_recall_size (model, reading ? reading->prompt : chosen, canvas->width / factor,
                          canvas->height / factor);
}

/* The largest of what a pass asks of each network. */
static void
add_pass (PalModel         *model,
          const PalRequest *r,
          const PalPass    *pass,
          guint             nth,
          PalWorkload      *load)
{
  const PalCanvas *canvas  = &pass->canvas;
  const gint       factor  = pal_model_vae (model)->factor;
  const gint       width   = canvas->width / factor, height = canvas->height / factor;
  const gint       window  = canvas->window > 0 ? canvas->window / factor : MAX (width, height);
  const gboolean   encodes = r->intent != PAL_GENERATE || nth > 0 || pal_model_takes_mask (model);

  PalMatchSize     match   = match_size (model, r, canvas);

  if (match.n_queries > load->match.n_queries)
    load->match = match;

  load->works[PAL_PHASE_TEXT][nth] = (PalCallSize) { .batch = 1, .width = 1, .height = 1 };
  load->works[PAL_PHASE_ENCODE][nth] = (PalCallSize) {
    .batch = encodes ? 1 : 0, .width = canvas->width, .height = canvas->height
  };
  load->works[PAL_PHASE_DENOISE][nth] = (PalCallSize) {
    .batch  = pal_passes_batch (model, r),
    .width  = MIN (width, window),
    .height = MIN (height, window),
    .tokens = pal_prompts_tokens (model, r)
  };
  load->works[PAL_PHASE_DECODE][nth] = (PalCallSize) {
    .batch = 1, .width = width, .height = height
  };
}

static gboolean
plan_ladder (PalModel          *model,
             const PalRequest  *r,
             const PalPass     *passes,
             guint              n_passes,
             PalLadder         *ladder,
             PalMemoryReport   *report,
             GError           **error)
{
  const PalDeviceInfo *device = pal_device_info (pal_model_device (model));
  const guint64        budget = pal_env_budget () > 0 ? pal_env_budget () : device->memory_bytes;
  PalWorkload          load   = { 0 };

  for (guint i = 0; i < n_passes; i++)
    add_pass (model, r, &passes[i], i, &load);

  return pal_ladder_plan (model, &load, budget, ladder, report, error);
}

gboolean
pal_passes_fit (PalModel          *model,
                const PalRequest  *r,
                const PalPass     *passes,
                guint              n_passes,
                PalMemoryReport   *report,
                GError           **error)
{
  return plan_ladder (model, r, passes, n_passes, pal_model_ladder (model), report, error);
}

gboolean
pal_model_fits (PalModel          *model,
                const PalRequest  *request,
                PalMemoryReport   *report,
                GError           **error)
{
  PalPass    passes[PAL_MAX_PASSES];
  PalRequest resolved;
  PalLadder  unused;

  g_return_val_if_fail (model != NULL && request != NULL && report != NULL, FALSE);

  *report = (PalMemoryReport) { 0 };
  if (! pal_request_resolve (request, pal_model_info (model), &resolved, error) ||
      ! pal_model_set_adapters (model, request->adapters, request->n_adapters, error))
    return FALSE;

  return plan_ladder (model, &resolved, passes, pal_passes_plan (model, &resolved, passes),
                      &unused, report, error);
}
