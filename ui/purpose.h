/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a user wants of a picture, as presets of the engine's three intents. */

#ifndef PAL_UI_PURPOSE_H
#define PAL_UI_PURPOSE_H

#include "pal.h"

G_BEGIN_DECLS

typedef enum
{
  PAL_PURPOSE_FILL,
  PAL_PURPOSE_REMOVE,
  PAL_PURPOSE_REPLACE,
  PAL_PURPOSE_EXTEND,
  PAL_PURPOSE_REFINE,
  PAL_PURPOSE_RESTYLE,
  PAL_PURPOSE_CREATE,
  PAL_PURPOSE_VARIANTS,
  PAL_N_PURPOSES
} PalPurpose;

/* What stands in the region before a run that looks at it. */
typedef enum
{
  PAL_PREFILL_NONE,           /* what is there */
  PAL_PREFILL_NEUTRAL,        /* middle gray */
  PAL_PREFILL_BLUR,           /* what is there without its details */
  PAL_PREFILL_SPREAD,         /* the surroundings' colours */
  PAL_PREFILL_NOISE,
  PAL_N_PREFILLS
} PalPrefill;

typedef struct
{
  const gchar *id;            /* value of the argument "purpose" */
  const gchar *procedure;
  PalIntent    intent;
  gdouble      strength;      /* 0 = the model's for that intent */
  PalPrefill   prefill;
  gint         count;         /* variants that the dialog proposes */
  gboolean     grows;         /* adds canvas, and paints that */
  const gchar *label;         /* in the menu, with mnemonic; untranslated as all that follow */
  const gchar *title;         /* in the dialog's list */
  const gchar *blurb, *help;
  const gchar *hint;          /* what to type */
} PalPurposeInfo;

const PalPurposeInfo *pal_purpose_info (PalPurpose purpose);

/* PAL_PURPOSE_FILL for an id that is none. */
PalPurpose            pal_purpose_find (const gchar *id);

G_END_DECLS

#endif
