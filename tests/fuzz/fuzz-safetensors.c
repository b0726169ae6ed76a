/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a safetensors file: refused, or every byte of every tensor readable; and as
 * the weights of a model part, where a tensor may be joined of two. */

#include "base/dtype.h"
#include "fuzz.h"
#include "io/tensor-file.h"
#include "io/weights.h"

static void
read_all (PalDType      dtype,
          gconstpointer data,
          gsize         n_bytes)
{
  const gsize        n      = n_bytes / pal_dtype_size (dtype);
  g_autofree gfloat *values = g_new (gfloat, n);

  pal_to_float (dtype, data, values, n);
}

static void
read_weights (const gchar *path)
{
  g_autoptr (GError)     error   = NULL;
  g_autoptr (PalWeights) weights = pal_weights_open_file (path, &error);

  g_assert ((weights == NULL) == (error != NULL));

  for (gsize i = 0; weights && i < pal_weights_count (weights); i++)
    {
      const PalWeightView *view = pal_weights_at (weights, i);

      read_all (view->dtype, view->data, view->n_bytes);
      if (view->scale)
        read_all (view->scale->dtype, view->scale->data, view->scale->n_bytes);
      g_assert (pal_weights_find (weights, view->name) == view);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar          *path  = fuzz_file ("x.safetensors", data, size);
  g_autoptr (GError)         error = NULL;
  g_autoptr (PalTensorFile) file  = pal_tensor_file_open (path, &error);

  g_assert ((file == NULL) == (error != NULL));

  for (gsize i = 0; file && i < pal_tensor_file_count (file); i++)
    {
      const PalTensorEntry *entry = pal_tensor_file_entry (file, i);

      read_all (entry->dtype, entry->data, entry->n_bytes);
      g_assert (pal_tensor_file_find (file, entry->name) != NULL);
    }

  read_weights (path);

  return 0;
}
