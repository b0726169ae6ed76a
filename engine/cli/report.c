/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a run tells: progress and notes to standard error, results to standard output. */

#include <unistd.h>

#include <glib/gi18n.h>

#include "json-out.h"
#include "report.h"

#define BAR_WIDTH 30

struct _CliReport
{
  const CliOptions *options;
  JsonBuilder      *json;       /* NULL without --json */
  gboolean          terminal;
  gboolean          shown;      /* a bar stands on the terminal's last line */
  gint              variant;
  PalPhase          phase;      /* last one told of, without a terminal */
  gint              step;
};

CliReport *
cli_report_new (const CliOptions *options)
{
  CliReport *report = g_new0 (CliReport, 1);

  report->options  = options;
  report->terminal = isatty (STDERR_FILENO);
  report->step     = -1;

  if (options->json)
    {
      report->json = json_builder_new ();
      json_builder_begin_object (report->json);
      json_builder_set_member_name (report->json, "results");
      json_builder_begin_array (report->json);
    }

  return report;
}

/* Takes the bar away, so that other lines do not mix with it. */
static void
clear_bar (CliReport *report)
{
  if (report->shown)
    g_printerr ("\r\033[K");
  report->shown = FALSE;
}

void
cli_report_free (CliReport *report)
{
  if (! report)
    return;

  clear_bar (report);
  g_clear_object (&report->json);
  g_free (report);
}

void
cli_report_variant (CliReport *report,
                    gint       variant)
{
  report->variant = variant;
  report->step    = -1;
}

static gchar *
describe (const PalProgress *progress)
{
  if (progress->phase == PAL_PHASE_DENOISE)
    return g_strdup_printf ("%s %d/%d", _(pal_phase_title (progress->phase)),
                            progress->step, progress->n_steps);

  return g_strdup (_(pal_phase_title (progress->phase)));
}

static void
draw_bar (CliReport   *report,
          const gchar *text,
          gdouble      fraction)
{
  gchar      bar[BAR_WIDTH + 1];
  const gint full = (gint) (fraction * BAR_WIDTH);

  for (gint i = 0; i < BAR_WIDTH; i++)
    bar[i] = i < full ? '#' : '-';
  bar[BAR_WIDTH] = '\0';

  g_printerr ("\r\033[K[%s] %3d%%  %s", bar, (gint) (100 * fraction), text);
  report->shown = TRUE;
}

void
cli_report_progress (const PalProgress *progress,
                     gpointer           data)
{
  CliReport        *report   = data;
  const gint        n        = report->options->n_variants;
  const gdouble     fraction = (report->variant + CLAMP (progress->fraction, 0.0, 1.0)) / n;
  g_autofree gchar *text     = NULL;

  if (report->options->quiet || (! report->terminal && ! report->options->progress))
    return;

  text = describe (progress);
  if (report->terminal)
    draw_bar (report, text, fraction);
  else if (progress->phase != report->phase || progress->step != report->step)
    g_printerr ("%3d%% %s\n", (gint) (100 * fraction), text);

  report->phase = progress->phase;
  report->step  = progress->step;
}

void
cli_report_note (CliReport   *report,
                 const gchar *note)
{
  clear_bar (report);
  if (! report->options->quiet)
    g_printerr (_("Note: %s\n"), note);
}

static void
result_json (JsonBuilder     *json,
             const gchar     *path,
             guint64          seed,
             gint             width,
             gint             height,
             gdouble          seconds,
             const PalReport *figures)
{
  static const gchar *const phases[PAL_N_PHASES] = {
    [PAL_PHASE_LOAD] = "load", [PAL_PHASE_TEXT] = "text", [PAL_PHASE_ENCODE] = "encode",
    [PAL_PHASE_DENOISE] = "denoise", [PAL_PHASE_DECODE] = "decode",
  };
  g_autofree gchar *seed_text = g_strdup_printf ("%" G_GUINT64_FORMAT, seed);

  json_builder_begin_object (json);
  cli_json_string (json, "output", path);
  /* A string where a signed 64-bit number, or a double, would lose digits. */
  if (seed <= (G_GUINT64_CONSTANT (1) << 53))
    cli_json_int (json, "seed", (gint64) seed);
  else
    cli_json_string (json, "seed", seed_text);
  cli_json_int (json, "width", width);
  cli_json_int (json, "height", height);
  cli_json_int (json, "sampled_width", figures->sampled_width);
  cli_json_int (json, "sampled_height", figures->sampled_height);
  cli_json_int (json, "steps", figures->steps_run);
  cli_json_double (json, "seconds", seconds);
  json_builder_set_member_name (json, "phase_seconds");
  json_builder_begin_object (json);
  for (guint i = 0; i < PAL_N_PHASES; i++)
    cli_json_double (json, phases[i], (gdouble) figures->phase_us[i] * 1e-6);
  json_builder_end_object (json);
  cli_json_int (json, "weights_bytes", (gint64) figures->weights_bytes);
  cli_json_int (json, "working_bytes", (gint64) figures->working_bytes);
  cli_json_int (json, "working_bound_bytes", (gint64) figures->working_bound_bytes);
  cli_json_string (json, "note", figures->note);
  json_builder_end_object (json);
}

void
cli_report_result (CliReport       *report,
                   const gchar     *path,
                   guint64          seed,
                   gint             width,
                   gint             height,
                   gdouble          seconds,
                   const PalReport *figures)
{
  g_autofree gchar *seed_text = g_strdup_printf ("%" G_GUINT64_FORMAT, seed);

  clear_bar (report);
  if (figures->note)
    cli_report_note (report, figures->note);

  if (report->json)
    result_json (report->json, path, seed, width, height, seconds, figures);
  else
    /* TRANSLATORS: file name, random seed, seconds. */
    g_print (_("%s: seed %s, %.1f s\n"), path, seed_text, seconds);
}

void
cli_report_finish (CliReport           *report,
                   const PalModelInfo  *model,
                   const PalDeviceInfo *device)
{
  clear_bar (report);
  if (! report->json)
    return;

  json_builder_end_array (report->json);
  json_builder_set_member_name (report->json, "model");
  json_builder_begin_object (report->json);
  cli_json_model (report->json, model);
  json_builder_end_object (report->json);
  json_builder_set_member_name (report->json, "device");
  json_builder_begin_object (report->json);
  cli_json_device (report->json, device);
  json_builder_end_object (report->json);
  json_builder_end_object (report->json);
  cli_json_print (report->json);
}
