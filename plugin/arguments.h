/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The procedures' arguments as a table, and their values as a struct. */

#ifndef PAL_PLUGIN_ARGUMENTS_H
#define PAL_PLUGIN_ARGUMENTS_H

#include <libgimp/gimp.h>

#include "pal.h"

G_BEGIN_DECLS

/* Where a layer is to be changed. */
typedef enum
{
  PAL_REGION_SELECTION,   /* the selection; without one, the whole layer */
  PAL_REGION_LAYER_MASK   /* the layer's own mask, whatever the selection */
} PalRegion;

typedef struct
{
  gchar        *prompt, *negative_prompt;
  gchar        *sampler;        /* id, NULL = the model's */
  gchar        *schedule;       /* id */
  gchar        *model, *device;
  gdouble       strength, guidance, eta, s_noise;
  gint          steps, seed, count, clip_skip;
  gboolean      match_colors;
  PalRandomKind random;
  PalRegion     region;
} PalSettings;

/* Adds the intent's arguments and return values to a procedure. */
void pal_arguments_add (GimpProcedure *procedure, PalIntent intent);

/* The values of an intent's arguments; clear with pal_settings_clear (). */
void pal_settings_read  (PalSettings *settings, PalIntent intent, GimpProcedureConfig *config);
void pal_settings_clear (PalSettings *settings);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalSettings, pal_settings_clear)

G_END_DECLS

#endif
