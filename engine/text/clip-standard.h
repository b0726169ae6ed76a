/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The vocabulary that all published CLIP text encoders share, for checkpoints that come
 * without one. For clip-tokens.c alone. */

#ifndef PAL_TEXT_CLIP_STANDARD_H
#define PAL_TEXT_CLIP_STANDARD_H

#include <glib.h>

/* One merge a line, the first first; g_free () */
gchar *pal_clip_standard_merges     (void);

/* Fills gchar* → id + 1, as the tokenizer keeps it; returns how many there are. */
gsize  pal_clip_standard_vocabulary (const gchar *merges, GHashTable *vocabulary);

#endif
