/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a safetensors file: refused, or every byte of every tensor readable. */

#include "base/dtype.h"
#include "fuzz.h"
#include "io/safetensors.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar          *path  = fuzz_file ("x.safetensors", data, size);
  g_autoptr (GError)         error = NULL;
  g_autoptr (PalSafetensors) file  = pal_safetensors_open (path, &error);

  g_assert ((file == NULL) == (error != NULL));

  for (gsize i = 0; file && i < pal_safetensors_count (file); i++)
    {
      const PalTensorEntry *entry  = pal_safetensors_entry (file, i);
      const gsize           n      = entry->n_bytes / pal_dtype_size (entry->dtype);
      g_autofree gfloat    *values = g_new (gfloat, n);

      pal_to_float (entry->dtype, entry->data, values, n);
      g_assert (pal_safetensors_find (file, entry->name) != NULL);
    }

  return 0;
}
