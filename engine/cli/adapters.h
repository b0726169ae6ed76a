/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The option --lora FILE:STRENGTH. */

#ifndef CLI_ADAPTERS_H
#define CLI_ADAPTERS_H

#include "cli.h"

/* Each text is a file, or a file, a colon and a strength; 1 where it has none. *out: of
 * PalAdapter, which own their paths; NULL for no texts. CLI_EXIT_USAGE when a strength is out
 * of range. */
gboolean cli_adapters_parse (gchar **texts, GArray **out, GError **error);

#endif
