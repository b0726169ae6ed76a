/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a safetensors file, and as the weights of a part in it, where a tensor may be
 * joined of two. */

#include "fuzz-tensors.h"
#include "io/weights.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar      *path    = NULL;
  g_autoptr (GError)     error   = NULL;
  g_autoptr (PalWeights) weights = NULL;

  fuzz_tensors (data, size, "", 0);

  path    = fuzz_file ("x.safetensors", data, size);
  weights = pal_weights_open_file (path, &error);
  g_assert ((weights == NULL) == (error != NULL));

  for (gsize i = 0; weights && i < pal_weights_count (weights); i++)
    {
      const PalWeightView *view = pal_weights_at (weights, i);

      g_assert (pal_weights_find (weights, view->name) == view);
    }

  return 0;
}
