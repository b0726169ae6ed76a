/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights stored as whole numbers with a scale for each row: value = data * scale.
 *
 * Reference: huggingface/optimum-quanto:optimum/quanto/tensor/weights/qbytes.py and
 *   nn/qmodule.py @567737f5 (Apache-2.0), whose files have "X._data" and "X._scale" where
 *   others have "X". Their "input_scale" and "output_scale" are those of activations,
 *   which stay float here; nothing asks for them.
 * Easy to get wrong: files of 4-bit weights have the same names, with packed U8 data
 *   (guarded by tests/unit/host/test-weights.c). */

#include "io/quantised.h"

#include <string.h>

#include "base/dtype.h"
#include "base/error.h"

#define DATA  "._data"
#define SCALE "._scale"

static gboolean
check_data (const PalWeightView  *view,
            const gchar          *label,
            GError              **error)
{
  gsize n = 0;

  if (view->dtype != PAL_I8)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: the tensor %s is of the type %s; quantised weights must be I8 with a scale "
                   "for each row: get the model in this form or in F16", label, view->name,
                   pal_dtype_name (view->dtype));
      return FALSE;
    }

  if (view->shape.n == 0 || ! pal_shape_count (view->shape, &n) || n == 0)
    {
      g_autofree gchar *shape = pal_shape_text (view->shape);

      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE, "%s: the tensor %s is empty: %s", label,
                   view->name, shape);
      return FALSE;
    }

  return TRUE;
}

/* One float for each row of data: [M, 1, ..] */
static gboolean
check_scale (const PalWeightView  *data,
             const PalWeightView  *scale,
             const gchar          *label,
             GError              **error)
{
  PalShape needed = data->shape;

  for (guint i = 1; i < needed.n; i++)
    needed.d[i] = 1;

  if (! pal_shape_equal (scale->shape, needed))
    {
      g_autofree gchar *shape = pal_shape_text (scale->shape);
      g_autofree gchar *want  = pal_shape_text (needed);

      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
                   "%s: the tensor %s is %s where %s is needed: one scale for each row", label,
                   scale->name, shape, want);
      return FALSE;
    }

  if (! pal_dtype_is_float (scale->dtype))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: the tensor %s is of the type %s; scales must be F32, F16 or BF16", label,
                   scale->name, pal_dtype_name (scale->dtype));
      return FALSE;
    }

  return TRUE;
}

static gboolean
join (PalWeightView  *data,
      GPtrArray      *views,
      GHashTable     *by_name,
      const gchar    *label,
      GError        **error)
{
  g_autofree gchar *name       = g_strndup (data->name, strlen (data->name) - strlen (DATA));
  g_autofree gchar *scale_name = g_strconcat (name, SCALE, NULL);
  PalWeightView    *scale      = g_hash_table_lookup (by_name, scale_name);
  guint             at         = 0;

  if (! check_data (data, label, error))
    return FALSE;

  if (! scale)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_WEIGHT,
                   "%s: the tensor %s is missing, which %s needs; get the file again",
                   label, scale_name, data->name);
      return FALSE;
    }

  if (! check_scale (data, scale, label, error))
    return FALSE;

  if (g_hash_table_contains (by_name, name))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "%s: holds both %s and %s", label, name,
                   data->name);
      return FALSE;
    }

  g_hash_table_remove (by_name, data->name);
  g_hash_table_remove (by_name, scale->name);
  g_ptr_array_find (views, scale, &at);
  data->scale = g_ptr_array_steal_index (views, at);

  g_free (data->name);
  data->name = g_steal_pointer (&name);
  g_hash_table_insert (by_name, data->name, data);

  return TRUE;
}

/* From the end, since joining takes a scale out: what stands behind it moves one place
 * forward, and there only a view that is joined already can be met again. */
gboolean
pal_quantised_join (GPtrArray    *views,
                    GHashTable   *by_name,
                    const gchar  *label,
                    GError      **error)
{
  for (guint i = views->len; i > 0; i--)
    {
      PalWeightView *view = g_ptr_array_index (views, i - 1);

      if (! view->scale && g_str_has_suffix (view->name, DATA) &&
          ! join (view, views, by_name, label, error))
        return FALSE;
    }

  return TRUE;
}
