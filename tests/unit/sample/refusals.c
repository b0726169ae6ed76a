/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What schedules and samplers refuse, by name, and what they take for absent fields. */

#include <math.h>
#include <string.h>

#include "pal.h"
#include "sample/beta-quantile.h"
#include "sample/sampler.h"

typedef struct
{
  const gchar *sampler, *config;
  gint         steps;
  gdouble      strength, eta;
  gint         code;          /* PalErrorCode */
  const gchar *word;          /* must be in the message */
} Refusal;

static const Refusal refusals[] = {
  { "ddim", "{ \"thresholding\": true }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "thresholding" },
  { "dpmpp-2m", "{ \"thresholding\": true }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "thresholding" },
  { "dpmpp-2m", "{ \"use_lu_lambdas\": true }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "use_lu_lambdas" },
  { "dpmpp-2m", "{ \"algorithm_type\": \"x\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "algorithm_type" },
  { "dpmpp-2m", "{ \"algorithm_type\": \"dpmsolver\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "sigma_min" },
  { "dpmpp-2m", "{ \"variance_type\": \"learned\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "variance_type" },
  { "ddpm", "{ \"variance_type\": \"learned_range\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "variance_type" },
  { "dpmpp-2m", "{ \"solver_order\": 4 }", 5, 1.0, 0.0, PAL_ERROR_FORMAT, "solver_order" },
  { "unipc", "{ \"solver_p\": { } }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "solver_p" },
  { "unipc", "{ \"solver_type\": \"bh3\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "solver_type" },
  { "euler", "{ \"beta_schedule\": \"laplace\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "laplace" },
  { "euler", "{ \"timestep_spacing\": \"wide\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "wide" },
  { "euler", "{ \"prediction_type\": 3 }", 5, 1.0, 0.0, PAL_ERROR_FORMAT, "prediction_type" },
  { "euler", "{ \"final_sigmas_type\": \"x\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "final_sigmas_type" },
  { "euler", "{ \"num_train_timesteps\": 1 }", 5, 1.0, 0.0, PAL_ERROR_FORMAT,
    "num_train_timesteps" },
  { "euler", "{ \"num_train_timesteps\": 5000000 }", 5, 1.0, 0.0, PAL_ERROR_FORMAT,
    "num_train_timesteps" },
  { "euler", "{ \"trained_betas\": [ 0.1, 0.2 ] }", 5, 1.0, 0.0, PAL_ERROR_FORMAT,
    "trained_betas" },
  { "euler", "{ \"beta_end\": 1.5 }", 5, 1.0, 0.0, PAL_ERROR_FORMAT, "beta_end" },
  { "euler", "{ \"use_karras_sigmas\": true, \"sigma_min\": -1 }", 5, 1.0, 0.0, PAL_ERROR_FORMAT,
    "sigma_min" },
  { "pndm", "{ \"prediction_type\": \"sample\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "pndm" },
  { "ddim", "{ \"prediction_type\": \"flow_prediction\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "flow" },
  { "euler",
    "{ \"_class_name\": \"FlowMatchEulerDiscreteScheduler\", \"use_dynamic_shifting\": true }",
    5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED, "use_dynamic_shifting" },
  { "lcm", "{ }", 51, 1.0, 0.0, PAL_ERROR_ARGUMENT, "50" },
  { "tcd", "{ }", 51, 1.0, 0.0, PAL_ERROR_ARGUMENT, "tcd" },
  { "tcd", "{ \"prediction_type\": \"flow_prediction\" }", 5, 1.0, 0.0, PAL_ERROR_UNSUPPORTED,
    "deis" },
  { "dpmpp-2m", "{ \"timestep_spacing\": \"leading\", \"steps_offset\": 1 }", 1000, 1.0, 0.0,
    PAL_ERROR_ARGUMENT, "fewer than 1000" },
  { "unipc", "{ \"timestep_spacing\": \"leading\", \"steps_offset\": 1 }", 1000, 1.0, 0.0,
    PAL_ERROR_ARGUMENT, "fewer than 1000" },
  { "euler", "{ }", 0, 1.0, 0.0, PAL_ERROR_ARGUMENT, "steps" },
  { "euler", "{ }", 1001, 1.0, 0.0, PAL_ERROR_ARGUMENT, "1000" },
  { "euler", "{ }", 5, 0.0, 0.0, PAL_ERROR_ARGUMENT, "strength" },
  { "euler", "{ }", 5, 1.1, 0.0, PAL_ERROR_ARGUMENT, "strength" },
  { "ddim", "{ }", 5, 1.0, 2.0, PAL_ERROR_ARGUMENT, "eta" },
  { "magic", "{ }", 5, 1.0, 0.0, PAL_ERROR_ARGUMENT, "dpmpp-2m" }
};

static PalSampling *
open_sampling (const gchar  *id,
               const gchar  *text,
               gint          steps,
               gdouble       strength,
               gdouble       eta,
               GError      **error)
{
  g_autoptr (PalJson) json     = pal_json_parse (text, -1, "scheduler_config.json", error);
  const PalSampler   *sampler  = pal_sampler_find (id, error);
  PalSampling        *sampling;
  PalScheduleConfig   config;

  g_assert_nonnull (json);
  if (! sampler || ! pal_schedule_config_read (json, &config, error))
    return NULL;

  sampling = pal_sampling_new (&(PalSamplingSetup) {
                                 .sampler = sampler, .steps = steps, .strength = strength,
                                 .eta = eta
                               }, &config, error);
  pal_schedule_config_clear (&config);

  return sampling;
}

static void
test_refusals (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      const Refusal          *r     = refusals + i;
      g_autoptr (GError)      error = NULL;
      g_autoptr (PalSampling) s     = NULL;

      s = open_sampling (r->sampler, r->config, r->steps, r->strength, r->eta, &error);
      g_assert_null (s);
      g_assert_error (error, PAL_ERROR, r->code);
      if (! strstr (error->message, r->word))
        g_error ("%s: \"%s\" does not name %s", r->config, error->message, r->word);
    }
}

static void
test_defaults (void)
{
  static const struct
  {
    const gchar *class_name;
    gdouble      beta_end;
    gboolean     clip, one;
    gint         spacing;
  } rows[] = {
    { "DDIMScheduler", 0.02, TRUE, TRUE, PAL_SPACING_LEADING },
    { "PNDMScheduler", 0.02, FALSE, FALSE, PAL_SPACING_LEADING },
    { "LCMScheduler", 0.012, FALSE, TRUE, PAL_SPACING_LEADING },
    { "EulerDiscreteScheduler", 0.02, FALSE, TRUE, PAL_SPACING_LINSPACE }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (PalJson) json = pal_json_parse ("{ }", -1, "x", NULL);
      PalScheduleConfig   config, copy;

      g_assert_true (pal_schedule_config_read_as (json, rows[i].class_name, &config, NULL));
      pal_schedule_config_copy (&copy, &config);
      pal_schedule_config_clear (&config);
      g_assert_cmpstr (copy.class_name, ==, rows[i].class_name);
      g_assert_cmpfloat (copy.beta_end, ==, rows[i].beta_end);
      g_assert_cmpint (copy.clip_sample, ==, rows[i].clip);
      g_assert_cmpint (copy.set_alpha_to_one, ==, rows[i].one);
      g_assert_cmpint ((gint) copy.spacing, ==, rows[i].spacing);
      pal_schedule_config_clear (&copy);
    }
}

/* Every sampler of the table takes every number of steps and strength. */
static void
test_all_lengths (void)
{
  static const gint     steps[]     = { 1, 2, 3, 4, 5, 7, 10, 23, 48, 50 };
  static const gdouble  strengths[] = { 1.0, 0.999, 0.5, 0.03 };
  gsize                 n;
  const PalSamplerInfo *list = pal_sampler_list (&n);

  g_assert_cmpuint (n, ==, 19);
  for (gsize i = 0; i < n * G_N_ELEMENTS (steps) * G_N_ELEMENTS (strengths) * 3; i++)
    {
      static const gchar *const spacings[] = { "leading", "trailing", "linspace" };
      g_autoptr (GError)      error = NULL;
      g_autofree gchar       *text  = NULL;
      g_autoptr (PalSampling) s     = NULL;
      gint                    count = steps[i / n % G_N_ELEMENTS (steps)];
      gfloat                  x = 1.0f, out = 0.5f, noise = 0.1f;

      text = g_strdup_printf ("{ \"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, "
                              "\"beta_end\": 0.012, \"timestep_spacing\": \"%s\" }",
                              spacings[i / n / G_N_ELEMENTS (steps) % 3]);
      s = open_sampling (list[i % n].id, text, count,
                         strengths[i / n / G_N_ELEMENTS (steps) / 3], 0.0, &error);
      g_assert_no_error (error);
      g_assert_cmpint (pal_sampling_n_calls (s), >=, 1);

      for (gint call = 0; call < pal_sampling_n_calls (s); call++)
        {
          gboolean wants = pal_sampling_wants_noise (s, call);

          g_assert_cmpfloat (pal_sampling_timestep (s, call), >=, 0.0);
          g_assert_cmpfloat (pal_sampling_timestep (s, call), <, 1000.0);
          pal_sampling_step (s, call, &out, wants ? &noise : NULL, &x, 1);
          g_assert_true (isfinite (x));
        }
    }
}

/* Beta (1/2, 1/2) is the arcsine distribution; Beta (1, 1) is flat. */
static void
test_beta_quantile (void)
{
  for (gint i = 0; i <= 20; i++)
    {
      gdouble p = i / 20.0, root = sin (G_PI * p / 2.0);

      g_assert_cmpfloat_with_epsilon (pal_beta_quantile (p, 0.5), root * root, 1e-13);
      g_assert_cmpfloat_with_epsilon (pal_beta_quantile (p, 1.0), p, 1e-13);
      g_assert_cmpfloat_with_epsilon (pal_beta_quantile (p, 0.6) + pal_beta_quantile (1.0 - p, 0.6),
                                      1.0, 1e-13);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/sample/refusals", test_refusals);
  g_test_add_func ("/sample/defaults", test_defaults);
  g_test_add_func ("/sample/all-lengths", test_all_lengths);
  g_test_add_func ("/sample/beta-quantile", test_beta_quantile);

  return g_test_run ();
}
