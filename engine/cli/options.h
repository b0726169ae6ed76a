/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of fill, restyle and generate. */

#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli.h"

/* As the command line and a recipe give them. What neither names is zero or NULL, which
 * the engine takes as the model's default. */
typedef struct
{
  PalIntent     intent;
  gchar        *input;          /* NULL to generate */
  gchar        *output;
  gchar        *mask;
  gboolean      invert_mask;

  gchar        *prompt, *negative_prompt;
  gchar        *model, *device, *sampler, *schedule;
  gchar        *recipe_model;   /* name of the model that the recipe was made with */
  gchar        *recipe_adapters;
  gdouble       strength, guidance, image_guidance, eta, s_noise;
  gint          steps, width, height, clip_skip;
  gboolean      keep_colours;
  PalRandomKind random;
  guint64       seed;           /* of the first variant */
  gint          n_variants;
  GArray       *adapters;       /* of PalAdapter, which own their paths; NULL: none */

  gboolean      json, quiet, progress, dry_run;
} CliOptions;

/* intent names the subcommand. Errors are CLI_ERROR, of CLI_EXIT_USAGE where an
 * argument is at fault. Prints help and exits when --help is among the arguments. */
CliOptions *cli_options_parse (PalIntent intent, gchar **arguments, GError **error);
void        cli_options_free  (CliOptions *options);

/* For a subcommand that takes --json, the options of more (NULL: none) and at most one
 * other argument. */
gboolean    cli_options_simple (const gchar *parameter, const gchar *summary,
                                const GOptionEntry *more, gchar **arguments,
                                gboolean *json, gchar **argument, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliOptions, cli_options_free)

#endif
