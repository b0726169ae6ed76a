/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normal random numbers that reproduce what other programs give for a seed.
 *
 * Papers: M. Matsumoto, T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998);
 *   J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011
 *   (Philox4x32-10).
 * Consulted for behaviour: pytorch/pytorch:aten/src/ATen/native/cpu/
 *   DistributionTemplates.h, aten/src/ATen/core/DistributionsHelper.h (BSD-3-Clause).
 * Easy to get wrong (each guarded by tests/unit/host/test-random.c):
 *   - below 16 values torch draws doubles in pairs and keeps the second one, and what
 *     it kept survives a call of 16 values or more;
 *   - a tail shorter than 16 is made by overwriting the last 16 values;
 *   - torch's CPU generator sees only the low 32 bits of the seed. */

#include <math.h>

#include "base/random.h"

#define MT_N 624
#define MT_M 397

struct _PalRandom
{
  PalRandomKind kind;
  guint64       seed;
  guint32       call;           /* philox: calls so far */
  guint32       state[MT_N];
  gint          left;           /* state words not used yet */
  gboolean      kept;
  gdouble       kept_value;
};

static void
mt_seed (PalRandom *random)
{
  guint32 *s = random->state;

  s[0] = (guint32) random->seed;
  for (guint32 i = 1; i < MT_N; i++)
    s[i] = 1812433253u * (s[i - 1] ^ s[i - 1] >> 30) + i;

  random->left = 0;
}

static void
mt_refill (PalRandom *random)
{
  guint32 *s = random->state;

  for (guint i = 0; i < MT_N; i++)
    {
      const guint32 y = (s[i] & 0x80000000u) | (s[(i + 1) % MT_N] & 0x7fffffffu);

      s[i] = s[(i + MT_M) % MT_N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }

  random->left = MT_N;
}

static guint32
mt_next (PalRandom *random)
{
  guint32 y;

  if (random->left == 0)
    mt_refill (random);

  y  = random->state[MT_N - random->left--];
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680u;
  y ^= y << 15 & 0xefc60000u;

  return y ^ y >> 18;
}

/* Uniform in [0, 1) with 53 bits. */
static gdouble
mt_double (PalRandom *random)
{
  const guint64 high = mt_next (random);
  const guint64 low  = mt_next (random);

  return (gdouble) ((high << 32 | low) & ((G_GUINT64_CONSTANT (1) << 53) - 1)) * 0x1p-53;
}

static gdouble
torch_scalar (PalRandom *random)
{
  gdouble u1, u2, r, t;

  if (random->kept)
    {
      random->kept = FALSE;
      return random->kept_value;
    }

  u1 = mt_double (random);
  u2 = mt_double (random);
  r  = sqrt (-2.0 * log1p (-u2));
  t  = 2.0 * G_PI * u1;

  random->kept       = TRUE;
  random->kept_value = r * sin (t);

  return r * cos (t);
}

/* out: [16], uniforms to normals in place. */
static void
box_muller_16 (gfloat *out)
{
  for (guint j = 0; j < 8; j++)
    {
      const gfloat r = sqrtf (-2.0f * logf (1.0f - out[j]));
      const gfloat t = 2.0f * (gfloat) G_PI * out[j + 8];

      out[j]     = r * cosf (t);
      out[j + 8] = r * sinf (t);
    }
}

static void
torch_uniforms (PalRandom *random,
                gfloat    *out,
                gsize      n)
{
  for (gsize i = 0; i < n; i++)
    out[i] = (gfloat) (mt_next (random) & 0xffffff) * 0x1p-24f;
}

static void
torch_normal (PalRandom *random,
              gfloat    *out,
              gsize      n)
{
  if (n < 16)
    {
      for (gsize i = 0; i < n; i++)
        out[i] = (gfloat) torch_scalar (random);
      return;
    }

  torch_uniforms (random, out, n);
  for (gsize i = 0; i + 16 <= n; i += 16)
    box_muller_16 (out + i);

  if (n % 16 != 0)
    {
      torch_uniforms (random, out + n - 16, 16);
      box_muller_16 (out + n - 16);
    }
}

static void
philox_4x32_10 (guint64 seed,
                guint32 counter[4])
{
  guint32 k0 = (guint32) seed;
  guint32 k1 = (guint32) (seed >> 32);

  for (guint round = 0; round < 10; round++)
    {
      const guint64 p0 = (guint64) 0xd2511f53u * counter[0];
      const guint64 p1 = (guint64) 0xcd9e8d57u * counter[2];

      counter[0] = (guint32) (p1 >> 32) ^ counter[1] ^ k0;
      counter[1] = (guint32) p1;
      counter[2] = (guint32) (p0 >> 32) ^ counter[3] ^ k1;
      counter[3] = (guint32) p0;

      k0 += 0x9e3779b9u;
      k1 += 0xbb67ae85u;
    }
}

static void
philox_normal (PalRandom *random,
               gfloat    *out,
               gsize      n)
{
  for (gsize i = 0; i < n; i++)
    {
      guint32 c[4] = { random->call, 0, (guint32) i, (guint32) ((guint64) i >> 32) };
      gfloat  u, v;

      philox_4x32_10 (random->seed, c);

      u = (gfloat) c[0] * 0x1p-32f + 0x1p-33f;
      v = 2.0f * (gfloat) G_PI * ((gfloat) c[1] * 0x1p-32f + 0x1p-33f);

      out[i] = sqrtf (-2.0f * logf (u)) * sinf (v);
    }

  random->call++;
}

PalRandom *
pal_random_new (PalRandomKind kind,
                guint64       seed)
{
  PalRandom *random = g_new0 (PalRandom, 1);

  random->kind = kind;
  random->seed = seed;
  mt_seed (random);

  return random;
}

void
pal_random_free (PalRandom *random)
{
  g_free (random);
}

void
pal_random_normal (PalRandom *random,
                   gfloat    *out,
                   gsize      n)
{
  g_return_if_fail (random != NULL && (out != NULL || n == 0));

  if (random->kind == PAL_RANDOM_PHILOX)
    philox_normal (random, out, n);
  else
    torch_normal (random, out, n);
}
