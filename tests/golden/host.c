/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cases without a model: random numbers and tokenizers. */

#define _GNU_SOURCE             /* nftw () */
#include "golden.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "text/clip-tokens.h"

/* The values of one randn call of a fresh generator after `before` others. */
static void
check_calls (GoldenCase *c, GoldenResult *result, PalRandomKind kind, const gchar *set,
             guint64 seed, gint last)
{
  g_autoptr (PalRandom) random = pal_random_new (kind, seed);

  for (gint call = 0; call <= last; call++)
    {
      g_autofree gchar *prefix = g_strdup_printf ("%s.seed%" G_GUINT64_FORMAT ".call%d.n", set,
                                                  seed, call);
      g_auto (GStrv) names = golden_names (c);

      for (guint i = 0; names[i]; i++)
        if (g_str_has_prefix (names[i], prefix))
          {
            gsize n = (gsize) g_ascii_strtoull (names[i] + strlen (prefix), NULL, 10);
            g_autofree gfloat *values = g_new (gfloat, MAX (n, 1));

            pal_random_normal (random, values, n);
            if (call == last)
              golden_check (result, c, GOLDEN_RANDOM, names[i], PAL_SHAPE ((gint64) n), values);
            break;
          }
    }
}

/* "torch_cpu_batch.seedsA,B.*": one generator for each image. */
static void
check_batch (GoldenCase *c, GoldenResult *result, const gchar *name, const gchar *seeds)
{
  const PalTensorEntry *entry = golden_find (c, "%s", name);
  g_autofree gfloat *values = NULL;
  g_autofree gfloat *turned = NULL;
  gsize n = 0, one;

  pal_shape_count (entry->shape, &n);
  one = n / (gsize) entry->shape.d[0];
  values = g_new (gfloat, n);

  for (gsize b = 0; b < (gsize) entry->shape.d[0]; b++)
    {
      g_autoptr (PalRandom) random = pal_random_new (PAL_RANDOM_TORCH,
                                                     g_ascii_strtoull (seeds, NULL, 10));

      pal_random_normal (random, values + b * one, one);
      seeds += strcspn (seeds, ",.");
      seeds += *seeds == ',' ? 1 : 0;
    }

  turned = golden_channels_last (values, entry->shape);
  golden_check (result, c, GOLDEN_RANDOM, name, entry->shape, turned);
}

static void
check_fresh (GoldenCase *c, GoldenResult *result, const gchar *name, guint64 seed)
{
  const PalTensorEntry *entry = golden_find (c, "%s", name);
  g_autoptr (PalRandom) random = pal_random_new (PAL_RANDOM_TORCH, seed);
  g_autofree gfloat *values = NULL;
  gsize n = 0;

  pal_shape_count (entry->shape, &n);
  values = g_new (gfloat, n);
  pal_random_normal (random, values, n);

  if (entry->shape.n == 4)
    {
      gfloat *turned = golden_channels_last (values, entry->shape);

      g_free (values);
      values = turned;
    }
  golden_check (result, c, GOLDEN_RANDOM, name, entry->shape, values);
}

gboolean
golden_random (GoldenCase *c, GoldenResult *result)
{
  g_auto (GStrv) names = golden_names (c);

  for (guint i = 0; names[i]; i++)
    {
      gint call = 0;
      unsigned long long seed = 0;

      if (sscanf (names[i], "torch_cpu_seq.seed%llu.call%d.", &seed, &call) == 2)
        check_calls (c, result, PAL_RANDOM_TORCH, "torch_cpu_seq", seed, call);
      else if (sscanf (names[i], "philox_randn.seed%llu.call%d.", &seed, &call) == 2)
        check_calls (c, result, PAL_RANDOM_PHILOX, "philox_randn", seed, call);
      else if (sscanf (names[i], "torch_cpu.seed%llu.", &seed) == 1)
        check_fresh (c, result, names[i], seed);
      else if (g_str_has_prefix (names[i], "torch_cpu_batch.seeds"))
        check_batch (c, result, names[i], names[i] + strlen ("torch_cpu_batch.seeds"));
    }

  return TRUE;
}

static int
remove_entry (const char *path, const struct stat *info, int type, struct FTW *walk)
{
  return remove (path);
}

/* The tokenizer folder beside the cases, or its archive unpacked: *temporary is then
 * a folder to remove. */
static gchar *
tokenizer_folder (const gchar *folder, const gchar *name, gchar **temporary, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, "..", "..", "tokenizers", name, NULL);
  g_autofree gchar *archive = g_strconcat (path, ".tar.xz", NULL);
  g_autofree gchar *vocabulary = g_build_filename (path, "vocab.json", NULL);
  gchar *unpack[] = { "tar", "-xJf", archive, "-C", NULL, NULL };
  gint status = 0;

  if (g_file_test (vocabulary, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&path);

  *temporary = g_dir_make_tmp ("palimpsest-tokenizer-XXXXXX", error);
  if (! *temporary)
    return NULL;

  unpack[4] = *temporary;
  if (! g_spawn_sync (NULL, unpack, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status,
                      error) ||
      ! g_spawn_check_wait_status (status, error))
    {
      g_prefix_error (error, "%s: ", archive);
      return NULL;
    }

  return g_build_filename (*temporary, name, NULL);
}

/* ids: JSON array of integers. */
static void
compare_ids (GoldenResult *result, const gchar *name, JsonArray *ids, const gint32 *own,
             gsize n_own)
{
  gsize n = json_array_get_length (ids);
  g_autofree gfloat *expected = g_new (gfloat, n + 1);
  g_autofree gfloat *actual = g_new (gfloat, n_own + 1);

  if (n != n_own)
    {
      golden_fail (result, name, "%" G_GSIZE_FORMAT " ids instead of %" G_GSIZE_FORMAT, n_own, n);
      return;
    }

  for (gsize i = 0; i < n; i++)
    {
      expected[i] = (gfloat) json_array_get_int_element (ids, (guint) i);
      actual[i] = (gfloat) own[i];
    }
  golden_compare (result, GOLDEN_EXACT, name, expected, actual, n);
}

static void
check_prompt (GoldenResult *result, const PalClipTokenizer *tokenizer, guint index,
              JsonObject *prompt)
{
  const gchar *text = json_object_get_string_member (prompt, "text");
  g_autofree gchar *name = g_strdup_printf ("clip.%u.ids", index);
  g_autofree gchar *padded = g_strdup_printf ("clip.%u.ids_padded_77_sd15", index);
  g_autoptr (GArray) ids = pal_clip_tokenizer_encode (tokenizer, text);

  compare_ids (result, name, json_object_get_array_member (prompt, "ids"),
               (const gint32 *) ids->data, ids->len);

  if (json_object_has_member (prompt, "ids_padded_77_sd15"))
    {
      gint32 fixed[77];

      pal_clip_tokenizer_fixed (tokenizer, text, G_N_ELEMENTS (fixed), fixed);
      compare_ids (result, padded, json_object_get_array_member (prompt, "ids_padded_77_sd15"),
                   fixed, G_N_ELEMENTS (fixed));
    }
}

gboolean
golden_tokenizers (const gchar *folder, GoldenResult *result, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree gchar *file = g_build_filename (folder, "clip.json", NULL);
  g_autofree gchar *temporary = NULL;
  g_autofree gchar *path = NULL;
  g_autoptr (PalClipTokenizer) tokenizer = NULL;

  if (! json_parser_load_from_file (parser, file, error))
    return FALSE;

  path = tokenizer_folder (folder, "clip-sd15", &temporary, error);
  tokenizer = path ? pal_clip_tokenizer_open (path, error) : NULL;

  if (tokenizer)
    {
      JsonObject *root = json_node_get_object (json_parser_get_root (parser));
      JsonArray *cases = json_object_get_array_member (root, "cases");

      for (guint i = 0; i < json_array_get_length (cases); i++)
        check_prompt (result, tokenizer, i, json_array_get_object_element (cases, i));
    }

  if (temporary)
    nftw (temporary, remove_entry, 8, FTW_DEPTH | FTW_PHYS);

  return tokenizer != NULL;
}
