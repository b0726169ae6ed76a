/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The CLIP tokenizer against the reference's ids, and its files' malformed forms. */

#include <string.h>

#include <json-glib/json-glib.h>

#include "base/error.h"
#include "support.h"
#include "text/clip-tokens.h"

/* vocab.json as it follows from merges.txt: bytes, bytes at a word's end, one piece
 * for each merge, two special tokens. */
static gchar *
build_vocabulary (const gchar *merges)
{
  g_auto (GStrv) lines = g_strsplit (merges, "\n", -1);
  GString       *text  = g_string_new ("{");
  guint          id    = 0;

  for (guint at_end = 0; at_end < 2; at_end++)
    for (guint pass = 0; pass < 2; pass++)
      {
        gunichar next = 0x100;

        for (guint byte = 0; byte < 256; byte++)
          {
            const gboolean visible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
            const gunichar c       = visible ? byte : next++;

            if (visible != (pass == 0))
              continue;
            g_string_append_printf (text, "%s\"%s", id > 0 ? "," : "",
                                    c == '"' || c == '\\' ? "\\" : "");
            g_string_append_unichar (text, c);
            g_string_append_printf (text, "%s\":%u", at_end ? "</w>" : "", id++);
          }
      }

  for (guint i = 0; lines[i]; i++)
    {
      g_auto (GStrv)    parts = g_strsplit (lines[i], " ", -1);
      g_autofree gchar *piece = NULL;
      g_auto (GStrv)    split = NULL;
      g_autofree gchar *safe  = NULL;

      if (! *lines[i] || (i == 0 && g_str_has_prefix (lines[i], "#version")))
        continue;
      piece = g_strjoinv ("", parts);
      split = g_strsplit (piece, "\\", -1);
      safe  = g_strjoinv ("\\\\", split);
      g_strfreev (split);
      split = g_strsplit (safe, "\"", -1);
      g_free (safe);
      safe = g_strjoinv ("\\\"", split);
      g_string_append_printf (text, ",\"%s\":%u", safe, id++);
    }

  g_string_append_printf (text, ",\"<|startoftext|>\":%u,\"<|endoftext|>\":%u}", id, id + 1);

  return g_string_free (text, FALSE);
}

static gchar *
read_gzip (const gchar *path)
{
  g_autoptr (GFile)          file     = g_file_new_for_path (path);
  GError                    *error    = NULL;
  g_autoptr (GInputStream)   raw      = G_INPUT_STREAM (g_file_read (file, NULL, &error));
  g_autoptr (GConverter)     unpacker = NULL;
  g_autoptr (GInputStream)   stream   = NULL;
  g_autoptr (GOutputStream)  memory   = g_memory_output_stream_new_resizable ();

  g_assert_no_error (error);
  unpacker = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  stream   = g_converter_input_stream_new (raw, unpacker);
  g_output_stream_splice (memory, stream, G_OUTPUT_STREAM_SPLICE_NONE, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (memory, "", 1, NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (memory, NULL, NULL));

  return g_memory_output_stream_steal_data (G_MEMORY_OUTPUT_STREAM (memory));
}

/* A tokenizer folder with the first n_merges of CLIP's merges. */
static gchar *
make_tokenizer (gsize        n_merges,
                const gchar *config)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = support_data ("tokenizers", "clip-merges.txt.gz", NULL);
  g_autofree gchar *merges = read_gzip (path);
  g_autofree gchar *vocab  = NULL;
  gchar            *end    = strchr (merges, '\n');

  for (gsize i = 0; i < n_merges && end; i++)
    end = strchr (end + 1, '\n');
  if (end)
    end[1] = '\0';

  vocab = build_vocabulary (merges);
  support_write (folder, "merges.txt", merges, -1);
  support_write (folder, "vocab.json", vocab, -1);
  if (config)
    support_write (folder, "tokenizer_config.json", config, -1);

  return folder;
}

static PalClipTokenizer *
open_tokenizer (const gchar *folder)
{
  GError           *error     = NULL;
  PalClipTokenizer *tokenizer = pal_clip_tokenizer_open (folder, &error);

  g_assert_no_error (error);

  return tokenizer;
}

static void
assert_ids (JsonObject   *row,
            const gchar  *field,
            const gint32 *ids,
            gsize         n)
{
  JsonArray         *expected = json_object_get_array_member (row, field);
  g_autoptr (GString) got      = g_string_new (NULL);
  gboolean           same     = json_array_get_length (expected) == n;

  for (gsize i = 0; i < n; i++)
    {
      g_string_append_printf (got, " %d", ids[i]);
      same = same && json_array_get_int_element (expected, (guint) i) == ids[i];
    }

  if (! same)
    g_error ("\"%s\": %s differ: got%s", json_object_get_string_member (row, "text"), field,
             got->str);
}

/* Compares all rows of the golden file. */
static void
compare_rows (const PalClipTokenizer *tokenizer)
{
  g_autofree gchar      *path   = support_data ("tokenizers", "clip.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray             *rows;

  g_assert_true (json_parser_load_from_file (parser, path, NULL));
  rows = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)),
                                       "cases");
  g_assert_cmpuint (json_array_get_length (rows), >=, 188);

  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject        *row  = json_array_get_object_element (rows, i);
      const gchar       *text = json_object_get_string_member (row, "text");
      g_autoptr (GArray) ids  = pal_clip_tokenizer_encode (tokenizer, text);
      gint32             fixed[77];
      gsize              cut;

      assert_ids (row, "ids", (const gint32 *) ids->data, ids->len);
      cut = pal_clip_tokenizer_fixed (tokenizer, text, 77, fixed);
      assert_ids (row, "ids_padded_77_sd15", fixed, 77);
      g_assert_cmpuint (cut, ==, ids->len > 77 ? ids->len - 77 : 0);
    }

  g_assert_cmpuint (pal_clip_tokenizer_size (tokenizer), ==, 49408);
  g_assert_cmpint (pal_clip_tokenizer_end_id (tokenizer), ==, 49407);
}

static void
test_goldens (void)
{
  gchar                       *folder    = make_tokenizer (G_MAXSIZE, NULL);
  g_autoptr (PalClipTokenizer) tokenizer = open_tokenizer (folder);

  compare_rows (tokenizer);
  support_remove (folder);
}

/* What checkpoints without a tokenizer get. */
static void
test_standard (void)
{
  g_autoptr (PalClipTokenizer) tokenizer = pal_clip_tokenizer_standard (FALSE);
  g_autoptr (PalClipTokenizer) padding   = pal_clip_tokenizer_standard (TRUE);
  gint32                       ids[4];

  compare_rows (tokenizer);

  pal_clip_tokenizer_fixed (padding, "cat", G_N_ELEMENTS (ids), ids);
  g_assert_cmpint (ids[1], ==, 2368);
  g_assert_cmpint (ids[2], ==, 49407);
  g_assert_cmpint (ids[3], ==, 0);
}

/* The published files themselves, where they are at hand. */
static void
test_published (void)
{
  const gchar      *goldens = g_getenv ("PALIMPSEST_GOLDENS");
  g_autofree gchar *archive = g_build_filename (goldens ? goldens : "", "tokenizers",
                                                "clip-sd15.tar.xz", NULL);
  g_autofree gchar *inner   = NULL;
  g_autofree gchar *tar     = g_find_program_in_path ("tar");
  gchar            *folder;
  GError           *error   = NULL;
  gint              status  = 0;
  g_autoptr (PalClipTokenizer) tokenizer = NULL;

  if (! goldens || ! tar || ! g_file_test (archive, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("PALIMPSEST_GOLDENS does not name the folder of reference results");
      return;
    }

  folder = support_folder ();
  inner  = g_build_filename (folder, "clip-sd15", NULL);
  g_spawn_sync (NULL, (gchar *[]) { tar, "-xJf", archive, "-C", folder, NULL }, NULL,
                G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  tokenizer = open_tokenizer (inner);
  compare_rows (tokenizer);
  support_remove (folder);
}

static void
assert_encodes (const PalClipTokenizer *tokenizer,
                const gchar            *text,
                gsize                   n,
                const gint32           *expected)
{
  g_autoptr (GArray) ids = pal_clip_tokenizer_encode (tokenizer, text);

  g_assert_cmpmem (ids->data, ids->len * sizeof (gint32), expected, n * sizeof (gint32));
}

#define ENCODES(tokenizer, text, ...)                                                  \
  assert_encodes (tokenizer, text, G_N_ELEMENTS (((gint32[]) { __VA_ARGS__ })),        \
                  (gint32[]) { __VA_ARGS__ })

/* SD 2.x pads with "!", which then is a special token inside a prompt too. */
static void
test_other_padding (void)
{
  gchar *folder = make_tokenizer (G_MAXSIZE,
    "{\"bos_token\":{\"content\":\"<|startoftext|>\",\"normalized\":true},"
    "\"eos_token\":{\"content\":\"<|endoftext|>\",\"normalized\":true},\"pad_token\":\"!\"}");
  g_autoptr (PalClipTokenizer) tokenizer = open_tokenizer (folder);
  gint32                       ids[6];

  g_assert_cmpuint (pal_clip_tokenizer_fixed (tokenizer, "a cat", 6, ids), ==, 0);
  g_assert_cmpmem (ids, sizeof ids, ((gint32[]) { 49406, 320, 2368, 49407, 0, 0 }), sizeof ids);
  g_assert_cmpuint (pal_clip_tokenizer_fixed (tokenizer, "a cat a cat a", 6, ids), ==, 1);
  g_assert_cmpmem (ids, sizeof ids, ((gint32[]) { 49406, 320, 2368, 320, 2368, 49407 }),
                   sizeof ids);
  g_assert_cmpuint (pal_clip_tokenizer_fixed (tokenizer, "a cat", 2, ids), ==, 2);
  g_assert_cmpint (ids[1], ==, 49407);

  ENCODES (tokenizer, "a cat!", 49406, 320, 2368, 0, 49407);
  ENCODES (tokenizer, "A<|ENDOFTEXT|>b", 49406, 320, 49407, 321, 49407);

  support_remove (folder);
}

/* A cut vocabulary has other ids for the special tokens, and ends merging early. */
static void
test_cut (void)
{
  gchar                       *folder    = make_tokenizer (1500, NULL);
  g_autoptr (PalClipTokenizer) tokenizer = open_tokenizer (folder);

  g_assert_cmpuint (pal_clip_tokenizer_size (tokenizer), ==, 2014);
  g_assert_cmpint (pal_clip_tokenizer_end_id (tokenizer), ==, 2013);
  ENCODES (tokenizer, "a", 2012, 320, 2013);
  ENCODES (tokenizer, "", 2012, 2013);
  support_remove (folder);
}

#define SPECIALS "\"<|startoftext|>\":90,\"<|endoftext|>\":91"

/* Pieces that are not there become the unknown token, one by one. */
static void
test_unknown (void)
{
  gchar *folder = support_folder ();

  support_write (folder, "vocab.json",
                 "{\"a\":0,\"b\":1,\"b</w>\":2,\"ab</w>\":3,\"aa\":4," SPECIALS "}", -1);
  support_write (folder, "merges.txt", "#version: 0.2\na b</w>\na a\n", -1);
  {
    g_autoptr (PalClipTokenizer) tokenizer = open_tokenizer (folder);

    ENCODES (tokenizer, "ab", 90, 3, 91);
    ENCODES (tokenizer, "aab", 90, 0, 3, 91);
    ENCODES (tokenizer, "aaaab", 90, 4, 0, 3, 91);
    ENCODES (tokenizer, "ba", 90, 1, 91, 91);
    ENCODES (tokenizer, "xxb", 90, 91, 91, 2, 91);
    ENCODES (tokenizer, "\xff" "b", 90, 91, 91, 91, 2, 91);
  }
  support_remove (folder);
}

static const struct
{
  const gchar *vocab, *merges, *config;
  gint         code;
  const gchar *message;
} malformed[] = {
  { NULL, "", NULL, PAL_ERROR_IO, "vocab.json" },
  { "{" SPECIALS "}", NULL, NULL, PAL_ERROR_IO, "merges.txt" },
  { "{" SPECIALS, "", NULL, PAL_ERROR_FORMAT, "not valid JSON" },
  { "{\"a\":\"x\"," SPECIALS "}", "", NULL, PAL_ERROR_FORMAT, "\"a\" should be a whole number" },
  { "{\"a\":-1," SPECIALS "}", "", NULL, PAL_ERROR_FORMAT, "id -1 of \"a\" is out of range" },
  { "{\"a\":16777216," SPECIALS "}", "", NULL, PAL_ERROR_FORMAT, "is out of range" },
  { "{\"a\":null," SPECIALS "}", "", NULL, PAL_ERROR_FORMAT, "is out of range" },
  { "{\"a\":0,\"a\":1," SPECIALS "}", "", NULL, PAL_ERROR_FORMAT, "the key \"a\" twice" },
  { "{\"a\":0,\"<|endoftext|>\":1}", "", NULL, PAL_ERROR_FORMAT, "lacks the bos_token" },
  { "{\"a\":0," SPECIALS "}", "", "{\"pad_token\":\"!\"}", PAL_ERROR_FORMAT,
    "lacks the pad_token \"!\"" },
  { "{\"a\":0," SPECIALS "}", "", "{\"eos_token\":7}", PAL_ERROR_FORMAT, "should be a string" },
  { "{\"a\":0," SPECIALS "}", "", "{\"eos_token\":{}}", PAL_ERROR_FORMAT, "no field \"content\"" },
  { "{\"\":0," SPECIALS "}", "", "{\"pad_token\":\"\"}", PAL_ERROR_FORMAT, "lacks the pad_token" },
  { "{" SPECIALS "}", "", "{", PAL_ERROR_FORMAT, "tokenizer_config.json: is not valid JSON" },
  { "{\"a\":0," SPECIALS "}", "a\n", NULL, PAL_ERROR_FORMAT, "line 1 should be two pieces" },
  { "{\"a\":0," SPECIALS "}", "#version\na a a\n", NULL, PAL_ERROR_FORMAT, "line 2 should be" },
  { "{\"a\":0," SPECIALS "}", "a a\n", NULL, PAL_ERROR_FORMAT, "\"aa\" is not in vocab.json" },
  { "{\"a\":0," SPECIALS "}", "z a\n", NULL, PAL_ERROR_FORMAT, "\"z\" is not in vocab.json" },
  { "{\"a\":0," SPECIALS "}", "\xff a\n", NULL, PAL_ERROR_FORMAT, "not valid UTF-8" },
};

static void
test_malformed (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      gchar  *folder = support_folder ();
      GError *error  = NULL;

      if (malformed[i].vocab)
        support_write (folder, "vocab.json", malformed[i].vocab, -1);
      if (malformed[i].merges)
        support_write (folder, "merges.txt", malformed[i].merges, -1);
      if (malformed[i].config)
        support_write (folder, "tokenizer_config.json", malformed[i].config, -1);

      g_assert_null (pal_clip_tokenizer_open (folder, &error));
      support_assert_error (error, malformed[i].code, malformed[i].message);
      g_clear_error (&error);
      support_remove (folder);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clip-tokens/goldens", test_goldens);
  g_test_add_func ("/clip-tokens/standard", test_standard);
  g_test_add_func ("/clip-tokens/published", test_published);
  g_test_add_func ("/clip-tokens/other-padding", test_other_padding);
  g_test_add_func ("/clip-tokens/cut", test_cut);
  g_test_add_func ("/clip-tokens/unknown", test_unknown);
  g_test_add_func ("/clip-tokens/malformed", test_malformed);

  return g_test_run ();
}
