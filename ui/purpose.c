/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the table of purposes: procedures, menu entries and the dialog's list follow it. */

#include "purpose.h"

#include <glib/gi18n-lib.h>

static const PalPurposeInfo purposes[PAL_N_PURPOSES] = {
  [PAL_PURPOSE_FILL] = {
    "fill", "plug-in-palimpsest-fill", PAL_FILL, 0, PAL_PREFILL_NONE, 1, FALSE,
    N_("_Fill Selection…"), N_("Fill the selection"),
    N_("Paint the selected part anew from a description"),
    N_("Computes a picture from the prompt that fits what surrounds the selection, and adds it "
       "as a new layer, with the selection as its mask, above the active one. Soft selections "
       "stay soft; with no selection the whole layer is painted. The active layer, its mask and "
       "the selection are not changed."),
    N_("What should be there?") },
  [PAL_PURPOSE_REMOVE] = {
    "remove", "plug-in-palimpsest-remove", PAL_FILL, 0.7, PAL_PREFILL_SPREAD, 1, FALSE,
    N_("Re_move…"), N_("Remove what is selected"),
    N_("Let what is selected disappear into its surroundings"),
    N_("Spreads the colors around the selection into it and paints over them. The prompt may name "
       "what lies behind, or stay empty. The result is a new layer above the active one, with the "
       "selection as its mask."),
    N_("What is behind it? May stay empty") },
  [PAL_PURPOSE_REPLACE] = {
    "replace", "plug-in-palimpsest-replace", PAL_FILL, 1.0, PAL_PREFILL_NEUTRAL, 1, FALSE,
    N_("Re_place…"), N_("Replace what is selected"),
    N_("Put something else where the selection is"),
    N_("Paints the selected part from the prompt alone, whatever it showed, fitting to what "
       "surrounds it. The result is a new layer above the active one, with the selection as its "
       "mask."),
    N_("What should be there instead?") },
  [PAL_PURPOSE_EXTEND] = {
    "extend", "plug-in-palimpsest-extend", PAL_FILL, 1.0, PAL_PREFILL_SPREAD, 1, TRUE,
    N_("_Extend Canvas…"), N_("Extend the canvas"),
    N_("Make the canvas larger and paint what is new of it"),
    N_("Grows the canvas by the given numbers of pixels and continues what the image shows into "
       "the new part. Canvas and new layer come and go in one undo step."),
    N_("What is beyond the border? May stay empty") },
  [PAL_PURPOSE_REFINE] = {
    "refine", "plug-in-palimpsest-refine", PAL_FILL, 0.35, PAL_PREFILL_NONE, 1, FALSE,
    N_("Re_fine…"), N_("Refine details"),
    N_("Paint the details again and keep the rest"),
    N_("Adds a little noise to the layer, or its selected part, and paints that away: shapes and "
       "colors stay, details are new. The result is a new layer above the active one."),
    N_("What does it show?") },
  [PAL_PURPOSE_RESTYLE] = {
    "restyle", "plug-in-palimpsest-restyle", PAL_RESTYLE, 0, PAL_PREFILL_NONE, 1, FALSE,
    N_("Re_style…"), N_("Restyle"),
    N_("Keep what the layer shows and change how it looks"),
    N_("Computes the layer, or its selected part, again under a prompt, as far from the original "
       "as the strength says, and adds the result as a new layer above the active one. The "
       "active layer, its mask and the selection are not changed."),
    N_("How should it look?") },
  [PAL_PURPOSE_CREATE] = {
    "create", "plug-in-palimpsest-generate", PAL_GENERATE, 1.0, PAL_PREFILL_NONE, 1, FALSE,
    N_("_Create Picture…"), N_("Create a picture"),
    N_("Make a picture from a description alone"),
    N_("Computes a picture from the prompt, as large as the canvas or as the selection, and adds "
       "it as a new layer above the active one."),
    N_("What should the picture show?") },
  [PAL_PURPOSE_VARIANTS] = {
    "variants", "plug-in-palimpsest-variants", PAL_FILL, 0.6, PAL_PREFILL_NONE, 3, FALSE,
    N_("_Variants of This…"), N_("Variants of this"),
    N_("Paint pictures that resemble the layer"),
    N_("Computes the layer, or its selected part, again from its rough shapes and colors, a few "
       "times with different details. The results are new layers above the active one."),
    N_("What does it show? May stay empty") },
};

const PalPurposeInfo *
pal_purpose_info (PalPurpose purpose)
{
  g_return_val_if_fail ((guint) purpose < PAL_N_PURPOSES, &purposes[PAL_PURPOSE_FILL]);

  return &purposes[purpose];
}

PalPurpose
pal_purpose_find (const gchar *id)
{
  for (guint i = 0; i < PAL_N_PURPOSES; i++)
    if (g_strcmp0 (purposes[i].id, id) == 0)
      return (PalPurpose) i;

  return PAL_PURPOSE_FILL;
}
