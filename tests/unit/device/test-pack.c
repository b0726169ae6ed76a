/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packing of weights, against the definition of each form. */

#include "device-support.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

/* Values that F16 and BF16 hold exactly. */
static gfloat
value_at (gsize i)
{
  return (gfloat) ((gint) (i * 31 % 97) - 48) / 4.0f;
}

static gpointer
stored (PalDType dtype,
        gsize    n)
{
  guint8 *data = g_malloc (n * pal_dtype_size (dtype));

  for (gsize i = 0; i < n; i++)
    {
      const gfloat  x   = value_at (i);
      const gdouble wide = (gdouble) x;
      const guint16 f16 = pal_half_from_float (x), bf16 = pal_bf16_from_float (x);
      const gint64  whole = (gint64) x;
      gconstpointer from = dtype == PAL_F32 ? (gconstpointer) &x :
                           dtype == PAL_F16 ? (gconstpointer) &f16 :
                           dtype == PAL_BF16 ? (gconstpointer) &bf16 :
                           dtype == PAL_I64 ? (gconstpointer) &whole : (gconstpointer) &wide;

      memcpy (data + i * pal_dtype_size (dtype), from, pal_dtype_size (dtype));
    }

  return data;
}

static PalResidency *
residency_of (PalDType      dtype,
              PalShape      shape,
              gconstpointer data)
{
  /* One odd byte in front: tensors in files are not aligned. */
  static const guint8 odd = 1;
  const TestTensor    tensors[] = { { "odd", PAL_U8, PAL_SHAPE (1), &odd },
                                    { "t", dtype, shape, data } };
  g_autoptr (PalWeights) weights = test_weights (tensors, G_N_ELEMENTS (tensors));

  return pal_residency_new (test_device (), weights);
}

static gint8 *
quantised (gsize n)
{
  gint8 *data = g_new (gint8, n);

  for (gsize i = 0; i < n; i++)
    data[i] = (gint8) ((gint) (i * 37 % 255) - 127);

  return data;
}

/* "t" as I8 with an F16 scale for each row. */
static PalResidency *
quantised_residency (PalShape      shape,
                     const gint8  *data,
                     gfloat      (*scale_at) (gsize i))
{
  const gsize         n = (gsize) shape.d[0];
  g_autofree guint16 *scales = g_new (guint16, n);
  TestTensor          tensors[] = { { "t._data", PAL_I8, shape, data },
                                    { "t._scale", PAL_F16, shape, scales } };
  g_autoptr (PalWeights) weights = NULL;

  for (gsize i = 0; i < n; i++)
    scales[i] = pal_half_from_float (scale_at (i));
  for (guint i = 1; i < shape.n; i++)
    tensors[1].shape.d[i] = 1;
  weights = test_weights (tensors, G_N_ELEMENTS (tensors));

  return pal_residency_new (test_device (), weights);
}

/* What is on the device, as float. */
static gfloat *
on_device (PalResidency *residency,
           PalWeight    *w)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *raw = NULL;
  gfloat           *values;
  gsize             n;

  g_assert_true (pal_residency_upload (residency, w, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (pal_buffer_bytes (w->buffer), ==, w->n_bytes);

  raw    = g_malloc (w->n_bytes);
  n      = w->n_bytes / pal_dtype_size (w->dtype);
  values = g_new (gfloat, n);
  g_assert_true (pal_buffer_read (w->buffer, 0, raw, w->n_bytes, &error));
  pal_to_float (w->dtype, raw, values, n);

  return values;
}

static gfloat *
uploaded (PalResidency *residency,
          PalPacking    packing,
          guint         panel,
          PalWeight   **weight)
{
  gfloat *values;

  *weight = pal_residency_find (residency, "t", packing, panel);
  g_assert_nonnull (*weight);
  values = on_device (residency, *weight);
  g_assert_true (*weight == pal_residency_find (residency, "t", packing, panel));

  return values;
}

static void
check_panels (PalDType dtype,
              PalShape shape,
              guint    panel)
{
  const gsize n = (gsize) shape.d[0], channels = (gsize) shape.d[1];
  const gsize taps = shape.n == 4 ? (gsize) (shape.d[2] * shape.d[3]) : 1;
  const gsize k = channels * taps, panels = (n + panel - 1) / panel;
  g_autofree gpointer data = stored (dtype, n * k);
  g_autoptr (PalResidency) residency = residency_of (dtype, shape, data);
  g_autofree gfloat *values = NULL;
  PalWeight *weight;

  values = uploaded (residency, PAL_PACK_PANELS, panel, &weight);
  g_assert_cmpint (weight->dtype, ==, dtype == PAL_F64 ? PAL_F32 : dtype);
  g_assert_cmpuint (weight->n_bytes, ==, panels * k * panel * pal_dtype_size (weight->dtype));

  for (gsize row = 0; row < panels * panel; row++)
    for (gsize c = 0; c < channels; c++)
      for (gsize tap = 0; tap < taps; tap++)
        {
          const gsize  at = (row / panel * k + tap * channels + c) * panel + row % panel;
          const gfloat expected = row < n ? value_at ((row * channels + c) * taps + tap) : 0;

          g_assert_cmpfloat (values[at], ==, expected);
        }
}

static void
test_panels (void)
{
  const PalDType dtypes[] = { PAL_F32, PAL_F16, PAL_BF16, PAL_F64 };

  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    {
      check_panels (dtypes[i], PAL_SHAPE (16, 8), 16);
      check_panels (dtypes[i], PAL_SHAPE (1, 1), 16);
      check_panels (dtypes[i], PAL_SHAPE (17, 33), 16);
      check_panels (dtypes[i], PAL_SHAPE (31, 70, 3, 3), 16);
      check_panels (dtypes[i], PAL_SHAPE (5, 3, 1, 1), 4);
      check_panels (dtypes[i], PAL_SHAPE (9, 2, 3, 2), 32);
    }
}

static void
test_rows_and_vectors (void)
{
  const PalDType dtypes[] = { PAL_F32, PAL_F16, PAL_BF16, PAL_F64, PAL_I64 };

  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    {
      g_autofree gpointer data = stored (dtypes[i], 35);
      g_autoptr (PalResidency) residency = residency_of (dtypes[i], PAL_SHAPE (7, 5), data);
      g_autofree gfloat *vector = NULL, *rows = NULL;
      PalWeight *weight;

      vector = uploaded (residency, PAL_PACK_VECTOR, 0, &weight);
      g_assert_cmpint (weight->dtype, ==, PAL_F32);
      for (gsize k = 0; k < 35; k++)
        g_assert_cmpfloat (vector[k], ==,
                           dtypes[i] == PAL_I64 ? truncf (value_at (k)) : value_at (k));

      if (dtypes[i] == PAL_I64)
        continue;

      rows = uploaded (residency, PAL_PACK_ROWS, 0, &weight);
      g_assert_cmpint (weight->dtype, ==, dtypes[i] == PAL_F64 ? PAL_F32 : dtypes[i]);
      for (gsize k = 0; k < 35; k++)
        g_assert_cmpfloat (rows[k], ==, value_at (k));
    }
}

/* 8-bit floats become halves; a matrix that is stored column by column is turned. */
static void
test_widened_and_turned (void)
{
  static const guint8 codes[]  = { 0x30, 0x38, 0x3c, 0x40, 0x44, 0x48 };
  static const gfloat stored_values[] = { 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f };
  const TestTensor    tensors[] = { { "t", PAL_F8_E4M3, PAL_SHAPE (2, 3), codes } };

  for (guint turned = 0; turned < 2; turned++)
    {
      g_autoptr (PalWeights)   weights   = test_weights (tensors, G_N_ELEMENTS (tensors));
      g_autoptr (PalResidency) residency = NULL;
      g_autofree gfloat       *rows      = NULL, *vector = NULL;
      PalWeight               *weight;

      ((PalWeightView *) pal_weights_find (weights, "t"))->transposed = turned;
      residency = pal_residency_new (test_device (), weights);

      rows = uploaded (residency, PAL_PACK_ROWS, 0, &weight);
      g_assert_cmpint (weight->dtype, ==, PAL_F16);
      g_assert_cmpuint (weight->n_bytes, ==, 12);
      vector = uploaded (residency, PAL_PACK_VECTOR, 0, &weight);
      g_assert_cmpint (weight->dtype, ==, PAL_F32);

      for (gsize i = 0; i < 2; i++)
        for (gsize j = 0; j < 3; j++)
          {
            const gfloat expected = stored_values[turned ? j * 2 + i : i * 3 + j];

            g_assert_cmpfloat (rows[i * 3 + j], ==, expected);
            g_assert_cmpfloat (vector[i * 3 + j], ==, expected);
          }
    }
}

/* I8 with scales: the numbers stay as they are, the scales are a vector of their own. */
static void
test_quantised (void)
{
  const PalShape shapes[] = { PAL_SHAPE (17, 33), PAL_SHAPE (31, 70, 3, 3),
                              PAL_SHAPE (5, 3, 1, 1) };

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      const PalShape     shape = shapes[i];
      const gsize        n = (gsize) shape.d[0], channels = (gsize) shape.d[1];
      const gsize        taps = shape.n == 4 ? (gsize) (shape.d[2] * shape.d[3]) : 1;
      const gsize        k = channels * taps, panels = (n + 15) / 16;
      g_autofree gint8  *data   = quantised (n * k);
      g_autofree gfloat *scales = NULL, *values = NULL;
      g_autoptr (PalResidency) residency = quantised_residency (shape, data, value_at);
      PalWeight *weight;

      values = uploaded (residency, PAL_PACK_PANELS, 16, &weight);
      g_assert_cmpint (weight->dtype, ==, PAL_I8);
      g_assert_cmpuint (weight->n_bytes, ==, panels * k * 16);
      for (gsize row = 0; row < panels * 16; row++)
        for (gsize c = 0; c < channels; c++)
          for (gsize tap = 0; tap < taps; tap++)
            {
              const gsize at = (row / 16 * k + tap * channels + c) * 16 + row % 16;

              g_assert_cmpfloat (values[at], ==,
                                 row < n ? data[(row * channels + c) * taps + tap] : 0.0f);
            }

      scales = on_device (residency, weight->scale);
      g_assert_cmpint (weight->scale->dtype, ==, PAL_F32);
      for (gsize row = 0; row < n; row++)
        g_assert_cmpfloat (scales[row], ==, value_at (row));

      if (shape.n != 2)
        continue;

      g_free (values);
      values = uploaded (residency, PAL_PACK_ROWS, 0, &weight);
      g_assert_cmpint (weight->dtype, ==, PAL_I8);
      for (gsize j = 0; j < n * k; j++)
        g_assert_cmpfloat (values[j], ==, data[j]);
    }
}

static gfloat
not_a_number (gsize i)
{
  return i == 4 ? (gfloat) NAN : 1.0f;
}

static void
test_bad_quantised (void)
{
  g_autofree gint8        *data      = quantised (35);
  g_autoptr (PalResidency) residency = quantised_residency (PAL_SHAPE (7, 5), data, not_a_number);
  g_autoptr (GError)       error     = NULL;
  PalWeight *weight = pal_residency_find (residency, "t", PAL_PACK_PANELS, 16);

  g_assert_false (pal_residency_upload (residency, weight->scale, &error));
  test_error (error, PAL_ERROR_FORMAT, "“t._scale”");
  g_clear_error (&error);

  weight = pal_residency_find (residency, "t", PAL_PACK_VECTOR, 0);
  g_assert_false (pal_residency_upload (residency, weight, &error));
  test_error (error, PAL_ERROR_UNSUPPORTED, "“t” is I8 with scales");
}

/* A value that is not finite is refused wherever it stands, in every form. */
static void
test_not_finite (void)
{
  const PalDType dtypes[] = { PAL_F32, PAL_F16, PAL_BF16, PAL_F64 };
  const PalPacking packings[] = { PAL_PACK_VECTOR, PAL_PACK_ROWS, PAL_PACK_PANELS };
  const gsize at[] = { 0, 17, 20 * 3 - 1 };

  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (packings); j++)
      for (guint k = 0; k < G_N_ELEMENTS (at); k++)
        {
          const gfloat  bad[] = { (gfloat) NAN, INFINITY, -INFINITY };
          const gdouble wide = (gdouble) bad[k];
          const guint16 f16 = pal_half_from_float (bad[k]);
          const guint16 bf16 = pal_bf16_from_float (bad[k]);
          const gsize   size = pal_dtype_size (dtypes[i]);
          gconstpointer from[PAL_N_DTYPES] = { [PAL_F32] = &bad[k], [PAL_F16] = &f16,
                                               [PAL_BF16] = &bf16, [PAL_F64] = &wide };
          g_autofree guint8 *data = stored (dtypes[i], 60);
          g_autoptr (PalResidency) residency = NULL;
          g_autoptr (GError) error = NULL;
          PalWeight *weight;

          memcpy (data + at[k] * size, from[dtypes[i]], size);
          residency = residency_of (dtypes[i], PAL_SHAPE (20, 3), data);
          weight    = pal_residency_find (residency, "t", packings[j], 16);

          g_assert_false (pal_residency_upload (residency, weight, &error));
          test_error (error, PAL_ERROR_FORMAT, "“t”");
          g_assert_nonnull (strstr (error->message, ".safetensors"));
          g_assert_null (weight->buffer);
        }
}

static void
test_refused (void)
{
  g_autofree gpointer data = stored (PAL_I64, 12);
  g_autoptr (PalResidency) residency = residency_of (PAL_I64, PAL_SHAPE (3, 4), data);
  g_autoptr (GError) error = NULL;
  PalWeight *weight = pal_residency_find (residency, "t", PAL_PACK_PANELS, 16);

  g_assert_false (pal_residency_upload (residency, weight, &error));
  test_error (error, PAL_ERROR_UNSUPPORTED, "I64");
  g_assert_null (pal_residency_find (residency, "absent", PAL_PACK_VECTOR, 0));
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/pack/panels", test_panels);
  g_test_add_func ("/pack/rows-and-vectors", test_rows_and_vectors);
  g_test_add_func ("/pack/quantised", test_quantised);
  g_test_add_func ("/pack/widened-and-turned", test_widened_and_turned);
  g_test_add_func ("/pack/bad-quantised", test_bad_quantised);
  g_test_add_func ("/pack/not-finite", test_not_finite);
  g_test_add_func ("/pack/refused", test_refused);

  return device_test_run ();
}
