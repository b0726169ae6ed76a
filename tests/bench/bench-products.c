/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench-products [REPEATS [CAPABILITIES]]: linear, conv2d and attention against OpenBLAS'
 * sgemm of the same shape (im2col free, softmax free), in CPU seconds of one process.
 * Set POCL_CPU_MAX_CU_COUNT=1 and OPENBLAS_NUM_THREADS=1; the ratio is the result. */

#include <cblas.h>
#include <stdlib.h>
#include <time.h>

#include "device-support.h"
#include "op/op.h"

typedef struct
{
  const gchar *name;
  gint         kernel; /* 0: attention, else of the convolution */
  gint side, c, m; /* x: [1, side, side, c] → [.., m]; attention: c heads of width m */
  PalDType dtype;
} Shape;

static const Shape shapes[] = {
  { "conv 3x3 320>320 @64",         3, 64,  320,  320,   PAL_F32 },
  { "conv 3x3 320>320 @64, half",   3, 64,  320,  320,   PAL_F16 },
  { "conv 3x3 640>640 @32, half",   3, 32,  640,  640,   PAL_F16 },
  { "conv 3x3 640>640 @32, int8",   3, 32,  640,  640,   PAL_I8  },
  { "conv 3x3 1280>1280 @16, half", 3, 16,  1280, 1280,  PAL_F16 },
  { "conv 3x3 1280>1280 @8, half",  3, 8,   1280, 1280,  PAL_F16 },
  { "conv 3x3 256>256 @128",        3, 128, 256,  256,   PAL_F32 },
  { "linear 320>320 @4096",         1, 64,  320,  320,   PAL_F32 },
  { "linear 320>2560 @4096, half",  1, 64,  320,  2560,  PAL_F16 },
  { "linear 1280>10240 @256, half", 1, 16,  1280, 10240, PAL_F16 },
  { "linear 1280>10240 @256, int8", 1, 16,  1280, 10240, PAL_I8  },
  { "attention 8 x 40 @4096",       0, 64,  8,    40,    PAL_F32 },
  { "attention 8 x 80 @1024",       0, 32,  8,    80,    PAL_F32 },
  { "attention 1 x 512 @4096",      0, 64,  1,    512,   PAL_F32 },
};

static gdouble
cpu_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);

  return (gdouble) t.tv_sec + 1e-9 * (gdouble) t.tv_nsec;
}

static gfloat *
noise (gsize n)
{
  gfloat *data = g_new (gfloat, n);

  for (gsize i = 0; i < n; i++)
    data[i] = (gfloat) (rand () % 2001 - 1000) * 1e-3f;

  return data;
}

/* Least CPU seconds of `repeats` runs. */
static gdouble
least (gdouble before, gdouble now)
{
  return before == 0.0 ? now : MIN (before, now);
}

static gdouble
blas (const Shape *s, guint repeats)
{
  const gint         t     = s->side * s->side;
  const gint         n     = s->kernel ? s->m : t;
  const gint         k     = s->kernel ? s->kernel * s->kernel * s->c : s->m;
  const gint         times = s->kernel ? 1 : s->c;
  g_autofree gfloat *a = noise ((gsize) t * k), *b = noise ((gsize) n * k),
                    *c = g_new0 (gfloat, (gsize) t * n);
  gdouble best         = 0.0;

  for (guint r = 0; r < repeats; r++)
    {
      const gdouble start = cpu_seconds ();

      for (gint i = 0; i < times; i++)
        {
          cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, t, n, k, 1.0f, a, k, b, k,
                       0.0f, c, n);
          if (! s->kernel)
            cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, t, k, n, 1.0f, c, n,
                         b, k, 0.0f, a, k);
        }
      best = least (best, cpu_seconds () - start);
    }

  return best;
}

/* A program that does the op n times on the same input. */
static PalProgram *
record (const Shape *s, PalResidency *residency, guint n)
{
  g_autoptr (GError) error = NULL;
  PalTape    *tape         = pal_tape_new (residency);
  const gint  width        = s->kernel ? s->c : s->c * s->m;
  PalTensor  *x = pal_input (tape, "x", PAL_F32, PAL_SHAPE (1, s->side, s->side, width));
  PalTensor  *y = x;
  PalProgram *program;

  for (guint i = 0; i < n; i++)
    y = s->kernel ? pal_conv2d (tape, x, "c", NULL) :
                    pal_attention (tape, x, x, x, &(PalAttention) { .heads = s->c });
  pal_output (tape, "y", y);
  program = pal_tape_finish (tape, 0, &error);
  g_assert_no_error (error);

  return program;
}

/* "c.weight", or for attention, which has none, anything. */
static PalWeights *
weights_of (const Shape *s)
{
  const gsize         count = s->kernel ? (gsize) s->m * s->c * s->kernel * s->kernel : 1;
  const PalShape      shape = s->kernel ? PAL_SHAPE (s->m, s->c, s->kernel, s->kernel)
                                        : PAL_SHAPE (1, 1, 1, 1);
  g_autofree gfloat  *values = noise (count);
  g_autofree guint16 *halves = g_new (guint16, count);
  g_autofree gint8   *whole  = g_new (gint8, count);
  const TestTensor    floats = { "c.weight", s->dtype, shape,
                                 s->dtype == PAL_F16 ? (gpointer) halves : (gpointer) values };
  const TestTensor    scaled[] = { { "c.weight._data", PAL_I8, shape, whole },
                                   { "c.weight._scale", PAL_F32,
                                     PAL_SHAPE (shape.d[0], 1, 1, 1), values } };

  for (gsize i = 0; i < count; i++)
    {
      halves[i] = pal_half_from_float (values[i]);
      whole[i]  = (gint8) (127.0f * values[i]);
    }

  return s->dtype == PAL_I8 ? test_weights (scaled, 2) : test_weights (&floats, 1);
}

/* CPU seconds of one op: `more` further ones in a program cost that much more. */
static gdouble
run (const Shape *s, guint more, guint repeats)
{
  const gsize              width     = s->kernel ? s->c : s->c * s->m;
  const gsize              n         = (gsize) s->side * s->side * width;
  g_autofree gfloat       *x         = noise (n);
  g_autoptr (PalWeights)   weights   = weights_of (s);
  g_autoptr (PalResidency) residency = pal_residency_new (test_device (), weights);
  PalBinding               binding   = { "x", x, n * sizeof (gfloat) };
  gdouble                  seconds[2] = { 0.0, 0.0 };

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (PalProgram) program = record (s, residency, i == 0 ? 1 : 1 + more);

      for (guint r = 0; r <= repeats; r++)
        {
          const gdouble start = cpu_seconds ();

          g_assert_true (pal_program_run (program, &binding, 1, NULL, NULL));
          if (r > 0)
            seconds[i] = least (seconds[i], cpu_seconds () - start);
        }
    }

  return (seconds[1] - seconds[0]) / more;
}

static void
bench (gconstpointer data)
{
  const guint repeats = GPOINTER_TO_UINT (data);

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      const Shape  *s     = &shapes[i];
      const gdouble t     = (gdouble) s->side * s->side;
      const gdouble gflop = s->kernel ? 2e-9 * t * s->kernel * s->kernel * s->c * s->m :
                                        4e-9 * t * t * s->c * s->m;
      const gdouble ours = run (s, 1 + (guint) (10.0 / gflop), repeats), theirs = blas (s, repeats);

      g_print ("# %-30s %6.1f GFLOP/s, OpenBLAS %6.1f, ratio %.2f\n", s->name,
               gflop / ours, gflop / theirs, theirs / ours);
    }
}

int
main (int argc, char **argv)
{
  const guint repeats = argc > 1 ? (guint) atoi (argv[1]) : 3;
  const guint limit   = argc > 2 ? (guint) g_ascii_strtoull (argv[2], NULL, 0) : ~0u;

  if (! device_test_init (&argc, &argv))
    return 0;

  pal_device_limit (test_device (), limit);
  g_test_add_data_func ("/bench", GUINT_TO_POINTER (repeats), bench);

  return device_test_run ();
}
