/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the fuzz entries of files of tensors share. */

#include "fuzz-tensors.h"

#include <string.h>

#include "base/dtype.h"
#include "io/weights.h"

#define MAX_VALUES (1 << 20)    /* tensors may share bytes: more takes too long */

static void
read_values (PalDType      dtype,
             PalShape      shape,
             gconstpointer data,
             gsize        *left)
{
  g_autofree gfloat *values = NULL;
  gsize              n      = 0;

  g_assert (pal_shape_count (shape, &n));
  if (n > *left)
    return;

  *left -= n;
  values = g_new (gfloat, n);
  pal_to_float (dtype, data, values, n);
}

static void
read_parts (PalTensorFile *file)
{
  static const gchar *const parts[] = { "unet", "vae", "text_encoder", "text_encoder_2" };

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      const PalLayout       *layout  = pal_layout_find (file, parts[i]);
      g_autoptr (GError)     error   = NULL;
      g_autoptr (PalWeights) weights = layout ? pal_weights_open_part (file, layout, &error) : NULL;
      gsize                  left    = MAX_VALUES;

      g_assert (! layout || (weights == NULL) == (error != NULL));
      for (gsize j = 0; weights && j < pal_weights_count (weights); j++)
        {
          const PalWeightView *view = pal_weights_at (weights, j);

          read_values (view->dtype, view->shape, view->data, &left);
          if (view->scale)
            read_values (view->scale->dtype, view->scale->shape, view->scale->data, &left);
          g_assert (pal_weights_find (weights, view->name) == view);
        }
    }
}

void
fuzz_tensors (const uint8_t *data,
              size_t         size,
              const void    *start,
              size_t         start_size)
{
  g_autofree guint8        *bytes = g_malloc (size + start_size + 1);
  g_autofree gchar         *path  = NULL;
  g_autoptr (GError)        error = NULL;
  g_autoptr (PalTensorFile) file  = NULL;
  gsize                     left  = MAX_VALUES;

  memcpy (bytes, start, start_size);
  if (size > 0)
    memcpy (bytes + start_size, data, size);
  path = fuzz_file ("x", bytes, size + start_size);
  file = pal_tensor_file_open (path, &error);

  g_assert ((file == NULL) == (error != NULL));

  for (gsize i = 0; file && i < pal_tensor_file_count (file); i++)
    {
      const PalTensorEntry *entry = pal_tensor_file_entry (file, i);

      read_values (entry->dtype, entry->shape, entry->data, &left);
      g_assert (pal_tensor_file_find (file, entry->name) == entry);
    }

  if (file)
    read_parts (file);
}
