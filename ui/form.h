/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of a label and a widget, tied to a procedure's arguments. */

#ifndef PAL_UI_FORM_H
#define PAL_UI_FORM_H

#include <libgimp/gimp.h>
#include <libgimp/gimpui.h>

G_BEGIN_DECLS

typedef enum
{
  PAL_FORM_ROW,         /* a row of its own */
  PAL_FORM_LEFT,        /* the left half of a new row */
  PAL_FORM_RIGHT,       /* the right half of the same row */
  PAL_FORM_WHOLE        /* a row of its own, from where its label would be */
} PalFormPlace;

/* A grid whose labels are as wide as those of all forms of the same group. */
GtkWidget *pal_form_new       (GtkSizeGroup *labels);

/* Adds a label and a widget. The label (with mnemonic) and the tooltip are the
 * nick and the description of the argument; focus is the widget the mnemonic
 * leads to. */
void       pal_form_add       (GtkWidget           *form,
                               PalFormPlace         place,
                               GimpProcedureConfig *config,
                               const gchar         *argument,
                               GtkWidget           *widget,
                               GtkWidget           *focus);

/* Adds a widget without label. */
void       pal_form_add_plain (GtkWidget           *form,
                               PalFormPlace         place,
                               GtkWidget           *widget);

/* Lines of text with a frame, for a string argument. *view is the text view. */
GtkWidget *pal_text_box_new   (GimpProcedureConfig *config,
                               const gchar         *argument,
                               gint                 lines,
                               GtkWidget          **view);

/* A slider with its number, for an int or double argument; low and high bound
 * what dragging reaches. */
GtkWidget *pal_slider_new     (GimpProcedureConfig *config,
                               const gchar         *argument,
                               gdouble              low,
                               gdouble              high,
                               gdouble              step,
                               gint                 digits);

/* Small gray text of up to three lines; for facts under a widget. */
GtkWidget *pal_hint_new       (void);

G_END_DECLS

#endif
