/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Host random numbers against the reference's. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "io/tensor-file.h"
#include "support.h"

/* The generators' formulas in float32 leave this much to the last bits of libm. */
#define TOLERANCE 1e-6

static PalTensorFile *
open_goldens (void)
{
  g_autofree gchar *path  = support_data ("rng", "goldens.safetensors", NULL);
  GError           *error = NULL;
  PalTensorFile   *file  = pal_tensor_file_open (path, &error);

  g_assert_no_error (error);

  return file;
}

static void
assert_close (const PalTensorEntry *golden,
              const gfloat         *values,
              gsize                 from,
              gsize                 n)
{
  for (gsize i = 0; i < n; i++)
    {
      gfloat expected;

      memcpy (&expected, (const guint8 *) golden->data + (from + i) * sizeof expected,
              sizeof expected);
      if (! (fabs ((gdouble) expected - (gdouble) values[i]) <= TOLERANCE))
        g_error ("%s[%" G_GSIZE_FORMAT "]: %.9g, expected %.9g", golden->name, from + i,
                 (gdouble) values[i], (gdouble) expected);
    }
}

static void
draw_and_compare (PalRandom            *random,
                  const PalTensorEntry *golden,
                  gsize                 from,
                  gsize                 n)
{
  g_autofree gfloat *values = g_new (gfloat, n);

  pal_random_normal (random, values, n);
  assert_close (golden, values, from, n);
}

/* torch_cpu.seedS.nN and .shapeAxB: one call on a fresh generator. */
static void
test_torch_fresh (void)
{
  g_autoptr (PalTensorFile) file  = open_goldens ();
  guint                      found = 0;

  for (gsize i = 0; i < pal_tensor_file_count (file); i++)
    {
      const PalTensorEntry *golden = pal_tensor_file_entry (file, i);
      unsigned long long    seed;

      if (sscanf (golden->name, "torch_cpu.seed%llu.", &seed) == 1)
        {
          g_autoptr (PalRandom) random = pal_random_new (PAL_RANDOM_TORCH, seed);

          draw_and_compare (random, golden, 0, golden->n_bytes / sizeof (gfloat));
          found++;
        }
    }

  g_assert_cmpuint (found, >=, 90);
}

/* Calls on one generator, in order, until the file has no further one. */
static guint
compare_sequence (PalTensorFile *file,
                  PalRandomKind   kind,
                  const gchar    *group,
                  guint64         seed)
{
  g_autoptr (PalRandom) random = pal_random_new (kind, seed);
  guint                 call   = 0;

  for (;;)
    {
      g_autofree gchar     *prefix = g_strdup_printf ("%s.seed%" G_GUINT64_FORMAT ".call%u.",
                                                      group, seed, call);
      const PalTensorEntry *golden = NULL;

      for (gsize i = 0; i < pal_tensor_file_count (file) && ! golden; i++)
        if (g_str_has_prefix (pal_tensor_file_entry (file, i)->name, prefix))
          golden = pal_tensor_file_entry (file, i);

      if (! golden)
        return call;

      draw_and_compare (random, golden, 0, golden->n_bytes / sizeof (gfloat));
      call++;
    }
}

/* A value kept by a short call survives a long one. */
static void
test_torch_sequence (void)
{
  g_autoptr (PalTensorFile) file = open_goldens ();

  g_assert_cmpuint (compare_sequence (file, PAL_RANDOM_TORCH, "torch_cpu_seq", 0), ==, 5);
  g_assert_cmpuint (compare_sequence (file, PAL_RANDOM_TORCH, "torch_cpu_seq", 1), ==, 5);
}

static void
test_torch_batch (void)
{
  g_autoptr (PalTensorFile) file  = open_goldens ();
  guint                      found = 0;

  for (gsize i = 0; i < pal_tensor_file_count (file); i++)
    {
      const PalTensorEntry *golden = pal_tensor_file_entry (file, i);
      unsigned long long    seeds[2];

      if (sscanf (golden->name, "torch_cpu_batch.seeds%llu,%llu.", &seeds[0], &seeds[1]) != 2)
        continue;

      for (guint k = 0; k < 2; k++)
        {
          g_autoptr (PalRandom) random = pal_random_new (PAL_RANDOM_TORCH, seeds[k]);
          const gsize           n      = golden->n_bytes / sizeof (gfloat) / 2;

          draw_and_compare (random, golden, k * n, n);
        }
      found++;
    }

  g_assert_cmpuint (found, ==, 2);
}

static void
test_philox (void)
{
  static const guint64 seeds[] = { 0, 1, 42, 1234, 2147483648u, 4294967295u,
                                   G_GUINT64_CONSTANT (4294967303) };
  g_autoptr (PalTensorFile) file = open_goldens ();

  for (gsize i = 0; i < G_N_ELEMENTS (seeds); i++)
    g_assert_cmpuint (compare_sequence (file, PAL_RANDOM_PHILOX, "philox_randn", seeds[i]), ==, 3);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/random/torch-fresh", test_torch_fresh);
  g_test_add_func ("/random/torch-sequence", test_torch_sequence);
  g_test_add_func ("/random/torch-batch", test_torch_batch);
  g_test_add_func ("/random/philox", test_philox);

  return g_test_run ();
}
