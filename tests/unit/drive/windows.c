/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The diffusion loop in windows: all of them see pieces of one noisy picture at every
 * step, no two begin with the same noise, and what a network does differently near the
 * borders of its input, or from one window to the next, leaves no seam. */

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "drive/diffusion.h"
#include "drive/windows.h"

/* Latent px; the window as that of the bundled model. */
#define W       90
#define H       56
#define L       2
#define WINDOW  32
#define OVERLAP 8
#define STEPS   5

#define MOST_WINDOWS 16

static const PalWindows windows = { W, H, WINDOW, OVERLAP };

typedef struct
{
  PalDenoiser denoiser;
  guint       window, n_windows;
  gint        steps_seen;
  gboolean    darkens;        /* answers as a padded network does; else with its input */
  gfloat      tiles[MOST_WINDOWS][WINDOW * WINDOW * L];
} Fake;

/* A uniform picture as a network paints it that pads with zeros: darker towards the
 * borders; and no two windows agree about the tone. */
static gfloat
darkened (guint window, gint i)
{
  const gint x = i % WINDOW, y = i / WINDOW;
  const gint edge = MIN (MIN (x, WINDOW - 1 - x), MIN (y, WINDOW - 1 - y));

  return 0.5f - 0.3f * expf (-0.5f * (gfloat) edge) + (window % 2 ? 0.05f : -0.05f);
}

static gboolean
denoise (gpointer           data,
         const PalDenoise  *call,
         gfloat            *out,
         GCancellable      *cancellable,
         GError           **error)
{
  Fake *fake = data;

  g_assert_cmpint (call->batch, ==, 1);
  g_assert_cmpint (call->width, ==, WINDOW);
  g_assert_cmpint (call->height, ==, WINDOW);
  g_assert_cmpuint (fake->window, <, fake->n_windows);

  memcpy (fake->tiles[fake->window], call->x, sizeof fake->tiles[0]);
  for (gint i = 0; i < WINDOW * WINDOW * L; i++)
    out[i] = fake->darkens ? darkened (fake->window, i / L) : tanhf (call->x[i]);
  fake->window++;

  return TRUE;
}

/* Near 0 for independent numbers, 1 for the same. */
static gdouble
correlation (const gfloat *a, const gfloat *b)
{
  gdouble ab = 0.0, aa = 0.0, bb = 0.0;

  for (gsize i = 0; i < WINDOW * WINDOW * L; i++)
    {
      ab += (gdouble) (a[i] * b[i]);
      aa += (gdouble) (a[i] * a[i]);
      bb += (gdouble) (b[i] * b[i]);
    }

  return ab / sqrt (aa * bb);
}

/* After each step: what the windows saw, against the one picture. */
static void
observe (const PalDiffusionStep *step, gpointer data)
{
  Fake  *fake = data;
  gfloat tile[WINDOW * WINDOW * L];

  g_assert_cmpuint (fake->window, ==, fake->n_windows);
  for (guint i = 0; i < fake->n_windows; i++)
    {
      pal_window_cut (step->input, W, pal_windows_nth (&windows, i), L, tile);
      g_assert_cmpmem (fake->tiles[i], sizeof tile, tile, sizeof tile);

      for (guint k = 0; step->call == 0 && k < i; k++)
        g_assert_cmpfloat (fabs (correlation (fake->tiles[i], fake->tiles[k])), <, 0.15);
    }

  fake->window = 0;
  fake->steps_seen++;
}

/* out: [H, W, L] */
static void
paint (gboolean darkens, gfloat *out)
{
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  g_autoptr (PalJson)     json     = pal_json_parse ("{ \"prediction_type\": \"sample\", "
                                                     "\"clip_sample\": false }", -1, "test", NULL);
  g_autoptr (PalSampling) sampling = NULL;
  g_autofree Fake        *fake     = g_new0 (Fake, 1);
  gfloat                  states   = 0.0f;
  PalCondition            cond     = { .tokens = 1, .channels = 1, .states = &states };
  PalScheduleConfig       config;
  PalDiffusion            d;

  g_assert_true (pal_schedule_config_read (json, &config, NULL));
  sampling = pal_sampling_new (&(PalSamplingSetup) {
                                 .sampler = pal_sampler_find ("ddim", NULL), .steps = STEPS,
                                 .strength = 1.0
                               }, &config, NULL);
  pal_schedule_config_clear (&config);
  g_assert_nonnull (sampling);

  fake->denoiser  = (PalDenoiser) { L, L, denoise, fake };
  fake->n_windows = pal_windows_count (&windows);
  fake->darkens   = darkens;
  g_assert_cmpuint (fake->n_windows, >, 4);
  g_assert_cmpuint (fake->n_windows, <=, MOST_WINDOWS);

  d = (PalDiffusion) { .width = W, .height = H, .cond = &cond, .guidance = 1.0,
                       .window = WINDOW, .overlap = OVERLAP, .sampling = sampling,
                       .noise = pal_noise_from_random (random),
                       .observe = observe, .observe_data = fake };
  g_assert_true (pal_diffuse_with (&fake->denoiser, &d, out, NULL, NULL));
  g_assert_cmpint (fake->steps_seen, ==, STEPS);
}

static void
test_one_picture (void)
{
  g_autofree gfloat *out = g_new (gfloat, W * H * L);

  paint (FALSE, out);
}

/* Whether some window begins or ends at this column. */
static gboolean
is_border (gint x)
{
  for (guint i = 0; i < pal_windows_count (&windows); i++)
    {
      const PalRect r = pal_windows_nth (&windows, i);

      if (x == r.x || x == r.x + r.width)
        return TRUE;
    }

  return FALSE;
}

/* Neighbouring columns differ less across a window's border than they do elsewhere,
 * although what is blended there differs most. */
static void
test_seam (void)
{
  g_autofree gfloat *out = g_new (gfloat, W * H * L);
  gdouble            at_borders = 0.0, elsewhere = 0.0;
  gint               n = 0;

  paint (TRUE, out);

  /* The picture's own edges, which no window blends away, are left out. */
  for (gint x = WINDOW / 2; x < W - WINDOW / 2; x++)
    {
      gdouble step = 0.0;

      for (gint i = 0; i < H * L; i++)
        step += fabs ((gdouble) (out[(i / L * W + x) * L + i % L] -
                                 out[(i / L * W + x - 1) * L + i % L])) / (H * L);
      g_test_message ("column %d: %.4f%s", x, step, is_border (x) ? ", a border" : "");

      if (is_border (x))
        {
          at_borders = MAX (at_borders, step);
        }
      else
        {
          elsewhere += step;
          n++;
        }
    }

  g_assert_cmpfloat (elsewhere, >, 0.0);
  g_assert_cmpfloat (at_borders, <, elsewhere / n);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/windows/one-picture", test_one_picture);
  g_test_add_func ("/windows/seam", test_seam);

  return g_test_run ();
}
