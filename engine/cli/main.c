/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command-line program: finds the subcommand, turns errors into exit codes and
 * Ctrl+C into a cancelled run. */

#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include <glib/gi18n.h>

#include "json-out.h"

static const struct
{
  const gchar   *name, *parameter, *summary;
  CliCommandFunc run;
} commands[] = {
  { "fill", "INPUT.png", N_("repaint the masked part of a picture from a prompt"), cli_paint },
  { "restyle", "INPUT.png", N_("repaint a picture in another look"), cli_paint },
  { "generate", "", N_("make a picture from a prompt alone"), cli_paint },
  { "devices", "", N_("list the OpenCL devices"), cli_devices },
  { "models", "", N_("list the models found"), cli_models },
  { "info", "FILE", N_("tell what a PNG (its recipe, too) or a model folder holds"), cli_info },
};

static const struct { CliExit code; const gchar *meaning; } exits[] = {
  { CLI_EXIT_OK, N_("done") },
  { CLI_EXIT_FAILED, N_("failed: a file can't be read or written, or another fault") },
  { CLI_EXIT_USAGE, N_("wrong arguments") },
  { CLI_EXIT_MODEL, N_("the model is missing, incomplete or not supported") },
  { CLI_EXIT_DEVICE, N_("no OpenCL device, a fault of it, or too little memory") },
  { CLI_EXIT_CANCELLED, N_("stopped by Ctrl+C; no file was written") },
};

static void
print_help (void)
{
  g_print (_("Usage:\n  palimpsest COMMAND [OPTION…] [FILE]\n\n"
             "Fills and restyles pictures with diffusion models on OpenCL devices.\n\n"
             "Commands:\n"));
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_autofree gchar *form = g_strdup_printf ("%s %s", commands[i].name, commands[i].parameter);

      g_print ("  %-20s %s\n", form, _(commands[i].summary));
    }

  g_print (_("\n\"palimpsest COMMAND --help\" explains a command's options.\n\n"
             "Examples:\n"
             "  palimpsest fill beach.png --mask hole.png --prompt \"green grass\"\n"
             "  palimpsest restyle photo.png --prompt \"oil painting\" --strength 0.5 -o oil.png\n"
             "  palimpsest fill other.png --mask hole.png --from beach-fill.png\n\n"
             "Options:\n"
             "  -h, --help           this text\n"
             "  --version            the program's version\n\n"
             "Exit codes:\n"));
  for (gsize i = 0; i < G_N_ELEMENTS (exits); i++)
    g_print ("  %3d  %s\n", exits[i].code, _(exits[i].meaning));
}

/* Waits for SIGINT or SIGTERM, which all threads block, so that this one takes them. The
 * first cancels the run, which ends within one step; the second does not wait. */
static gpointer
wait_for_signals (gpointer data)
{
  GCancellable *cancellable = data;
  sigset_t      signals;
  int           number;

  sigemptyset (&signals);
  sigaddset (&signals, SIGINT);
  sigaddset (&signals, SIGTERM);

  for (;;)
    if (sigwait (&signals, &number) == 0)
      {
        if (g_cancellable_is_cancelled (cancellable))
          _exit (CLI_EXIT_CANCELLED);
        g_cancellable_cancel (cancellable);
      }

  return NULL;
}

static void
catch_signals (GCancellable *cancellable)
{
  sigset_t signals;

  sigemptyset (&signals);
  sigaddset (&signals, SIGINT);
  sigaddset (&signals, SIGTERM);
  pthread_sigmask (SIG_BLOCK, &signals, NULL);
  g_thread_unref (g_thread_new ("signals", wait_for_signals, cancellable));
}

/* For scripts that asked for JSON, a failure is a document too. */
static void
report_error (const GError *error,
              gchar       **arguments)
{
  g_printerr ("palimpsest: %s\n", error->message);

  if (g_strv_contains ((const gchar *const *) arguments, "--json"))
    {
      g_autoptr (JsonBuilder) json = json_builder_new ();

      json_builder_begin_object (json);
      cli_json_string (json, "error", error->message);
      cli_json_int (json, "exit_code", cli_exit_code (error));
      json_builder_end_object (json);
      cli_json_print (json);
    }
}

static gint
run_command (gsize    command,
             gchar  **arguments)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError)       error       = NULL;
  g_autofree gchar        *program     = g_strdup_printf ("palimpsest %s", commands[command].name);

  /* What GOption prints as the command in its help. */
  g_set_prgname (program);
  catch_signals (g_object_ref (cancellable));

  if (commands[command].run (commands[command].name, arguments, cancellable, &error))
    return CLI_EXIT_OK;

  report_error (error, arguments);

  return cli_exit_code (error);
}

int
main (int    argc,
      char **argv)
{
  g_auto (GStrv) strings = NULL;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, PAL_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("palimpsest");

  strings = g_strdupv (argv);
  if (argc >= 2 && (g_str_equal (strings[1], "--help") || g_str_equal (strings[1], "-h")))
    {
      print_help ();
      return CLI_EXIT_OK;
    }

  if (argc >= 2 && g_str_equal (strings[1], "--version"))
    {
      g_print ("palimpsest %s\n", PAL_VERSION);
      return CLI_EXIT_OK;
    }

  for (gsize i = 0; argc >= 2 && i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, strings[1]))
      return run_command (i, strings + 2);

  if (argc >= 2)
    g_printerr (_("palimpsest: there is no command \"%s\"\n"), strings[1]);
  g_printerr (_("\"palimpsest --help\" lists the commands.\n"));

  return CLI_EXIT_USAGE;
}
