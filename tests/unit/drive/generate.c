/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole requests on the tiny reference models: a seed gives the reference's picture;
 * repeated, cancelled, large and wrong ones behave. */

#include <math.h>
#include <string.h>

#include "pal.h"
#include "base/debug.h"
#include "case.h"

/* Of [0, 1]: a level of 8 bits. */
#define TOLERANCE (1.0 / 255.0)

static PalDevice *device;

static PalModel *
open_model (const gchar *name)
{
  g_autofree gchar  *path  = g_build_filename (TEST_DATA, "models", name, NULL);
  g_autoptr (GError) error = NULL;
  PalModel          *model = pal_model_open (device, path, &error);

  g_assert_no_error (error);

  return model;
}

static gboolean
lacks_device (void)
{
  if (! device)
    g_test_skip ("this OpenCL device is not installed");

  return device == NULL;
}

typedef struct
{
  const gchar *name, *sampler;
  const gchar *schedule;
} SeedCase;

static const SeedCase seed_cases[] = {
  { "sd15-txt2img-euler-96x64", "euler", NULL },
  { "sd15-img2img-ddim", "ddim", NULL },
  { "sd15-img2img-ddim-eta", "ddim", NULL },
  { "sd15-img2img-euler", "euler", NULL },
  { "sd15-img2img-euler-a", "euler-a", NULL },
  { "sd15-img2img-dpmpp-2m", "dpmpp-2m", NULL },
  { "sd15-img2img-dpmpp-2m-karras", "dpmpp-2m", "karras" },
  { "sd15-img2img-unipc", "unipc", NULL },
  { "sd15-img2img-pndm", "pndm", NULL },
  { "sd15-img2img-lcm", "lcm", NULL }
};

/* [1, 3, H, W] in [-1, 1] → RGB in [0, 1] */
static PalImage *
case_picture (Case        *c,
              const gchar *name)
{
  PalShape            shape;
  gsize               n;
  g_autofree gdouble *values = case_tensor (c, name, &shape, &n);
  PalImage           *image  = pal_image_new ((gint) shape.d[3], (gint) shape.d[2], 3);

  for (gsize i = 0; i < n; i++)
    image->data[i % (n / 3) * 3 + i / (n / 3)] = (gfloat) CLAMP (values[i] / 2.0 + 0.5, 0.0, 1.0);

  return image;
}

static gdouble
largest_difference (const PalImage *a,
                    const PalImage *b)
{
  gdouble largest = 0.0;

  g_assert_cmpint (a->width, ==, b->width);
  g_assert_cmpint (a->height, ==, b->height);
  for (gsize i = 0; i < (gsize) a->width * (gsize) a->height * 3; i++)
    largest = MAX (largest, fabs ((gdouble) a->data[i] - (gdouble) b->data[i]));

  return largest;
}

/* The reference's pipelines draw the noise and nothing else before the walk in these
 * cases, so that a seed is enough. */
static void
test_seed (gconstpointer data)
{
  const SeedCase       *row    = data;
  g_autofree gchar     *folder = g_build_filename (TEST_DATA, "cases", row->name, NULL);
  g_autoptr (Case)      c      = case_open (folder);
  g_autoptr (PalJson)   call   = pal_json_object (c->json, "call", NULL);
  g_autofree gchar     *prompt = NULL;
  g_autofree gchar     *negative = NULL;
  g_autoptr (PalImage)  source = NULL;
  g_autoptr (PalImage)  want   = case_picture (c, "vae.decode.out.0");
  g_autoptr (PalImage)  got    = NULL;
  g_autoptr (PalModel)  model  = NULL;
  g_autoptr (GError)    error  = NULL;
  gint64                seed = 0, steps = 0;
  PalRequest            r      = { .intent = PAL_GENERATE, .sampler = row->sampler };

  if (lacks_device ())
    return;

  model = open_model ("sd15-tiny");
  g_assert_true (pal_json_int (c->json, "torch_seed_of_generator", &seed, NULL));
  g_assert_true (pal_json_int (call, "num_inference_steps", &steps, NULL));
  g_assert_true (pal_json_string (call, "prompt", &prompt, NULL));
  g_assert_true (pal_json_string (call, "negative_prompt", &negative, NULL));
  g_assert_true (pal_json_double (call, "guidance_scale", &r.guidance, NULL));
  g_assert_true (pal_json_double (call, "strength", &r.strength, NULL));
  g_assert_true (pal_json_double (call, "eta", &r.eta, NULL));

  if (case_has (c, "image_preprocessed"))
    {
      source   = case_picture (c, "image_preprocessed");
      r.intent = PAL_RESTYLE;
      r.source = source;
    }
  r.prompt          = prompt;
  r.negative_prompt = negative;
  r.seed            = (guint64) seed;
  r.steps           = (gint) steps;
  r.schedule        = row->schedule;
  r.width           = want->width;
  r.height          = want->height;

  got = pal_generate (model, &r, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_test_message ("off by %.4f", largest_difference (got, want));
  g_assert_cmpfloat (largest_difference (got, want), <, TOLERANCE);
}

/* What a run showed while it went on. */
typedef struct
{
  gint      seen;
  PalImage *last;
} Forming;

static void
keep_preview (const PalProgress *progress,
              gpointer           data)
{
  Forming *forming = data;

  if (! progress->preview)
    return;

  g_assert_cmpint (progress->phase, ==, PAL_PHASE_DENOISE);
  g_assert_cmpint (progress->preview->channels, ==, 3);
  g_clear_pointer (&forming->last, pal_image_free);
  forming->last = pal_image_copy (progress->preview);
  forming->seen++;
}

/* Pearson's, of all values of two pictures of one size. */
static gdouble
correlation (const PalImage *a,
             const PalImage *b)
{
  gsize   n = (gsize) a->width * (gsize) a->height * 3;
  gdouble sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;

  for (gsize i = 0; i < n; i++)
    {
      gdouble x = (gdouble) a->data[i], y = (gdouble) b->data[i];

      sum_a += x;
      sum_b += y;
      aa    += x * x;
      bb    += y * y;
      ab    += x * y;
    }

  return ((gdouble) n * ab - sum_a * sum_b) /
         sqrt (((gdouble) n * aa - sum_a * sum_a) * ((gdouble) n * bb - sum_b * sum_b));
}

/* From black at the left to a light colour at the right. */
static PalImage *
ramp_picture (gint width,
              gint height)
{
  PalImage *image = pal_image_new (width, height, 3);

  for (gint i = 0; i < width * height; i++)
    for (gint c = 0; c < 3; c++)
      image->data[i * 3 + c] = (gfloat) (i % width) / (gfloat) width * (1.0f - 0.3f * (gfloat) c);

  return image;
}

/* The picture is seen forming at latent size, and seeing it changes nothing. A run of one
 * step ends at what that step foresees, so that its preview must look like the result. */
static void
test_preview (void)
{
  g_autoptr (PalModel) model   = NULL;
  g_autoptr (PalImage) source  = NULL;
  g_autoptr (PalImage) plain   = NULL;
  g_autoptr (PalImage) watched = NULL;
  g_autoptr (PalImage) small   = NULL;
  g_autoptr (GError)   error   = NULL;
  Forming              forming = { 0 };
  PalRequest           r       = { .intent = PAL_RESTYLE, .prompt = "sepia", .steps = 1,
                                   .guidance = 1, .seed = 3, .sampler = "euler" };

  if (lacks_device ())
    return;

  source   = ramp_picture (192, 128);
  r.source = source;

  /* Random weights decode to nothing that a projection could foresee. */
  model   = open_model ("../../../models/default");
  plain   = pal_generate (model, &r, keep_preview, &forming, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (forming.seen, ==, 0);
  r.preview = TRUE;
  watched = pal_generate (model, &r, keep_preview, &forming, NULL, NULL, &error);
  g_assert_no_error (error);

  g_assert_cmpfloat (largest_difference (plain, watched), ==, 0.0);
  g_assert_cmpint (forming.seen, ==, 1);
  small = pal_image_resize (watched, forming.last->width, forming.last->height);
  g_assert_cmpint (small->width * 2, ==, small->height * 3);
  g_assert_cmpint (small->width, <, 96);
  g_test_message ("correlation %.3f", correlation (small, forming.last));
  g_assert_cmpfloat (correlation (small, forming.last), >, 0.9);
  pal_image_free (forming.last);
}

typedef struct
{
  gdouble       fraction;
  gint          step, n_steps;
  gboolean      seen[PAL_N_PHASES];
  GCancellable *cancel;
  gint          cancel_at;
} Watch;

static void
watch_progress (const PalProgress *progress,
                gpointer           data)
{
  Watch *watch = data;

  g_assert_cmpfloat (progress->fraction, >=, watch->fraction);
  g_assert_cmpfloat (progress->fraction, <=, 1.0);
  g_assert_cmpint (progress->step, >=, watch->step);
  g_assert_cmpint (progress->step, <=, progress->n_steps);
  watch->fraction = progress->fraction;
  watch->step     = progress->step;
  watch->n_steps  = progress->n_steps;
  watch->seen[progress->phase] = TRUE;

  if (watch->cancel && progress->phase == PAL_PHASE_DENOISE && progress->step == watch->cancel_at)
    g_cancellable_cancel (watch->cancel);
}

static PalImage *
picture (gint     width,
         gint     height,
         gboolean mask)
{
  PalImage *image = pal_image_new (width, height, mask ? 1 : 4);

  for (gint y = 0; y < height; y++)
    for (gint x = 0; x < width; x++)
      {
        gfloat *p = image->data + ((gsize) y * (gsize) width + (gsize) x) * (mask ? 1 : 4);

        if (mask)
          {
            p[0] = CLAMP (1.5f - hypotf ((gfloat) (x - width / 2), (gfloat) (y - height / 2)) /
                          ((gfloat) MIN (width, height) / 4.0f), 0.0f, 1.0f);
            continue;
          }
        p[0] = (gfloat) x / (gfloat) width;
        p[1] = (gfloat) y / (gfloat) height;
        p[2] = 0.5f + 0.5f * sinf ((gfloat) (x + y) / 9.0f);
        p[3] = x < width / 8 ? 0.0f : 1.0f;
      }

  return image;
}

/* Fill and restyle at awkward sizes, both kinds of model: right size, all finite, the
 * same bytes again, another picture for another seed, progress in order. */
static void
test_requests (void)
{
  static const struct { const gchar *model; PalIntent intent; gint width,
                        height; gdouble strength; }
  rows[] = {
    { "sd15-tiny", PAL_FILL, 61, 83, 1.0 }, { "sd15-tiny", PAL_FILL, 200, 150, 1.0 },
    { "sd15-tiny", PAL_FILL, 64, 64, 0.5 }, { "sd15-tiny", PAL_RESTYLE, 171, 40, 0.6 },
    { "sd15-tiny", PAL_GENERATE, 250, 130, 0.0 }, { "sd15-inpaint9-tiny", PAL_FILL, 70, 64, 1.0 },
    { "sd15-inpaint9-tiny", PAL_RESTYLE, 150, 90, 0.7 },
    { "sd15-inpaint9-tiny", PAL_GENERATE, 40, 40, 0.0 }, { "sd15-tiny", PAL_RESTYLE, 9, 33, 1.0 }
  };

  if (lacks_device ())
    return;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (PalModel)  model  = open_model (rows[i].model);
      g_autoptr (PalImage)  source = picture (rows[i].width, rows[i].height, FALSE);
      g_autoptr (PalImage)  mask   = picture (rows[i].width, rows[i].height, TRUE);
      PalImage             *out[3];
      PalRequest            r = { .intent = rows[i].intent, .prompt = "grass", .steps = 3,
                                  .strength = rows[i].strength, .guidance = 2.0,
                                  .width = rows[i].width, .height = rows[i].height };

      if (r.intent != PAL_GENERATE)
        r.source = source;
      if (r.intent == PAL_FILL)
        r.mask = mask;

      for (gint k = 0; k < 3; k++)
        {
          g_auto (PalReport) report = { 0 };
          g_autoptr (GError) error  = NULL;
          Watch              watch  = { 0 };

          r.seed = k < 2 ? 7 : 8;
          out[k] = pal_generate (model, &r, watch_progress, &watch, &report, NULL, &error);
          g_assert_no_error (error);
          g_assert_cmpint (out[k]->width, ==, rows[i].width);
          g_assert_cmpint (out[k]->height, ==, rows[i].height);
          g_assert_cmpint (out[k]->channels, ==, 3);
          g_assert_cmpfloat (watch.fraction, ==, 1.0);
          g_assert_cmpint (report.steps_run, ==, watch.n_steps);
          g_assert_true (watch.seen[PAL_PHASE_TEXT] && watch.seen[PAL_PHASE_DECODE]);
          g_assert_cmpuint (report.working_bytes, >=, report.working_bound_bytes);
          for (gsize v = 0; v < (gsize) out[k]->width * (gsize) out[k]->height * 3; v++)
            g_assert_true (out[k]->data[v] >= 0.0f && out[k]->data[v] <= 1.0f);
        }

      g_assert_cmpfloat (largest_difference (out[0], out[1]), ==, 0.0);
      g_assert_cmpfloat (largest_difference (out[0], out[2]), >, 0.01);
      for (gint k = 0; k < 3; k++)
        pal_image_free (out[k]);
    }
}

/* OpenCL calls of a run, and its picture. */
static guint
count_calls (PalModel         *model,
             const PalRequest *r,
             PalImage        **out)
{
  g_autoptr (GError) error = NULL;

  pal_fault_arm (PAL_FAULT_CL, 0);
  *out = pal_generate (model, r, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);

  return pal_fault_calls (PAL_FAULT_CL);
}

/* A variant reads no prompt and encodes no picture again, and is what it would be alone;
 * another prompt, or one other pixel, is. */
static void
test_variants (void)
{
  g_autoptr (PalModel) model  = NULL, fresh = NULL;
  g_autoptr (PalImage) source = picture (96, 64, FALSE);
  PalRequest           r      = { .intent = PAL_RESTYLE, .source = source, .prompt = "grass",
                                  .strength = 0.5, .steps = 4, .guidance = 2.0 };
  PalImage            *out[6] = { NULL };
  guint                variant, prompt, pixel;

  if (lacks_device ())
    return;

  model = open_model ("sd15-tiny");
  fresh = open_model ("sd15-tiny");

  count_calls (model, &r, &out[0]);
  r.seed  = 8;
  variant = count_calls (model, &r, &out[1]);
  g_assert_cmpuint (count_calls (model, &r, &out[2]), ==, variant);
  count_calls (fresh, &r, &out[3]);
  g_assert_cmpfloat (largest_difference (out[1], out[2]), ==, 0.0);
  g_assert_cmpfloat (largest_difference (out[1], out[3]), ==, 0.0);

  r.prompt = "a lake";
  prompt   = count_calls (model, &r, &out[4]);
  g_assert_cmpuint (prompt, >, variant);
  source->data[source->width * 3] = 1.0f - source->data[source->width * 3];
  pixel = count_calls (model, &r, &out[5]);
  g_assert_cmpuint (pixel, >, variant);
  g_assert_cmpfloat (largest_difference (out[4], out[1]), >, 0.0);
  g_assert_cmpfloat (largest_difference (out[5], out[4]), >, 0.0);

  for (guint i = 0; i < G_N_ELEMENTS (out); i++)
    pal_image_free (out[i]);
}

static void
test_cancel (void)
{
  g_autoptr (PalModel) model  = NULL;
  g_autoptr (PalImage) source = picture (96, 64, FALSE);
  PalRequest           r      = { .intent = PAL_RESTYLE, .source = source, .prompt = "",
                                  .strength = 1.0, .steps = 8 };

  if (lacks_device ())
    return;

  model = open_model ("sd15-tiny");
  for (gint at = 0; at < 4; at++)
    {
      g_autoptr (GCancellable) cancel = g_cancellable_new ();
      g_autoptr (GError)       error  = NULL;
      Watch                    watch  = { .cancel = cancel, .cancel_at = at };

      g_assert_null (pal_generate (model, &r, watch_progress, &watch, NULL, cancel, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (watch.step, <=, at + 1);
    }

  /* The model is whole afterwards. */
  {
    g_autoptr (GError)   error = NULL;
    g_autoptr (PalImage) out   = pal_generate (model, &r, NULL, NULL, NULL, NULL, &error);

    g_assert_no_error (error);
  }
}

/* Opens the tiny model and fills with it while all calls of a kind fail from the n-th on;
 * n grows until there are not so many calls. */
static void
test_faults (void)
{
  g_autoptr (PalImage) source = picture (64, 48, FALSE);
  g_autoptr (PalImage) mask   = picture (64, 48, TRUE);
  g_autofree gchar    *path   = g_build_filename (TEST_DATA, "models", "sd15-tiny", NULL);
  PalRequest           r      = { .intent = PAL_FILL, .source = source, .mask = mask,
                                  .prompt = "", .strength = 1.0, .steps = 1, .guidance = 2.0 };

  if (lacks_device ())
    return;

  for (gint kind = 0; kind < PAL_N_FAULTS; kind++)
    {
      guint n = 1, failures = 0;

      while (TRUE)
        {
          g_autoptr (GError)   error = NULL;
          g_autoptr (PalModel) model = NULL;
          g_autoptr (PalImage) out   = NULL;
          gboolean             last;

          pal_fault_arm_from ((PalFaultKind) kind, n);
          model = pal_model_open (device, path, &error);
          out   = model ? pal_generate (model, &r, NULL, NULL, NULL, NULL, &error) : NULL;
          last  = pal_fault_calls ((PalFaultKind) kind) < n;
          pal_fault_arm ((PalFaultKind) kind, 0);

          g_assert_true ((out == NULL) == (error != NULL));
          g_assert_true (last == (out != NULL));
          if (error)
            {
              g_assert_true (error->domain == PAL_ERROR);
              g_assert_cmpuint (strlen (error->message), >, 10);
              failures++;
            }
          if (last)
            {
              g_assert_no_error (error);
              break;
            }
          n += 1 + n / 6;
        }

      g_test_message ("%u failures of kind %d, up to call %u", failures, kind, n);
      g_assert_cmpuint (failures, >, 3);
    }
}

int
main (int   argc,
      char *argv[])
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = pal_device_open (NULL, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (seed_cases); i++)
    {
      g_autofree gchar *path = g_strconcat ("/generate/seed/", seed_cases[i].name, NULL);

      g_test_add_data_func (path, seed_cases + i, test_seed);
    }
  g_test_add_func ("/generate/preview", test_preview);
  g_test_add_func ("/generate/requests", test_requests);
  g_test_add_func ("/generate/variants", test_variants);
  g_test_add_func ("/generate/cancel", test_cancel);
  g_test_add_func ("/generate/faults", test_faults);

  status = g_test_run ();
  g_clear_pointer (&device, pal_device_unref);

  return status;
}
