/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program's own errors, and the exit codes of all others. */

#include "cli.h"

G_DEFINE_QUARK (palimpsest-cli-error-quark, cli_error)

/* Which exit code a failure of the engine stands for. */
static const CliExit engine_exits[] = {
  [PAL_ERROR_IO] = CLI_EXIT_MODEL, [PAL_ERROR_FORMAT] = CLI_EXIT_MODEL,
  [PAL_ERROR_UNSUPPORTED] = CLI_EXIT_MODEL, [PAL_ERROR_WEIGHT] = CLI_EXIT_MODEL,
  [PAL_ERROR_SHAPE] = CLI_EXIT_MODEL, [PAL_ERROR_MEMORY] = CLI_EXIT_DEVICE,
  [PAL_ERROR_DEVICE] = CLI_EXIT_DEVICE, [PAL_ERROR_BUILD] = CLI_EXIT_DEVICE,
  [PAL_ERROR_ARGUMENT] = CLI_EXIT_USAGE,
};

gint
cli_exit_code (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return CLI_EXIT_CANCELLED;

  if (error->domain == CLI_ERROR)
    return error->code;

  if (error->domain == PAL_ERROR && error->code >= 0 &&
      error->code < (gint) G_N_ELEMENTS (engine_exits))
    return (gint) engine_exits[error->code];

  return CLI_EXIT_FAILED;
}
