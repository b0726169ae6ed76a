/* SPDX-License-Identifier: GPL-3.0-or-later */
/* palimpsest-golden: replays reference cases and compares.
 *
 *   palimpsest-golden [--device SELECTOR] [--verbose] CASE_FOLDER...
 *
 * Prints a row for each case and "N passed, N failed"; exit status 0 when all passed,
 * 1 when one failed, 2 when it could not start. */

#include "golden.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* What checks a case of a class; anything else is not built yet. */
static const struct
{
  const gchar *member, *value;
  GoldenFunc   check;
} checks[] = {
  { "pipeline", "StableDiffusionPipeline", golden_pipeline },
  { "pipeline", "StableDiffusionImg2ImgPipeline", golden_pipeline },
  { "pipeline", "StableDiffusionInpaintPipeline", golden_pipeline },
  { "pipeline", "StableDiffusionXLPipeline", golden_pipeline },
  { "pipeline", "StableDiffusionXLImg2ImgPipeline", golden_pipeline },
  { "pipeline", "StableDiffusionXLInpaintPipeline", golden_pipeline },
  { "pipeline", "PalimpsestInpaintPipeline", golden_pipeline },
  { "class", "UNet2DConditionModel", golden_unet },
  { "class", "AutoencoderKL", golden_codec },
  { "class", "AutoencoderTiny", golden_codec },
  { "class", "AutoencoderDC", golden_codec },
};

static gboolean
check_json_case (const gchar *folder, PalDevice *device, GoldenResult *result, GError **error)
{
  g_autoptr (GoldenCase) c = golden_case_open (folder, error);
  const gchar *class_name;

  if (! c)
    return FALSE;

  class_name = golden_string (c, "pipeline");
  if (! class_name)
    class_name = golden_string (c, "class");

  for (gsize i = 0; i < G_N_ELEMENTS (checks); i++)
    if (g_strcmp0 (golden_string (c, checks[i].member), checks[i].value) == 0)
      return checks[i].check (c, device, result, error);

  if (! class_name && golden_find (c, "torch_cpu.seed0.n16"))
    return golden_random (c, result);

  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED, "%s is not built yet",
               class_name ? class_name : "a case without \"pipeline\" and \"class\"");
  return FALSE;
}

/* Tensors that were there and had nothing to be compared with. */
static void
list_skipped (const gchar *folder, const GoldenResult *result)
{
  g_autoptr (GoldenCase) c = golden_case_open (folder, NULL);
  g_auto (GStrv) names = c ? golden_names (c) : NULL;

  for (guint i = 0; names && names[i]; i++)
    {
      g_autofree gchar *replayed = g_strconcat ("replay.", names[i], NULL);

      if (! g_hash_table_contains (result->seen, names[i]) &&
          ! g_hash_table_contains (result->seen, replayed))
        g_print ("    %-56s input\n", names[i]);
    }
}

static gboolean
check_case (const gchar *folder, PalDevice *device, gboolean verbose)
{
  g_auto (GoldenResult) result;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *name = g_path_get_basename (folder);
  g_autofree gchar *tokens = g_build_filename (folder, "clip.json", NULL);
  gboolean ok;

  golden_result_init (&result, verbose);
  ok = g_file_test (tokens, G_FILE_TEST_EXISTS) ? golden_tokenizers (folder, &result, &error)
                                                : check_json_case (folder, device, &result, &error);
  if (verbose)
    list_skipped (folder, &result);

  if (! ok)
    {
      g_print ("%-34s %s  FAIL\n", name, error->message);
      return FALSE;
    }
  if (result.compared == 0)
    {
      g_print ("%-34s nothing to compare  FAIL\n", name);
      return FALSE;
    }

  g_print ("%-34s %-40s max %9.2e  limit %9.2e  rms %9.2e  %4u tensors  %s\n", name, result.worst,
           result.worst_error, result.worst_tolerance, result.worst_relative, result.compared,
           result.failed > 0 ? "FAIL" : "ok");
  return result.failed == 0;
}

gint
main (gint argc, gchar **argv)
{
  g_autofree gchar *selector = NULL;
  g_auto (GStrv) folders = NULL;
  gboolean verbose = FALSE;
  const GOptionEntry entries[] = {
    { "device", 'd', 0, G_OPTION_ARG_STRING, &selector,
      "OpenCL device: id, cpu, gpu or part of a name", "SELECTOR" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Print every tensor", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &folders, NULL, "CASE_FOLDER..." },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (PalDevice) device = NULL;
  guint passed = 0, failed = 0;

  setlocale (LC_ALL, "");
  g_option_context_set_summary (context, "Replays reference cases and compares every result.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (! g_option_context_parse (context, &argc, &argv, &error) || ! folders)
    {
      g_printerr ("palimpsest-golden: %s\n",
                  error ? error->message : "no case folder was given; see --help");
      return 2;
    }

  device = pal_device_open (selector, &error);
  if (! device)
    {
      g_printerr ("palimpsest-golden: %s\n", error->message);
      return 2;
    }

  g_print ("%s (%s)\n", pal_device_info (device)->name, pal_device_info (device)->platform);
  for (guint i = 0; folders[i]; i++)
    {
      if (check_case (folders[i], device, verbose))
        passed++;
      else
        failed++;
    }

  g_print ("%u passed, %u failed\n", passed, failed);
  return failed > 0 ? 1 : 0;
}
