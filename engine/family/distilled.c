/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models distilled for few steps: any family's, known by what their files say.
 *
 * Papers: LCM (arXiv 2310.04378), ADD, called Turbo (2311.17042), SDXL-Lightning
 *   (2402.13929), Hyper-SD (2404.13686), TCD (2402.19159).
 * Easy to get wrong: an LCM that embeds the guidance takes it instead of a second,
 *   unconditional call; the others were distilled with it inside and take none. */

#include "family/family.h"

#include <string.h>

/* A model is of the first row of which everything given fits. */
static const PalDistilled rows[] = {
  { .told_guidance = TRUE, .sampler = "lcm", .steps = 4, .guidance = 8.0 },
  { .scheduler = "LCMScheduler", .sampler = "lcm", .steps = 4, .guidance = 1.0 },
  { .scheduler = "TCDScheduler", .sampler = "tcd", .steps = 4, .guidance = 1.0 },
  { .word = "lightning", .sampler = "euler", .steps = 4, .guidance = 1.0, .trailing = TRUE },
  { .word = "hyper", .sampler = "ddim", .steps = 8, .guidance = 1.0, .trailing = TRUE },
  { .word = "turbo", .sampler = "euler-a", .steps = 4, .guidance = 1.0, .trailing = TRUE },
  { .word = "lcm", .sampler = "lcm", .steps = 4, .guidance = 1.0 },
  { .scheduler = "EulerAncestralDiscreteScheduler", .from_end = TRUE,
    .sampler = "euler-a", .steps = 4, .guidance = 1.0 },
  { .scheduler = "EulerDiscreteScheduler", .from_end = TRUE,
    .sampler = "euler", .steps = 4, .guidance = 1.0 },
};

/* Of letters alone: "lcm" is in "my-lcm-8step", not in "lcmodel". */
static const gchar *
find_word (const gchar *text, const gchar *word)
{
  const gchar *at = text;

  for (; (at = strstr (at, word)); at++)
    if ((at == text || ! g_ascii_isalpha (at[-1])) && ! g_ascii_isalpha (at[strlen (word)]))
      return at;

  return NULL;
}

/* Steps of noise-free models are counted from the end where the first step must see noise
 * alone; of those with a zero terminal signal that is no sign of distillation. */
static gboolean
counts_from_end (const PalScheduleConfig *schedule)
{
  return schedule->spacing_given && schedule->spacing == PAL_SPACING_TRAILING &&
         schedule->prediction == PAL_PREDICT_EPSILON && ! schedule->zero_snr;
}

const PalDistilled *
pal_distilled_find (const PalParts *parts)
{
  g_autofree gchar *base = g_path_get_basename (parts->path);
  g_autofree gchar *name = g_ascii_strdown (base, -1);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const PalDistilled *row = &rows[i];

      if ((! row->told_guidance || parts->unet.guidance_channels > 0) &&
          (! row->scheduler || g_strcmp0 (parts->schedule.class_name, row->scheduler) == 0) &&
          (! row->word || find_word (name, row->word)) &&
          (! row->from_end || counts_from_end (&parts->schedule)))
        return row;
    }

  return NULL;
}

/* "sdxl_lightning_4step" says 4; 0 when the name says none. */
gint
pal_distilled_steps (const PalParts *parts)
{
  g_autofree gchar *base = g_path_get_basename (parts->path);
  g_autofree gchar *name = g_ascii_strdown (base, -1);
  const gchar *at = name;

  for (; (at = strstr (at, "step")); at++)
    {
      const gchar *digits = at;

      if (digits > name && strchr ("-_ ", digits[-1]))
        digits--;
      while (digits > name && g_ascii_isdigit (digits[-1]))
        digits--;
      if (g_ascii_isdigit (*digits))
        return (gint) CLAMP (g_ascii_strtoll (digits, NULL, 10), 1, 100);
    }

  return 0;
}
