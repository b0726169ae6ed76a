/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plan, checked against what it must hold for any list of steps: two tensors that
 * live at one time never share a byte. */

#include "device-support.h"

#include "run/private.h"

typedef struct
{
  PalResidency *residency;
  PalTape      *tape;
} Case;

static Case
begin (void)
{
  PalResidency *residency = test_residency ();

  return (Case) { residency, pal_tape_new (residency) };
}

static void
end (Case *c)
{
  pal_tape_free (c->tape);
  pal_residency_unref (c->residency);
}

/* By brute force, from the steps alone: for each tensor with memory, the steps at
 * which its bytes matter. */
static void
check_plan (PalTape       *tape,
            const PalPlan *plan,
            gsize          guard_bytes)
{
  const guint n = tape->tensors->len, n_steps = tape->steps->len;
  g_autofree gint *first = g_new (gint, n), *last = g_new (gint, n);

  for (guint i = 0; i < n; i++)
    {
      const PalTensor *x = g_ptr_array_index (tape->tensors, i);

      first[i] = -1;
      last[i]  = -1;

      for (guint s = 0; s < n_steps; s++)
        {
          const PalStep *step = g_ptr_array_index (tape->steps, s);

          if (step->out == x || (step->n_scratch > 0 && step->scratch[0] == x))
            first[i] = last[i] = (gint) s;
          for (guint k = 0; k < step->n_in; k++)
            if (pal_tensor_base (step->in[k]) == x)
              last[i] = (gint) s;
        }
      for (guint k = 0; k < tape->outputs->len; k++)
        if (pal_tensor_base (((PalPort *) g_ptr_array_index (tape->outputs, k))->tensor) == x)
          last[i] = (gint) n_steps;
    }

  for (guint i = 0; i < n; i++)
    for (guint j = 0; j < n; j++)
      {
        const PalTensor *a = g_ptr_array_index (tape->tensors, i);
        const PalTensor *b = g_ptr_array_index (tape->tensors, j);
        const PalStep   *writer;

        if (a->base || b->base || i == j || first[i] > first[j])
          continue;

        g_assert_cmpuint (a->place.offset_bytes % PAL_PLACE_BYTES, ==, 0);
        g_assert_cmpuint (a->place.offset_bytes, >=, guard_bytes);
        g_assert_cmpuint (a->place.offset_bytes + a->n_bytes + guard_bytes, <=,
                          g_array_index (plan->slab_bytes, gsize, a->place.slab));

        if (last[i] < first[j] || a->place.slab != b->place.slab ||
            a->place.offset_bytes + a->n_bytes + guard_bytes <= b->place.offset_bytes ||
            b->place.offset_bytes + b->n_bytes + guard_bytes <= a->place.offset_bytes)
          continue;

        /* b may lie on a only as the result of the step that reads a last, exactly on
         * its place, where the op says that it may. */
        g_assert_cmpint (first[j], ==, last[i]);
        writer = g_ptr_array_index (tape->steps, (guint) first[j]);
        g_assert_true (writer->out == b);
        g_assert_cmpuint (writer->op->in_place, ==, 1);
        g_assert_true (pal_tensor_base (writer->in[0]) == a);
        g_assert_cmpuint (a->place.offset_bytes, ==, b->place.offset_bytes);
        g_assert_cmpuint (a->n_bytes, ==, b->n_bytes);
      }
}

static PalPlan
plan_and_check (PalTape *tape,
                gsize    max_slab_bytes,
                gboolean separate,
                gsize    guard_bytes)
{
  const PalPlanOptions options = { max_slab_bytes, separate, guard_bytes };
  g_autoptr (GError) error = NULL;
  PalPlan plan;
  guint64 sum = 0;

  g_assert_true (pal_plan (tape, &options, &plan, &error));
  g_assert_no_error (error);
  check_plan (tape, &plan, guard_bytes);

  for (guint i = 0; i < plan.slab_bytes->len; i++)
    {
      const gsize bytes = g_array_index (plan.slab_bytes, gsize, i);

      g_assert_cmpuint (bytes, <=, max_slab_bytes);
      sum += bytes;
    }
  g_assert_cmpuint (sum, ==, plan.arena_bytes);
  g_assert_cmpuint (plan.arena_bytes, >=, plan.bound_bytes);

  return plan;
}

static void
test_chain (void)
{
  Case       c = begin ();
  PalTensor *x = pal_input (c.tape, "x", PAL_U8, PAL_SHAPE (1000));
  PalPlan    plan;

  for (guint i = 0; i < 10; i++)
    x = test_planned (c.tape, 1000, 1, &x, 0, FALSE);
  pal_output (c.tape, "y", x);

  plan = plan_and_check (c.tape, G_MAXSIZE / 2, FALSE, 0);
  g_assert_cmpuint (plan.arena_bytes, ==, 2048);
  g_assert_cmpuint (plan.bound_bytes, ==, 2048);
  pal_plan_clear (&plan);

  plan = plan_and_check (c.tape, G_MAXSIZE / 2, TRUE, 0);
  g_assert_cmpuint (plan.arena_bytes, ==, 11 * 1024);
  g_assert_cmpuint (plan.slab_bytes->len, ==, 11);
  pal_plan_clear (&plan);

  plan = plan_and_check (c.tape, G_MAXSIZE / 2, FALSE, 256);
  g_assert_cmpuint (plan.arena_bytes, ==, 2 * (1024 + 512));
  pal_plan_clear (&plan);

  end (&c);
}

static void
test_in_place (void)
{
  Case       c = begin ();
  PalTensor *x = pal_input (c.tape, "x", PAL_U8, PAL_SHAPE (1000));
  PalTensor *kept, *twice[2];
  PalPlan    plan;

  for (guint i = 0; i < 10; i++)
    x = test_planned (c.tape, 1000, 1, &x, 0, TRUE);
  plan = plan_and_check (c.tape, G_MAXSIZE / 2, FALSE, 0);
  g_assert_cmpuint (plan.arena_bytes, ==, 1024);
  g_assert_cmpuint (plan.n_tensors, ==, 1);
  pal_plan_clear (&plan);

  /* Not when it is read later, is an output, or is read twice by the step. */
  kept = x;
  x    = test_planned (c.tape, 1000, 1, &kept, 0, TRUE);
  pal_output (c.tape, "y", x);
  x = test_planned (c.tape, 1000, 2, (PalTensor *[]) { x, kept }, 0, TRUE);
  twice[0] = twice[1] = x;
  x = test_planned (c.tape, 1000, 2, twice, 0, TRUE);
  plan = plan_and_check (c.tape, G_MAXSIZE / 2, FALSE, 0);
  g_assert_cmpuint (plan.n_tensors, ==, 4);
  pal_plan_clear (&plan);

  end (&c);
}

/* A view keeps its base; a part of a tensor is not the tensor. */
static void
test_views (void)
{
  Case       c = begin ();
  PalTensor *x = pal_input (c.tape, "x", PAL_U8, PAL_SHAPE (4, 512));
  PalTensor *h, *row, *other;
  PalPlan    plan;

  h     = test_planned (c.tape, 2048, 1, &x, 0, FALSE);
  row   = pal_rows (c.tape, pal_reshape (c.tape, h, PAL_SHAPE (4, 512)), 1, 1);
  other = test_planned (c.tape, 512, 1, &row, 0, TRUE);
  other = test_planned (c.tape, 512, 1, &other, 0, FALSE);
  row   = test_planned (c.tape, 512, 2, (PalTensor *[]) { row, other }, 0, TRUE);
  h     = pal_reshape (c.tape, row, PAL_SHAPE (2, 256));
  h     = test_planned (c.tape, 512, 1, &h, 0, TRUE);
  pal_output (c.tape, "y", h);

  plan = plan_and_check (c.tape, G_MAXSIZE / 2, FALSE, 0);
  g_assert_true (((PalStep *) g_ptr_array_index (c.tape->steps, 4))->out->home == row);
  g_assert_null (((PalStep *) g_ptr_array_index (c.tape->steps, 1))->out->home);
  pal_plan_clear (&plan);

  end (&c);
}

static void
test_slabs (void)
{
  Case       c = begin ();
  PalTensor *x[6];
  g_autoptr (GError) error = NULL;
  PalPlan    plan;

  x[0] = pal_input (c.tape, "x", PAL_U8, PAL_SHAPE (1024));
  for (guint i = 1; i < 6; i++)
    x[i] = test_planned (c.tape, 1024 * i, i, x, 512, FALSE);
  test_planned (c.tape, 256, 6, x, 0, FALSE);

  plan = plan_and_check (c.tape, 6 * 1024, FALSE, 0);
  g_assert_cmpuint (plan.slab_bytes->len, >=, 3);
  pal_plan_clear (&plan);

  g_assert_false (pal_plan (c.tape, &(PalPlanOptions) { .max_slab_bytes = 5 * 1024 - 1 },
                            &plan, &error));
  test_error (error, PAL_ERROR_MEMORY, "[5120] needs 5.0");

  end (&c);
}

/* Lists of any form are planned soundly. */
static void
test_random (void)
{
  for (guint round = 0; round < 60; round++)
    {
      Case         c = begin ();
      const gint   n = g_test_rand_int_range (1, 60);
      g_autoptr (GPtrArray) made = g_ptr_array_new ();
      PalPlan      plan;

      g_ptr_array_add (made, pal_input (c.tape, "x", PAL_U8, PAL_SHAPE (700)));
      for (gint s = 0; s < n; s++)
        {
          const guint n_in = (guint) g_test_rand_int_range (1, 4);
          PalTensor  *in[3], *x;

          for (guint i = 0; i < n_in; i++)
            {
              const guint back = (guint) g_test_rand_int_range (1, 9);

              in[i] = g_ptr_array_index (made, made->len - MIN (made->len, back));
            }

          x = test_planned (c.tape, (gsize) g_test_rand_int_range (1, 5) * 700, n_in, in,
                            g_test_rand_bit () ? 900 : 0, g_test_rand_bit ());
          if (g_test_rand_int_range (0, 10) == 0)
            x = pal_rows (c.tape, x, 100, 300);
          if (g_test_rand_int_range (0, 10) == 0)
            {
              g_autofree gchar *name = g_strdup_printf ("out%d", s);

              pal_output (c.tape, name, x);
            }
          g_ptr_array_add (made, x);
        }

      plan = plan_and_check (c.tape, round % 3 ? G_MAXSIZE / 2 : 8192, round % 5 == 4,
                             round % 2 ? 256 : 0);
      pal_plan_clear (&plan);
      end (&c);
    }
}

/* Real-looking lists: B the batch, channels by level, skips as the U-Net has them. */

typedef struct
{
  PalTape *tape;
  gsize    batch, side;         /* latent px */
} Net;

static gsize
bytes_at (const Net *net,
          guint      level,
          gsize      channels)
{
  const gsize side = MAX (net->side >> level, 1);

  return net->batch * side * side * channels * sizeof (gfloat);
}

/* Norm, convolution, norm, convolution onto the residual. */
static PalTensor *
res_block (const Net *net,
           PalTensor *x,
           gsize      n_bytes)
{
  PalTensor *h = test_planned (net->tape, x->n_bytes, 1, &x, 4096, FALSE);

  h = test_planned (net->tape, n_bytes, 1, &h, 0, FALSE);
  h = test_planned (net->tape, n_bytes, 1, &h, 0, TRUE);
  h = test_planned (net->tape, n_bytes, 1, &h, 4096, FALSE);
  if (x->n_bytes != n_bytes)
    x = test_planned (net->tape, n_bytes, 1, &x, 0, FALSE);

  return test_planned (net->tape, n_bytes, 2, (PalTensor *[]) { h, x }, 0, FALSE);
}

/* Norm, projection, two attentions and a gated feed-forward of eight times the width,
 * each onto a residual. */
static PalTensor *
transformer (const Net *net,
             PalTensor *x)
{
  PalTape    *tape = net->tape;
  const gsize n    = x->n_bytes;
  PalTensor  *h, *skip = x, *q, *k, *v;

  h = test_planned (tape, n, 1, &x, 4096, FALSE);
  h = test_planned (tape, n, 1, &h, 0, FALSE);
  for (guint i = 0; i < 2; i++)
    {
      PalTensor *norm = test_planned (tape, n, 1, &h, 0, FALSE);

      q    = test_planned (tape, n, 1, &norm, 0, FALSE);
      k    = test_planned (tape, i ? 500000 : n, 1, &norm, 0, FALSE);
      v    = test_planned (tape, i ? 500000 : n, 1, &norm, 0, FALSE);
      norm = test_planned (tape, n, 3, (PalTensor *[]) { q, k, v }, k->n_bytes, FALSE);
      h    = test_planned (tape, n, 2, (PalTensor *[]) { norm, h }, 0, FALSE);
    }

  q = test_planned (tape, n, 1, &h, 0, FALSE);
  q = test_planned (tape, 8 * n, 1, &q, 0, FALSE);
  q = test_planned (tape, 4 * n, 1, &q, 0, FALSE);
  h = test_planned (tape, n, 2, (PalTensor *[]) { q, h }, 0, FALSE);

  return test_planned (tape, n, 2, (PalTensor *[]) { h, skip }, 0, FALSE);
}

static void
record_unet (const Net *net)
{
  const gsize channels[] = { 320, 640, 1280, 1280 };
  PalTensor  *x = pal_input (net->tape, "x", PAL_U8,
                             PAL_SHAPE ((gint64) bytes_at (net, 0, 4)));
  PalTensor  *skips[12], *h;
  guint       n_skips = 0;

  skips[n_skips++] = h = test_planned (net->tape, bytes_at (net, 0, 320), 1, &x, 0, FALSE);
  for (guint level = 0; level < 4; level++)
    {
      for (guint i = 0; i < 2; i++)
        {
          h = res_block (net, h, bytes_at (net, level, channels[level]));
          if (level < 3)
            h = transformer (net, h);
          skips[n_skips++] = h;
        }
      if (level < 3)
        skips[n_skips++] = h = test_planned (net->tape,
                                             bytes_at (net, level + 1, channels[level]), 1,
                                             &h, 0, FALSE);
    }

  h = res_block (net, transformer (net, res_block (net, h, h->n_bytes)), h->n_bytes);

  for (gint level = 3; level >= 0; level--)
    {
      for (guint i = 0; i < 3; i++)
        {
          PalTensor *skip = skips[--n_skips];

          h = test_planned (net->tape, h->n_bytes + skip->n_bytes, 2,
                            (PalTensor *[]) { h, skip }, 0, FALSE);
          h = res_block (net, h, bytes_at (net, (guint) level, channels[level]));
          if (level < 3)
            h = transformer (net, h);
        }
      if (level > 0)
        h = test_planned (net->tape, bytes_at (net, (guint) level - 1, channels[level]), 1,
                          &h, 0, FALSE);
    }

  h = test_planned (net->tape, h->n_bytes, 1, &h, 4096, FALSE);
  pal_output (net->tape, "y", test_planned (net->tape, bytes_at (net, 0, 4), 1, &h, 0, FALSE));
}

/* Level 3 is the latent's side, level 0 eight times that. */
static void
record_vae_decoder (const Net *net)
{
  const gsize channels[] = { 128, 256, 512, 512 };
  PalTensor  *x = pal_input (net->tape, "x", PAL_U8,
                             PAL_SHAPE ((gint64) bytes_at (net, 3, 4)));
  PalTensor  *h = test_planned (net->tape, bytes_at (net, 3, 512), 1, &x, 0, FALSE);

  h = res_block (net, transformer (net, res_block (net, h, h->n_bytes)), h->n_bytes);
  for (gint level = 3; level >= 0; level--)
    {
      for (guint i = 0; i < 3; i++)
        h = res_block (net, h, bytes_at (net, (guint) level, channels[level]));
      if (level > 0)
        h = test_planned (net->tape, bytes_at (net, (guint) level - 1, channels[level]), 1,
                          &h, 0, FALSE);
    }

  h = test_planned (net->tape, h->n_bytes, 1, &h, 4096, TRUE);
  pal_output (net->tape, "y", test_planned (net->tape, bytes_at (net, 0, 3), 1, &h, 0, FALSE));
}

static void
test_quality (void)
{
  static const struct
  {
    void (*record) (const Net *net);
    gsize batch, side;
  } rows[] = {
    { record_unet, 2, 64 }, { record_unet, 1, 32 }, { record_unet, 2, 96 },
    { record_unet, 2, 8 }, { record_vae_decoder, 1, 512 }, { record_vae_decoder, 1, 256 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Case         c     = begin ();
      const Net    net   = { c.tape, rows[i].batch, rows[i].side };
      const gint64 start = g_get_monotonic_time ();
      gint64       us;
      PalPlan      plan;

      rows[i].record (&net);
      g_assert_false (pal_tape_failed (c.tape));
      g_assert_true (pal_plan (c.tape, &(PalPlanOptions) { .max_slab_bytes = G_MAXSIZE / 2 },
                               &plan, NULL));
      us = g_get_monotonic_time () - start;
      check_plan (c.tape, &plan, 0);

      g_test_message ("%u steps: arena %.1f MiB, bound %.1f MiB, %.3f, in %" G_GINT64_FORMAT
                      " us", c.tape->steps->len, (gdouble) plan.arena_bytes / 1048576.0,
                      (gdouble) plan.bound_bytes / 1048576.0,
                      (gdouble) plan.arena_bytes / (gdouble) plan.bound_bytes, us);
      g_assert_cmpfloat ((gdouble) plan.arena_bytes, <=, 1.1 * (gdouble) plan.bound_bytes);

      pal_plan_clear (&plan);
      end (&c);
    }
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/plan/chain", test_chain);
  g_test_add_func ("/plan/in-place", test_in_place);
  g_test_add_func ("/plan/views", test_views);
  g_test_add_func ("/plan/slabs", test_slabs);
  g_test_add_func ("/plan/random", test_random);
  g_test_add_func ("/plan/quality", test_quality);

  return device_test_run ();
}
