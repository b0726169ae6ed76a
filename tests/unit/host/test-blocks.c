/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values in blocks and 8-bit floats, against numbers that city96/ComfyUI-GGUF:dequant.py
 * (Apache-2.0) and PyTorch give for the same bytes. */

#include <math.h>
#include <string.h>

#include "base/dtype.h"

#define MAX_BYTES  210
#define MAX_VALUES 256

typedef struct
{
  PalDType dtype;
  gsize    n_bytes;
  gfloat   at[4];               /* values 0, 17, 3 behind the middle, and the last */
  gdouble  sum;                 /* of all, each times 1 to 7 in turns */
} Row;

static const Row rows[] = {
  { PAL_Q8_0, 34, { -36.5f, -18.0f, 31.0f, -5.5f }, -1009.0 },
  { PAL_Q4_0, 18, { 1.5f, 2.5f, 0.5f, -1.0f }, 40.5 },
  { PAL_Q4_1, 20, { 2.25f, 2.75f, 3.75f, 4.25f }, 533.5 },
  { PAL_Q5_0, 22, { -7.0f, 1.0f, -6.0f, -1.5f }, -35.0 },
  { PAL_Q5_1, 24, { 14.25f, 4.25f, 11.75f, 15.75f }, 886.5 },
  { PAL_Q4_K, 144, { 104.25f, 174.25f, 26.75f, 53.75f }, 117945.25 },
  { PAL_Q5_K, 176, { 118.75f, 4.75f, 603.5f, -12.5f }, 226240.25 },
  { PAL_Q6_K, 210, { 244.0f, 30.0f, -1160.0f, 1245.0f }, -4742.5 },
};

/* Bytes of a small generator; the scales are 1/2, the minima's 1/4. */
static void
fill (const Row *row,
      guint8    *bytes)
{
  static const guint8 one_half[] = { 0x00, 0x38 }, quarter[] = { 0x00, 0x34 };
  const gboolean has_minimum = row->dtype == PAL_Q4_1 || row->dtype == PAL_Q5_1 ||
                               row->dtype == PAL_Q4_K || row->dtype == PAL_Q5_K;
  guint32        x           = (guint32) row->n_bytes;

  for (gsize i = 0; i < row->n_bytes; i++)
    {
      x        = x * 1103515245u + 12345u;
      bytes[i] = (guint8) (x >> 16);
    }

  memcpy (bytes + (row->dtype == PAL_Q6_K ? 208 : 0), one_half, 2);
  if (has_minimum)
    memcpy (bytes + 2, quarter, 2);
}

static void
test_blocks (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const gsize n = pal_dtype_block (rows[i].dtype);
      guint8      bytes[MAX_BYTES];
      gfloat      values[MAX_VALUES];
      gdouble     sum = 0.0;
      gsize       size = 0;

      g_assert_true (pal_dtype_bytes (rows[i].dtype, n, &size));
      g_assert_cmpuint (size, ==, rows[i].n_bytes);

      fill (&rows[i], bytes);
      pal_to_float (rows[i].dtype, bytes, values, n);
      for (gsize j = 0; j < n; j++)
        sum += (gdouble) (j % 7 + 1) * (gdouble) values[j];

      g_test_message ("%s", pal_dtype_name (rows[i].dtype));
      g_assert_cmpfloat (values[0], ==, rows[i].at[0]);
      g_assert_cmpfloat (values[17], ==, rows[i].at[1]);
      g_assert_cmpfloat (values[n / 2 + 3], ==, rows[i].at[2]);
      g_assert_cmpfloat (values[n - 1], ==, rows[i].at[3]);
      g_assert_cmpfloat (sum, ==, rows[i].sum);
    }
}

/* Part of a block is no number of values; more than memory can hold neither. */
static void
test_bytes (void)
{
  gsize size = 0;

  g_assert_false (pal_dtype_bytes (PAL_Q8_0, 31, &size));
  g_assert_false (pal_dtype_bytes (PAL_Q4_K, 128, &size));
  g_assert_false (pal_dtype_bytes (PAL_F64, G_MAXSIZE / 4, &size));
  g_assert_true (pal_dtype_bytes (PAL_Q6_K, 1024, &size));
  g_assert_cmpuint (size, ==, 840);
  g_assert_true (pal_dtype_bytes (PAL_F8_E5M2, 7, &size));
  g_assert_cmpuint (size, ==, 7);
}

typedef struct
{
  PalDType dtype;
  guint    n_finite;
  gdouble  sum;                 /* of the finite ones without signs */
  struct { guint8 bits; gfloat value; } at[4];
} Small;

static const Small small[] = {
  { PAL_F8_E4M3, 254, 10815.75,
    { { 0x01, 0x1p-9f }, { 0x08, 0x1p-6f }, { 0x7e, 448.0f }, { 0xc5, -3.25f } } },
  { PAL_F8_E5M2, 248, 720895.9995117188,
    { { 0x01, 0x1p-16f }, { 0x08, 0x1p-13f }, { 0x7b, 57344.0f }, { 0xc5, -5.0f } } },
};

static void
test_small_floats (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (small); i++)
    {
      guint   n_finite = 0;
      gdouble sum      = 0.0;

      for (guint bits = 0; bits < 256; bits++)
        {
          gfloat value;

          pal_to_float (small[i].dtype, &(guint8) { (guint8) bits }, &value, 1);
          n_finite += isfinite (value) ? 1 : 0;
          sum      += isfinite (value) ? fabs ((gdouble) value) : 0.0;
          for (gsize j = 0; j < G_N_ELEMENTS (small[i].at); j++)
            if (small[i].at[j].bits == bits)
              g_assert_cmpfloat (value, ==, small[i].at[j].value);
        }

      g_assert_cmpuint (n_finite, ==, small[i].n_finite);
      g_assert_cmpfloat_with_epsilon (sum, small[i].sum, 1e-6);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/blocks/values", test_blocks);
  g_test_add_func ("/blocks/bytes", test_bytes);
  g_test_add_func ("/blocks/small-floats", test_small_floats);

  return g_test_run ();
}
