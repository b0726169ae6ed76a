/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Element types, shapes and conversions. */

#include <math.h>
#include <string.h>

#include "base/dtype.h"

static void
test_names (void)
{
  for (guint i = 0; i < PAL_N_DTYPES; i++)
    {
      PalDType found = PAL_N_DTYPES;

      if (pal_dtype_block ((PalDType) i) > 1)
        {
          g_assert_false (pal_dtype_from_name (pal_dtype_name ((PalDType) i), &found));
          continue;
        }

      g_assert_true (pal_dtype_from_name (pal_dtype_name ((PalDType) i), &found));
      g_assert_cmpint ((gint) found, ==, (gint) i);
      g_assert_cmpuint (pal_dtype_size ((PalDType) i), >, 0);
    }

  g_assert_false (pal_dtype_from_name ("f32", &(PalDType) { 0 }));
}

static void
test_shapes (void)
{
  const PalShape    shape = PAL_SHAPE (2, 64, 64, 320);
  g_autofree gchar *text  = pal_shape_text (shape);
  g_autofree gchar *none  = pal_shape_text (pal_shape_make (0, NULL));
  gsize             n     = 0;

  g_assert_cmpstr (text, ==, "[2, 64, 64, 320]");
  g_assert_cmpstr (none, ==, "[]");
  g_assert_true (pal_shape_equal (shape, PAL_SHAPE (2, 64, 64, 320)));
  g_assert_false (pal_shape_equal (shape, PAL_SHAPE (2, 64, 64)));
  g_assert_false (pal_shape_equal (shape, PAL_SHAPE (2, 64, 64, 321)));

  g_assert_true (pal_shape_count (shape, &n));
  g_assert_cmpuint (n, ==, 2 * 64 * 64 * 320);
  g_assert_true (pal_shape_count (pal_shape_make (0, NULL), &n));
  g_assert_cmpuint (n, ==, 1);
  g_assert_true (pal_shape_count (PAL_SHAPE (G_MAXINT64, 0, G_MAXINT64), &n));
  g_assert_cmpuint (n, ==, 0);
  g_assert_false (pal_shape_count (PAL_SHAPE (G_MAXINT64, 3), &n));
  g_assert_false (pal_shape_count (PAL_SHAPE (4, -1), &n));
}

/* Halves are exact in float, so every one must come back as it was. */
static void
test_half_all (void)
{
  for (guint bits = 0; bits < 0x10000; bits++)
    {
      const gfloat value = pal_half_to_float ((guint16) bits);

      if ((bits & 0x7c00) == 0x7c00 && (bits & 0x3ff))
        g_assert_true (isnan (value) && isnan (pal_half_to_float (pal_half_from_float (value))));
      else
        g_assert_cmphex (pal_half_from_float (value), ==, bits);
    }

  g_assert_cmpfloat (pal_half_to_float (0x3c00), ==, 1.0f);
  g_assert_cmpfloat (pal_half_to_float (0xc000), ==, -2.0f);
  g_assert_cmpfloat (pal_half_to_float (0x7bff), ==, 65504.0f);
  g_assert_cmpfloat (pal_half_to_float (0x0001), ==, 0x1p-24f);
  g_assert_true (isinf (pal_half_to_float (0xfc00)));
}

static void
test_half_rounding (void)
{
  static const struct { gfloat value; guint16 bits; } rows[] = {
    { 1.0f + 0x1p-11f,            0x3c00 },   /* half way: to even, down */
    { 1.0f + 0x1p-10f + 0x1p-11f, 0x3c02 },   /* half way: to even, up */
    { 1.0f + 0x1.1p-11f,          0x3c01 },
    { 65519.0f,                   0x7bff },
    { 65520.0f,                   0x7c00 },
    { -1e30f,                     0xfc00 },
    { 0x1p-25f,                   0x0000 },   /* half of the smallest: to even */
    { 0x1.8p-25f,                 0x0001 },
    { 0x1.8p-24f,                 0x0002 },
    { 0x1.ffcp-15f + 0x1p-26f,    0x0400 },   /* subnormal up into normal */
    { -0.0f,                      0x8000 },
    { 1e-30f,                     0x0000 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmphex (pal_half_from_float (rows[i].value), ==, rows[i].bits);
}

static void
test_bf16 (void)
{
  for (guint bits = 0; bits < 0x10000; bits++)
    {
      const gfloat value = pal_bf16_to_float ((guint16) bits);

      if (isnan (value))
        g_assert_true (isnan (pal_bf16_to_float (pal_bf16_from_float (value))));
      else
        g_assert_cmphex (pal_bf16_from_float (value), ==, bits);
    }

  g_assert_cmphex (pal_bf16_from_float (1.0f + 0x1p-8f), ==, 0x3f80);
  g_assert_cmphex (pal_bf16_from_float (1.0f + 0x1p-7f + 0x1p-8f), ==, 0x3f82);
  g_assert_cmphex (pal_bf16_from_float (3.4028234e38f), ==, 0x7f80);
}

/* Two of each type, read from an odd address. */
static void
test_to_float (void)
{
  static const gdouble f64[2] = { -1.5, 3.0 };
  static const gfloat  f32[2] = { -1.5f, 3.0f };
  static const guint16 f16[2] = { 0xbe00, 0x4200 };
  static const guint16 b16[2] = { 0xbfc0, 0x4040 };
  static const gint64  i64[2] = { -2, 3 };
  static const gint32  i32[2] = { -2, 3 };
  static const gint16  i16[2] = { -2, 3 };
  static const gint8   i8[2]  = { -2, 3 };
  static const guint8  u8[2]  = { 254, 3 };
  static const guint8  b8[2]  = { 0, 7 };
  static const struct { PalDType dtype; const void *data; gfloat a, b; } rows[] = {
    { PAL_F64, f64, -1.5f, 3.0f }, { PAL_F32, f32, -1.5f, 3.0f }, { PAL_F16, f16, -1.5f, 3.0f },
    { PAL_BF16, b16, -1.5f, 3.0f }, { PAL_I64, i64, -2.0f, 3.0f }, { PAL_I32, i32, -2.0f, 3.0f },
    { PAL_I16, i16, -2.0f, 3.0f }, { PAL_I8, i8, -2.0f, 3.0f }, { PAL_U8, u8, 254.0f, 3.0f },
    { PAL_BOOL, b8, 0.0f, 1.0f },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      guint8 bytes[24] = { 0 };
      gfloat out[2];

      memcpy (bytes + 1, rows[i].data, 2 * pal_dtype_size (rows[i].dtype));
      pal_to_float (rows[i].dtype, bytes + 1, out, 2);
      g_assert_cmpfloat (out[0], ==, rows[i].a);
      g_assert_cmpfloat (out[1], ==, rows[i].b);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dtype/names", test_names);
  g_test_add_func ("/dtype/shapes", test_shapes);
  g_test_add_func ("/dtype/half-all", test_half_all);
  g_test_add_func ("/dtype/half-rounding", test_half_rounding);
  g_test_add_func ("/dtype/bf16", test_bf16);
  g_test_add_func ("/dtype/to-float", test_to_float);

  return g_test_run ();
}
