/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Environment switches and fault injection. */

#include "base/debug.h"

static void
test_flags (void)
{
  pal_debug_set (PAL_DEBUG_PLAN | PAL_DEBUG_NAN);
  g_assert_true (pal_debug (PAL_DEBUG_PLAN));
  g_assert_true (pal_debug (PAL_DEBUG_NAN));
  g_assert_false (pal_debug (PAL_DEBUG_TAPE));
  pal_debug_set (0);
  g_assert_false (pal_debug (PAL_DEBUG_PLAN));
}

static void
test_log (void)
{
  if (g_test_subprocess ())
    {
      pal_debug_set (PAL_DEBUG_PLAN);
      pal_debug_log (PAL_DEBUG_TAPE, "hidden");
      pal_debug_log (PAL_DEBUG_PLAN, "peak %d", 7);
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*palimpsest-plan: peak 7\n*");
  g_test_trap_assert_stderr_unmatched ("*hidden*");
}

/* A lap counts from the one before, not from the start. */
static void
test_lap (void)
{
  if (g_test_subprocess ())
    {
      PalStopwatch watch = pal_stopwatch_start ();
      const gint64 start = watch.wall_us;

      pal_debug_set (PAL_DEBUG_START);
      g_usleep (30 * 1000);
      pal_debug_lap (PAL_DEBUG_START, &watch, "sleep");
      g_assert_cmpint (watch.wall_us - start, >=, 30 * 1000);
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*palimpsest-start: sleep: * ms (? ms CPU)\n*");
  g_test_trap_assert_stderr_unmatched ("*sleep: ? ms*");
}

static void
test_environment (void)
{
  static const struct { const gchar *text; guint64 bytes; } budgets[] = {
    { "800M", 800u << 20 }, { "4G", G_GUINT64_CONSTANT (4) << 30 },
    { "1.5g", G_GUINT64_CONSTANT (3) << 29 }, { "4GiB", G_GUINT64_CONSTANT (4) << 30 },
    { "12345", 12345 }, { "64K", 65536 }, { "", 0 }, { "much", 0 }, { "-3", 0 }, { "nan", 0 },
    { "1e30T", G_GUINT64_CONSTANT (1) << 63 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (budgets); i++)
    {
      g_setenv ("PALIMPSEST_BUDGET", budgets[i].text, TRUE);
      g_assert_cmpuint (pal_env_budget (), ==, budgets[i].bytes);
    }
  g_unsetenv ("PALIMPSEST_BUDGET");
  g_assert_cmpuint (pal_env_budget (), ==, 0);

  g_setenv ("PALIMPSEST_DEVICE", "1:0", TRUE);
  g_assert_cmpstr (pal_env_device (), ==, "1:0");
  g_setenv ("PALIMPSEST_DEVICE", "", TRUE);
  g_assert_null (pal_env_device ());

  g_setenv ("PALIMPSEST_CACHE_DIR", "/somewhere", TRUE);
  g_assert_cmpstr (pal_env_cache_dir (), ==, "/somewhere");
  g_unsetenv ("PALIMPSEST_CACHE_DIR");
  g_assert_true (g_str_has_suffix (pal_env_cache_dir (), "palimpsest"));
}

static void
test_faults (void)
{
  gpointer block;

  pal_fault_arm (PAL_FAULT_ALLOC, 2);
  block = pal_try_alloc (16);
  g_assert_nonnull (block);
  g_free (block);
  g_assert_null (pal_try_alloc (16));
  block = pal_try_alloc (0);
  g_assert_nonnull (block);
  g_free (block);
  g_assert_cmpuint (pal_fault_calls (PAL_FAULT_ALLOC), ==, 3);

  pal_fault_arm (PAL_FAULT_CL, 1);
  g_assert_true (pal_fault (PAL_FAULT_CL));
  g_assert_false (pal_fault (PAL_FAULT_CL));

  pal_fault_arm (PAL_FAULT_CL, 0);
  g_assert_false (pal_fault (PAL_FAULT_CL));
  pal_fault_arm (PAL_FAULT_ALLOC, 0);
}

/* The environment is read once, so it takes a process of its own. */
static void
test_faults_environment (void)
{
  if (g_test_subprocess ())
    {
      g_assert_false (pal_fault (PAL_FAULT_CL));
      g_assert_false (pal_fault (PAL_FAULT_CL));
      g_assert_true (pal_fault (PAL_FAULT_CL));
      g_assert_true (pal_fault (PAL_FAULT_ALLOC));
      g_assert_true (pal_debug (PAL_DEBUG_SYNC));
      g_assert_false (pal_debug (PAL_DEBUG_PLAN));
      return;
    }

  g_setenv ("PALIMPSEST_FAULT", "cl:3,alloc:1", TRUE);
  g_setenv ("PALIMPSEST_DEBUG", "sync,nan", TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/debug/flags", test_flags);
  g_test_add_func ("/debug/log", test_log);
  g_test_add_func ("/debug/lap", test_lap);
  g_test_add_func ("/debug/environment", test_environment);
  g_test_add_func ("/debug/faults", test_faults);
  g_test_add_func ("/debug/faults-environment", test_faults_environment);

  return g_test_run ();
}
