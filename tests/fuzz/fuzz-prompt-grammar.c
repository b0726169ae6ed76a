/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a prompt with weights, steps and wildcards: the same seed gives the same
 * text, and in every step the parts are finite and within the walk. */

#include <math.h>

#include "base/error.h"
#include "fuzz.h"
#include "text/prompt-grammar.h"

#define STEPS 7

/* Every file holds the prompt itself, so that files within files are met. */
static gchar *
read_itself (gpointer     data,
             const gchar *name,
             GError     **error)
{
  return g_strdup (data);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar      *text  = fuzz_text (data, size);
  g_autofree gchar      *once  = pal_prompt_expand (text, size, read_itself, text, NULL);
  g_autofree gchar      *again = pal_prompt_expand (text, size, read_itself, text, NULL);
  g_autoptr (GPtrArray)  parts = pal_prompt_parse (once ? once : text, STEPS);

  g_assert (g_strcmp0 (once, again) == 0);
  for (guint step = 0; step < STEPS; step++)
    {
      g_autoptr (GPtrArray) here = pal_prompt_at (parts, step);

      for (guint i = 0; i < here->len; i++)
        {
          const PalPromptPart *part = g_ptr_array_index (here, i);

          g_assert (isfinite (part->weight) && part->end <= STEPS);
        }
    }

  return 0;
}
