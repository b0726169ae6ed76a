/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --dry-run: what memory a request will take. */

#include <glib/gi18n.h>

#include "json-out.h"
#include "memory.h"

static void
print_phase (const PalMemoryReport *report,
             PalPhase               phase)
{
  g_autofree gchar *weights = g_format_size_full (report->weights_bytes[phase],
                                                  G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *working = g_format_size_full (report->working_bytes[phase],
                                                  G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *tiles   = NULL;

  if (report->weights_bytes[phase] + report->working_bytes[phase] == 0)
    return;

  if (report->tile_px[phase] > 0)
    /* TRANSLATORS: side of the squares in which a picture is worked on. */
    tiles = g_strdup_printf (_(", in tiles of %d px"), report->tile_px[phase]);

  /* TRANSLATORS: phase of a run, then two amounts of memory, then a remark or two. */
  g_print (_("  %s: %s of weights, %s to work in%s%s\n"), _(pal_phase_title (phase)), weights,
           working, tiles ? tiles : "", report->streamed[phase] ? _(", weights streamed") : "");
}

static void
print_text (const PalMemoryReport *report)
{
  g_autofree gchar *peak   = g_format_size_full (report->peak_bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *budget = g_format_size_full (report->budget_bytes, G_FORMAT_SIZE_IEC_UNITS);

  /* TRANSLATORS: two amounts of memory. */
  g_print (_("Takes %s of the device's memory at most, and may use %s\n"), peak, budget);
  for (guint i = 0; i < PAL_N_PHASES; i++)
    print_phase (report, (PalPhase) i);

  for (guint rung = PAL_RUNG_PARTS; rung <= PAL_RUNG_STREAM; rung <<= 1)
    if (report->rungs & rung)
      g_print ("  %s\n", _(pal_rung_text ((PalRungs) rung)));
}

static void
print_json (const PalMemoryReport *report)
{
  static const gchar *const phases[PAL_N_PHASES] = {
    [PAL_PHASE_LOAD] = "load", [PAL_PHASE_TEXT] = "text", [PAL_PHASE_ENCODE] = "encode",
    [PAL_PHASE_DENOISE] = "denoise", [PAL_PHASE_DECODE] = "decode",
  };
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  cli_json_int (json, "budget_bytes", (gint64) report->budget_bytes);
  cli_json_int (json, "peak_bytes", (gint64) report->peak_bytes);
  json_builder_set_member_name (json, "phases");
  json_builder_begin_object (json);
  for (guint i = 0; i < PAL_N_PHASES; i++)
    {
      json_builder_set_member_name (json, phases[i]);
      json_builder_begin_object (json);
      cli_json_int (json, "weights_bytes", (gint64) report->weights_bytes[i]);
      cli_json_int (json, "working_bytes", (gint64) report->working_bytes[i]);
      cli_json_int (json, "tile_px", report->tile_px[i]);
      cli_json_bool (json, "streamed", report->streamed[i]);
      json_builder_end_object (json);
    }
  json_builder_end_object (json);
  cli_json_bool (json, "guidance_in_two_runs", (report->rungs & PAL_RUNG_SPLIT) != 0);
  json_builder_end_object (json);
  cli_json_print (json);
}

gboolean
cli_memory_print (PalModel         *model,
                  const PalRequest *request,
                  gboolean          json,
                  GError          **error)
{
  PalMemoryReport report;
  const gboolean  fits = pal_model_fits (model, request, &report, error);

  if (report.budget_bytes == 0)
    return FALSE;

  if (json)
    print_json (&report);
  else
    print_text (&report);

  return fits;
}
