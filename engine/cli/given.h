/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of fill, restyle and generate as a command line gives them. */

#ifndef CLI_GIVEN_H
#define CLI_GIVEN_H

#include "pal.h"

/* What no user types: not given. */
#define CLI_NO_NUMBER (-G_MAXDOUBLE)

/* As GOption fills it. Numbers that are not given: CLI_NO_NUMBER, G_MININT. */
typedef struct
{
  gchar  **files, **adapters;
  gchar   *output, *mask, *prompt, *negative, *model, *device, *sampler, *schedule;
  gchar   *seed, *random, *size, *from;
  gboolean invert, keep_colours, json, quiet, progress, dry_run;
  gdouble  strength, guidance, image_guidance, eta, s_noise;
  gint     steps, variants, clip_skip;
} CliGiven;

/* Nothing given. */
void            cli_given_init    (CliGiven *given);
void            cli_given_clear   (CliGiven *given);

/* What fills *given, with the command's help. */
GOptionContext *cli_given_context (CliGiven *given, PalIntent intent);

/* Those that --sampler and --schedule take. g_strfreev () */
gchar         **cli_sampler_ids   (void);
gchar         **cli_schedule_ids  (void);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CliGiven, cli_given_clear)

#endif
