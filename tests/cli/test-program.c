/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program as a user runs it, with the tiny model on an OpenCL device. */

#include <signal.h>
#include <string.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "cli.h"
#include "png-io.h"
#include "support.h"

#define WIDTH  90
#define HEIGHT 70

static const gchar *program;

typedef struct
{
  gchar *out, *err;
  gint   code;
} Result;

static void
result_clear (Result *result)
{
  g_free (result->out);
  g_free (result->err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static GSubprocess *
start (GSubprocessFlags    flags,
       const gchar *const *environment,
       const gchar *const *words)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (flags);
  g_autoptr (GStrvBuilder)        builder  = g_strv_builder_new ();
  g_auto (GStrv)                  argv     = NULL;
  GSubprocess                    *process;
  GError                         *error    = NULL;

  for (gsize i = 0; environment && environment[i]; i += 2)
    g_subprocess_launcher_setenv (launcher, environment[i], environment[i + 1], TRUE);

  g_strv_builder_add (builder, program);
  g_strv_builder_addv (builder, (const gchar **) words);
  argv    = g_strv_builder_end (builder);
  process = g_subprocess_launcher_spawnv (launcher, (const gchar *const *) argv, &error);
  g_assert_no_error (error);

  return process;
}

static Result
run_in (const gchar *const *environment,
        const gchar *const *words)
{
  g_autoptr (GSubprocess) process = start (G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                           G_SUBPROCESS_FLAGS_STDERR_PIPE, environment, words);
  Result                  result  = { 0 };
  GError                 *error   = NULL;

  g_subprocess_communicate_utf8 (process, NULL, NULL, &result.out, &result.err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  result.code = g_subprocess_get_exit_status (process);
  g_test_message ("%s%s", result.out, result.err);

  return result;
}

#define WORDS(...) ((const gchar *const[]) { __VA_ARGS__, NULL })
#define RUN(...) run_in (NULL, WORDS (__VA_ARGS__))

static void
assert_contains (const gchar *text,
                 const gchar *part)
{
  if (! strstr (text, part))
    g_error ("expected \"%s\" in \"%s\"", part, text);
}

static gchar *
write_input (const gchar *folder,
             const gchar *name,
             gint         channels,
             gint         depth)
{
  gchar             *path  = g_build_filename (folder, name, NULL);
  g_autoptr (CliPng) png   = cli_png_new (WIDTH, HEIGHT, channels, depth);
  const guint        max   = depth == 16 ? 65535 : 255;

  for (guint i = 0; i < WIDTH * HEIGHT; i++)
    for (gint c = 0; c < channels; c++)
      png->data[i * (guint) channels + (guint) c] =
        (guint16) (((i % WIDTH) * 631 * (guint) (c + 1) + i / WIDTH * 977) % (max + 1));
  for (guint i = 1; i <= WIDTH * HEIGHT && channels % 2 == 0; i++)
    png->data[i * (guint) channels - 1] = (guint16) max;

  cli_png_set_text (png, "Author", "someone");
  g_assert_true (cli_png_write (png, path, NULL));

  return path;
}

static gboolean
in_hole (gint x,
         gint y)
{
  return x >= 30 && x < 60 && y >= 20 && y < 50;
}

static gchar *
write_mask (const gchar *folder)
{
  gchar             *path = g_build_filename (folder, "mask.png", NULL);
  g_autoptr (CliPng) png  = cli_png_new (WIDTH, HEIGHT, 1, 8);

  for (gint y = 0; y < HEIGHT; y++)
    for (gint x = 0; x < WIDTH; x++)
      png->data[y * WIDTH + x] = in_hole (x, y) ? 255 : 0;
  g_assert_true (cli_png_write (png, path, NULL));

  return path;
}

static CliPng *
read_png (const gchar *path)
{
  GError *error = NULL;
  CliPng *png   = cli_png_read (path, &error);

  g_assert_no_error (error);

  return png;
}

static gchar *
tiny_model (void)
{
  return support_data ("models", "sd15-tiny", NULL);
}

/* Pixels outside the hole are the input's, those inside are not all the same. */
static void
assert_filled (const CliPng *in,
               const CliPng *out)
{
  gint changed = 0;

  g_assert_cmpint (out->width, ==, WIDTH);
  g_assert_cmpint (out->height, ==, HEIGHT);
  g_assert_cmpint (out->depth, ==, in->depth);

  for (gint y = 0; y < HEIGHT; y++)
    for (gint x = 0; x < WIDTH; x++)
      for (gint c = 0; c < out->channels; c++)
        {
          const gint    from  = c == 3 ? in->channels - 1 : in->channels < 3 ? 0 : c;
          const guint16 below = in->data[(y * WIDTH + x) * in->channels + from];
          const guint16 value = out->data[(y * WIDTH + x) * out->channels + c];

          if (! in_hole (x, y))
            g_assert_cmpuint (value, ==, below);
          else
            changed += value != below;
        }

  g_assert_cmpint (changed, >, 1000);
}

static void
test_help (void)
{
  g_auto (Result) help    = RUN ("--help");
  g_auto (Result) version = RUN ("--version");
  g_auto (Result) fill    = RUN ("fill", "--help");
  g_auto (Result) nothing = run_in (NULL, (const gchar *const[]) { NULL });
  g_auto (Result) unknown = RUN ("paint");

  g_assert_cmpint (help.code, ==, 0);
  assert_contains (help.out, "restyle INPUT.png");
  assert_contains (help.out, "Exit codes");
  g_assert_cmpint (version.code, ==, 0);
  g_assert_cmpstr (version.out, ==, "palimpsest " PAL_VERSION "\n");
  g_assert_cmpint (fill.code, ==, 0);
  assert_contains (fill.out, "palimpsest fill [OPTION…] INPUT.png");
  assert_contains (fill.out, "--negative");
  g_assert_cmpint (nothing.code, ==, 2);
  assert_contains (nothing.err, "palimpsest --help");
  g_assert_cmpint (unknown.code, ==, 2);
  assert_contains (unknown.err, "no command \"paint\"");
}

static JsonNode *
parse_json (const gchar *text)
{
  GError   *error = NULL;
  JsonNode *node  = json_from_string (text, &error);

  g_assert_no_error (error);

  return node;
}

static void
test_lists (void)
{
  g_autofree gchar    *model   = tiny_model ();
  g_auto (Result)      devices = RUN ("devices", "--json");
  g_autoptr (JsonNode) list    = parse_json (devices.out);
  g_auto (Result)      info    = RUN ("info", model, "--json");
  g_autoptr (JsonNode) facts   = parse_json (info.out);
  g_auto (Result)      text    = RUN ("info", model);
  g_auto (Result)      models  = RUN ("models", "--json");
  g_autoptr (JsonNode) found   = parse_json (models.out);

  g_assert_cmpint (devices.code, ==, 0);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (list)), >=, 1);
  g_assert_cmpint (info.code, ==, 0);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (facts), "family"),
                   ==, "sd1");
  assert_contains (text.out, "sd15-tiny");
  g_assert_cmpint (models.code, ==, 0);
  g_assert_true (JSON_NODE_HOLDS_ARRAY (found));
}

/* What a model with a closed vocabulary knows, and how it reads a prompt. */
static void
test_words (void)
{
  const gchar         *model   = g_getenv ("PALIMPSEST_BUNDLED_MODEL");
  g_autofree gchar    *open    = tiny_model ();
  g_auto (Result)      info    = RUN ("info", model);
  g_auto (Result)      reading = RUN ("info", model, "--prompt", "lawn mower with a unicorn");
  g_auto (Result)      script  = RUN ("info", model, "--json", "--prompt", "lawn mower");
  g_auto (Result)      any     = RUN ("info", open, "--prompt", "a cat");
  g_auto (Result)      none    = RUN ("info", open, "--json", "--prompt", "a cat");
  g_auto (Result)      picture = RUN ("info", "absent.png", "--prompt", "a cat");
  g_autoptr (JsonNode) facts   = parse_json (script.out);
  g_autoptr (JsonNode) null    = parse_json (none.out);
  JsonObject          *fill, *word;

  assert_contains (info.out, "Materials it knows, to fill and generate:\n    asphalt  ");
  assert_contains (info.out, "Styles it knows, to restyle:\n    black and white  ");
  assert_contains (reading.out, "To fill or generate: grass\n  lawn mower: using grass\n"
                                "  unicorn: not understood\nTo restyle: nothing understood\n");
  assert_contains (any.out, "open vocabulary");
  g_assert_true (json_object_get_null_member (json_node_get_object (null), "reading"));
  g_assert_cmpint (picture.code, ==, 2);

  fill = json_object_get_object_member (
    json_object_get_object_member (json_node_get_object (facts), "reading"), "fill");
  word = json_array_get_object_element (json_object_get_array_member (fill, "words"), 0);
  g_assert_cmpstr (json_object_get_string_member (fill, "prompt"), ==, "grass");
  g_assert_true (json_object_get_boolean_member (fill, "understood"));
  g_assert_cmpstr (json_object_get_string_member (word, "typed"), ==, "lawn mower");
  g_assert_cmpstr (json_object_get_string_member (word, "used"), ==, "grass");
  g_assert_cmpstr (json_object_get_string_member (word, "fate"), ==, "replaced");
}

/* The words that a run used are in its note, and the model is given them: another word for
 * "meadow" paints what "meadow" does. */
static void
test_words_used (void)
{
  gchar            *folder = support_folder ();
  const gchar      *model  = g_getenv ("PALIMPSEST_BUNDLED_MODEL");
  g_autofree gchar *first  = g_build_filename (folder, "first.png", NULL);
  g_autofree gchar *second = g_build_filename (folder, "second.png", NULL);
  g_auto (Result)   known  = RUN ("generate", "-p", "meadow", "--model", model, "--size", "64",
                                  "--steps", "1", "--seed", "5", "-o", first);
  g_auto (Result)   other  = RUN ("generate", "-p", "Wiese with a unicorn", "--model", model,
                                  "--size", "64", "--steps", "1", "--seed", "5", "-o", second);
  g_autoptr (CliPng) a     = read_png (first);
  g_autoptr (CliPng) b     = read_png (second);

  g_assert_cmpint (known.code, ==, 0);
  g_assert_cmpint (other.code, ==, 0);
  g_assert_null (strstr (known.err, "using"));
  assert_contains (other.err, "using: meadow (for Wiese); not understood: unicorn");
  g_assert_cmpmem (a->data, 64 * 64 * 3 * sizeof (*a->data), b->data,
                   64 * 64 * 3 * sizeof (*b->data));

  support_remove (folder);
}

static void
test_fill (void)
{
  static const struct { gint channels, depth; } inputs[] = { { 3, 8 }, { 4, 16 }, { 1, 8 } };
  gchar            *folder = support_folder ();
  g_autofree gchar *mask   = write_mask (folder);
  g_autofree gchar *model  = tiny_model ();
  g_autofree gchar *output = g_build_filename (folder, "out.png", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (inputs); i++)
    {
      g_autofree gchar  *input  = write_input (folder, "in.png", inputs[i].channels,
                                               inputs[i].depth);
      g_auto (Result)    result = RUN ("fill", input, "--mask", mask, "-p", "a cat", "--model",
                                       model, "--steps", "3", "--seed", "11", "-o", output);
      g_autoptr (CliPng) in     = read_png (input);
      g_autoptr (CliPng) out    = NULL;

      g_assert_cmpint (result.code, ==, 0);
      assert_contains (result.out, "seed 11");
      g_assert_cmpstr (result.err, ==, "");
      out = read_png (output);
      assert_filled (in, out);
      g_assert_cmpint (out->channels, ==, inputs[i].channels == 4 ? 4 : 3);
      g_assert_cmpstr (cli_png_get_text (out, "Author"), ==, "someone");
      assert_contains (cli_png_get_text (out, "parameters"), "Seed: 11");
    }

  support_remove (folder);
}

/* A recipe makes the same bytes again, an option beside it does not. */
static void
test_repeat (void)
{
  gchar             *folder = support_folder ();
  g_autofree gchar  *mask   = write_mask (folder);
  g_autofree gchar  *model  = tiny_model ();
  g_autofree gchar  *input  = write_input (folder, "in.png", 3, 8);
  g_autofree gchar  *first  = g_build_filename (folder, "in-fill.png", NULL);
  g_autofree gchar  *second = g_build_filename (folder, "second.png", NULL);
  g_autofree gchar  *third  = g_build_filename (folder, "third.png", NULL);
  g_auto (Result)    a      = RUN ("fill", input, "-m", mask, "-p", "a cat", "-n", "dog", "-M",
                                   model, "--steps", "3", "--sampler", "euler-a", "-g", "3");
  g_auto (Result)    b      = RUN ("fill", input, "-m", mask, "-M", model, "--from", first,
                                   "-o", second);
  g_auto (Result)    c      = RUN ("fill", input, "-m", mask, "-M", model, "--from", first,
                                   "--seed", "5", "-o", third);
  g_autofree gchar  *bytes[3] = { NULL };
  gsize              n[3];

  g_assert_cmpint (a.code + b.code + c.code, ==, 0);
  g_assert_true (g_file_get_contents (first, &bytes[0], &n[0], NULL));
  g_assert_true (g_file_get_contents (second, &bytes[1], &n[1], NULL));
  g_assert_true (g_file_get_contents (third, &bytes[2], &n[2], NULL));
  g_assert_cmpmem (bytes[0], n[0], bytes[1], n[1]);
  g_assert_false (n[0] == n[2] && memcmp (bytes[0], bytes[2], n[0]) == 0);
  g_free (bytes[1]);
  g_free (bytes[2]);

  support_remove (folder);
}

static void
test_own_alpha (void)
{
  gchar             *folder = support_folder ();
  g_autofree gchar  *model  = tiny_model ();
  g_autofree gchar  *input  = write_input (folder, "in.png", 4, 8);
  g_autofree gchar  *output = g_build_filename (folder, "in-fill.png", NULL);
  g_autoptr (CliPng) png    = read_png (input);
  g_autoptr (CliPng) out    = NULL;

  for (gint y = 0; y < HEIGHT; y++)
    for (gint x = 0; x < WIDTH; x++)
      if (in_hole (x, y))
        png->data[(y * WIDTH + x) * 4 + 3] = 0;
  g_assert_true (cli_png_write (png, input, NULL));

  {
    g_auto (Result) result = RUN ("fill", input, "-p", "a cat", "-M", model, "--steps", "2");

    g_assert_cmpint (result.code, ==, 0);
  }
  out = read_png (output);
  assert_filled (png, out);
  for (gint i = 0; i < WIDTH * HEIGHT; i++)
    g_assert_cmpint (out->data[i * 4 + 3], ==, 255);

  support_remove (folder);
}

static void
test_json_and_variants (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *model  = tiny_model ();
  g_autofree gchar *output = g_build_filename (folder, "a.b.png", NULL);
  g_autofree gchar *second = g_build_filename (folder, "a.b-2.png", NULL);
  g_auto (Result)   result = RUN ("generate", "-p", "x", "-M", model, "--steps", "2", "--size",
                                  "64x48", "--seed", "7", "--variants", "2", "-o", output,
                                  "--json", "--progress");
  g_autoptr (JsonNode) node = parse_json (result.out);
  JsonArray           *rows = json_object_get_array_member (json_node_get_object (node),
                                                            "results");
  JsonObject          *row;
  g_autoptr (CliPng)   png  = NULL;

  g_assert_cmpint (result.code, ==, 0);
  assert_contains (result.err, "painting 2/2");
  g_assert_cmpuint (json_array_get_length (rows), ==, 2);
  row = json_array_get_object_element (rows, 1);
  g_assert_cmpstr (json_object_get_string_member (row, "output"), ==, second);
  g_assert_cmpint (json_object_get_int_member (row, "seed"), ==, 8);
  g_assert_cmpint (json_object_get_int_member (row, "width"), ==, 64);
  g_assert_cmpint (json_object_get_int_member (row, "height"), ==, 48);
  g_assert_cmpint (json_object_get_int_member (row, "working_bytes"), >, 0);
  g_assert_cmpint (json_object_get_int_member (row, "working_bytes"), >=,
                   json_object_get_int_member (row, "working_bound_bytes"));
  png = read_png (second);
  g_assert_cmpint (png->width, ==, 64);
  g_assert_cmpint (png->height, ==, 48);

  support_remove (folder);
}

/* Each fault has its exit code and a message, and leaves no output. */
static void
test_failures (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *mask   = write_mask (folder);
  g_autofree gchar *model  = tiny_model ();
  g_autofree gchar *input  = write_input (folder, "in.png", 3, 8);
  g_autofree gchar *small  = g_build_filename (folder, "small.png", NULL);
  g_autofree gchar *black  = g_build_filename (folder, "black.png", NULL);
  g_autofree gchar *output = g_build_filename (folder, "in-fill.png", NULL);
  g_autoptr (CliPng) tiny  = cli_png_new (4, 4, 1, 8);
  g_autoptr (CliPng) none  = cli_png_new (WIDTH, HEIGHT, 1, 8);
  const struct { const gchar *const *words, *const *environment; gint code; const gchar *message; }
  rows[] = {
    { WORDS ("fill", "absent.png", "-p", "x", "-M", model), NULL, 1, "absent.png" },
    { WORDS ("fill", input, "-p", "x", "-M", model), NULL, 2, "a mask is missing" },
    { WORDS ("fill", input, "-p", "x", "-m", "absent.png", "-M", model), NULL, 1, "absent.png" },
    { WORDS ("fill", input, "-p", "x", "-m", small, "-M", model), NULL, 2, "4 × 4 px" },
    { WORDS ("fill", input, "-p", "x", "-m", black, "-M", model), NULL, 2, "nothing to change" },
    { WORDS ("fill", input, "-p", "x", "-m", mask, "-M", "absent"), NULL, 3, "\"absent\"" },
    { WORDS ("fill", input, "-p", "x", "-m", mask, "-M", folder), NULL, 3, "model_index.json" },
    { WORDS ("fill", input, "-p", "x", "-m", mask, "-M", model, "-d", "abacus"), NULL, 4,
      "abacus" },
    { WORDS ("fill", input, "-p", "x", "-m", mask, "-M", model, "--from", input), NULL, 1,
      "holds no recipe" },
    { WORDS ("fill", input, "-p", "x", "-m", mask, "-M", model),
      WORDS ("PALIMPSEST_FAULT", "cl:10"), 4, "OpenCL" },
    { WORDS ("info", "absent.png"), NULL, 1, "absent.png" },
    { WORDS ("info"), NULL, 2, "an argument is missing" },
    { WORDS ("info", folder), NULL, 3, "model_index.json" },
    { WORDS ("devices", "all"), NULL, 2, "an argument too many" },
    { WORDS ("fill", input, "-p", "x", "-m", mask, "-M", model, "-o", "/absent/out.png",
             "--steps", "1"), NULL, 1, "/absent/out.png" },
  };

  g_assert_true (cli_png_write (tiny, small, NULL) && cli_png_write (none, black, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (Result) result = run_in (rows[i].environment, rows[i].words);

      g_test_message ("row %u", (guint) i);
      g_assert_cmpint (result.code, ==, rows[i].code);
      assert_contains (result.err, rows[i].message);
      assert_contains (result.err, "palimpsest: ");
      g_assert_cmpstr (result.out, ==, "");
      g_assert_false (g_file_test (output, G_FILE_TEST_EXISTS));
    }

  {
    g_auto (Result)      result = RUN ("fill", input, "-p", "x", "--json");
    g_autoptr (JsonNode) node   = parse_json (result.out);

    g_assert_cmpint (json_object_get_int_member (json_node_get_object (node), "exit_code"), ==, 2);
  }

  support_remove (folder);
}

static guint
count_files (const gchar *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint            n   = 0;

  while (g_dir_read_name (dir))
    n++;

  return n;
}

/* Ctrl+C in the middle: code 130, nothing written. */
static void
test_interrupt (void)
{
  gchar                       *folder  = support_folder ();
  g_autofree gchar            *model   = tiny_model ();
  g_autofree gchar            *output  = g_build_filename (folder, "out.png", NULL);
  g_autoptr (GSubprocess)      process = NULL;
  g_autoptr (GDataInputStream) lines   = NULL;
  gboolean                     sent    = FALSE;

  process = start (G_SUBPROCESS_FLAGS_STDERR_PIPE, NULL,
                   WORDS ("generate", "-p", "x", "-M", model, "--steps", "999", "--sampler",
                          "euler", "--size", "96x96", "-o", output, "--progress"));
  lines = g_data_input_stream_new (g_subprocess_get_stderr_pipe (process));
  for (;;)
    {
      g_autofree gchar *line = g_data_input_stream_read_line (lines, NULL, NULL, NULL);

      if (! line)
        break;
      g_test_message ("%s", line);
      if (! sent && strstr (line, "painting 3/"))
        {
          g_subprocess_send_signal (process, SIGINT);
          sent = TRUE;
        }
    }

  g_assert_true (sent);
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 130);
  g_assert_cmpuint (count_files (folder), ==, 0);

  support_remove (folder);
}

/* --dry-run tells the memory and paints nothing; what does not fit fails, also told. */
static void
test_dry_run (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *model  = tiny_model ();
  g_autofree gchar *output = g_build_filename (folder, "out.png", NULL);
  g_auto (Result)   plenty = RUN ("generate", "-p", "x", "-M", model, "--size", "64x64",
                                  "--guidance", "3", "-o", output, "--dry-run");
  g_auto (Result)   little = run_in (WORDS ("PALIMPSEST_BUDGET", "100K"),
                                     WORDS ("generate", "-p", "x", "-M", model, "--size", "64x64",
                                            "--guidance", "3", "-o", output, "--dry-run"));
  g_auto (Result)   json   = RUN ("generate", "-p", "x", "-M", model, "--size", "64x64",
                                  "-o", output, "--dry-run", "--json");

  g_assert_cmpint (plenty.code, ==, 0);
  assert_contains (plenty.out, "at most");
  assert_contains (plenty.out, "painting: ");
  g_assert_null (strstr (plenty.out, "short of memory"));

  g_assert_cmpint (little.code, !=, 0);
  assert_contains (little.out, "short of memory: prompt and negative prompt");
  assert_contains (little.err, "at least");

  g_assert_cmpint (json.code, ==, 0);
  assert_contains (json.out, "\"peak_bytes\"");
  g_assert_cmpuint (count_files (folder), ==, 0);

  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  program = argv[1];
  g_test_add_func ("/program/help", test_help);
  g_test_add_func ("/program/lists", test_lists);
  g_test_add_func ("/program/words", test_words);
  g_test_add_func ("/program/words-used", test_words_used);
  g_test_add_func ("/program/fill", test_fill);
  g_test_add_func ("/program/repeat", test_repeat);
  g_test_add_func ("/program/own-alpha", test_own_alpha);
  g_test_add_func ("/program/json-and-variants", test_json_and_variants);
  g_test_add_func ("/program/failures", test_failures);
  g_test_add_func ("/program/dry-run", test_dry_run);
  g_test_add_func ("/program/interrupt", test_interrupt);

  return g_test_run ();
}
