/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --dry-run: what memory a request will take. */

#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include "cli.h"

/* Prints the plan, also when it does not fit; FALSE then. */
gboolean cli_memory_print (PalModel *model, const PalRequest *request, gboolean json,
                           GError **error);

#endif
