/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Short walks recorded from the reference over many configurations, see
 * tests/tools/sampler-vectors.py: schedule, start, scaling, noise, every step. */

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "sample/sampler.h"

#define MOST_VALUES 4096

/* Of the largest value. The reference works in float32 throughout, and loses three
 * digits more where it starts at a sigma of 4096 (zero terminal SNR). */
#define TOLERANCE          1e-5
#define ZERO_SNR_TOLERANCE 2e-4

typedef struct
{
  PalJson     *json;
  PalSampling *sampling;
  const gchar *name;
  gdouble      tolerance;
} Vector;

static guint
read_values (const Vector *v,
             const gchar  *field,
             gdouble      *out)
{
  g_autoptr (GError) error = NULL;
  guint              n     = 0;

  pal_json_doubles (v->json, field, out, MOST_VALUES, &n, &error);
  g_assert_no_error (error);

  return n;
}

static void
compare (const Vector  *v,
         const gchar   *what,
         const gdouble *want,
         const gfloat  *got,
         guint          n)
{
  gdouble largest = 1.0;

  for (guint i = 0; i < n; i++)
    largest = MAX (largest, fabs (want[i]));
  for (guint i = 0; i < n; i++)
    if (! (fabs (want[i] - (gdouble) got[i]) <= v->tolerance * largest))
      g_error ("%s: %s is %g, not %g", v->name, what, (gdouble) got[i], want[i]);
}

static void
check_schedule (const Vector *v)
{
  g_autofree gdouble *want = g_new (gdouble, MOST_VALUES);
  const gdouble      *got;
  gsize               n;

  got = pal_sampling_timesteps (v->sampling, &n);
  g_assert_cmpuint (read_values (v, "timesteps", want), ==, n);
  for (gsize i = 0; i < n; i++)
    if (fabs (want[i] - got[i]) > 2e-3)
      g_error ("%s: timestep %" G_GSIZE_FORMAT " is %g, not %g", v->name, i, got[i], want[i]);

  got = pal_sampling_sigmas (v->sampling, &n);
  if (! pal_json_has (v->json, "sigmas"))
    {
      g_assert_null (got);
      return;
    }

  g_assert_cmpuint (read_values (v, "sigmas", want), ==, n);
  for (gsize i = 0; i < n; i++)
    if (fabs (want[i] - got[i]) > 2e-6 * (1.0 + want[i]))
      g_error ("%s: sigma %" G_GSIZE_FORMAT " is %.9g, not %.9g", v->name, i, got[i], want[i]);
}

static void
to_floats (const gdouble *from,
           gfloat        *to,
           guint          n)
{
  for (guint i = 0; i < n; i++)
    to[i] = (gfloat) from[i];
}

static void
check_calls (const Vector *v,
             gfloat       *x,
             guint         n)
{
  g_autofree gdouble *inputs  = g_new (gdouble, MOST_VALUES);
  g_autofree gdouble *outputs = g_new (gdouble, MOST_VALUES);
  g_autofree gdouble *noises  = g_new (gdouble, MOST_VALUES);
  g_autofree gdouble *after   = g_new (gdouble, MOST_VALUES);
  g_autofree gfloat  *buffer  = g_new (gfloat, n);
  g_autofree gfloat  *fresh   = g_new (gfloat, n);
  guint               drawn   = 0, n_noises = read_values (v, "noises", noises);
  gint                calls   = pal_sampling_n_calls (v->sampling);

  g_assert_cmpuint (read_values (v, "outputs", outputs), ==, (guint) calls * n);
  read_values (v, "inputs", inputs);
  read_values (v, "after", after);

  for (gint call = 0; call < calls; call++)
    {
      guint    at    = (guint) call * n;
      gboolean wants = pal_sampling_wants_noise (v->sampling, call);

      pal_sampling_scale (v->sampling, call, x, buffer, n);
      compare (v, "a model input", inputs + at, buffer, n);

      if (wants)
        {
          g_assert_cmpuint (drawn + n, <=, n_noises);
          to_floats (noises + drawn, fresh, n);
          drawn += n;
        }
      to_floats (outputs + at, buffer, n);
      pal_sampling_step (v->sampling, call, buffer, wants ? fresh : NULL, x, n);
      compare (v, "a step", after + at, x, n);
    }

  g_assert_cmpuint (drawn, ==, n_noises);
}

static PalSampling *
open_sampling (PalJson  *json,
               GError  **error)
{
  g_autofree gchar   *class_name = NULL;
  g_autoptr (PalJson) options    = pal_json_object (json, "config", error);
  PalSamplingSetup    setup      = { .strength = 1.0 };
  gint64              steps      = 0;
  PalScheduleConfig   config;
  PalSampling        *sampling;

  if (! pal_json_string (json, "class", &class_name, error) ||
      ! pal_json_int (json, "steps", &steps, error) ||
      ! pal_json_double (json, "strength", &setup.strength, error) ||
      ! pal_json_double (json, "eta", &setup.eta, error) ||
      ! pal_schedule_config_read_as (options, class_name, &config, error))
    return NULL;

  /* What the reference does when a pipeline hands it no sigmas. */
  if (g_str_has_prefix (class_name, "FlowMatch"))
    config.spacing = PAL_SPACING_LINSPACE;

  setup.steps   = (gint) steps;
  setup.sampler = pal_sampler_find (class_name, error);
  sampling      = setup.sampler ? pal_sampling_new (&setup, &config, error) : NULL;
  pal_schedule_config_clear (&config);

  return sampling;
}

static void
test_vector (gconstpointer path)
{
  g_autoptr (GError)      error    = NULL;
  g_autoptr (PalJson)     json     = pal_json_load (path, &error);
  g_autoptr (PalSampling) sampling = json ? open_sampling (json, &error) : NULL;
  g_autoptr (PalJson)     options  = json ? pal_json_object (json, "config", NULL) : NULL;
  Vector                  v        = { json, sampling, strrchr (path, '/') + 1, TOLERANCE };
  g_autofree gdouble     *values   = g_new (gdouble, MOST_VALUES);
  gfloat                  image[64], noise[64], x[64];
  gdouble                 strength = 1.0;
  guint                   n;

  g_assert_no_error (error);
  if (pal_json_has (options, "rescale_betas_zero_snr"))
    v.tolerance = ZERO_SNR_TOLERANCE;

  check_schedule (&v);

  n = read_values (&v, "image", values);
  g_assert_cmpuint (n, <=, G_N_ELEMENTS (x));
  to_floats (values, image, n);
  read_values (&v, "noise", values);
  to_floats (values, noise, n);

  g_assert_true (pal_json_double (json, "strength", &strength, NULL));
  pal_sampling_start (sampling, strength < 1.0 ? image : NULL, noise, x, n);
  read_values (&v, "start", values);
  compare (&v, "the start", values, x, n);

  check_calls (&v, x, n);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GDir)      dir   = g_dir_open (TEST_DATA "/samplers", 0, NULL);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  const gchar          *name;

  g_test_init (&argc, &argv, NULL);
  while (dir && (name = g_dir_read_name (dir)))
    if (g_str_has_suffix (name, ".json"))
      g_ptr_array_add (paths, g_build_filename (TEST_DATA "/samplers", name, NULL));
  g_ptr_array_sort_values (paths, (GCompareFunc) g_strcmp0);

  g_assert_cmpuint (paths->len, >, 0);
  for (guint i = 0; i < paths->len; i++)
    {
      const gchar      *path = g_ptr_array_index (paths, i);
      g_autofree gchar *test = g_strdup_printf ("/sample/vector/%s", strrchr (path, '/') + 1);

      g_test_add_data_func (test, path, test_vector);
    }

  return g_test_run ();
}
