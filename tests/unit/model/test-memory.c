/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory of whole runs: the plan is what is used, a budget is never passed, each rung of
 * the ladder gives the picture that plenty of memory gives, and what does not fit is
 * refused before anything is allocated. */

#include "device-support.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"
#include "family/model.h"

/* What tiles may change in the mean: they see borders and norms of their own, and these
 * weights are random. The rest of the ladder changes nothing. */
#define TILED_MEAN 0.1

typedef struct
{
  const gchar *name;
  const gchar *model;         /* NULL: the bundled one */
  gboolean     shared;        /* as on a CPU, whose memory is the host's */
  gint         width, height;
  guint        rungs;         /* that are needed on the way down */
} Case;

/* Longer than one chunk, and with another length in the last step. */
#define LONG_PROMPT "a BREAK [b BREAK c:d:0.9]"

/* In the small picture the denoiser is what takes most, in the large one the codec. */
static const Case cases[] = {
  { "shared/small", NULL, TRUE, 64, 48, PAL_RUNG_SPLIT | PAL_RUNG_STREAM },
  { "shared/large", "sd15-tiny", TRUE, 320, 240, PAL_RUNG_TILES | PAL_RUNG_STREAM },
  { "separate/small", NULL, FALSE, 64, 48,
    PAL_RUNG_PARTS | PAL_RUNG_SPLIT | PAL_RUNG_STREAM },
  { "separate/large", "sd15-tiny", FALSE, 320, 240,
    PAL_RUNG_PARTS | PAL_RUNG_TILES | PAL_RUNG_STREAM },
};

static PalImage *
picture (gint width, gint height)
{
  PalImage *image = pal_image_new (width, height, 3);

  for (gint i = 0; i < width * height * 3; i++)
    image->data[i] = 0.5f + 0.3f * sinf ((gfloat) (i / 3 % width) * 0.05f + (gfloat) (i % 3)) +
                     0.2f * sinf ((gfloat) (i / 3 / width) * 0.1f);

  return image;
}

static PalModel *
open_model (const gchar *name, gboolean shared)
{
  g_autofree gchar *tiny = g_build_filename (g_getenv ("PALIMPSEST_TEST_DATA"), "models", name,
                                             NULL);
  const gchar *path = name ? tiny : g_getenv ("PALIMPSEST_BUNDLED_MODEL");
  g_autoptr (GError) error = NULL;
  PalModel *model;

  ((PalDeviceInfo *) pal_device_info (test_device ()))->is_cpu = shared;
  model = pal_model_open (test_device (), path, &error);
  g_assert_no_error (error);

  return model;
}

/* budget_bytes 0: none. NULL with error set. */
static PalImage *
paint (const Case *c, PalModel *model, guint64 budget_bytes, PalMemoryReport *plan,
       PalReport *report, GError **error)
{
  g_autoptr (PalImage) source = picture (c->width, c->height);
  g_autofree gchar *text = g_strdup_printf ("%" G_GUINT64_FORMAT, budget_bytes);
  PalRequest request = { .intent = PAL_RESTYLE, .prompt = "oil painting", .source = source,
                         .strength = 0.7, .steps = 3, .guidance = 3.0, .seed = 5 };
  PalImage *image;
  gboolean fits;

  if (budget_bytes > 0)
    g_setenv ("PALIMPSEST_BUDGET", text, TRUE);
  fits = pal_model_fits (model, &request, plan, NULL);
  pal_device_reset_peak (test_device ());
  image = pal_generate (model, &request, NULL, NULL, report, NULL, error);
  g_unsetenv ("PALIMPSEST_BUDGET");

  g_assert_cmpint (fits, ==, image != NULL);
  return image;
}

static gdouble
mean_difference (const PalImage *a, const PalImage *b)
{
  const gint n = a->width * a->height * 3;
  gdouble sum = 0.0;

  for (gint i = 0; i < n; i++)
    sum += fabs ((gdouble) (a->data[i] - b->data[i]));

  return sum / n;
}

static void
assert_same (const PalImage *a, const PalImage *b)
{
  g_assert_cmpint (a->width, ==, b->width);
  g_assert_cmpint (a->height, ==, b->height);
  g_assert_cmpmem (a->data, (gsize) (a->width * a->height * 3) * sizeof (gfloat),
                   b->data, (gsize) (b->width * b->height * 3) * sizeof (gfloat));
}

/* The peak is the planned one to the byte, in one run and in the next. */
static void
test_exact (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (PalModel) model = open_model (c->model, c->shared);

  for (guint turn = 0; turn < 2; turn++)
    {
      g_autoptr (GError) error = NULL;
      g_auto (PalReport) report = { 0 };
      PalMemoryReport plan;
      g_autoptr (PalImage) image = paint (c, model, 0, &plan, &report, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (plan.rungs, ==, 0);
      g_assert_cmpuint (pal_device_peak_bytes (test_device ()), ==, plan.peak_bytes);
      for (guint phase = PAL_PHASE_TEXT; phase < PAL_N_PHASES; phase++)
        {
          g_assert_cmpuint (plan.weights_bytes[phase], >, 0);
          g_assert_cmpuint (plan.working_bytes[phase], <=, report.working_bytes);
        }
    }
}

static void
check_notes (guint rungs, const gchar *note)
{
  for (guint rung = PAL_RUNG_PARTS; rung <= PAL_RUNG_STREAM; rung <<= 1)
    {
      const gboolean told = note && strstr (note, pal_rung_text ((PalRungs) rung));

      g_assert_cmpint (told, ==, (rungs & rung) != 0);
    }
}

/* The picture of plenty of memory; for tiles, the first that was made in such ones. */
static const PalImage *
expected (GHashTable *tiled, const PalMemoryReport *plan, const PalImage *whole,
          const PalImage *image)
{
  const gint tiles = plan->tile_px[PAL_PHASE_ENCODE] * 1000 + plan->tile_px[PAL_PHASE_DECODE];
  PalImage *first = g_hash_table_lookup (tiled, GINT_TO_POINTER (tiles));

  if (tiles == 0)
    return whole;

  if (! first)
    {
      first = pal_image_copy (image);
      g_hash_table_insert (tiled, GINT_TO_POINTER (tiles), first);
      g_test_message ("tiles of %d, %d px differ by %.3f", plan->tile_px[PAL_PHASE_ENCODE],
                      plan->tile_px[PAL_PHASE_DECODE], mean_difference (image, whole));
      g_assert_cmpfloat (mean_difference (image, whole), <, TILED_MEAN);
    }

  return first;
}

/* From plenty down to where nothing fits, each time a byte less than the last run took. */
static void
test_ladder (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (PalModel) model = open_model (c->model, c->shared);
  g_autoptr (PalImage) whole = NULL;
  g_autoptr (GHashTable) tiled = g_hash_table_new_full (NULL, NULL, NULL,
                                                        (GDestroyNotify) pal_image_free);
  PalMemoryReport plan = { 0 };
  guint seen = 0, refused = 0;
  guint64 budget;

  whole = paint (c, model, 0, &plan, NULL, NULL);
  g_assert_nonnull (whole);

  for (budget = plan.peak_bytes; refused < 2; budget = MIN (budget, plan.peak_bytes) - 1)
    {
      g_autoptr (GError) error = NULL;
      g_auto (PalReport) report = { 0 };
      g_autoptr (PalModel) fresh = open_model (c->model, c->shared);
      g_autoptr (PalImage) image = NULL;

      g_clear_pointer (&model, pal_model_unref);
      g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, 0);

      image = paint (c, fresh, budget, &plan, &report, &error);
      g_test_message ("budget %" G_GUINT64_FORMAT ": plan %" G_GUINT64_FORMAT ", used %"
                      G_GUINT64_FORMAT ", rungs %x; %s", budget, plan.peak_bytes,
                      pal_device_peak_bytes (test_device ()), plan.rungs,
                      error ? error->message : report.note ? report.note : "");

      if (! image)
        {
          test_error (error, PAL_ERROR_MEMORY, "PALIMPSEST_BUDGET");
          g_assert_cmpuint (pal_device_peak_bytes (test_device ()), ==, 0);
          g_assert_cmpuint (plan.peak_bytes, >, budget);
          refused++;
          continue;
        }

      g_assert_cmpuint (plan.peak_bytes, <=, budget);
      g_assert_cmpuint (pal_device_peak_bytes (test_device ()), ==, plan.peak_bytes);
      check_notes (plan.rungs, report.note);
      seen |= plan.rungs;

      assert_same (image, expected (tiled, &plan, whole, image));
    }

  g_assert_cmpuint (seen, ==, c->rungs);
}

/* Of two text encoders, and of prompts of several chunks: the peak is the planned one. */
static void
test_prompts (void)
{
  static const gchar *const models[] = { "sd15-tiny", "sdxl-tiny" };
  g_autoptr (PalImage) source = picture (64, 64);
  PalRequest request = { .intent = PAL_RESTYLE, .source = source, .strength = 1.0, .steps = 2,
                         .guidance = 3.0 };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (models); i++)
    {
      g_autoptr (PalModel) model = open_model (models[i / 2], TRUE);
      g_autoptr (GError) error = NULL;
      g_autoptr (PalImage) image = NULL;
      PalMemoryReport plan;

      request.prompt = i % 2 ? LONG_PROMPT : "a cat";
      g_assert_true (pal_model_fits (model, &request, &plan, &error));
      pal_device_reset_peak (test_device ());
      image = pal_generate (model, &request, NULL, NULL, NULL, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (pal_device_peak_bytes (test_device ()), ==, plan.peak_bytes);
    }
}

/* Beside an exemplar memory, whose largest match is known and the run's own is not, the
 * plan is a bound. */
static void
test_exemplars (void)
{
  g_autoptr (PalModel) model = open_model (NULL, TRUE);
  g_autoptr (PalImage) source = picture (96, 96), mask = pal_image_new (96, 96, 1), image = NULL;
  g_autoptr (GError) error = NULL;
  PalRequest request = { .intent = PAL_FILL, .prompt = "grass", .source = source, .mask = mask,
                         .strength = 1.0, .steps = 2, .seed = 3 };
  PalMemoryReport plan, plain;

  for (gint i = 0; i < 96 * 96; i++)
    mask->data[i] = i % 96 > 24 ? 1.0f : 0.0f;

  request.prompt = "# grass";           /* a comment, which nothing is painted of */
  g_assert_true (pal_model_fits (model, &request, &plain, &error));
  request.prompt = "grass";
  g_assert_true (pal_model_fits (model, &request, &plan, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (plan.working_bytes[PAL_PHASE_DENOISE], >,
                    plain.working_bytes[PAL_PHASE_DENOISE]);

  pal_device_reset_peak (test_device ());
  image = pal_generate (model, &request, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pal_device_peak_bytes (test_device ()), <=, plan.peak_bytes);
}

/* A large picture goes in tiles though nothing is short, and the report says so. */
static void
test_large (void)
{
  g_autoptr (PalModel) model = open_model (FALSE, TRUE);
  const PalWorkload load = {
    .works[PAL_PHASE_ENCODE][0] = { .batch = 1, .width = 1280, .height = 1280 },
    .works[PAL_PHASE_DECODE][0] = { .batch = 1, .width = 64, .height = 64 }
  };
  g_autoptr (GError) error = NULL;
  PalMemoryReport report;
  PalLadder ladder;

  g_assert_true (pal_ladder_plan (model, &load, G_MAXUINT64, &ladder, &report, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (report.rungs, ==, 0);
  g_assert_cmpint (report.tile_px[PAL_PHASE_ENCODE], ==, 512);
  g_assert_cmpint (report.tile_px[PAL_PHASE_DECODE], ==, 0);
}

/* Each rung by itself gives the bytes that plenty of memory gives. */
static void
test_rungs (void)
{
  static const PalLadder ladders[] = {
    { .split = TRUE, .parts = TRUE },
    { .parts = TRUE, .streamed[PAL_PHASE_DENOISE] = TRUE },
    { .parts = TRUE, .streamed[PAL_PHASE_TEXT] = TRUE, .streamed[PAL_PHASE_DECODE] = TRUE },
    { .split = TRUE, .parts = TRUE, .streamed[PAL_PHASE_DENOISE] = TRUE },
  };
  const gint side = 8;
  const gsize n = 2 * (gsize) (side * side) * 4;
  gfloat x[512], want[512], got[512], want_picture[64 * 64 * 3], got_picture[64 * 64 * 3];
  g_autofree gfloat *context = g_new (gfloat, 2 * 77 * 32);
  PalDenoise call = { .batch = 2, .width = side, .height = side, .x = x, .timestep = 401.0,
                      .tokens = 77, .context = context };

  g_assert_cmpuint (n, ==, G_N_ELEMENTS (x));
  for (guint i = 0; i < n; i++)
    x[i] = sinf ((gfloat) i * 0.7f);
  for (guint i = 0; i < 2 * 77 * 32; i++)
    context[i] = cosf ((gfloat) i * 0.3f);

  for (guint i = 0; i <= G_N_ELEMENTS (ladders); i++)
    {
      g_autoptr (PalModel) model = open_model ("sd15-tiny", TRUE);

      if (i > 0)
        *pal_model_ladder (model) = ladders[i - 1];
      g_assert_true (pal_model_denoise (model, &call, i > 0 ? got : want, NULL, NULL));
      g_assert_true (pal_model_decode (model, x, side, side, i > 0 ? got_picture : want_picture,
                                       NULL, NULL));
      if (i == 0)
        continue;
      g_assert_cmpmem (got, sizeof got, want, sizeof want);
      g_assert_cmpmem (got_picture, sizeof got_picture, want_picture, sizeof want_picture);
    }
}

gint
main (gint argc, gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree gchar *exact = g_strdup_printf ("/memory/exact/%s", cases[i].name);
      g_autofree gchar *ladder = g_strdup_printf ("/memory/ladder/%s", cases[i].name);

      g_test_add_data_func (exact, &cases[i], test_exact);
      g_test_add_data_func (ladder, &cases[i], test_ladder);
    }
  g_test_add_func ("/memory/prompts", test_prompts);
  g_test_add_func ("/memory/exemplars", test_exemplars);
  g_test_add_func ("/memory/large", test_large);
  g_test_add_func ("/memory/rungs", test_rungs);

  return device_test_run ();
}
