/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a recipe: refused, or readable again after being written. */

#include "fuzz.h"
#include "pal.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar     *text   = fuzz_text (data, size);
  g_autoptr (GError)    error  = NULL;
  g_autoptr (PalRecipe) recipe = pal_recipe_parse (text, &error);
  PalModelInfo          info   = { .sampler = (gchar *) "ddim", .steps = 1, .guidance = 1,
                                   .restyle_guidance = 1 };
  g_autofree gchar     *again  = NULL;

  g_assert ((recipe == NULL) == (error != NULL));

  if (recipe)
    {
      const PalRequest request = {
        .intent = recipe->intent, .prompt = recipe->prompt, .seed = recipe->seed,
        .negative_prompt = recipe->negative_prompt, .sampler = recipe->sampler,
        .steps = recipe->steps, .strength = recipe->strength
      };
      g_autoptr (PalRecipe) second = NULL;

      info.title = recipe->model;
      again      = pal_recipe_format (&request, &info, 8, 8);
      second     = pal_recipe_parse (again, NULL);
      g_assert (second != NULL && second->seed == recipe->seed);
    }

  return 0;
}
