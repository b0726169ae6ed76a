/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a run tells: progress and notes to standard error, results to standard output. */

#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "options.h"

typedef struct _CliReport CliReport;

CliReport *cli_report_new      (const CliOptions *options);
void       cli_report_free     (CliReport *report);

/* variant counts from 0. A PalProgressFunc. */
void       cli_report_variant  (CliReport *report, gint variant);
void       cli_report_progress (const PalProgress *progress, gpointer data);

/* A line for the user, unless quiet. */
void       cli_report_note     (CliReport *report, const gchar *note);

/* A finished picture. */
void       cli_report_result   (CliReport *report, const gchar *path, guint64 seed,
                                gint width, gint height, gdouble seconds,
                                const PalReport *figures);

/* After the last one: prints the JSON document where it was asked for. */
void       cli_report_finish   (CliReport *report, const PalModelInfo *model,
                                const PalDeviceInfo *device);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliReport, cli_report_free)

#endif
