/* SPDX-License-Identifier: GPL-3.0-or-later */
/* palimpsest-bench: how fast, and how near to what the machine can do. README.md says how. */

#include "bench.h"

#include <locale.h>
#include <math.h>

#include "device-support.h"

/* Exit codes. */
enum { DONE, FAILED, NO_DEVICE };

typedef gboolean (*Mode) (BenchRun *run, GError **error);

typedef struct
{
  gchar   *device, *model, *match, *output;
  gboolean ops, kernels, tune, count, json;
  gint     repeat, size, steps;
} Options;

static void
options_clear (Options *o)
{
  g_free (o->device);
  g_free (o->model);
  g_free (o->match);
  g_free (o->output);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
parse (Options *o, gint *argc, gchar ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "op", 0, 0, G_OPTION_ARG_NONE, &o->ops, "Check and time the rows of the op tests", NULL },
    { "kernel", 0, 0, G_OPTION_ARG_NONE, &o->kernels,
      "Time each kernel of the catalogue on shapes that models have, beside OpenBLAS", NULL },
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &o->model, "Time a restyle by phases", "FOLDER" },
    { "tune", 0, 0, G_OPTION_ARG_NONE, &o->tune,
      "Try the kernels' variants and write down the best for this device", NULL },
    { "size", 0, 0, G_OPTION_ARG_INT, &o->size, "With --model: side of the picture (512)", "PX" },
    { "steps", 0, 0, G_OPTION_ARG_INT, &o->steps, "With --model: steps, all evaluated (4)", "N" },
    { "count", 0, 0, G_OPTION_ARG_NONE, &o->count,
      "With --model: count what its calls do, and run nothing", NULL },
    { "repeat", 0, 0, G_OPTION_ARG_INT, &o->repeat, "Runs of which the median counts (5)", "N" },
    { "match", 0, 0, G_OPTION_ARG_STRING, &o->match,
      "Only names that fit, with * and ?: OP/ROW, OP/VARIANT/SHAPE, or SHAPE to tune", "GLOB" },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &o->output,
      "With --tune: the file instead of the user's tune.ini", "FILE" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &o->device,
      "Device, instead of PALIMPSEST_DEVICE", "SELECTOR" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &o->json, "Print one JSON document", NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_add_main_entries (context, entries, NULL);
  if (! g_option_context_parse (context, argc, argv, error))
    return FALSE;

  if (*argc > 1 || o->ops + o->kernels + o->tune + (o->model != NULL) != 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                   "Give one of --op, --kernel, --model FOLDER and --tune; see --help");
      return FALSE;
    }
  if (o->repeat < 1 || o->size < 64 || o->steps < 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--repeat and --steps are at least 1, --size is at least 64");
      return FALSE;
    }

  return TRUE;
}

static gboolean
bench (BenchRun *run, Mode mode, GError **error)
{
  const PalDeviceInfo *info = pal_device_info (run->device);

  bench_out_text (run->out, "device", "Device", info->name);
  bench_out_text (run->out, "platform", "Platform", info->platform);
  bench_out_text (run->out, "driver", "Driver", info->driver);
  bench_out_figure (run->out, "compute_units", "Compute units", info->compute_units);
  bench_out_text (run->out, "per", "Rates", info->is_cpu ? "per CPU second" : "per second");

  run->peak_gflops = bench_peak (run, error);
  if (isnan (run->peak_gflops))
    return FALSE;
  bench_out_figure (run->out, "peak_gflops", "Peak, GFLOP/s", run->peak_gflops);

  return mode (run, error);
}

static gint
fail (const gchar *message, gint code)
{
  g_printerr ("palimpsest-bench: %s\n", message);

  return code;
}

int
main (int argc, char **argv)
{
  g_auto (Options) o           = { .repeat = 5, .size = 512, .steps = 4 };
  g_autoptr (PalDevice) device = NULL;
  g_autoptr (BenchOut) out     = NULL;
  g_autoptr (GError) error     = NULL;
  BenchRun run;
  Mode     mode;

  setlocale (LC_ALL, "C.UTF-8");
  if (! parse (&o, &argc, &argv, &error))
    return fail (error->message, FAILED);

  mode   = o.ops ? bench_ops : o.kernels ? bench_kernels : o.tune ? bench_tune : bench_model;
  device = pal_device_open (o.device, &error);
  if (! device)
    return fail (error->message, NO_DEVICE);

  device_test_use (device);
  out = bench_out_new (o.json);
  run = (BenchRun) { .device = device, .out = out, .repeat = (guint) o.repeat,
                     .match = o.match, .model = o.model, .size = o.size, .steps = o.steps,
                     .count = o.count, .tune_path = o.output };
  if (! bench (&run, mode, &error))
    return fail (error->message, FAILED);

  bench_out_finish (out);

  return run.failed ? fail ("a result was wrong", FAILED) : DONE;
}
