/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every OpenCL call and every large allocation of a small program's life fails once:
 * each time there is an error or the right result, and no memory is left behind. */

#include "device-support.h"

#include "base/debug.h"

#define N     32
#define MANY  2000

/* The whole life, from the device to the result. FALSE with error set. */
static gboolean
live (gboolean  fresh_device,
      gfloat   *out,
      GError  **error)
{
  static const gdouble wide[] = { 1, 2, 3, 4 };
  const TestTensor     tensors[] = { { "w", PAL_F64, PAL_SHAPE (4), wide } };
  g_autoptr (PalWeights) weights = test_weights (tensors, 1);
  g_autoptr (PalDevice) device   = NULL;
  g_autoptr (PalResidency) residency = NULL;
  g_autoptr (PalProgram) program = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gfloat     x[N];
  PalTape   *tape;
  PalTensor *h;

  device = fresh_device ? pal_device_open (NULL, error) : pal_device_ref (test_device ());
  if (! device)
    return FALSE;

  for (guint i = 0; i < N; i++)
    x[i] = (gfloat) i;

  residency = pal_residency_new (device, weights);
  tape      = pal_tape_new (residency);
  h = test_affine (tape, pal_input (tape, "x", PAL_F32, PAL_SHAPE (N)), "w", 1.0f);
  pal_segment (tape);
  pal_output (tape, "y", test_scratch (tape, h));

  program = pal_tape_finish (tape, 0, error);
  if (! program)
    return FALSE;

  for (guint turn = 0; turn < 2; turn++)
    if (! pal_program_run (program,
                           (PalBinding[]) { { "x", x, sizeof x },
                                            { "y", out, N * sizeof (gfloat) } },
                           2, cancellable, error))
      return FALSE;

  return TRUE;
}

static void
check_result (const gfloat *out)
{
  for (guint i = 0; i < N; i++)
    g_assert_cmpfloat (out[i], ==, 3.0f * ((gfloat) i + 1.0f + (gfloat) (i % 4 + 1)));
}

static void
fail_each (PalFaultKind kind,
           gboolean     fresh_device)
{
  guint failed = 0, nth;

  for (nth = 1; nth < MANY; nth++)
    {
      g_autoptr (GError) error = NULL;
      gfloat   out[N] = { 0 };
      gboolean ok;
      guint    calls;

      pal_fault_arm (kind, nth);
      ok    = live (fresh_device, out, &error);
      calls = pal_fault_calls (kind);
      pal_fault_arm (kind, 0);

      g_assert_cmpint (ok, ==, error == NULL);
      g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, 0);

      if (ok)
        check_result (out);
      else
        failed++;

      if (calls < nth)
        break;
    }

  g_test_message ("%u of %u calls failed the program", failed, nth - 1);
  g_assert_cmpuint (nth, <, MANY);
  g_assert_cmpuint (failed, >, 0);
}

static void
test_cl (void)
{
  fail_each (PAL_FAULT_CL, FALSE);
}

static void
test_cl_from_open (void)
{
  fail_each (PAL_FAULT_CL, TRUE);
}

/* Without binaries on disk each life compiles. */
static void
test_cl_compiling (void)
{
  g_autofree gchar *old = g_strdup (g_getenv ("PALIMPSEST_CACHE_DIR"));

  g_setenv ("PALIMPSEST_CACHE_DIR", "/dev/null/none", TRUE);
  fail_each (PAL_FAULT_CL, TRUE);
  g_setenv ("PALIMPSEST_CACHE_DIR", old, TRUE);
}

static void
test_alloc (void)
{
  fail_each (PAL_FAULT_ALLOC, FALSE);
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/faults/cl", test_cl);
  g_test_add_func ("/faults/cl-from-open", test_cl_from_open);
  g_test_add_func ("/faults/cl-compiling", test_cl_compiling);
  g_test_add_func ("/faults/alloc", test_alloc);

  return device_test_run ();
}
