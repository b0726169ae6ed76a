/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs whose weights are streamed: the same bytes as with all weights resident, in the
 * memory of two segments. */

#include "device-support.h"

#include <string.h>

#include "base/debug.h"

#define N        96
#define SEGMENTS 5
#define MANY     2000

/* Segment i adds "i.w", whose length differs from its neighbours', and the last adds the
 * first one's again. */
static const gint64 lengths[SEGMENTS] = { 32, 512, 8, 96, 256 };

static PalResidency *
residency_new (void)
{
  static gfloat values[SEGMENTS][512];
  static const gchar *const names[SEGMENTS] = { "0.w", "1.w", "2.w", "3.w", "4.w" };
  TestTensor tensors[SEGMENTS];
  g_autoptr (PalWeights) weights = NULL;

  for (guint i = 0; i < SEGMENTS; i++)
    {
      for (guint k = 0; k < G_N_ELEMENTS (values[i]); k++)
        values[i][k] = (gfloat) ((k * 7 + i * 13) % 31) / 4.0f;
      tensors[i] = (TestTensor) { names[i], PAL_F32, PAL_SHAPE (lengths[i]), values[i] };
    }

  weights = test_weights (tensors, SEGMENTS);
  return pal_residency_new (test_device (), weights);
}

static PalTape *
record (PalResidency *residency,
        guint         n_segments,
        gboolean      streamed)
{
  PalTape   *tape = pal_tape_new (residency);
  PalTensor *x    = pal_input (tape, "x", PAL_F32, PAL_SHAPE (N));

  for (guint i = 0; i < n_segments; i++)
    {
      g_autofree gchar *name = g_strdup_printf ("%u.w", i);

      pal_segment (tape);
      x = test_affine (tape, x, name, 1.0f);
      x = test_slow (tape, x, 200);
    }
  pal_output (tape, "y", test_affine (tape, x, "0.w", 0.5f));
  if (streamed)
    pal_tape_stream (tape);

  return tape;
}

static gboolean
run (PalProgram    *program,
     gint           seed,
     gfloat        *out,
     GCancellable  *cancellable,
     GError       **error)
{
  gfloat           x[N];
  const PalBinding bindings[] = { TEST_BINDING ("x", x), { "y", out, sizeof x } };

  for (gint i = 0; i < N; i++)
    x[i] = (gfloat) ((i * 5 + seed) % 17) / 2.0f;

  return pal_program_run (program, bindings, G_N_ELEMENTS (bindings), cancellable, error);
}

static PalProgram *
finish (PalTape *tape,
        guint64  budget_bytes)
{
  g_autoptr (GError) error = NULL;
  PalProgram        *program = pal_tape_finish (tape, budget_bytes, &error);

  g_assert_no_error (error);
  return program;
}

/* Odd and even numbers of segments: a slot's second turn in a run, and its first in the
 * next. */
static void
test_equal (void)
{
  for (guint n = 1; n <= SEGMENTS; n++)
    {
      g_autoptr (PalResidency) residency = residency_new ();
      g_autoptr (PalProgram) resident = finish (record (residency, n, FALSE), 0);
      g_autoptr (PalProgram) streamed = NULL;
      gfloat want[N], got[N];

      for (gint seed = 0; seed < 4; seed++)
        {
          g_assert_true (run (resident, seed, want, NULL, NULL));
          if (! streamed)
            streamed = finish (record (residency, n, TRUE), 0);
          g_assert_true (run (streamed, seed, got, NULL, NULL));
          g_assert_cmpmem (got, sizeof got, want, sizeof want);

          /* Its memory may be taken between runs. */
          if (seed == 2)
            pal_program_release (streamed);
        }
    }
}

/* The ring is what was measured, all there is beside the arena, and less than all
 * weights; a budget of just that is enough. */
static void
test_memory (void)
{
  g_autoptr (PalResidency) residency = residency_new ();
  PalTape          *tape = record (residency, SEGMENTS, TRUE);
  const guint64     before = pal_device_allocated_bytes (test_device ());
  g_autoptr (PalProgram) program = NULL, not = NULL;
  g_autoptr (GError) error = NULL;
  PalPlanReport     measured, report;
  gfloat            out[N];

  g_assert_true (pal_tape_measure (tape, &measured, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, before);
  g_assert_cmpuint (measured.ring_bytes, >=, 2 * 512 * sizeof (gfloat));
  g_assert_cmpuint (measured.weight_bytes, ==, (32 + 512 + 8 + 96 + 256) * sizeof (gfloat));

  pal_device_trim (test_device ());
  pal_device_reset_peak (test_device ());
  program = finish (tape, measured.ring_bytes + measured.arena_bytes);
  for (gint seed = 0; seed < 3; seed++)
    g_assert_true (run (program, seed, out, NULL, NULL));

  pal_program_report (program, &report);
  g_assert_cmpuint (report.ring_bytes, ==, measured.ring_bytes);
  g_assert_cmpuint (report.arena_bytes, ==, measured.arena_bytes);
  g_assert_cmpuint (pal_device_peak_bytes (test_device ()), ==,
                    before + measured.ring_bytes + measured.arena_bytes);
  g_assert_cmpuint (pal_residency_bytes (residency), ==, 0);

  pal_program_release (program);
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==,
                    before + measured.arena_bytes);

  not = pal_tape_finish (record (residency, SEGMENTS, TRUE),
                         measured.ring_bytes + measured.arena_bytes - 1, &error);
  g_assert_null (not);
  test_error (error, PAL_ERROR_MEMORY, "weights need");
}

static void
test_cancelled (void)
{
  g_autoptr (PalResidency) residency = residency_new ();
  g_autoptr (PalProgram) resident = finish (record (residency, SEGMENTS, FALSE), 0);
  g_autoptr (PalProgram) streamed = finish (record (residency, SEGMENTS, TRUE), 0);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  gfloat            want[N], got[N];

  g_cancellable_cancel (cancellable);
  g_assert_false (run (streamed, 1, got, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  g_assert_true (run (resident, 1, want, NULL, NULL));
  g_assert_true (run (streamed, 1, got, NULL, NULL));
  g_assert_cmpmem (got, sizeof got, want, sizeof want);
}

/* Any call may fail; the program is whole afterwards, a half-loaded slot is loaded again. */
static void
test_faults (void)
{
  g_autoptr (PalResidency) residency = residency_new ();
  g_autoptr (PalProgram) program = finish (record (residency, SEGMENTS, TRUE), 0);
  const guint64     before = pal_device_allocated_bytes (test_device ());
  gfloat            want[N], got[N];
  guint             failed = 0;

  g_assert_true (run (program, 3, want, NULL, NULL));

  for (guint nth = 1; nth < MANY; nth++)
    {
      g_autoptr (GError) error = NULL;
      gboolean ok;
      guint    calls;

      pal_fault_arm (PAL_FAULT_CL, nth);
      ok    = run (program, 3, got, NULL, &error);
      calls = pal_fault_calls (PAL_FAULT_CL);
      pal_fault_arm (PAL_FAULT_CL, 0);

      g_assert_cmpint (ok, ==, error == NULL);
      g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), <=, before);
      if (calls < nth)
        break;
      failed += ok ? 0 : 1;

      g_assert_true (run (program, 3, got, NULL, NULL));
      g_assert_cmpmem (got, sizeof got, want, sizeof want);
    }

  g_test_message ("%u calls failed the program", failed);
  g_assert_cmpuint (failed, >, SEGMENTS);
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/stream/equal", test_equal);
  g_test_add_func ("/stream/memory", test_memory);
  g_test_add_func ("/stream/cancelled", test_cancelled);
  g_test_add_func ("/stream/faults", test_faults);

  return device_test_run ();
}
