/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of schedules: each row's sigmas against its definition, what it refuses, and
 * that a request's schedule goes before the file's. */

#include <math.h>
#include <string.h>

#include "pal.h"
#include "sample/sampler.h"

#define TRAIN 1000
#define STEPS 10

#define SD "\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"beta_end\": 0.012"

static PalSampling *
open_sampling (const gchar  *sampler,
               const gchar  *schedule,
               const gchar  *text,
               GError      **error)
{
  g_autoptr (PalJson) json  = pal_json_parse (text, -1, "scheduler_config.json", NULL);
  PalSamplingSetup    setup = { .sampler = pal_sampler_find (sampler, NULL), .steps = STEPS,
                                .strength = 1.0 };
  PalScheduleConfig   config;
  PalSampling        *sampling;

  g_assert_true (pal_schedule_config_read (json, &config, NULL));
  config.ays = strstr (text, "v_prediction") ? PAL_AYS_NONE : PAL_AYS_SDXL;
  g_assert_true (pal_schedule_find (schedule, &setup.schedule, NULL));

  sampling = pal_sampling_new (&setup, &config, error);
  pal_schedule_config_clear (&config);

  return sampling;
}

static gdouble
table_sigma (gint timestep)
{
  gdouble product = 1.0;

  for (gint i = 0; i <= timestep; i++)
    {
      gdouble root = sqrt (0.00085) + (sqrt (0.012) - sqrt (0.00085)) * i / (TRAIN - 1.0);

      product *= 1.0 - root * root;
    }

  return sqrt (1.0 / product - 1.0);
}

static void
check (const gchar   *schedule,
       const gchar   *text,
       const gdouble *want)
{
  g_autoptr (GError)      error = NULL;
  g_autoptr (PalSampling) s     = open_sampling ("euler", schedule, text, &error);
  const gdouble          *got;
  gsize                   n;

  g_assert_no_error (error);
  got = pal_sampling_sigmas (s, &n);
  g_assert_cmpuint (n, ==, STEPS + 1);
  for (gsize i = 0; i < STEPS; i++)
    /* The engine's table is in float32, as the reference's, and loses digits at its end. */
    if (fabs (got[i] - want[i]) > 2e-5 * want[i])
      g_error ("%s: sigma %" G_GSIZE_FORMAT " is %g, not %g", schedule, i, got[i], want[i]);
  g_assert_cmpfloat (got[STEPS], ==, 0.0);
}

static void
test_curves (void)
{
  gdouble least = table_sigma (0), most = table_sigma (TRAIN - 1);
  gdouble karras[STEPS], exponential[STEPS];

  for (gint i = 0; i < STEPS; i++)
    {
      gdouble u = i / (STEPS - 1.0);
      gdouble a = pow (most, 1.0 / 7.0), b = pow (least, 1.0 / 7.0);

      karras[i]      = pow (a + u * (b - a), 7.0);
      exponential[i] = most * pow (least / most, u);
    }

  check ("karras", "{ " SD " }", karras);
  check ("exponential", "{ " SD " }", exponential);
}

static void
test_tables (void)
{
  static const gdouble ays[STEPS] = { 14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769,
                                      1.3405244945, 0.8620721141, 0.5550693289, 0.3798540708,
                                      0.2332364134, 0.1114188177 };
  gdouble simple[STEPS], sgm[STEPS];

  for (gint i = 0; i < STEPS; i++)
    {
      gdouble t   = (TRAIN - 1.0) * (STEPS - i) / STEPS, low = table_sigma ((gint) t);
      gdouble up  = table_sigma (MIN ((gint) t + 1, TRAIN - 1));

      simple[i] = table_sigma (TRAIN - 1 - i * TRAIN / STEPS);
      sgm[i]    = low + (t - (gint) t) * (up - low);
    }

  check ("ays", "{ " SD " }", ays);
  check ("simple", "{ " SD " }", simple);
  check ("sgm-uniform", "{ " SD " }", sgm);
}

/* A flow's table is its shifted sigmas; beta's ends are where the others' are. */
static void
test_flow (void)
{
  static const gchar text[] = "{ \"_class_name\": \"FlowMatchEulerDiscreteScheduler\", "
                              "\"shift\": 3.0 }";
  gdouble simple[STEPS];

  for (gint i = 0; i < STEPS; i++)
    {
      gdouble sigma = 1.0 - (gdouble) i / STEPS;

      simple[i] = 3.0 * sigma / (1.0 + 2.0 * sigma);
    }

  check ("simple", text, simple);
}

static void
test_beta (void)
{
  g_autoptr (PalSampling) s = open_sampling ("euler", "beta", "{ " SD " }", NULL);
  gdouble                 least = table_sigma (0), most = table_sigma (TRAIN - 1);
  const gdouble          *got;
  gsize                   n;

  got = pal_sampling_sigmas (s, &n);
  g_assert_cmpfloat_with_epsilon (got[0], most, 1e-4);
  g_assert_cmpfloat_with_epsilon (got[STEPS - 1], least, 1e-6);

  /* The distribution is symmetric. */
  for (gint i = 0; i < STEPS; i++)
    g_assert_cmpfloat_with_epsilon (got[i] + got[STEPS - 1 - i], least + most, 1e-4);
}

/* A class that passes over its file's flags still follows what is asked for. */
static void
test_precedence (void)
{
  static const gchar *const flags = "{ \"_class_name\": \"EulerAncestralDiscreteScheduler\", "
                                    "\"use_karras_sigmas\": true, " SD " }";
  g_autoptr (PalSampling) own   = open_sampling ("euler-a", NULL, flags, NULL);
  g_autoptr (PalSampling) asked = open_sampling ("euler-a", "karras", flags, NULL);
  g_autoptr (PalSampling) file  = open_sampling ("euler", "automatic", flags, NULL);
  g_autoptr (PalSampling) over  = open_sampling ("euler", "exponential", flags, NULL);
  gsize                   n;

  g_assert_cmpfloat (pal_sampling_sigmas (own, &n)[5], !=, pal_sampling_sigmas (asked, &n)[5]);
  g_assert_cmpfloat (pal_sampling_sigmas (file, &n)[5], ==, pal_sampling_sigmas (asked, &n)[5]);
  g_assert_cmpfloat (pal_sampling_sigmas (over, &n)[5], !=, pal_sampling_sigmas (file, &n)[5]);
}

/* The multistep solvers round what the reference rounds, and nothing else. */
static void
test_whole_timesteps (void)
{
  static const struct { const gchar *schedule; gboolean whole; } rows[] = {
    { "automatic", TRUE }, { "karras", TRUE }, { "beta", TRUE }, { "sgm-uniform", FALSE }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (PalSampling) s = open_sampling ("dpmpp-2m", rows[i].schedule, "{ " SD " }", NULL);
      gboolean                whole = TRUE;
      gsize                   n;
      const gdouble          *t = pal_sampling_timesteps (s, &n);

      for (gsize k = 0; k < n; k++)
        whole &= t[k] == rint (t[k]);
      g_assert_cmpint (whole, ==, rows[i].whole);
    }
}

static void
test_refusals (void)
{
  static const struct { const gchar *sampler, *schedule, *text, *word; } rows[] = {
    { "ddim", "karras", "{ " SD " }", "automatic" },
    { "tcd", "simple", "{ " SD " }", "dpmpp-2m" },
    { "euler", "ays", "{ \"prediction_type\": \"v_prediction\", " SD " }", "ays" },
    { "euler", "ays", "{ \"_class_name\": \"FlowMatchEulerDiscreteScheduler\" }", "ays" }
  };
  const PalSchedule *schedule;
  GError            *unknown = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError)      error = NULL;
      g_autoptr (PalSampling) s     = open_sampling (rows[i].sampler, rows[i].schedule,
                                                     rows[i].text, &error);

      g_assert_null (s);
      g_assert_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED);
      g_assert_nonnull (strstr (error->message, rows[i].word));
    }

  g_assert_false (pal_schedule_find ("spiral", &schedule, &unknown));
  g_assert_error (unknown, PAL_ERROR, PAL_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (unknown->message, "sgm-uniform"));
  g_error_free (unknown);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/sample/schedules/curves", test_curves);
  g_test_add_func ("/sample/schedules/tables", test_tables);
  g_test_add_func ("/sample/schedules/flow", test_flow);
  g_test_add_func ("/sample/schedules/beta", test_beta);
  g_test_add_func ("/sample/schedules/precedence", test_precedence);
  g_test_add_func ("/sample/schedules/whole-timesteps", test_whole_timesteps);
  g_test_add_func ("/sample/schedules/refusals", test_refusals);

  return g_test_run ();
}
