/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The seed: a number, a button for a new one, and whether each run draws its own. */

#ifndef PAL_UI_SEED_ROW_H
#define PAL_UI_SEED_ROW_H

#include <libgimp/gimp.h>
#include <libgimp/gimpui.h>

G_BEGIN_DECLS

/* For the argument "seed", -1 = a new one for each run. *spin is its number. */
GtkWidget *pal_seed_row_new      (GimpProcedureConfig *config,
                                  GtkWidget          **spin);

/* Shows the seed that a run drew, so that unticking the box keeps it. */
void       pal_seed_row_set_used (GtkWidget           *row,
                                  gint                 seed);

G_END_DECLS

#endif
