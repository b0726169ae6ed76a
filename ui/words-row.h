/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For a model with a closed vocabulary: a line that tells how it reads the prompt, and
 * the words it knows, to choose from. */

#ifndef PAL_UI_WORDS_ROW_H
#define PAL_UI_WORDS_ROW_H

#include <libgimp/gimp.h>
#include <libgimp/gimpui.h>

#include "pal.h"

G_BEGIN_DECLS

/* For the argument "prompt", which follows a click on a word. *expander is what hides
 * and shows the words. */
GtkWidget *pal_words_row_new       (GimpProcedureConfig *config,
                                    GtkWidget          **expander);

/* Filling and generating take materials, restyling styles. */
void       pal_words_row_set_intent (GtkWidget          *row,
                                     PalIntent           intent);

/* Hides the row for a model with an open vocabulary, or none. info must stay until the
 * next call. */
void       pal_words_row_set_model (GtkWidget           *row,
                                    const PalModelInfo  *info);

G_END_DECLS

#endif
