/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every reference case's schedule, start, model inputs and steps, with the recorded
 * model outputs and noises in place of a model. */

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "case.h"
#include "sample/sampler.h"

/* Allowed: this part of the largest value of the tensor. */
#define TOLERANCE 2e-6

typedef struct
{
  Case        *c;
  PalSampling *sampling;
  gdouble      guidance, worst;
  gsize        n;             /* values of the latents */
  gfloat      *x, *image, *noise;
  gint         n_noises;
} Walk;

static void
compare (Walk         *w,
         const gchar  *name,
         const gfloat *got,
         gsize         n)
{
  g_autofree gfloat *want    = NULL;
  gsize              m;
  gdouble            largest = 1.0, difference = 0.0;

  want = case_floats (w->c, name, &m);
  g_assert_cmpuint (m, >=, n);
  for (gsize i = 0; i < n; i++)
    {
      largest    = MAX (largest, fabs ((gdouble) want[i]));
      difference = MAX (difference, fabs ((gdouble) want[i] - (gdouble) got[i]));
      g_assert_true (isfinite (got[i]));
    }

  w->worst = MAX (w->worst, difference / largest);
  if (difference > TOLERANCE * largest)
    g_error ("%s: %s differs by %g of %g", w->c->folder, name, difference, largest);
}

static gdouble
call_number (Case        *c,
             const gchar *field,
             gdouble      fallback)
{
  g_autoptr (PalJson) call = pal_json_object (c->json, "call", NULL);

  g_assert_nonnull (call);
  g_assert_true (pal_json_double (call, field, &fallback, NULL));

  return fallback;
}

static gchar *
text_field (Case        *c,
            const gchar *field)
{
  gchar *text = NULL;

  g_assert_true (pal_json_string (c->json, field, &text, NULL));

  return text;
}

static void
check_schedule (Walk *w)
{
  gsize               n, m;
  const gdouble      *got  = pal_sampling_timesteps (w->sampling, &n);
  g_autofree gdouble *want = case_tensor (w->c, "timesteps", NULL, &m);
  g_autofree gdouble *want_sigmas = NULL;

  g_assert_cmpuint (n, ==, m);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon (got[i], want[i], 1e-4);

  got = pal_sampling_sigmas (w->sampling, &n);
  g_assert_cmpint (got != NULL, ==, case_has (w->c, "sigmas"));
  if (! got)
    return;

  want_sigmas = case_tensor (w->c, "sigmas", NULL, &m);
  g_assert_cmpuint (n, ==, m);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon (got[i], want_sigmas[i], 1e-6 * (1.0 + want_sigmas[i]));
}

/* Scaled latents of the input image, as the pipelines make them; NULL when the case
 * has none or its model is not at hand. */
static gfloat *
image_latents (Case *c)
{
  g_autofree gchar    *model = text_field (c, "model");
  g_autofree gchar    *path  = g_build_filename (c->folder, "..", "..", "models", model, "vae",
                                                 "config.json", NULL);
  g_autoptr (PalJson)  vae   = pal_json_load (path, NULL);
  g_autofree gfloat   *logvar = NULL;
  g_autofree gfloat   *noise  = NULL;
  gfloat              *mean;
  gdouble              scale = 0.18215, shift = 0.0;
  gsize                n;

  if (! vae || ! case_has (c, "vae.encode.mean.0"))
    return NULL;

  g_assert_true (pal_json_double (vae, "scaling_factor", &scale, NULL));
  g_assert_true (pal_json_double (vae, "shift_factor", &shift, NULL));

  mean = case_floats (c, "vae.encode.mean.0", &n);
  if (case_has (c, "noise.posterior.0"))
    {
      logvar = case_floats (c, "vae.encode.logvar.0", &n);
      noise  = case_floats (c, "noise.posterior.0", &n);
    }

  for (gsize i = 0; i < n; i++)
    {
      gdouble z = (gdouble) mean[i];

      if (noise)
        z += exp ((gdouble) logvar[i] / 2.0) * (gdouble) noise[i];
      mean[i] = (gfloat) ((z - shift) * scale);
    }

  return mean;
}

/* A U-Net's input and a transformer's are called differently. */
static const gchar *
input_name (Case *c)
{
  return case_has (c, "den.0.sample") ? "den.0.sample" : "den.0.hidden_states";
}

static void
check_start (Walk *w,
             gboolean from_noise)
{
  const gchar       *name  = input_name (w->c);
  g_autofree gfloat *input = g_new (gfloat, w->n);

  pal_sampling_start (w->sampling, from_noise ? NULL : w->image, w->noise, w->x, w->n);
  pal_sampling_scale (w->sampling, 0, w->x, input, w->n);
  compare (w, name, input, w->n);
}

/* uncond + scale (cond - uncond) of the recorded output; what an exemplar memory made of
 * it, where there was one. */
static gfloat *
guided_output (Walk *w,
               gint  call)
{
  g_autofree gchar *name     = g_strdup_printf ("den.%d.out", call);
  g_autofree gchar *recalled = g_strdup_printf ("recalled.%d", call);
  gsize             m;
  gfloat           *out      = case_floats (w->c, case_has (w->c, recalled) ? recalled : name, &m);

  g_assert_true (m == w->n || m == 2 * w->n);
  if (m == 2 * w->n)
    for (gsize i = 0; i < w->n; i++)
      out[i] += (gfloat) w->guidance * (out[w->n + i] - out[i]);

  return out;
}

static void
hold_known (Walk *w,
            gint  call)
{
  gsize               m, plane;
  PalShape            shape;
  g_autofree gfloat  *known = g_new (gfloat, w->n);
  g_autofree gdouble *mask  = case_tensor (w->c, "mask_latents", &shape, &m);

  plane = (gsize) (shape.d[2] * shape.d[3]);
  pal_sampling_renoise (w->sampling, call, w->image, w->noise, known, w->n);
  for (gsize i = 0; i < w->n; i++)
    w->x[i] = mask[i % plane] > 0.5 ? w->x[i] : known[i];
}

static void
walk_call (Walk    *w,
           gint     call,
           gboolean blend)
{
  g_autofree gchar   *sample   = g_strdup_printf ("den.%d.sample", call);
  g_autofree gchar   *hidden   = g_strdup_printf ("den.%d.hidden_states", call);
  g_autofree gchar   *timestep = g_strdup_printf ("den.%d.timestep", call);
  g_autofree gchar   *latents  = g_strdup_printf ("latents.%d", call);
  g_autofree gchar   *fresh    = g_strdup_printf ("noise.step.%d", w->n_noises);
  g_autofree gfloat  *input    = g_new (gfloat, w->n);
  g_autofree gfloat  *output   = guided_output (w, call);
  g_autofree gfloat  *noise    = NULL;
  g_autofree gdouble *told     = NULL;
  gsize               m;

  pal_sampling_scale (w->sampling, call, w->x, input, w->n);
  compare (w, case_has (w->c, sample) ? sample : hidden, input, w->n);

  told = case_tensor (w->c, timestep, NULL, &m);
  g_assert_cmpfloat_with_epsilon (told[0], pal_sampling_timestep (w->sampling, call), 1e-4);

  if (pal_sampling_wants_noise (w->sampling, call))
    {
      noise = case_floats (w->c, fresh, &m);
      w->n_noises++;
    }

  pal_sampling_step (w->sampling, call, output, noise, w->x, w->n);
  if (blend)
    hold_known (w, call);
  compare (w, latents, w->x, w->n);
}

static PalSampling *
open_sampling (Case   *c,
               GError **error)
{
  g_autofree gchar        *scheduler = text_field (c, "scheduler");
  g_autoptr (PalJson)      json      = pal_json_object (c->json, "scheduler_config", NULL);
  PalSamplingSetup         setup     = { .strength = call_number (c, "strength", 1.0),
                                         .eta      = call_number (c, "eta", 0.0) };
  PalScheduleConfig        config;
  PalSampling             *sampling;

  if (! pal_schedule_config_read_as (json, scheduler, &config, error))
    return NULL;

  /* The pipelines of SD 3 leave the sigmas to the scheduler. */
  if (config.prediction == PAL_PREDICT_FLOW && case_has (c, "te3.cond.ids"))
    config.spacing = PAL_SPACING_LINSPACE;

  setup.steps   = (gint) call_number (c, "num_inference_steps", 0);
  setup.sampler = pal_sampler_find (scheduler, error);
  sampling      = setup.sampler ? pal_sampling_new (&setup, &config, error) : NULL;
  pal_schedule_config_clear (&config);

  return sampling;
}

static void
test_walk (gconstpointer folder)
{
  g_autoptr (Case)        c        = case_open (folder);
  g_autofree gchar       *pipeline = text_field (c, "pipeline");
  g_autoptr (GError)      error    = NULL;
  g_autoptr (PalSampling) sampling = open_sampling (c, &error);
  g_autofree gfloat      *image    = image_latents (c);
  g_autofree gfloat      *noise    = NULL;
  g_autofree gfloat      *x        = NULL;
  Walk                    w        = { c, sampling, call_number (c, "guidance_scale", 1.0) };
  gboolean                inpaint  = strstr (pipeline, "Inpaint") != NULL, from_noise, blend;
  gdouble                 strength = call_number (c, "strength", 1.0);
  PalShape                input;
  gint64                  executed = 0;
  g_autofree gdouble     *first    = NULL;
  gsize                   m;

  g_assert_no_error (error);

  noise   = case_floats (c, "noise.init.0", &w.n);
  x       = g_new (gfloat, w.n);
  w.x     = x;
  w.image = image;
  w.noise = noise;

  check_schedule (&w);
  g_assert_true (pal_json_int (c->json, "steps_executed", &executed, NULL));
  g_assert_cmpint (pal_sampling_n_calls (sampling), ==, executed);

  first = case_tensor (c, input_name (c), &input, &m);
  from_noise = ! case_has (c, "vae.encode.mean.0") || (inpaint && strength >= 1.0);
  blend      = inpaint && (gsize) (input.d[1] * input.d[2] * input.d[3]) == w.n;
  if (! from_noise || blend)
    g_assert_nonnull (image);

  check_start (&w, from_noise);
  for (gint call = 0; call < pal_sampling_n_calls (sampling); call++)
    walk_call (&w, call, blend);

  g_test_message ("worst difference %.1e of the largest value", w.worst);
}

/* FLUX's shift depends on the picture's size in most cases; its latents are packed. */
static void
test_flux (gconstpointer folder)
{
  g_autoptr (Case)        c        = case_open (folder);
  g_autoptr (GError)      error    = NULL;
  g_autoptr (PalSampling) sampling = open_sampling (c, &error);
  g_autoptr (PalJson)     json     = pal_json_object (c->json, "scheduler_config", NULL);
  gboolean                dynamic  = FALSE;
  Walk                    w        = { c, sampling, 1.0 };

  g_assert_true (pal_json_bool (json, "use_dynamic_shifting", &dynamic, NULL));
  if (dynamic)
    g_assert_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED);
  else
    check_schedule (&w);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GPtrArray) folders = NULL;
  guint                 n       = 0;

  g_test_init (&argc, &argv, NULL);
  folders = case_folders (TEST_DATA);

  for (guint i = 0; i < folders->len; i++)
    {
      const gchar      *folder   = g_ptr_array_index (folders, i);
      g_autoptr (Case)  c        = case_open (folder);
      g_autofree gchar *pipeline = text_field (c, "pipeline");
      g_autofree gchar *path     = NULL;

      if (! pipeline)
        continue;

      path = g_strdup_printf ("/sample/walk/%u-%s", n++, strrchr (folder, '/') + 1);
      g_test_add_data_func (path, folder,
                            g_str_has_prefix (pipeline, "Flux") ? test_flux : test_walk);
    }

  return g_test_run ();
}
