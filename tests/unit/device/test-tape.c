/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recording: scopes, views, weights, traces, and the error that sticks. */

#include "device-support.h"

#include <string.h>

#include "base/debug.h"
#include "run/step.h"

static void
test_scopes (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalTape) tape = pal_tape_new (residency);
  PalTensor *x = pal_input (tape, "x", PAL_F32, PAL_SHAPE (8));

  g_assert_true (pal_has_weight (tape, "w"));
  g_assert_true (pal_has_weight (tape, "a.w"));
  g_assert_false (pal_has_weight (tape, "b.w"));

  pal_enter (tape, "%c", 'a');
  g_assert_true (pal_has_weight (tape, "w"));
  g_assert_false (pal_has_weight (tape, "a.w"));
  pal_enter (tape, "blocks.%d", 3);
  g_assert_false (pal_has_weight (tape, "w"));
  g_assert_true (pal_leave (tape, x) == x);
  g_assert_true (pal_has_weight (tape, "w"));
  pal_leave (tape, x);
  g_assert_true (pal_has_weight (tape, "a.w"));
  g_assert_false (pal_tape_failed (tape));
}

static void
test_views (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalTape) tape = pal_tape_new (residency);
  PalTensor *x = pal_input (tape, "x", PAL_F32, PAL_SHAPE (6, 4));
  PalTensor *v = pal_reshape (tape, pal_rows (tape, x, 2, 3), PAL_SHAPE (12));

  g_assert_true (pal_shape_equal (pal_shape_of (v), PAL_SHAPE (12)));
  g_assert_cmpint (pal_dtype_of (v), ==, PAL_F32);
  g_assert_false (pal_tape_failed (tape));
}

typedef PalTensor *(*Mistake) (PalTape *tape, PalTensor *x);

static PalTensor *
bad_reshape (PalTape   *tape,
             PalTensor *x)
{
  return pal_reshape (tape, x, PAL_SHAPE (5, 5));
}

static PalTensor *
bad_rows (PalTape   *tape,
          PalTensor *x)
{
  return pal_rows (tape, x, 5, 2);
}

static PalTensor *
bad_rows_overflow (PalTape   *tape,
                   PalTensor *x)
{
  return pal_rows (tape, x, 1, G_MAXINT64);
}

static PalTensor *
bad_weight (PalTape   *tape,
            PalTensor *x)
{
  return test_affine (tape, x, "none", 0.0f);
}

static PalTensor *
bad_packing (PalTape   *tape,
             PalTensor *x)
{
  pal_tape_weight (tape, "a.w", PAL_PACK_PANELS, 16, TRUE);
  return x;
}

static PalTensor *
bad_op (PalTape   *tape,
        PalTensor *x)
{
  return test_add (tape, x, pal_reshape (tape, x, PAL_SHAPE (24)), 1.0f);
}

static PalTensor *
bad_input (PalTape   *tape,
           PalTensor *x)
{
  return pal_input (tape, "x", PAL_F32, PAL_SHAPE (3));
}

static PalTensor *
bad_output (PalTape   *tape,
            PalTensor *x)
{
  pal_output (tape, "y", x);
  pal_output (tape, "y", x);
  return x;
}

static PalTensor *
bad_size (PalTape   *tape,
          PalTensor *x)
{
  return pal_input (tape, "z", PAL_F32, PAL_SHAPE (G_MAXINT64 / 2, G_MAXINT64 / 2));
}

static PalTensor *
bad_kernel (PalTape   *tape,
            PalTensor *x)
{
  g_assert_null (pal_tape_kernel (tape, "no such op"));
  return x;
}

static PalTensor *
bad_emit (PalTape   *tape,
          PalTensor *x)
{
  pal_enter (tape, "%s", "inner");
  return pal_leave (tape, test_slow (tape, x, 1));
}

/* The first mistake is reported by pal_tape_finish (), with its scope; what is
 * recorded afterwards does no harm. */
static void
test_sticky (void)
{
  static const struct
  {
    Mistake      mistake;
    PalErrorCode code;
    const gchar *part;
  } rows[] = {
    { bad_reshape, PAL_ERROR_SHAPE, "outer: [6, 4] can't be seen as [5, 5]" },
    { bad_rows, PAL_ERROR_SHAPE, "outer: [6, 4] has no 2 rows from 5 on" },
    { bad_rows_overflow, PAL_ERROR_SHAPE, "outer: [6, 4] has no 9223372036854775807 rows" },
    { bad_weight, PAL_ERROR_WEIGHT, "“outer.none”" },
    { bad_op, PAL_ERROR_SHAPE, "outer: test_add" },
    { bad_input, PAL_ERROR_ARGUMENT, "two inputs “x”" },
    { bad_output, PAL_ERROR_ARGUMENT, "two outputs “y”" },
    { bad_size, PAL_ERROR_SHAPE, "no valid size" },
    { bad_kernel, PAL_ERROR_UNSUPPORTED, "“no such op”" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (PalResidency) residency = test_residency ();
      g_autoptr (PalProgram) program = NULL;
      g_autoptr (GError) error = NULL;
      PalTape   *tape = pal_tape_new (residency);
      PalTensor *x    = pal_input (tape, "x", PAL_F32, PAL_SHAPE (6, 4));

      pal_enter (tape, "%s", "outer");
      x = rows[i].mistake (tape, test_affine (tape, x, NULL, 0.0f));
      g_assert_true (pal_tape_failed (tape));

      x = test_affine (tape, x, "another", 1.0f);
      x = test_scratch (tape, pal_rows (tape, x, 7, 7));
      x = pal_tape_fail (tape, PAL_ERROR_IO, "a later mistake");
      pal_output (tape, "out", pal_leave (tape, x));

      program = pal_tape_finish (tape, 0, &error);
      g_assert_null (program);
      test_error (error, rows[i].code, rows[i].part);
    }
}

static void
test_packing_refused (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (GError) error = NULL;
  PalTape *tape = pal_tape_new (residency);

  bad_packing (tape, NULL);
  g_assert_null (pal_tape_finish (tape, 0, &error));
  test_error (error, PAL_ERROR_SHAPE, "“a.w”");
}

/* An op whose emission fails names its step. */
static void
test_emit_fails (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (GError) error = NULL;
  PalTape   *tape = pal_tape_new (residency);
  PalTensor *x    = pal_input (tape, "x", PAL_F32, PAL_SHAPE (6, 4));

  pal_output (tape, "y", bad_emit (tape, x));
  pal_fault_arm (PAL_FAULT_CL, 3);
  g_assert_null (pal_tape_finish (tape, 0, &error));
  pal_fault_arm (PAL_FAULT_CL, 0);
  test_error (error, PAL_ERROR_MEMORY, "inner: test_slow: test.cl");
}

static void
test_trace (void)
{
  g_autoptr (PalResidency) residency = test_residency ();
  g_autoptr (PalProgram) program = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) names = NULL;
  PalTape          *tape = pal_tape_new (residency);
  PalTensor        *x;
  gfloat            in[8] = { 0 }, a[8], b[8], again[8], y[8];
  const PalBinding  bindings[] = { TEST_BINDING ("x", in), TEST_BINDING ("a", a),
                                   TEST_BINDING ("a.b", b), TEST_BINDING ("c", again),
                                   TEST_BINDING ("y", y) };

  pal_tape_trace (tape);
  x = pal_input (tape, "x", PAL_F32, PAL_SHAPE (8));
  pal_enter (tape, "%s", "a");
  pal_enter (tape, "%s", "b");
  x = pal_leave (tape, test_affine (tape, x, NULL, 1.0f));
  x = pal_leave (tape, test_affine (tape, x, NULL, 1.0f));
  for (guint i = 0; i < 2; i++)
    {
      pal_enter (tape, "%s", "c");
      x = pal_leave (tape, test_affine (tape, x, NULL, 1.0f));
    }
  pal_output (tape, "y", test_affine (tape, x, NULL, 1.0f));

  program = pal_tape_finish (tape, 0, &error);
  g_assert_no_error (error);
  names = pal_program_outputs (program);
  g_assert_cmpuint (g_strv_length (names), ==, 4);

  g_assert_true (pal_program_run (program, bindings, G_N_ELEMENTS (bindings), NULL, &error));
  g_assert_cmpfloat (b[3], ==, 1.0f);
  g_assert_cmpfloat (a[3], ==, 2.0f);
  g_assert_cmpfloat (again[3], ==, 4.0f);
  g_assert_cmpfloat (y[3], ==, 5.0f);
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/tape/scopes", test_scopes);
  g_test_add_func ("/tape/views", test_views);
  g_test_add_func ("/tape/sticky", test_sticky);
  g_test_add_func ("/tape/packing-refused", test_packing_refused);
  g_test_add_func ("/tape/emit-fails", test_emit_fails);
  g_test_add_func ("/tape/trace", test_trace);

  return device_test_run ();
}
