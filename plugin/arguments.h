/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The procedures' arguments as a table, and their values as a struct. */

#ifndef PAL_PLUGIN_ARGUMENTS_H
#define PAL_PLUGIN_ARGUMENTS_H

#include <libgimp/gimp.h>

#include "purpose.h"
#include "soften.h"

G_BEGIN_DECLS

/* Where a layer is to be changed. */
typedef enum
{
  PAL_REGION_SELECTION,   /* the selection; without one, the whole layer */
  PAL_REGION_LAYER_MASK   /* the layer's own mask, whatever the selection */
} PalRegion;

/* Pixels that the canvas grows by. */
typedef struct
{
  gint left, right, top, bottom;
} PalGrowth;

typedef struct
{
  PalPurpose    purpose;
  PalPrefill    prefill;
  PalEdge       edge;
  PalGrowth     growth;         /* all 0 unless the purpose grows the canvas */
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

/* Adds the arguments and return values to the procedure of a purpose. */
void pal_arguments_add (GimpProcedure *procedure, PalPurpose purpose);

/* Their values, strength being that of the purpose where it was left to it, 0 where that
 * leaves it to the model; clear with pal_settings_clear (). */
void pal_settings_read  (PalSettings *settings, GimpProcedureConfig *config);
void pal_settings_clear (PalSettings *settings);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalSettings, pal_settings_clear)

G_END_DECLS

#endif
