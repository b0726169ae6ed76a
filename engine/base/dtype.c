/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Element types and shapes: sizes, names, text, conversion to float. */

#include <math.h>
#include <string.h>

#include "base/blocks.h"
#include "base/dtype.h"

static const struct
{
  const gchar    *name;
  gsize           size;         /* bytes of a block */
  gsize           values;       /* of a block; 0 = 1 */
  PalBlockDecoder decode;       /* NULL for plain elements */
} dtypes[PAL_N_DTYPES] = {
  [PAL_F32]  = { "F32",  4 },
  [PAL_F16]  = { "F16",  2 },
  [PAL_BF16] = { "BF16", 2 },
  [PAL_F64]  = { "F64",  8 },
  [PAL_I64]  = { "I64",  8 },
  [PAL_I32]  = { "I32",  4 },
  [PAL_I16]  = { "I16",  2 },
  [PAL_I8]   = { "I8",   1 },
  [PAL_U8]   = { "U8",   1 },
  [PAL_BOOL] = { "BOOL", 1 },
  [PAL_F8_E4M3] = { "F8_E4M3", 1 },
  [PAL_F8_E5M2] = { "F8_E5M2", 1 },
  [PAL_Q8_0] = { "Q8_0", 34, 32, pal_block_q8_0 },
  [PAL_Q4_0] = { "Q4_0", 18, 32, pal_block_q4_0 },
  [PAL_Q4_1] = { "Q4_1", 20, 32, pal_block_q4_1 },
  [PAL_Q5_0] = { "Q5_0", 22, 32, pal_block_q5_0 },
  [PAL_Q5_1] = { "Q5_1", 24, 32, pal_block_q5_1 },
  [PAL_Q4_K] = { "Q4_K", 144, 256, pal_block_q4_k },
  [PAL_Q5_K] = { "Q5_K", 176, 256, pal_block_q5_k },
  [PAL_Q6_K] = { "Q6_K", 210, 256, pal_block_q6_k },
};

gsize
pal_dtype_size (PalDType dtype)
{
  g_assert (dtype < PAL_N_DTYPES && ! dtypes[dtype].decode);

  return dtypes[dtype].size;
}

gsize
pal_dtype_block (PalDType dtype)
{
  g_assert (dtype < PAL_N_DTYPES);

  return MAX (dtypes[dtype].values, 1);
}

gboolean
pal_dtype_bytes (PalDType dtype,
                 gsize    n,
                 gsize   *n_bytes)
{
  const gsize block = pal_dtype_block (dtype);

  return n % block == 0 && g_size_checked_mul (n_bytes, n / block, dtypes[dtype].size);
}

const gchar *
pal_dtype_name (PalDType dtype)
{
  g_assert (dtype < PAL_N_DTYPES);

  return dtypes[dtype].name;
}

gboolean
pal_dtype_is_float (PalDType dtype)
{
  return dtype == PAL_F32 || dtype == PAL_F16 || dtype == PAL_BF16;
}

gboolean
pal_dtype_from_name (const gchar *name,
                     PalDType    *dtype)
{
  for (guint i = 0; i < PAL_N_DTYPES; i++)
    if (! dtypes[i].decode && g_str_equal (dtypes[i].name, name))
      {
        *dtype = (PalDType) i;
        return TRUE;
      }

  return FALSE;
}

PalShape
pal_shape_make (guint         n,
                const gint64 *d)
{
  PalShape shape = { .n = n };

  g_assert (n <= PAL_MAX_DIMS);

  for (guint i = 0; i < n; i++)
    shape.d[i] = d[i];

  return shape;
}

gboolean
pal_shape_equal (PalShape a,
                 PalShape b)
{
  return a.n == b.n && memcmp (a.d, b.d, a.n * sizeof a.d[0]) == 0;
}

gboolean
pal_shape_count (PalShape shape,
                 gsize   *n_elements)
{
  gsize    n    = 1;
  gboolean zero = FALSE;

  /* A zero dimension makes the product zero whatever the others are. */
  for (guint i = 0; i < shape.n; i++)
    {
      if (shape.d[i] < 0)
        return FALSE;
      zero = zero || shape.d[i] == 0;
    }

  for (guint i = 0; i < shape.n && ! zero; i++)
    if ((guint64) shape.d[i] > G_MAXSIZE ||
        ! g_size_checked_mul (&n, n, (gsize) shape.d[i]))
      return FALSE;

  *n_elements = zero ? 0 : n;

  return TRUE;
}

gchar *
pal_shape_text (PalShape shape)
{
  GString *text = g_string_new ("[");

  for (guint i = 0; i < shape.n; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", shape.d[i]);

  g_string_append_c (text, ']');

  return g_string_free (text, FALSE);
}

static inline guint32
float_bits (gfloat x)
{
  guint32 bits;

  memcpy (&bits, &x, sizeof bits);

  return bits;
}

static inline gfloat
float_of_bits (guint32 bits)
{
  gfloat x;

  memcpy (&x, &bits, sizeof x);

  return x;
}

guint16
pal_half_from_float (gfloat x)
{
  const guint32 bits      = float_bits (x);
  const guint32 sign      = bits >> 16 & 0x8000;
  const guint32 magnitude = bits & 0x7fffffff;
  guint32       half;

  if (magnitude > 0x7f800000)
    return (guint16) (sign | 0x7e00 | (magnitude >> 13 & 0x3ff));

  /* From 65520 on, to nearest even gives infinity. */
  if (magnitude >= 0x477ff000)
    return (guint16) (sign | 0x7c00);

  if (magnitude < 0x38800000)
    {
      /* Subnormal: adding 0.5 puts one unit of 2^-24 into the last place of the
       * sum, so the addition itself rounds to nearest even. */
      half = float_bits (float_of_bits (magnitude) + 0.5f) - 0x3f000000;

      return (guint16) (sign | half);
    }

  half = magnitude + 0xfff + (magnitude >> 13 & 1) - ((127u - 15u) << 23);

  return (guint16) (sign | half >> 13);
}

gfloat
pal_half_to_float (guint16 x)
{
  const guint32 sign     = (guint32) (x & 0x8000) << 16;
  const guint32 exponent = x & 0x7c00;
  guint32       bits     = (guint32) (x & 0x7fff) << 13;

  if (exponent == 0x7c00)
    bits += (255u - 31u) << 23;
  else if (exponent != 0)
    bits += (127u - 15u) << 23;
  else
    bits = float_bits ((gfloat) (x & 0x3ff) * 0x1p-24f);

  return float_of_bits (sign | bits);
}

guint16
pal_bf16_from_float (gfloat x)
{
  const guint32 bits = float_bits (x);

  if ((bits & 0x7fffffff) > 0x7f800000)
    return (guint16) (bits >> 16 | 0x40);

  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

gfloat
pal_bf16_to_float (guint16 x)
{
  return float_of_bits ((guint32) x << 16);
}

/* Eight bits: a sign, e bits of exponent, and what is left of mantissa. */
static gfloat
float8 (guint8   x,
        guint    e,
        gboolean has_infinity)
{
  const guint   m        = 7 - e;
  const gint    bias     = (1 << (e - 1)) - 1;
  const guint32 exponent = (guint32) (x & 0x7f) >> m;
  const guint32 mantissa = x & ((1u << m) - 1);
  const guint32 sign     = (guint32) (x & 0x80) << 24;
  const guint32 top      = (1u << e) - 1;
  guint32       bits;

  if (has_infinity ? exponent == top : (x & 0x7f) == 0x7f)
    bits = 0x7f800000 | ((has_infinity ? mantissa : 1) << (23 - m));
  else if (exponent != 0)
    bits = ((exponent + 127 - (guint32) bias) << 23) | (mantissa << (23 - m));
  else
    bits = float_bits (ldexpf ((gfloat) mantissa, 1 - bias - (gint) m));

  return float_of_bits (sign | bits);
}

/* Data of a mapped file need not be aligned to its type, hence memcpy (). */
#define CONVERT(type, expression)                                               \
  for (gsize i = 0; i < n; i++)                                                 \
    {                                                                           \
      type value;                                                               \
                                                                                \
      memcpy (&value, (const guint8 *) data + i * sizeof (type), sizeof value); \
      out[i] = (expression);                                                    \
    }                                                                           \
  break

static void
blocks_to_float (PalDType      dtype,
                 gconstpointer data,
                 gfloat       *out,
                 gsize         n)
{
  const gsize   values = dtypes[dtype].values;
  const guint8 *block  = data;

  for (gsize i = 0; i + values <= n; i += values, block += dtypes[dtype].size)
    dtypes[dtype].decode (block, out + i);
}

void
pal_to_float (PalDType      dtype,
              gconstpointer data,
              gfloat       *out,
              gsize         n)
{
  switch (dtype)
    {
    case PAL_F32:
      memcpy (out, data, n * sizeof *out);
      break;
    case PAL_F16:
      CONVERT (guint16, pal_half_to_float (value));
    case PAL_BF16:
      CONVERT (guint16, pal_bf16_to_float (value));
    case PAL_F64:
      CONVERT (gdouble, (gfloat) value);
    case PAL_I64:
      CONVERT (gint64, (gfloat) value);
    case PAL_I32:
      CONVERT (gint32, (gfloat) value);
    case PAL_I16:
      CONVERT (gint16, (gfloat) value);
    case PAL_I8:
      CONVERT (gint8, (gfloat) value);
    case PAL_U8:
      CONVERT (guint8, (gfloat) value);
    case PAL_BOOL:
      CONVERT (guint8, value ? 1.0f : 0.0f);
    case PAL_F8_E4M3:
      CONVERT (guint8, float8 (value, 4, FALSE));
    case PAL_F8_E5M2:
      CONVERT (guint8, float8 (value, 5, TRUE));
    case PAL_Q8_0:
    case PAL_Q4_0:
    case PAL_Q4_1:
    case PAL_Q5_0:
    case PAL_Q5_1:
    case PAL_Q4_K:
    case PAL_Q5_K:
    case PAL_Q6_K:
      blocks_to_float (dtype, data, out, n);
      break;
    case PAL_N_DTYPES:
    default:
      g_assert_not_reached ();
    }
}
