/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the command-line program share. */

#ifndef CLI_H
#define CLI_H

#include <gio/gio.h>

#include "pal.h"

/* Exit codes; also the codes of CLI_ERROR. Documented in --help and README.md. */
typedef enum
{
  CLI_EXIT_OK        = 0,
  CLI_EXIT_FAILED    = 1,     /* a file can't be read or written, anything else */
  CLI_EXIT_USAGE     = 2,     /* wrong arguments */
  CLI_EXIT_MODEL     = 3,     /* the model is missing, incomplete or not supported */
  CLI_EXIT_DEVICE    = 4,     /* no OpenCL device, its failure, or too little memory */
  CLI_EXIT_CANCELLED = 130    /* stopped by Ctrl+C */
} CliExit;

#define CLI_ERROR (cli_error_quark ())

GQuark cli_error_quark (void);

/* The exit code that an error of any domain stands for. */
gint   cli_exit_code   (const GError *error);

/* Subcommands: arguments without the program's name; what they print goes to standard
 * output, and FALSE with an error when they fail. */
typedef gboolean (*CliCommandFunc) (const gchar *name, gchar **arguments,
                                    GCancellable *cancellable, GError **error);

gboolean cli_paint   (const gchar *name, gchar **arguments,
                      GCancellable *cancellable, GError **error);
gboolean cli_devices (const gchar *name, gchar **arguments,
                      GCancellable *cancellable, GError **error);
gboolean cli_models  (const gchar *name, gchar **arguments,
                      GCancellable *cancellable, GError **error);
gboolean cli_info    (const gchar *name, gchar **arguments,
                      GCancellable *cancellable, GError **error);

/* Models where this program looks for them, "default" first; gchar* paths. */
GPtrArray *cli_models_list    (void);

/* The path of the model that the text means, a folder or a name of the list; the first
 * of the list for NULL. NULL and an error when there is none. */
gchar     *cli_models_resolve (const gchar *text, GError **error);

#endif
