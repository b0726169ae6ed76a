/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The programs of the small models: a plan that shares memory computes what separate
 * buffers compute, replays agree, plans are tight, batches are their parts. */

#include "device-support.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"
#include "base/random.h"
#include "family/model.h"

/* One call of each network, at latents of width x height. */
typedef struct
{
  gint    width, height;
  gsize   n[4];
  gfloat *out[4];             /* text, encoder, denoiser, decoder */
} Results;

static const gchar *const networks[] = { "text", "encoder", "denoiser", "decoder" };

static void
results_clear (Results *results)
{
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++)
    g_free (results->out[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Results, results_clear)

static gfloat *
noise (gsize n, guint64 seed)
{
  g_autoptr (PalRandom) random = pal_random_new (PAL_RANDOM_TORCH, seed);
  gfloat *x = g_new (gfloat, n);

  pal_random_normal (random, x, n);
  return x;
}

static PalModel *
open_model (const gchar *name)
{
  g_autofree gchar *path = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", name,
                                             NULL);
  g_autoptr (GError) error = NULL;
  PalModel *model = pal_model_open (test_device (), path, &error);

  g_assert_no_error (error);
  return model;
}

/* Calls every network; guided batch of two for the denoiser. */
static void
call_all (PalModel *model, Results *r)
{
  const PalUnetConfig *unet = pal_model_unet (model);
  const PalVaeConfig *vae = pal_model_vae (model);
  gsize cells = (gsize) (r->width * r->height);
  gsize pixels = cells * (gsize) (vae->factor * vae->factor);
  gsize latent = (gsize) vae->latent_channels;
  g_autofree gfloat *image = noise (pixels * 3, 1);
  g_autofree gfloat *z = noise (cells * latent, 2);
  g_autofree gfloat *x = noise (2 * cells * (gsize) unet->in_channels, 3);
  g_auto (PalCondition) text = { 0 };
  g_autofree gfloat *context = NULL;
  g_autoptr (GError) error = NULL;
  gsize states;

  pal_model_condition (model, "a wooden bench", &text, NULL, NULL, &error);
  g_assert_no_error (error);

  states = (gsize) (text.tokens * text.channels);
  context = g_new (gfloat, 2 * states);
  memcpy (context, text.states, states * sizeof (gfloat));
  memcpy (context + states, text.states, states * sizeof (gfloat));

  r->n[0] = states;
  r->n[1] = cells * latent;
  r->n[2] = 2 * cells * (gsize) unet->out_channels;
  r->n[3] = pixels * 3;
  r->out[0] = g_steal_pointer (&text.states);
  for (guint i = 1; i < G_N_ELEMENTS (networks); i++)
    r->out[i] = g_new0 (gfloat, r->n[i]);

  pal_model_encode (model, image, r->width * vae->factor, r->height * vae->factor, r->out[1], NULL,
                    NULL, &error);
  g_assert_no_error (error);
  pal_model_denoise (model,
                     &(PalDenoise) { .batch = 2, .width = r->width, .height = r->height, .x = x,
                                     .timestep = 500.0, .tokens = text.tokens,
                                     .context = context },
                     r->out[2], NULL, &error);
  g_assert_no_error (error);
  pal_model_decode (model, z, r->width, r->height, r->out[3], NULL, &error);
  g_assert_no_error (error);
}

static void
assert_same (const Results *a, const Results *b)
{
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++)
    {
      g_test_message ("%s", networks[i]);
      for (gsize k = 0; k < a->n[i]; k++)
        g_assert_true (isfinite (a->out[i][k]));
      g_assert_cmpmem (a->out[i], a->n[i] * sizeof (gfloat), b->out[i], b->n[i] * sizeof (gfloat));
    }
}

/* Bit for bit: a wrong lifetime or an op that reads what it overwrites shows here. */
static void
test_unplanned (gconstpointer data)
{
  g_autoptr (PalModel) planned = open_model (data);
  g_autoptr (PalModel) unplanned = open_model (data);
  g_auto (Results) a = { .width = 8, .height = 6 };
  g_auto (Results) b = a;

  call_all (planned, &a);
  pal_debug_set (PAL_DEBUG_NOPLAN);
  call_all (unplanned, &b);
  pal_debug_set (0);
  assert_same (&a, &b);
}

/* The second run finds the arena as the first left it. */
static void
test_replay (gconstpointer data)
{
  g_autoptr (PalModel) model = open_model (data);
  g_auto (Results) a = { .width = 5, .height = 12 };
  g_auto (Results) b = a;

  call_all (model, &a);
  call_all (model, &b);
  assert_same (&a, &b);
}

static void
test_canaries (gconstpointer data)
{
  g_autoptr (PalModel) model = open_model (data);
  g_auto (Results) a = { .width = 7, .height = 3 };

  pal_debug_set (PAL_DEBUG_CANARY | PAL_DEBUG_NAN);
  call_all (model, &a);
  pal_debug_set (0);
}

static void
assert_tight (const gchar *what, PalModel *model)
{
  PalReport report = { 0 };

  pal_model_memory (model, &report);
  g_test_message ("%s: plan %" G_GUINT64_FORMAT ", bound %" G_GUINT64_FORMAT, what,
                  report.working_bytes, report.working_bound_bytes);
  g_assert_cmpuint (report.working_bytes, >=, report.working_bound_bytes);
  g_assert_cmpfloat ((gdouble) report.working_bytes, <=,
                     1.1 * (gdouble) report.working_bound_bytes);
}

/* pal_model_memory () speaks of the largest program, so each network has a model to
 * itself. */
static void
test_tight (gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (PalModel) model = open_model (data);
      const PalUnetConfig *unet = pal_model_unet (model);
      const PalVaeConfig *vae = pal_model_vae (model);
      gint w = 16, h = 12;
      gsize pixels = (gsize) (w * h * vae->factor * vae->factor * 3);
      gsize latents = (gsize) (w * h) * (gsize) MAX (unet->in_channels, vae->latent_channels);
      g_autofree gfloat *image = g_new0 (gfloat, pixels);
      g_autofree gfloat *z = g_new0 (gfloat, latents);
      g_autofree gfloat *out = g_new0 (gfloat, latents);
      g_autofree gfloat *context = g_new0 (gfloat, 77 * unet->cross_channels);
      g_autoptr (GError) error = NULL;

      if (i == 0)
        pal_model_encode (model, image, w * vae->factor, h * vae->factor, out, NULL, NULL, &error);
      else if (i == 1)
        pal_model_decode (model, z, w, h, image, NULL, &error);
      else
        pal_model_denoise (model,
                           &(PalDenoise) { .batch = 1, .width = w, .height = h, .x = z,
                                           .timestep = 1.0, .tokens = 77, .context = context },
                           out, NULL, &error);

      g_assert_no_error (error);
      assert_tight (networks[i == 0 ? 1 : i == 1 ? 3 : 2], model);
    }
}

/* A guided pair computes what two single calls compute. */
static void
test_batch (gconstpointer data)
{
  g_autoptr (PalModel) model = open_model (data);
  const PalUnetConfig *unet = pal_model_unet (model);
  const gint w = 6, h = 5;
  const gint64 tokens = 9;
  gsize in = (gsize) (w * h * unet->in_channels), n = (gsize) (w * h * unet->out_channels);
  gsize states = (gsize) (tokens * unet->cross_channels);
  g_autofree gfloat *x = noise (2 * in, 5);
  g_autofree gfloat *context = noise (2 * states, 6);
  g_autofree gfloat *pair = g_new0 (gfloat, 2 * n);
  g_autofree gfloat *one = g_new0 (gfloat, n);
  PalDenoise call = { .batch = 2, .width = w, .height = h, .x = x, .timestep = 321.5,
                      .tokens = tokens, .context = context };
  g_autoptr (GError) error = NULL;

  pal_model_denoise (model, &call, pair, NULL, &error);
  g_assert_no_error (error);

  call.batch = 1;
  for (gsize b = 0; b < 2; b++)
    {
      call.x = x + b * in;
      call.context = context + b * states;
      pal_model_denoise (model, &call, one, NULL, &error);
      g_assert_no_error (error);
      for (gsize i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon (one[i], pair[b * n + i], 2e-5f);
    }
}

gint
main (gint argc, gchar **argv)
{
  static const struct
  {
    const gchar  *name;
    GTestDataFunc test;
  } tests[] = {
    { "unplanned", test_unplanned },
    { "replay", test_replay },
    { "canaries", test_canaries },
    { "tight", test_tight },
    { "batch", test_batch },
  };
  static const gchar *const models[] = { "sd15-tiny", "sd15-inpaint9-tiny" };

  if (! device_test_init (&argc, &argv))
    return 0;

  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    for (gsize k = 0; k < G_N_ELEMENTS (models); k++)
      {
        g_autofree gchar *path = g_strdup_printf ("/model/%s/%s", tests[i].name, models[k]);

        g_test_add_data_func (path, models[k], tests[i].test);
      }

  return device_test_run ();
}
