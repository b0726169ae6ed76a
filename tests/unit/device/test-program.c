/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs on a device: results, replays, switches, cancel, shared memory. */

#include "device-support.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

#define N 100

static PalProgram *
finish (PalTape *tape)
{
  g_autoptr (GError) error = NULL;
  PalProgram *program = pal_tape_finish (tape, 0, &error);

  g_assert_no_error (error);
  return program;
}

/* x, y: [N] → out, mid: [N]. Uses every test op, in place and not, views, weights,
 * a scope, scratch. */
static PalTape *
record (PalResidency *residency,
        gint64        n)
{
  PalTape   *tape = pal_tape_new (residency);
  PalTensor *x    = pal_input (tape, "x", PAL_F32, PAL_SHAPE (n));
  PalTensor *y    = pal_input (tape, "y", PAL_F32, PAL_SHAPE (n));
  PalTensor *h, *top, *end;

  h = test_add (tape, x, y, 2.0f);
  h = test_affine (tape, h, "w", 0.5f);
  pal_segment (tape);
  pal_enter (tape, "%s", "a");
  h = pal_leave (tape, test_affine (tape, h, "w", 0.0f));
  pal_output (tape, "mid", h);
  h   = test_scratch (tape, h);
  h   = pal_reshape (tape, h, PAL_SHAPE (2, n / 2));
  top = pal_reshape (tape, pal_rows (tape, h, 0, 1), PAL_SHAPE (n / 2));
  end = pal_reshape (tape, pal_rows (tape, h, 1, 1), PAL_SHAPE (n / 2));
  h   = test_add (tape, end, top, 3.0f);
  h   = test_affine (tape, h, NULL, 1.0f);
  pal_output (tape, "out", h);

  return tape;
}

/* The same on the host. mid: [n], out: [n / 2]. */
static void
expect (const gfloat *x,
        const gfloat *y,
        gint          n,
        gfloat       *mid,
        gfloat       *out)
{
  for (gint i = 0; i < n; i++)
    {
      mid[i] = 2.0f * x[i] + y[i] + 0.5f + (gfloat) (i % 4 + 1);
      mid[i] += i % 2 ? 20.0f : 10.0f;
    }

  for (gint i = 0; i < n / 2; i++)
    out[i] = 3.0f * (3.0f * mid[n / 2 + i]) + 3.0f * mid[i] + 1.0f;
}

static void
fill_inputs (gfloat *x,
             gfloat *y,
             gint    n,
             gint    seed)
{
  for (gint i = 0; i < n; i++)
    {
      x[i] = (gfloat) ((i * 37 + seed) % 101) / 8.0f;
      y[i] = (gfloat) ((i * 53 + seed) % 89) / 4.0f;
    }
}

static void
run_and_check (PalProgram *program,
               gint        n,
               gint        seed)
{
  g_autofree gfloat *x = g_new (gfloat, n), *y = g_new (gfloat, n);
  g_autofree gfloat *mid = g_new0 (gfloat, n), *out = g_new0 (gfloat, n / 2);
  g_autofree gfloat *mid_ref = g_new (gfloat, n), *out_ref = g_new (gfloat, n / 2);
  const gsize       bytes = (gsize) n * sizeof (gfloat);
  const PalBinding  bindings[] = { { "x", x, bytes }, { "out", out, bytes / 2 },
                                   { "y", y, bytes }, { "mid", mid, bytes } };
  g_autoptr (GError) error = NULL;

  fill_inputs (x, y, n, seed);
  expect (x, y, n, mid_ref, out_ref);

  g_assert_true (pal_program_run (program, bindings, G_N_ELEMENTS (bindings), NULL, &error));
  g_assert_no_error (error);

  /* All values are small multiples of 1/8: exact. */
  g_assert_cmpmem (mid, bytes, mid_ref, bytes);
  g_assert_cmpmem (out, bytes / 2, out_ref, bytes / 2);
}

static void
test_result (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = finish (record (residency, N));
  PalPlanReport report;

  run_and_check (program, N, 1);
  run_and_check (program, N, 1);
  run_and_check (program, N, 7);

  pal_program_report (program, &report);
  g_assert_cmpuint (report.n_steps, ==, 6);
  g_assert_cmpuint (report.n_launches, ==, 7);
  g_assert_cmpuint (report.weight_bytes, ==, 6 * sizeof (gfloat));
  g_assert_cmpuint (report.bound_bytes, <=, report.arena_bytes);
  g_assert_cmpuint (report.n_tensors, <, 2 + 6 + 1);
  g_assert_cmpuint (pal_residency_bytes (residency), ==, 6 * sizeof (gfloat));
}

/* The planned run, the run with a buffer for each tensor and the guarded run agree. */
static void
test_switches (void)
{
  const PalDebugFlags flags[] = {
    PAL_DEBUG_NOPLAN, PAL_DEBUG_SYNC, PAL_DEBUG_NAN, PAL_DEBUG_CANARY,
    PAL_DEBUG_NOPLAN | PAL_DEBUG_CANARY | PAL_DEBUG_NAN | PAL_DEBUG_SYNC,
  };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      g_autoptr (PalResidency) residency = test_residency ();
      g_autoptr (PalProgram) program = NULL;
      PalPlanReport report;

      pal_debug_set (flags[i]);
      program = finish (record (residency, N));
      run_and_check (program, N, 3);
      run_and_check (program, N, 4);
      pal_debug_set (0);

      pal_program_report (program, &report);
      if (flags[i] & PAL_DEBUG_NOPLAN)
        g_assert_cmpuint (report.n_tensors, ==, 2 + 6 + 1);
    }
}

static PalProgram *
finish_unary (PalTensor *(*op) (PalTape *tape, PalTensor *x))
{
  g_autoptr (PalResidency) residency = test_residency ();
  PalTape   *tape = pal_tape_new (residency);
  PalTensor *x    = pal_input (tape, "x", PAL_F32, PAL_SHAPE (64));

  pal_enter (tape, "%s", "block");
  x = op (tape, test_affine (tape, x, NULL, 1.0f));
  x = test_affine (tape, x, NULL, 1.0f);
  pal_output (tape, "y", pal_leave (tape, x));

  return finish (tape);
}

static void
test_canary (void)
{
  g_autoptr (PalProgram) program = NULL;
  g_autoptr (GError) error = NULL;
  gfloat            x[64] = { 0 };
  const PalBinding  bindings[] = { TEST_BINDING ("x", x) };

  pal_debug_set (PAL_DEBUG_CANARY);
  program = finish_unary (test_stray);
  g_assert_false (pal_program_run (program, bindings, 1, NULL, &error));
  pal_debug_set (0);

  test_error (error, PAL_ERROR_DEVICE, "block: test_stray (step 1) wrote past");
}

static void
test_not_finite (void)
{
  g_autoptr (PalProgram) program = finish_unary (test_nan);
  g_autoptr (GError) error = NULL;
  gfloat            x[64] = { 0 };
  const PalBinding  bindings[] = { TEST_BINDING ("x", x) };

  g_assert_true (pal_program_run (program, bindings, 1, NULL, &error));

  pal_debug_set (PAL_DEBUG_NAN);
  g_assert_false (pal_program_run (program, bindings, 1, NULL, &error));
  pal_debug_set (0);

  test_error (error, PAL_ERROR_DEVICE, "block: test_nan (step 1)");
  g_assert_nonnull (strstr (error->message, "element 32"));
}

static void
test_bindings (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = finish (record (residency, N));
  gfloat            x[N] = { 0 }, y[N] = { 0 }, shorter[N - 1];
  const PalBinding  missing[] = { TEST_BINDING ("x", x) };
  const PalBinding  unknown[] = { TEST_BINDING ("x", x), TEST_BINDING ("y", y),
                                  TEST_BINDING ("z", x) };
  const PalBinding  wrong[]   = { TEST_BINDING ("x", x), TEST_BINDING ("y", shorter) };
  GError           *error = NULL;

  g_assert_false (pal_program_run (program, missing, 1, NULL, &error));
  test_error (error, PAL_ERROR_ARGUMENT, "“y”");
  g_clear_error (&error);

  g_assert_false (pal_program_run (program, unknown, 3, NULL, &error));
  test_error (error, PAL_ERROR_ARGUMENT, "“z”");
  g_clear_error (&error);

  g_assert_false (pal_program_run (program, wrong, 2, NULL, &error));
  test_error (error, PAL_ERROR_ARGUMENT, "396");
  g_clear_error (&error);
}

static void
test_ports (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = finish (record (residency, N));
  g_auto (GStrv) names = pal_program_outputs (program);

  g_assert_cmpuint (g_strv_length (names), ==, 2);
  g_assert_cmpstr (names[0], ==, "mid");
  g_assert_cmpstr (names[1], ==, "out");
  g_assert_true (pal_shape_equal (pal_program_shape (program, "x"), PAL_SHAPE (N)));
  g_assert_true (pal_shape_equal (pal_program_shape (program, "out"), PAL_SHAPE (N / 2)));
  g_assert_cmpuint (pal_program_shape (program, "none").n, ==, 0);
}

/* A result stays readable to the end though its memory would be free, and an output
 * may be an input or a view. */
static void
test_outputs_pinned (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = NULL;
  g_autoptr (GError) error = NULL;
  PalTape          *tape = pal_tape_new (residency);
  PalTensor        *x = pal_input (tape, "x", PAL_F32, PAL_SHAPE (4, 16)), *h;
  gfloat            in[64], early[64], same[64], row[16];
  const PalBinding  bindings[] = { TEST_BINDING ("x", in), TEST_BINDING ("early", early),
                                   TEST_BINDING ("same", same), TEST_BINDING ("row", row) };

  h = test_affine (tape, x, NULL, 1.0f);
  pal_output (tape, "early", h);
  pal_output (tape, "same", x);
  for (guint i = 0; i < 5; i++)
    h = test_affine (tape, h, NULL, 1.0f);
  pal_output (tape, "row", pal_rows (tape, h, 2, 1));

  for (guint i = 0; i < 64; i++)
    in[i] = (gfloat) i;

  program = finish (tape);
  g_assert_true (pal_program_run (program, bindings, 4, NULL, &error));

  g_assert_cmpmem (same, sizeof same, in, sizeof in);
  for (guint i = 0; i < 64; i++)
    g_assert_cmpfloat (early[i], ==, in[i] + 1.0f);
  for (guint i = 0; i < 16; i++)
    g_assert_cmpfloat (row[i], ==, in[32 + i] + 6.0f);
}

typedef struct
{
  GCancellable *cancellable;
  gint64        at_us;
} Stop;

static gpointer
stop_later (gpointer data)
{
  Stop *stop = data;

  g_usleep (50 * 1000);
  stop->at_us = g_get_monotonic_time ();
  g_cancellable_cancel (stop->cancellable);

  return NULL;
}

/* 400 segments of some 10 ms each; Stop must not wait for the rest of them. */
static void
test_cancel (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Stop              stop = { cancellable, 0 };
  GThread          *thread;
  PalTape          *tape = pal_tape_new (residency);
  PalTensor        *x    = pal_input (tape, "x", PAL_F32, PAL_SHAPE (4096));
  gfloat            in[4096] = { 0 };
  const PalBinding  bindings[] = { TEST_BINDING ("x", in) };
  gint64            late_us;

  for (guint i = 0; i < 400; i++)
    {
      pal_segment (tape);
      x = test_slow (tape, x, 2000);
    }
  pal_output (tape, "y", x);
  program = finish (tape);

  thread = g_thread_new ("stop", stop_later, &stop);
  g_assert_false (pal_program_run (program, bindings, 1, cancellable, &error));
  late_us = g_get_monotonic_time ();
  g_thread_join (thread);
  late_us -= stop.at_us;

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_test_message ("stopped %" G_GINT64_FORMAT " us after the request", late_us);
  g_assert_cmpint (late_us, <, 1000 * 1000);

  /* And at once when it was requested before. */
  g_clear_error (&error);
  g_assert_false (pal_program_run (program, bindings, 1, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Two programs cost the larger one's arena, whichever is made first, and run in turn. */
static void
test_arena_shared (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) first = finish (record (residency, N));
  g_autoptr (PalProgram) second = NULL;
  PalPlanReport small, large;
  guint64       fixed;

  pal_program_report (first, &small);
  fixed = pal_device_allocated_bytes (test_device ()) - small.arena_bytes;

  run_and_check (first, N, 1);
  second = finish (record (residency, 40 * N));
  pal_program_report (second, &large);
  g_assert_cmpuint (large.arena_bytes, >, small.arena_bytes);

  /* 64 bytes allow for the second program's dummy. */
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), <=,
                    fixed + large.arena_bytes + 64);

  run_and_check (second, 40 * N, 1);
  run_and_check (first, N, 2);
  run_and_check (second, 40 * N, 3);

  pal_device_trim (test_device ());
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), <=, fixed + 64);
  run_and_check (first, N, 4);
}

static void
test_weights_released (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = finish (record (residency, N));

  run_and_check (program, N, 1);
  pal_residency_release (residency);
  g_assert_cmpuint (pal_residency_bytes (residency), ==, 0);
  run_and_check (program, N, 2);
  g_assert_cmpuint (pal_residency_bytes (residency), ==, 6 * sizeof (gfloat));
}

static void
test_budget (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = finish (record (residency, N));
  g_autoptr (PalProgram) fits = NULL, not = NULL;
  g_autoptr (GError) error = NULL;
  PalPlanReport report;
  guint64       need;

  pal_program_report (program, &report);
  need = report.arena_bytes + report.weight_bytes;

  fits = pal_tape_finish (record (residency, N), need, &error);
  g_assert_no_error (error);

  not = pal_tape_finish (record (residency, N), need - 1, &error);
  g_assert_null (not);
  test_error (error, PAL_ERROR_MEMORY, "24 bytes");
}

/* A device that allows small blocks only: the plan is cut into slabs. */
static void
test_slabs (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = NULL;
  PalDeviceInfo *info = (PalDeviceInfo *) pal_device_info (test_device ());
  const guint64  most = info->max_allocation_bytes;
  PalPlanReport  report;

  info->max_allocation_bytes = 600;
  program = finish (record (residency, N));
  run_and_check (program, N, 1);
  run_and_check (program, N, 2);
  info->max_allocation_bytes = most;

  pal_program_report (program, &report);
  g_assert_cmpuint (report.arena_bytes, >, 600);
}

static gpointer
run_in_thread (gpointer data)
{
  for (gint i = 0; i < 20; i++)
    run_and_check (data, N, i);

  return NULL;
}

/* Programs of one device may be run from several threads: they take turns. */
static void
test_threads (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) first = finish (record (residency, N));
  g_autoptr (PalProgram) second = finish (record (residency, N));
  GThread *thread = g_thread_new ("run", run_in_thread, first);

  run_in_thread (second);
  g_thread_join (thread);
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/program/result", test_result);
  g_test_add_func ("/program/switches", test_switches);
  g_test_add_func ("/program/canary", test_canary);
  g_test_add_func ("/program/not-finite", test_not_finite);
  g_test_add_func ("/program/bindings", test_bindings);
  g_test_add_func ("/program/ports", test_ports);
  g_test_add_func ("/program/outputs-pinned", test_outputs_pinned);
  g_test_add_func ("/program/cancel", test_cancel);
  g_test_add_func ("/program/arena-shared", test_arena_shared);
  g_test_add_func ("/program/weights-released", test_weights_released);
  g_test_add_func ("/program/budget", test_budget);
  g_test_add_func ("/program/slabs", test_slabs);
  g_test_add_func ("/program/threads", test_threads);

  return device_test_run ();
}
