/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values that are stored as blocks of small whole numbers with common scales.
 *
 * Reference: ggml-org/ggml:src/ggml-common.h and ggml-quants.c (MIT), whose files (GGUF)
 *   have these blocks: their layout and meaning.
 * Easy to get wrong, all guarded by tests/unit/host/test-blocks.c:
 *   - in blocks of 32, the low halves of the bytes are the first 16 values and the high
 *     halves the last 16;
 *   - in those of 256, the same holds for each run of 64 values (Q4_K, Q5_K), and four
 *     runs of 32 share their bytes (Q6_K);
 *   - the last four scales of Q4_K and Q5_K lie in three places. */

#include "base/blocks.h"

#include <string.h>

#include "base/dtype.h"

static gfloat
half_at (const guint8 *p)
{
  guint16 x;

  memcpy (&x, p, sizeof x);

  return pal_half_to_float (GUINT16_FROM_LE (x));
}

static guint32
word_at (const guint8 *p)
{
  guint32 x;

  memcpy (&x, p, sizeof x);

  return GUINT32_FROM_LE (x);
}

/* [half d][32 signed bytes] */
void
pal_block_q8_0 (const guint8 *block,
                gfloat       *out)
{
  const gfloat d = half_at (block);

  for (guint i = 0; i < 32; i++)
    out[i] = d * (gfloat) (gint8) block[2 + i];
}

/* 32 values of 4 bits, and of a fifth from fifths: value = d * (q - zero) + m */
static void
nibbles (const guint8 *q,
         guint32       fifths,
         gfloat        d,
         gint          zero,
         gfloat        m,
         gfloat       *out)
{
  for (guint i = 0; i < 16; i++)
    {
      const gint low  = (gint) ((q[i] & 15) | (fifths >> i & 1) << 4);
      const gint high = (gint) ((q[i] >> 4) | (fifths >> (i + 16) & 1) << 4);

      out[i]      = d * (gfloat) (low - zero) + m;
      out[i + 16] = d * (gfloat) (high - zero) + m;
    }
}

/* [half d][16 bytes] */
void
pal_block_q4_0 (const guint8 *block,
                gfloat       *out)
{
  nibbles (block + 2, 0, half_at (block), 8, 0.0f, out);
}

/* [half d][half m][16 bytes] */
void
pal_block_q4_1 (const guint8 *block,
                gfloat       *out)
{
  nibbles (block + 4, 0, half_at (block), 0, half_at (block + 2), out);
}

/* [half d][32 fifth bits][16 bytes] */
void
pal_block_q5_0 (const guint8 *block,
                gfloat       *out)
{
  nibbles (block + 6, word_at (block + 2), half_at (block), 16, 0.0f, out);
}

/* [half d][half m][32 fifth bits][16 bytes] */
void
pal_block_q5_1 (const guint8 *block,
                gfloat       *out)
{
  nibbles (block + 8, word_at (block + 4), half_at (block), 0, half_at (block + 2), out);
}

/* Eight scales and eight minima of 6 bits in 12 bytes: of the first four, a byte each
 * keeps the low 6 bits; its high 2 bits are the high ones of the last four, whose low 4
 * share a byte. */
static void
scale_and_minimum (const guint8 *p,
                   guint         i,
                   guint        *scale,
                   guint        *minimum)
{
  if (i < 4)
    {
      *scale   = p[i] & 63;
      *minimum = p[i + 4] & 63;
    }
  else
    {
      *scale   = (p[i + 4] & 15u) | (guint) (p[i - 4] >> 6) << 4;
      *minimum = (guint) (p[i + 4] >> 4) | (guint) (p[i] >> 6) << 4;
    }
}

/* 256 values; block: [half d][half dmin][12 bytes of scales]..; fifths: 32 bytes or NULL,
 * whose bit i belongs to the i-th run of 32 values */
static void
runs_of_32 (const guint8 *block,
            const guint8 *fifths,
            const guint8 *q,
            gfloat       *out)
{
  const gfloat d = half_at (block), dmin = half_at (block + 2);

  for (guint run = 0; run < 8; run++)
    {
      const guint8 *bytes = q + run / 2 * 32;
      guint         scale, minimum;

      scale_and_minimum (block + 4, run, &scale, &minimum);
      for (guint i = 0; i < 32; i++)
        {
          guint value = run % 2 ? bytes[i] >> 4 : bytes[i] & 15;

          if (fifths)
            value |= (fifths[i] >> run & 1u) << 4;
          out[run * 32 + i] = d * (gfloat) (scale * value) - dmin * (gfloat) minimum;
        }
    }
}

/* [half d][half dmin][12 bytes of scales][128 bytes] */
void
pal_block_q4_k (const guint8 *block,
                gfloat       *out)
{
  runs_of_32 (block, NULL, block + 16, out);
}

/* [half d][half dmin][12 bytes of scales][32 bytes of fifth bits][128 bytes] */
void
pal_block_q5_k (const guint8 *block,
                gfloat       *out)
{
  runs_of_32 (block, block + 16, block + 48, out);
}

/* [128 bytes of low 4 bits][64 bytes of high 2 bits][16 signed scales][half d] */
void
pal_block_q6_k (const guint8 *block,
                gfloat       *out)
{
  const gfloat d = half_at (block + 208);

  for (guint i = 0; i < 256; i++)
    {
      const guint half = i / 128, run = i / 32 % 4, at = i % 32;
      const guint low  = block[half * 64 + run % 2 * 32 + at] >> (run / 2 * 4) & 15;
      const guint high = block[128 + half * 32 + at] >> (run * 2) & 3;
      const gint  q    = (gint) (low | high << 4) - 32;

      out[i] = d * (gfloat) (q * (gint8) block[192 + i / 16]);
    }
}
