/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The geometry of a request: context, canvas, windows, masks at latent size. */

#include <math.h>
#include <string.h>

#include "drive/canvas.h"
#include "drive/windows.h"

#define ROUNDS 20000

static PalModelInfo
model_info (gint trained,
            gint multiple)
{
  return (PalModelInfo) { .trained_px = trained, .trained_min_px = trained * 3 / 4,
                          .trained_max_px = trained * 3 / 2, .multiple_px = multiple };
}

static PalRect
random_selection (GRand *rand,
                  gint   width,
                  gint   height)
{
  gint w = g_rand_int_range (rand, 1, width + 1), h = g_rand_int_range (rand, 1, height + 1);

  return (PalRect) { g_rand_int_range (rand, 0, width - w + 1),
                     g_rand_int_range (rand, 0, height - h + 1), w, h };
}

static void
check_axis (gint first,
            gint length,
            gint selected,
            gint selected_length,
            gint limit,
            gint trained,
            gint multiple)
{
  g_assert_cmpint (first, >=, 0);
  g_assert_cmpint (first, <=, selected);
  g_assert_cmpint (first + length, >=, selected + selected_length);
  g_assert_cmpint (first + length, <=, limit);
  g_assert_cmpint (length, >=, MIN (trained, limit));
  g_assert_true (length % multiple == 0 || length == limit);
}

static void
test_context (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (gint i = 0; i < ROUNDS; i++)
    {
      gint         width   = g_rand_int_range (rand, 1, 3000);
      gint         height  = g_rand_int_range (rand, 1, 3000);
      gint         trained = 1 << g_rand_int_range (rand, 6, 11), multiple = 1 << (i % 5);
      PalModelInfo info    = model_info (trained, multiple);
      PalRect      s       = random_selection (rand, width, height), r;
      PalIntent    intent  = i % 2 ? PAL_FILL : PAL_RESTYLE;

      r = pal_context_rect (&info, intent, i % 3 ? 1.0 : 0.5, width, height, s);
      check_axis (r.x, r.width, s.x, s.width, width, trained, multiple);
      check_axis (r.y, r.height, s.y, s.height, height, trained, multiple);
    }
}

static void
test_context_rules (void)
{
  PalModelInfo info = model_info (512, 8);
  PalRect      small = { 900, 500, 100, 100 }, large = { 500, 500, 600, 400 };
  PalRect      none  = { 0, 0, 0, 0 };
  PalRect      r;

  /* A small selection is sampled at the model's native size. */
  r = pal_context_rect (&info, PAL_FILL, 1.0, 2000, 1500, small);
  g_assert_cmpint (r.width, ==, 512);
  g_assert_cmpint (r.height, ==, 512);
  g_assert_cmpint (r.x, ==, 900 + 50 - 256);

  /* Half the mean side is more than a sixteenth of the image. */
  r = pal_context_rect (&info, PAL_FILL, 1.0, 2000, 1500, large);
  g_assert_cmpint (r.width, ==, 1104);
  g_assert_cmpint (r.height, ==, 904);

  r = pal_context_rect (&info, PAL_FILL, 0.5, 2000, 1500, large);
  g_assert_cmpint (r.width, ==, 664);

  for (gint intent = 0; intent < PAL_N_INTENTS; intent++)
    {
      r = pal_context_rect (&info, (PalIntent) intent, 1.0, 2000, 1500, none);
      g_assert_cmpint (r.width, ==, 2000);
      g_assert_cmpint (r.height, ==, 1500);
    }
  r = pal_context_rect (&info, PAL_GENERATE, 1.0, 2000, 1500, small);
  g_assert_cmpint (r.width, ==, 100);
}

static void
test_windows (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);

  for (gint i = 0; i < 300; i++)
    {
      gint               size    = g_rand_int_range (rand, 2, 40);
      gint               overlap = g_rand_int_range (rand, 0, size);
      PalWindows         w    = { g_rand_int_range (rand, 1, 150), g_rand_int_range (rand, 1, 150),
                                  size, MIN (overlap, size / 2) };
      gsize              n    = (gsize) w.width * (gsize) w.height;
      g_autofree gfloat *in   = g_new (gfloat, n * 2);
      g_autofree gfloat *out  = g_new (gfloat, n * 2);
      g_autofree gfloat *tile = g_new (gfloat, (gsize) size * (gsize) size * 2);
      g_auto (PalBlend)  blend = { 0 };

      for (gsize k = 0; k < n * 2; k++)
        in[k] = (gfloat) g_rand_double (rand);

      g_assert_true (pal_blend_init (&blend, &w, 2));
      for (guint k = 0; k < pal_windows_count (&w); k++)
        {
          PalRect r = pal_windows_nth (&w, k);

          g_assert_true (r.x >= 0 && r.x + r.width <= w.width);
          g_assert_true (r.y >= 0 && r.y + r.height <= w.height);
          g_assert_true (r.width == MIN (size, w.width) && r.height == MIN (size, w.height));
          pal_window_cut (in, w.width, r, 2, tile);
          pal_blend_add (&blend, r, tile);
        }

      /* Cutting and blending what agrees changes nothing. */
      pal_blend_finish (&blend, out);
      for (gsize k = 0; k < n * 2; k++)
        g_assert_cmpfloat_with_epsilon (out[k], in[k], 1e-5f);
    }
}

/* Neighbouring windows overlap as asked. */
static void
test_window_overlap (void)
{
  for (gint length = 1; length < 400; length++)
    {
      PalWindows w = { length, 16, 32, 8 };

      for (guint k = 1; k < pal_windows_count (&w); k++)
        g_assert_cmpint (pal_windows_nth (&w, k - 1).x + 32 - pal_windows_nth (&w, k).x, >=, 8);
      g_assert_cmpint (pal_windows_nth (&w, pal_windows_count (&w) - 1).x + MIN (32, length), ==,
                       length);
    }
}

/* Windows that disagree leave no edge. */
static void
test_seam (void)
{
  PalWindows         w     = { 100, 8, 40, 12 };
  g_auto (PalBlend)  blend = { 0 };
  g_autofree gfloat *tile  = g_new (gfloat, 40 * 8);
  g_autofree gfloat *out   = g_new (gfloat, 100 * 8);
  gfloat             steepest = 0.0f;

  g_assert_true (pal_blend_init (&blend, &w, 1));
  for (guint k = 0; k < pal_windows_count (&w); k++)
    {
      for (gsize i = 0; i < 40 * 8; i++)
        tile[i] = (gfloat) (k % 2);
      pal_blend_add (&blend, pal_windows_nth (&w, k), tile);
    }
  pal_blend_finish (&blend, out);

  for (gint x = 1; x < 100; x++)
    steepest = MAX (steepest, fabsf (out[x] - out[x - 1]));
  g_assert_cmpfloat (steepest, <, 0.25);
  g_assert_cmpfloat (out[0], ==, 0.0);
}

static void
test_canvas (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (gint i = 0; i < ROUNDS; i++)
    {
      gint           trained = 1 << g_rand_int_range (rand, 6, 11), factor = 1 << (i % 4);
      PalModelInfo   info    = model_info (trained, 8);
      PalModelTraits traits  = { .window_px = i % 3 ? 0 : 256, .window_overlap_px = 64 };
      gint           width   = g_rand_int_range (rand, 1, 5000);
      gint           height  = g_rand_int_range (rand, 1, 5000);
      gboolean       whole   = i % 2;
      gint           window  = i % 3 ? info.trained_max_px : 256;
      PalCanvas      c       = pal_canvas_plan (&info, &traits, factor, width, height, whole);
      gdouble        sx      = (gdouble) c.content_width / width;
      gdouble        sy      = (gdouble) c.content_height / height;

      g_assert_true (c.width % 8 == 0 && c.width % factor == 0);
      g_assert_true (c.height % 8 == 0 && c.height % factor == 0);
      g_assert_true (c.content_width <= c.width && c.content_width > c.width - 8);
      g_assert_true (c.content_height <= c.height && c.content_height > c.height - 8);

      /* The same scale both ways, but for whole pixels. */
      g_assert_cmpfloat (fabs (sx - sy), <=, 1.0 / MIN (width, height));
      if (whole)
        g_assert_cmpint (MAX (c.width, c.height), <=, window);
      else if (MAX (c.width, c.height) > window)
        g_assert_true (c.window > 0 && c.window <= window && c.overlap > 0 && c.overlap < c.window);
      g_assert_cmpint (c.reduced, ==, MIN (sx, sy) < 1.0);
    }
}

static void
test_canvas_pixels (void)
{
  PalModelInfo         info   = model_info (64, 8);
  PalModelTraits       traits = { 0 };
  PalCanvas            c      = pal_canvas_plan (&info, &traits, 8, 61, 50, FALSE);
  g_autoptr (PalImage) image  = pal_image_new (61, 50, 3);
  g_autoptr (PalImage) placed = NULL;
  g_autoptr (PalImage) back   = NULL;

  for (gsize i = 0; i < 61 * 50 * 3; i++)
    image->data[i] = (gfloat) (i % 97) / 97.0f;

  /* At scale 1 every pixel comes back as it was, and at its place. */
  g_assert_cmpint (c.content_width, ==, 61);
  g_assert_cmpint (c.width, ==, 64);
  placed = pal_canvas_place (&c, image);
  g_assert_cmpmem (placed->data, 61 * 12, image->data, 61 * 12);
  g_assert_cmpmem (placed->data + 63 * 3, 12, image->data + 60 * 3, 12);
  back = pal_canvas_take (&c, placed, 61, 50);
  g_assert_cmpmem (back->data, 61 * 50 * 12, image->data, 61 * 50 * 12);
}

static void
test_latent_mask (void)
{
  g_autoptr (PalImage) mask    = pal_image_new (16, 8, 1);
  g_autofree gfloat   *any     = NULL;
  g_autofree gfloat   *nearest = NULL;
  g_autofree gfloat   *area    = NULL;

  mask->data[3 * 16 + 5] = 1.0f;      /* inside the first cell */
  mask->data[8]          = 1.0f;      /* top left of the second */
  any     = pal_canvas_latent_mask (mask, 8, PAL_MASK_ANY);
  nearest = pal_canvas_latent_mask (mask, 8, PAL_MASK_NEAREST);
  area    = pal_canvas_latent_mask (mask, 8, PAL_MASK_AREA);
  g_assert_cmpfloat (any[0], ==, 1.0f);
  g_assert_cmpfloat (any[1], ==, 1.0f);
  g_assert_cmpfloat (nearest[0], ==, 0.0f);
  g_assert_cmpfloat (nearest[1], ==, 1.0f);
  g_assert_cmpfloat (area[0], ==, 1.0f / 64.0f);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/sizes/context", test_context);
  g_test_add_func ("/sizes/context-rules", test_context_rules);
  g_test_add_func ("/sizes/windows", test_windows);
  g_test_add_func ("/sizes/window-overlap", test_window_overlap);
  g_test_add_func ("/sizes/seam", test_seam);
  g_test_add_func ("/sizes/canvas", test_canvas);
  g_test_add_func ("/sizes/canvas-pixels", test_canvas_pixels);
  g_test_add_func ("/sizes/latent-mask", test_latent_mask);

  return g_test_run ();
}
