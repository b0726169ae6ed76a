/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Choices by the seed, then the words that a small model knows, then the states. */

#include "drive/prompts.h"

#include "drive/memo.h"
#include "drive/passes.h"

static PalScriptSetup
setup_of (const PalRequest *r,
          const gchar      *text)
{
  return (PalScriptSetup) { .text = text, .n_steps = (guint) r->steps,
                            .clip_skip = r->clip_skip };
}

/* A prompt that can't be read is refused when it is. */
gint
pal_prompts_tokens (PalModel         *model,
                    const PalRequest *r)
{
  const gchar *const texts[] = { r->prompt, r->negative_prompt };
  const guint        n       = pal_passes_batch (model, r) == 1 ? 1 : G_N_ELEMENTS (texts);
  gint64             tokens  = 1;

  for (guint i = 0; i < n; i++)
    {
      g_autofree gchar *chosen = pal_prompt_choose (texts[i], r->seed, NULL);
      PalScriptSetup    setup  = setup_of (r, i > 0 && chosen && ! *chosen ? NULL : chosen);

      tokens = pal_script_tokens (model, &setup, tokens);
    }

  return (gint) tokens;
}

/* An empty negative prompt is none at all. */
static gboolean
read_negative (PalModel          *model,
               const PalRequest  *r,
               PalPrompts        *out,
               GCancellable      *cancellable,
               GError           **error)
{
  g_autofree gchar *chosen = pal_prompt_choose (r->negative_prompt, r->seed, error);
  PalScriptSetup    setup;

  if (! chosen)
    return FALSE;
  if (pal_passes_batch (model, r) == 1)
    return TRUE;

  setup        = setup_of (r, *chosen ? chosen : NULL);
  out->against = pal_memo_script (model, &setup, NULL, cancellable, error);

  return out->against != NULL;
}

gboolean
pal_prompts_read (PalModel          *model,
                  const PalRequest  *r,
                  PalPrompts        *out,
                  GCancellable      *cancellable,
                  GError           **error)
{
  g_autofree gchar            *chosen  = pal_prompt_choose (r->prompt, r->seed, error);
  g_autoptr (PalPromptReading) reading = NULL;
  PalScriptSetup               setup   = setup_of (r, chosen);

  if (! chosen)
    return FALSE;

  reading = pal_model_info_read_prompt (pal_model_info (model), r->intent, chosen);
  if (reading)
    {
      setup.text = reading->prompt;
      out->read  = pal_prompt_reading_note (reading, r->intent);
    }
  if (r->intent != PAL_RESTYLE)
    out->recall = pal_recall_new (model, setup.text, r->seed);

  out->script = pal_memo_script (model, &setup, &out->cut, cancellable, error);
  if (! out->script || ! read_negative (model, r, out, cancellable, error))
    return FALSE;

  pal_script_align (out->script, out->against);

  return TRUE;
}

void
pal_prompts_clear (PalPrompts *prompts)
{
  g_clear_pointer (&prompts->script, pal_script_free);
  g_clear_pointer (&prompts->against, pal_script_free);
  g_clear_pointer (&prompts->recall, pal_recall_free);
  g_clear_pointer (&prompts->read, g_free);
  g_clear_pointer (&prompts->cut, g_free);
}

void
pal_prompts_place (PalPrompts *prompts,
                   gint        width,
                   gint        height)
{
  const PalPlacement placement = { .original_width = width, .original_height = height,
                                   .width = width, .height = height };

  pal_script_place (prompts->script, &placement, FALSE);
  if (prompts->against)
    pal_script_place (prompts->against, &placement, TRUE);
}

void
pal_prompts_tell (const PalPrompts    *prompts,
                  guint                step,
                  const PalCondition **cond,
                  const PalCondition **uncond)
{
  *cond = pal_script_at (prompts->script, step);
  if (prompts->against)
    *uncond = pal_script_at (prompts->against, step);
}
