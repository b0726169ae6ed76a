/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CLIP's byte-pair tokenizer.
 *
 * Paper: R. Sennrich et al., arXiv 1508.07909; byte-level form of openai/CLIP.
 * Consulted for behaviour: huggingface/transformers:src/transformers/models/clip/
 *   tokenization_clip.py@01f287b3 and convert_slow_tokenizer.py (Apache-2.0).
 * Easy to get wrong (each guarded by tests/unit/host/test-clip-tokens.c):
 *   - a special token's content is recognised inside a prompt, the padding token "!"
 *     of SD 2.x included;
 *   - lower-casing works character by character, so there is no final sigma;
 *   - a digit is a word of its own; a combining mark is no letter;
 *   - a piece that a cut vocabulary lacks becomes the unknown token, each one alone. */

#include <string.h>

#include <gio/gio.h>

#include "base/error.h"
#include "io/json.h"
#include "text/clip-standard.h"
#include "text/clip-tokens.h"
#include "text/clip-words.h"

/* Far above any vocabulary, so that ids can't overflow. */
#define MAX_ID (1 << 24)

typedef struct
{
  gchar   *content;
  gint32   id;
  gboolean normalized;          /* looked for after lower-casing instead of before */
} Special;

typedef struct
{
  gint64 pair;                  /* left id << 32 | right id */
  gint32 rank, id;
} Merge;

typedef enum { BOS, EOS, UNK, PAD, N_ROLES } Role;

static const struct
{
  const gchar *field;
  const gchar *content;         /* when no file names it */
} roles[N_ROLES] = {
  [BOS] = { "bos_token", "<|startoftext|>" },
  [EOS] = { "eos_token", "<|endoftext|>" },
  [UNK] = { "unk_token", "<|endoftext|>" },
  [PAD] = { "pad_token", "<|endoftext|>" },
};

struct _PalClipTokenizer
{
  GHashTable *vocabulary;       /* gchar* → id + 1 */
  gsize       size;
  Special     special[N_ROLES];
  gint32      byte_id[2][256];  /* inside a word, at its end; the unknown token if absent */
  GArray     *merges;           /* of Merge */
  GHashTable *by_pair;          /* gint64* → Merge, inside merges */
};

static gboolean
refuse (GError     **error,
        const gchar *format,
        ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError     **error,
        const gchar *format,
        ...)
{
  g_autofree gchar *text = NULL;
  va_list           args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error_literal (error, PAL_ERROR, PAL_ERROR_FORMAT, text);

  return FALSE;
}

/* Id of a piece, -1 if there is none. */
static gint32
lookup (const PalClipTokenizer *tokenizer,
        const gchar            *piece)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (tokenizer->vocabulary, piece)) - 1;
}

static gboolean
read_vocabulary (PalClipTokenizer *tokenizer,
                 const gchar      *folder,
                 GError          **error)
{
  g_autofree gchar   *path   = g_build_filename (folder, "vocab.json", NULL);
  g_autoptr (PalJson) json   = pal_json_load (path, error);
  g_auto (GStrv)      pieces = json ? pal_json_fields (json) : NULL;

  if (! json)
    return FALSE;

  for (gsize i = 0; pieces[i]; i++)
    {
      gint64 id = -1;

      if (! pal_json_int (json, pieces[i], &id, error))
        return FALSE;

      if (id < 0 || id >= MAX_ID)
        return refuse (error, "%s: the id %" G_GINT64_FORMAT " of \"%s\" is out of range",
                       path, id, pieces[i]);

      tokenizer->size = MAX (tokenizer->size, (gsize) id + 1);
      g_hash_table_insert (tokenizer->vocabulary, g_strdup (pieces[i]),
                           GINT_TO_POINTER ((gint) id + 1));
    }

  return TRUE;
}

/* A special token is given by its text or by an object that also says how to look
 * for it. FALSE without an error when the file does not name it. */
static gboolean
read_special (const PalJson *json,
              const gchar   *field,
              Special       *special,
              GError       **error)
{
  g_autoptr (PalJson) object = NULL;

  if (! json || ! pal_json_has (json, field))
    return FALSE;

  object = pal_json_object (json, field, NULL);
  if (! object)
    return pal_json_string (json, field, &special->content, error);

  if (! pal_json_bool (object, "normalized", &special->normalized, error) ||
      ! pal_json_string (object, "content", &special->content, error))
    return FALSE;

  if (! special->content)
    return refuse (error, "%s: has no field \"content\"", pal_json_label (object));

  return TRUE;
}

static PalJson *
load_optional (const gchar *folder,
               const gchar *name,
               GError     **error)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS) ? pal_json_load (path, error) : NULL;
}

static gboolean
read_specials (PalClipTokenizer *tokenizer,
               const gchar      *folder,
               GError          **error)
{
  GError             *problem = NULL;
  g_autoptr (PalJson) config  = load_optional (folder, "tokenizer_config.json", &problem);
  g_autoptr (PalJson) map     = NULL;

  if (! problem)
    map = load_optional (folder, "special_tokens_map.json", &problem);

  for (guint i = 0; i < N_ROLES && ! problem; i++)
    {
      Special *special = &tokenizer->special[i];

      if (! read_special (config, roles[i].field, special, &problem) && ! problem &&
          ! read_special (map, roles[i].field, special, &problem) && ! problem)
        special->content = g_strdup (roles[i].content);

      if (problem)
        break;

      special->id = lookup (tokenizer, special->content);
      if (special->id < 0 || ! *special->content)
        refuse (&problem, "%s: vocab.json lacks the %s \"%s\"",
                folder, roles[i].field, special->content);
    }

  if (! problem)
    return TRUE;

  g_propagate_error (error, problem);

  return FALSE;
}

/* The printable character that stands for a byte: itself where Latin-1 has a visible
 * one, else the next unused one from U+0100 on. */
static void
read_bytes (PalClipTokenizer *tokenizer)
{
  gunichar next = 0x100;

  for (guint byte = 0; byte < 256; byte++)
    {
      const gboolean visible = (byte >= 0x21 && byte <= 0x7e) ||
                               (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
      gchar          piece[16];
      gint           length  = g_unichar_to_utf8 (visible ? byte : next++, piece);

      for (guint at_end = 0; at_end < 2; at_end++)
        {
          gint32 id;

          strcpy (piece + length, at_end ? "</w>" : "");
          id = lookup (tokenizer, piece);
          tokenizer->byte_id[at_end][byte] = id < 0 ? tokenizer->special[UNK].id : id;
        }
    }
}

static gboolean
add_merge (PalClipTokenizer *tokenizer,
           const gchar      *path,
           guint             number,
           const gchar      *line,
           GError          **error)
{
  g_auto (GStrv)    parts  = g_strsplit (line, " ", 3);
  g_autofree gchar *joined = NULL;
  gint32            left, right;
  Merge             merge  = { .rank = (gint32) tokenizer->merges->len };

  if (g_strv_length (parts) != 2 || ! *parts[0] || ! *parts[1])
    return refuse (error, "%s: line %u should be two pieces with a space between", path, number);

  joined   = g_strconcat (parts[0], parts[1], NULL);
  left     = lookup (tokenizer, parts[0]);
  right    = lookup (tokenizer, parts[1]);
  merge.id = lookup (tokenizer, joined);

  if (left < 0 || right < 0 || merge.id < 0)
    return refuse (error, "%s: line %u: \"%s\" is not in vocab.json", path, number,
                   left < 0 ? parts[0] : right < 0 ? parts[1] : joined);

  merge.pair = (gint64) left << 32 | right;
  g_array_append_val (tokenizer->merges, merge);

  return TRUE;
}

/* One merge a line; label: for messages. */
static gboolean
add_merges (PalClipTokenizer *tokenizer,
            const gchar      *label,
            const gchar      *text,
            GError          **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i]; i++)
    {
      const gchar *line = g_strchomp (lines[i]);

      if (*line && ! (i == 0 && g_str_has_prefix (line, "#version")) &&
          ! add_merge (tokenizer, label, i + 1, line, error))
        return FALSE;
    }

  /* The array no longer moves. Of two equal pairs the later one counts. */
  for (guint i = 0; i < tokenizer->merges->len; i++)
    {
      Merge *merge = &g_array_index (tokenizer->merges, Merge, i);

      g_hash_table_replace (tokenizer->by_pair, &merge->pair, merge);
    }

  return TRUE;
}

static gboolean
read_merges (PalClipTokenizer *tokenizer,
             const gchar      *folder,
             GError          **error)
{
  g_autofree gchar  *path    = g_build_filename (folder, "merges.txt", NULL);
  g_autofree gchar  *text    = NULL;
  g_autoptr (GError) problem = NULL;
  gsize              length  = 0;

  if (! g_file_get_contents (path, &text, &length, &problem))
    {
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_IO, problem->message);
      return FALSE;
    }

  if (! g_utf8_validate_len (text, length, NULL))
    return refuse (error, "%s: is not valid UTF-8", path);

  return add_merges (tokenizer, path, text, error);
}

static const Merge *
find_merge (const PalClipTokenizer *tokenizer,
            const gint32           *pair)
{
  const gint64 key = (gint64) pair[0] << 32 | pair[1];

  return g_hash_table_lookup (tokenizer->by_pair, &key);
}

/* Joins the pair of lowest rank, leftmost first, until none is left. */
static void
encode_word (const PalClipTokenizer *tokenizer,
             const gchar            *word,
             gsize                   n,
             GArray                 *out)
{
  g_autofree gint32       *ids   = g_new (gint32, n);
  g_autofree const Merge **joins = g_new0 (const Merge *, n);   /* of i and i + 1 */

  for (gsize i = 0; i < n; i++)
    ids[i] = tokenizer->byte_id[i + 1 == n][(guint8) word[i]];
  for (gsize i = 0; i + 1 < n; i++)
    joins[i] = find_merge (tokenizer, &ids[i]);

  for (;;)
    {
      gsize best = n;

      for (gsize i = 0; i + 1 < n; i++)
        if (joins[i] && (best == n || joins[i]->rank < joins[best]->rank))
          best = i;

      if (best == n)
        break;

      ids[best] = joins[best]->id;
      memmove (&ids[best + 1], &ids[best + 2], (n - best - 2) * sizeof ids[0]);
      memmove (&joins[best], &joins[best + 1], (n - best - 1) * sizeof joins[0]);
      n--;

      if (best > 0)
        joins[best - 1] = find_merge (tokenizer, &ids[best - 1]);
      if (best + 1 < n)
        joins[best] = find_merge (tokenizer, &ids[best]);
    }

  g_array_append_vals (out, ids, (guint) n);
}

static void
encode_words (const PalClipTokenizer *tokenizer,
              const gchar            *text,
              const gchar            *end,
              GArray                 *out)
{
  g_autofree gchar *part = g_strndup (text, (gsize) (end - text));
  const gchar      *next = part;
  const gchar      *word;

  while ((word = pal_clip_next_word (&next)))
    encode_word (tokenizer, word, (gsize) (next - word), out);
}

/* The first place where a special token stands, the longest one there. */
static const Special *
find_special (const PalClipTokenizer *tokenizer,
              gboolean                normalized,
              const gchar            *text,
              const gchar           **place)
{
  const Special *found = NULL;

  for (guint i = 0; i < N_ROLES; i++)
    {
      const Special *special = &tokenizer->special[i];
      const gchar   *at      = special->normalized == normalized
                                 ? strstr (text, special->content) : NULL;

      if (at && (! found || at < *place ||
                 (at == *place && strlen (special->content) > strlen (found->content))))
        {
          found  = special;
          *place = at;
        }
    }

  return found;
}

/* Special tokens that are looked for in the text as typed, then in its normalized
 * form; what is between them is split into words. */
static void
encode_part (const PalClipTokenizer *tokenizer,
             gboolean                normalized,
             const gchar            *text,
             GArray                 *out)
{
  for (;;)
    {
      const gchar   *place   = NULL;
      const Special *special = find_special (tokenizer, normalized, text, &place);
      const gchar   *end     = special ? place : text + strlen (text);

      if (normalized)
        encode_words (tokenizer, text, end, out);
      else if (end > text)
        {
          g_autofree gchar *part = pal_clip_normalize (text, (gsize) (end - text));

          encode_part (tokenizer, TRUE, part, out);
        }

      if (! special)
        return;

      g_array_append_val (out, special->id);
      text = place + strlen (special->content);
    }
}

static PalClipTokenizer *
tokenizer_new (void)
{
  PalClipTokenizer *tokenizer = g_new0 (PalClipTokenizer, 1);

  tokenizer->vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  tokenizer->merges     = g_array_new (FALSE, FALSE, sizeof (Merge));
  tokenizer->by_pair    = g_hash_table_new (g_int64_hash, g_int64_equal);

  return tokenizer;
}

PalClipTokenizer *
pal_clip_tokenizer_open (const gchar *folder,
                         GError     **error)
{
  g_autoptr (PalClipTokenizer) tokenizer = tokenizer_new ();

  if (! read_vocabulary (tokenizer, folder, error) ||
      ! read_specials (tokenizer, folder, error) ||
      ! read_merges (tokenizer, folder, error))
    return NULL;

  read_bytes (tokenizer);

  return g_steal_pointer (&tokenizer);
}

PalClipTokenizer *
pal_clip_tokenizer_standard (gboolean pad_with_zero)
{
  PalClipTokenizer *tokenizer = tokenizer_new ();
  g_autofree gchar *merges    = pal_clip_standard_merges ();

  tokenizer->size = pal_clip_standard_vocabulary (merges, tokenizer->vocabulary);

  for (guint i = 0; i < N_ROLES; i++)
    {
      Special *special = &tokenizer->special[i];

      special->content    = g_strdup (i == PAD && pad_with_zero ? "!" : roles[i].content);
      special->id         = lookup (tokenizer, special->content);
      special->normalized = i != PAD;
    }

  if (! add_merges (tokenizer, "the built-in merges", merges, NULL))
    g_assert_not_reached ();
  read_bytes (tokenizer);

  return tokenizer;
}

void
pal_clip_tokenizer_free (PalClipTokenizer *tokenizer)
{
  if (! tokenizer)
    return;

  for (guint i = 0; i < N_ROLES; i++)
    g_free (tokenizer->special[i].content);

  g_hash_table_unref (tokenizer->by_pair);
  g_hash_table_unref (tokenizer->vocabulary);
  g_array_unref (tokenizer->merges);
  g_free (tokenizer);
}

GArray *
pal_clip_tokenizer_encode (const PalClipTokenizer *tokenizer,
                           const gchar            *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  GArray           *ids   = g_array_new (FALSE, FALSE, sizeof (gint32));

  g_array_append_val (ids, tokenizer->special[BOS].id);
  encode_part (tokenizer, FALSE, valid, ids);
  g_array_append_val (ids, tokenizer->special[EOS].id);

  return ids;
}

gsize
pal_clip_tokenizer_fixed (const PalClipTokenizer *tokenizer,
                          const gchar            *text,
                          gsize                   length,
                          gint32                 *ids)
{
  g_autoptr (GArray) all = NULL;
  gsize              kept;

  g_return_val_if_fail (length >= 2, 0);

  all  = pal_clip_tokenizer_encode (tokenizer, text);
  kept = MIN ((gsize) all->len, length) - 1;
  memcpy (ids, all->data, kept * sizeof *ids);

  ids[kept] = tokenizer->special[EOS].id;
  for (gsize i = kept + 1; i < length; i++)
    ids[i] = tokenizer->special[PAD].id;

  return all->len - 1 - kept;
}

gint32
pal_clip_tokenizer_end_id (const PalClipTokenizer *tokenizer)
{
  return tokenizer->special[EOS].id;
}

gsize
pal_clip_tokenizer_size (const PalClipTokenizer *tokenizer)
{
  return tokenizer->size;
}
