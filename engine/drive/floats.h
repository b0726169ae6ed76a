/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arrays of floats of a run, whose size a user's selection decides. */

#ifndef PAL_DRIVE_FLOATS_H
#define PAL_DRIVE_FLOATS_H

#include "pal-types.h"

/* *out = n zeros; FALSE and an error that says how many bytes when there are none left. */
gboolean pal_floats_new (gfloat **out, gsize n, GError **error);

/* FALSE and an error that there is not enough memory for what, "the picture". */
gboolean pal_no_memory  (const gchar *what, GError **error);

#endif
