/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A diffusion that can be solved by hand: pictures are N (m, c^2) at each value, so
 * the best denoiser is known at every noise level and so is where each start ends.
 * Deterministic samplers must reach that point, higher orders sooner; stochastic ones
 * must reach the distribution. */

#include <math.h>
#include <string.h>

#include "pal.h"
#include "base/random.h"
#include "sample/sampler.h"

#define MEAN  0.3
#define WIDTH 0.6
#define N     4096

/* The model's own noise levels, in double: alpha^2 at each training timestep. */
static gdouble table[1000];

static void
fill_table (void)
{
  gdouble product = 1.0;

  for (gint i = 0; i < 1000; i++)
    {
      gdouble root = sqrt (0.00085) + (sqrt (0.012) - sqrt (0.00085)) * i / 999.0;

      product *= 1.0 - root * root;
      table[i] = product;
    }
}

typedef struct
{
  gdouble a, s;               /* x = a x0 + s n */
} Level;

/* Between training timesteps the sigmas are linear. */
static Level
level_of (gdouble  timestep,
          gboolean flow)
{
  gint    low = (gint) CLAMP (floor (timestep), 0, 998);
  gdouble w = timestep - low, sigma;

  if (flow)
    return (Level) { 1.0 - timestep / 1000.0, timestep / 1000.0 };

  sigma = (1.0 - w) * sqrt (1.0 / table[low] - 1.0) + w * sqrt (1.0 / table[low + 1] - 1.0);

  return (Level) { 1.0 / sqrt (1.0 + sigma * sigma), sigma / sqrt (1.0 + sigma * sigma) };
}

/* Standard score of x at a level: constant along the deterministic process. */
static gdouble
score (gdouble x,
       Level   l)
{
  return (x - l.a * MEAN) / sqrt (l.a * l.a * WIDTH * WIDTH + l.s * l.s);
}

/* What a perfect model says. consistent: the end of x's path instead of the mean of
 * all pictures that x could come from, as a consistency model does. */
static gdouble
model (gdouble       x,
       Level         l,
       PalPrediction prediction,
       gboolean      consistent)
{
  gdouble gain  = WIDTH * WIDTH * l.a / (l.a * l.a * WIDTH * WIDTH + l.s * l.s);
  gdouble clean = consistent ? MEAN + WIDTH * score (x, l) : MEAN + gain * (x - l.a * MEAN);
  gdouble noise = (x - l.a * clean) / l.s;

  switch (prediction)
    {
    case PAL_PREDICT_V:
      return l.a * noise - l.s * clean;
    case PAL_PREDICT_SAMPLE:
      return clean;
    case PAL_PREDICT_FLOW:
      return noise - clean;
    default:
      return noise;
    }
}

typedef struct
{
  const gchar  *sampler;
  PalPrediction prediction;
  gdouble       eta, strength;
  gint          steps;
  gboolean      flow;         /* straight paths, whatever is predicted */
  const gchar  *schedule;
  gdouble       s_noise;
} Setup;

typedef struct
{
  gdouble error;              /* largest distance from where the start's path ends */
  gdouble mean, deviation;    /* of the result */
} Outcome;

static PalSampling *
new_sampling (const Setup *setup)
{
  g_autofree gchar       *text     = NULL;
  static const gchar *const names[] = { "epsilon", "v_prediction", "sample", "flow_prediction" };
  g_autoptr (GError)      error    = NULL;
  g_autoptr (PalJson)     json     = NULL;
  const PalSchedule      *schedule = NULL;
  PalScheduleConfig       config;
  PalSampling            *sampling;

  text = g_strdup_printf ("{ \"_class_name\": %s, \"beta_start\": 0.00085, \"beta_end\": 0.012, "
                          "\"beta_schedule\": \"scaled_linear\", \"prediction_type\": \"%s\", "
                          "\"set_alpha_to_one\": true, \"skip_prk_steps\": true, "
                          "\"timestep_spacing\": \"trailing\", "
                          "\"original_inference_steps\": 500 }",
                          setup->flow ? "\"FlowMatchEulerDiscreteScheduler\"" : "null",
                          names[setup->prediction]);
  json = pal_json_parse (text, -1, "test", &error);
  g_assert_no_error (error);
  g_assert_true (pal_schedule_config_read (json, &config, &error));
  config.clip_sample = FALSE;
  config.ays         = PAL_AYS_SD1;
  g_assert_true (pal_schedule_find (setup->schedule, &schedule, &error));

  sampling = pal_sampling_new (&(PalSamplingSetup) {
                                 .sampler = pal_sampler_find (setup->sampler, NULL),
                                 .steps = setup->steps, .strength = setup->strength,
                                 .schedule = schedule, .eta = setup->eta,
                                 .s_noise = setup->s_noise
                               }, &config, &error);
  g_assert_no_error (error);
  pal_schedule_config_clear (&config);

  return sampling;
}

static gboolean
walks_straight (const Setup *setup)
{
  return setup->flow || setup->prediction == PAL_PREDICT_FLOW;
}

static void
walk (const Setup *setup,
      PalSampling *sampling,
      PalRandom   *random,
      gfloat      *x)
{
  g_autofree gfloat *input  = g_new (gfloat, N);
  g_autofree gfloat *output = g_new (gfloat, N);
  g_autofree gfloat *fresh  = g_new (gfloat, N);
  gboolean           lcm    = g_str_equal (setup->sampler, "lcm");

  for (gint call = 0; call < pal_sampling_n_calls (sampling); call++)
    {
      Level    level = level_of (pal_sampling_timestep (sampling, call), walks_straight (setup));
      gboolean wants = pal_sampling_wants_noise (sampling, call);

      pal_sampling_scale (sampling, call, x, input, N);
      for (gsize i = 0; i < N; i++)
        output[i] = (gfloat) model ((gdouble) input[i], level, setup->prediction, lcm);

      if (wants)
        pal_random_normal (random, fresh, N);
      pal_sampling_step (sampling, call, output, wants ? fresh : NULL, x, N);
    }
}

static Outcome
run (const Setup *setup)
{
  g_autoptr (PalSampling) sampling = new_sampling (setup);
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 5);
  g_autofree gfloat      *image    = g_new (gfloat, N);
  g_autofree gfloat      *noise    = g_new (gfloat, N);
  g_autofree gfloat      *x        = g_new (gfloat, N);
  g_autofree gfloat      *start    = g_new (gfloat, N);
  Level                   level    = level_of (pal_sampling_timestep (sampling, 0),
                                               walks_straight (setup));
  Outcome                 out      = { 0.0, 0.0, 0.0 };

  pal_random_normal (random, image, N);
  pal_random_normal (random, noise, N);
  for (gsize i = 0; i < N; i++)
    image[i] = (gfloat) (MEAN + WIDTH * (gdouble) image[i]);

  pal_sampling_start (sampling, image, noise, x, N);
  pal_sampling_scale (sampling, 0, x, start, N);
  walk (setup, sampling, random, x);

  for (gsize i = 0; i < N; i++)
    {
      gdouble end = MEAN + WIDTH * score ((gdouble) start[i], level);

      out.error      = MAX (out.error, fabs (end - (gdouble) x[i]));
      out.mean      += (gdouble) x[i] / N;
      out.deviation += (gdouble) (x[i] * x[i]) / N;
    }
  out.deviation = sqrt (out.deviation - out.mean * out.mean);

  return out;
}

/* Paths end where they must, in 100 steps. The last step, from the least trained noise
 * to none, is of first order for all on a noise schedule; a flow's steps shrink. */
static void
test_paths (void)
{
  static const struct { const gchar *sampler; gdouble limit, flow_limit; } rows[] = {
    { "ddim", 0.07, 0.0 }, { "euler", 0.07, 0.04 }, { "heun", 0.03, 5e-4 },
    { "dpmpp-2m", 0.03, 3e-3 }, { "unipc", 0.03, 1e-3 }, { "pndm", 0.06, 0.0 },
    { "dpm2", 0.03, 5e-4 }, { "lms", 0.03, 1e-3 }, { "deis", 0.03, 3e-3 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (gint p = PAL_PREDICT_EPSILON; p <= PAL_PREDICT_FLOW; p++)
      for (gint part = 0; part < 2; part++)
        {
          Setup   setup = { rows[i].sampler, (PalPrediction) p, 0.0, part ? 0.6 : 1.0, 100 };
          Outcome out;

          if ((p == PAL_PREDICT_FLOW && rows[i].flow_limit == 0.0) ||
              (p == PAL_PREDICT_SAMPLE && g_str_equal (rows[i].sampler, "pndm")))
            continue;

          out = run (&setup);
          g_test_message ("%s, prediction %d, strength %g: off by %.2e", setup.sampler, p,
                          setup.strength, out.error);
          g_assert_cmpfloat (out.error, <,
                             p == PAL_PREDICT_FLOW ? rows[i].flow_limit : rows[i].limit);
        }
}

/* A model that gives the clean sample walks the same straight paths as one that gives
 * the velocity. */
static void
test_flow_sample (void)
{
  static const gchar *const samplers[] = { "euler", "heun", "dpmpp-2m", "unipc", "dpm2", "lms",
                                           "deis" };

  for (gsize i = 0; i < G_N_ELEMENTS (samplers); i++)
    {
      Setup   setup = { samplers[i], PAL_PREDICT_FLOW, 0.0, 1.0, 40, TRUE };
      gdouble velocity = run (&setup).error, sample;

      setup.prediction = PAL_PREDICT_SAMPLE;
      sample           = run (&setup).error;
      g_test_message ("%s: %.6e and %.6e", setup.sampler, velocity, sample);
      g_assert_cmpfloat (velocity, <, 0.1);
      g_assert_cmpfloat (fabs (velocity - sample), <, 1e-4);
    }
}

/* Halving the step must do what the order promises. */
static void
test_orders (void)
{
  static const struct { const gchar *sampler; gdouble gain; gint steps; } rows[] = {
    { "euler", 1.7, 25 }, { "heun", 3.0, 25 }, { "dpmpp-2m", 2.5, 25 }, { "unipc", 2.5, 25 },
    { "lms", 3.0, 25 },
    /* whose error changes its sign before */
    { "dpm2", 2.3, 160 }, { "deis", 2.3, 160 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Setup   setup = { rows[i].sampler, PAL_PREDICT_FLOW, 0.0, 1.0, rows[i].steps };
      gdouble coarse = run (&setup).error, fine;

      setup.steps *= 2;
      fine        = run (&setup).error;
      g_test_message ("%s: %.2e to %.2e", setup.sampler, coarse, fine);
      g_assert_cmpfloat (coarse / fine, >, rows[i].gain);
    }
}

static void
test_distributions (void)
{
  static const Setup setups[] = {
    { "ddim", PAL_PREDICT_EPSILON, 1.0, 1.0, 200 }, { "ddpm", PAL_PREDICT_EPSILON, 0.0, 1.0, 200 },
    { "ddpm", PAL_PREDICT_V, 0.0, 0.7, 200 }, { "euler-a", PAL_PREDICT_EPSILON, 0.0, 1.0, 200 },
    { "euler-a", PAL_PREDICT_FLOW, 0.0, 1.0, 200 }, { "lcm", PAL_PREDICT_EPSILON, 0.0, 1.0, 4 },
    { "lcm", PAL_PREDICT_FLOW, 0.0, 1.0, 4 }, { "tcd", PAL_PREDICT_EPSILON, 0.02, 1.0, 200 },
    { "tcd", PAL_PREDICT_V, 0.05, 1.0, 200 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (setups); i++)
    {
      Outcome out = run (&setups[i]);

      g_test_message ("%s: mean %.3f, deviation %.3f", setups[i].sampler, out.mean, out.deviation);
      g_assert_cmpfloat (fabs (out.mean - MEAN), <, 0.03);
      g_assert_cmpfloat (fabs (out.deviation - WIDTH), <, 0.03);
      /* It would be no test of noise if the path were followed. */
      g_assert_cmpfloat (out.error, >, 0.2);
    }
}

/* All that add noise along the way, however the model predicts and with less noise too. */
static void
test_stochastic (void)
{
  static const gchar *const samplers[] = { "dpmpp-2m-sde", "dpmpp-2m-sde-heun", "dpmpp-3m-sde",
                                           "dpmpp-sde", "dpmpp-2s-a", "dpm2-a", "euler-a" };

  for (gsize i = 0; i < G_N_ELEMENTS (samplers); i++)
    for (gint p = PAL_PREDICT_EPSILON; p <= PAL_PREDICT_FLOW; p++)
      for (gint part = 0; part < 2; part++)
        {
          Setup   setup = { samplers[i], (PalPrediction) p, part ? 0.5 : 0.0, part ? 0.7 : 1.0,
                            200 };
          Outcome out, loud;

          /* Where steps grow in log SNR, three differences reach too far ahead. */
          if (g_str_has_prefix (setup.sampler, "dpmpp-3m"))
            setup.schedule = "exponential";

          out           = run (&setup);
          setup.s_noise = 1.2;
          loud          = run (&setup);
          g_test_message ("%s, prediction %d, eta %g: mean %.3f, deviation %.3f, %.3f, off %.2f",
                          setup.sampler, p, setup.eta, out.mean, out.deviation, loud.deviation,
                          out.error);
          g_assert_cmpfloat (fabs (out.mean - MEAN), <, 0.03);
          g_assert_cmpfloat (fabs (out.deviation - WIDTH), <, 0.03);
          g_assert_cmpfloat (out.error, >, 0.2);
          g_assert_cmpfloat (loud.deviation, >, out.deviation + 0.002);
        }
}

/* Other noise levels, the same end; Euler, the first, is of first order. */
static void
test_schedules (void)
{
  static const gchar *const samplers[] = { "euler", "heun", "dpmpp-2m", "unipc", "dpm2", "lms",
                                           "deis" };
  gsize                  n;
  const PalScheduleInfo *schedules = pal_schedule_list (&n);

  for (gsize i = 0; i < n * G_N_ELEMENTS (samplers) * 2; i++)
    {
      gboolean flow  = i / n / G_N_ELEMENTS (samplers) == 1;
      Setup    setup = { samplers[i / n % G_N_ELEMENTS (samplers)],
                         flow ? PAL_PREDICT_FLOW : PAL_PREDICT_V, 0.0, 1.0, 50 };
      gdouble  error;

      setup.schedule = schedules[i % n].id;
      if (flow && g_str_equal (setup.schedule, "ays"))
        continue;

      error = run (&setup).error;
      g_test_message ("%s, %s%s: off by %.2e", setup.sampler, setup.schedule,
                      flow ? ", flow" : "", error);
      g_assert_cmpfloat (error, <, i / n % G_N_ELEMENTS (samplers) == 0 ? 0.2 : 0.1);
    }
}

/* Known region: as noisy as the walk at each call, clean at the end. */
static void
test_renoise (void)
{
  Setup                   setup = { "dpmpp-2m", PAL_PREDICT_EPSILON, 0.0, 0.6, 10 };
  g_autoptr (PalSampling) s     = new_sampling (&setup);
  gint                    calls = pal_sampling_n_calls (s);
  gfloat                  image = 0.7f, noise = -1.2f, got;

  g_assert_cmpint (calls, ==, 6);
  for (gint call = 0; call < calls - 1; call++)
    {
      Level level = level_of (pal_sampling_timestep (s, call + 1), FALSE);

      pal_sampling_renoise (s, call, &image, &noise, &got, 1);
      g_assert_cmpfloat_with_epsilon ((gdouble) got, level.a * (gdouble) image +
                                      level.s * (gdouble) noise, 1e-5);
    }

  pal_sampling_renoise (s, calls - 1, &image, &noise, &got, 1);
  g_assert_cmpfloat (got, ==, image);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  fill_table ();

  g_test_add_func ("/sample/gaussian/paths", test_paths);
  g_test_add_func ("/sample/gaussian/flow-sample", test_flow_sample);
  g_test_add_func ("/sample/gaussian/orders", test_orders);
  g_test_add_func ("/sample/gaussian/distributions", test_distributions);
  g_test_add_func ("/sample/gaussian/stochastic", test_stochastic);
  g_test_add_func ("/sample/gaussian/schedules", test_schedules);
  g_test_add_func ("/sample/gaussian/renoise", test_renoise);

  return g_test_run ();
}
