/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What steps are counted to do, against counts by hand. */

#include "op-support.h"

/* Opens weights for the ops below. */
static void
open_bench (Bench *bench)
{
  bench_init (bench, "work", FALSE);
  bench_weight (bench, "p.weight", PAL_F16, PAL_SHAPE (50, 30), 1.0, 0.0);
  bench_weight (bench, "p.bias", PAL_F32, PAL_SHAPE (50), 1.0, 0.0);
  bench_weight (bench, "c.weight", PAL_F32, PAL_SHAPE (16, 6, 3, 3), 1.0, 0.0);
  bench_weight (bench, "n.weight", PAL_F32, PAL_SHAPE (6), 1.0, 0.0);
  bench_weight (bench, "n.bias", PAL_F32, PAL_SHAPE (6), 1.0, 0.0);
  bench_weight (bench, "t.weight", PAL_F16, PAL_SHAPE (1000, 8), 1.0, 0.0);
  bench_record (bench);
}

static void
close_bench (Bench *bench)
{
  pal_tape_free (bench->tape);
  bench_clear (bench);
}

static void
assert_work (const Bench *bench, const gchar *op, guint64 flops, guint64 bytes)
{
  const PalWork work = pal_tape_work (bench->tape, op);

  g_assert_cmpuint (work.flops, ==, flops);
  if (bytes > 0)
    g_assert_cmpuint (work.bytes, ==, bytes);
}

/* x: [2, 7, 30] → [2, 7, 50]; the device's panels may be wider than 50 columns. */
static void
test_linear (void)
{
  PalTensor *x;
  Bench      bench;

  open_bench (&bench);
  x = pal_input (bench.tape, "x", PAL_F32, PAL_SHAPE (2, 7, 30));
  pal_linear (bench.tape, x, "p", NULL);
  assert_work (&bench, NULL, 2 * 14 * 30 * 50, 0);
  g_assert_cmpuint (pal_tape_work (bench.tape, NULL).bytes, >=,
                    14 * 30 * 4 + 14 * 50 * 4 + 50 * 30 * 2 + 50 * 4);
  close_bench (&bench);
}

/* x: [2, 9, 8, 6], stride 2 → [2, 5, 4, 16]; taps in the border count. */
static void
test_conv (void)
{
  PalTensor *x;
  Bench      bench;

  open_bench (&bench);
  x = pal_input (bench.tape, "x", PAL_F32, PAL_SHAPE (2, 9, 8, 6));
  pal_conv2d (bench.tape, x, "c", &(PalConv) { .stride = 2 });
  assert_work (&bench, "conv2d", 2 * (2 * 5 * 4) * 16 * 6 * 9, 0);
  assert_work (&bench, "linear", 0, 0);
  close_bench (&bench);
}

/* q: [2, 11, 24], k, v: [2, 5, 24], 3 heads: two products of 11 x 5 x 24 for each of 2. */
static void
test_attention (void)
{
  PalTensor *q, *k;
  Bench      bench;

  open_bench (&bench);
  q = pal_input (bench.tape, "q", PAL_F32, PAL_SHAPE (2, 11, 24));
  k = pal_input (bench.tape, "k", PAL_F32, PAL_SHAPE (2, 5, 24));
  pal_attention (bench.tape, q, k, k, &(PalAttention) { .heads = 3 });
  assert_work (&bench, NULL, 2 * 2 * 2 * 11 * 5 * 24, 4 * 24 * 2 * (11 + 5 + 5 + 11));
  close_bench (&bench);
}

/* A norm has traffic alone; of a table the rows that are asked for count. */
static void
test_traffic (void)
{
  PalTensor *x, *ids;
  Bench      bench;

  open_bench (&bench);
  x   = pal_input (bench.tape, "x", PAL_F32, PAL_SHAPE (10, 6));
  ids = pal_input (bench.tape, "ids", PAL_I32, PAL_SHAPE (1, 3));
  pal_layer_norm (bench.tape, x, "n", 1e-5f);
  assert_work (&bench, "row_norm", 0, 2 * 60 * 4 + 2 * 6 * 4);
  pal_embed (bench.tape, ids, "t", NULL);
  assert_work (&bench, "embed", 0, 3 * 4 + 3 * 8 * 2 + 3 * 8 * 4);
  close_bench (&bench);
}

/* The device counts what was run, each time. */
static void
test_runs (void)
{
  const PalWork before = pal_device_work (test_device ());
  gdouble      *values;
  PalProgram   *program;
  PalWork       after;
  Bench         bench;

  open_bench (&bench);
  pal_output (bench.tape, "y", pal_linear (bench.tape, bench_input (&bench, PAL_SHAPE (4, 30),
                                                                    1.0, 0.0, &values), "p",
                                           NULL));
  program = pal_tape_finish (bench.tape, 0, NULL);
  g_assert_nonnull (program);
  for (guint i = 0; i < 3; i++)
    g_assert_true (pal_program_run (program, bench.bindings, 1, NULL, NULL));
  after = pal_device_work (test_device ());
  g_assert_cmpuint (after.flops - before.flops, ==, 3 * 2 * 4 * 30 * 50);
  g_assert_cmpuint (after.bytes - before.bytes, ==, 3 * pal_program_work (program, NULL).bytes);
  pal_program_free (program);
  bench_clear (&bench);
}

int
main (int argc, char **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/op-work/linear", test_linear);
  g_test_add_func ("/op-work/conv2d", test_conv);
  g_test_add_func ("/op-work/attention", test_attention);
  g_test_add_func ("/op-work/traffic", test_traffic);
  g_test_add_func ("/op-work/runs", test_runs);

  return device_test_run ();
}
