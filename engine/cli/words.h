/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a model with a closed vocabulary knows, and how it reads a prompt. */

#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <json-glib/json-glib.h>

#include "cli.h"

/* Materials and styles in columns; nothing for a model with an open vocabulary. */
void cli_words_print         (const PalModelInfo *info);

/* How the prompt is read, for each purpose. */
void cli_words_print_reading (const PalModelInfo *info, const gchar *prompt);

/* Adds "reading": {"fill": ..., "restyle": ...} to the object that is open, null with
 * an open vocabulary. Generating reads as filling does. */
void cli_words_json_reading  (JsonBuilder *json, const PalModelInfo *info, const gchar *prompt);

#endif
