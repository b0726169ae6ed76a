/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a prompt as one of the captions that a model with a closed vocabulary was
 * trained on. The longest known phrase is taken at each place; what is not known is
 * taken for a typing error, or named as not understood. */

#include "text/known-words.h"

#include <string.h>

#include "text/word-split.h"

/* Shorter words are not guessed, and may differ by one letter up to FAR_LETTERS. */
#define LEAST_LETTERS 4
#define FAR_LETTERS   8

typedef struct
{
  gchar       *used;          /* as the model was shown it */
  gchar       *meaning;       /* the same for words of one style */
  PalWordKind  kind;
  gboolean     own;           /* the model's own word, and not another for it */
} Entry;

enum { MATERIALS, STYLES, N_LISTS };

struct _PalKnownWords
{
  GHashTable *lists[N_LISTS];   /* folded words joined by spaces → Entry */
  guint       longest;          /* words of the longest key */
};

/* English endings of one and many: what is typed, what may be known. */
static const struct { const gchar *typed, *known; } endings[] = {
  { "", "" }, { "s", "" }, { "es", "" }, { "ies", "y" }, { "", "s" },
};

static void
free_entry (gpointer data)
{
  Entry *entry = data;

  g_free (entry->used);
  g_free (entry->meaning);
  g_free (entry);
}

PalKnownWords *
pal_known_words_new (void)
{
  PalKnownWords *words = g_new0 (PalKnownWords, 1);

  for (guint i = 0; i < N_LISTS; i++)
    words->lists[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_entry);

  return words;
}

void
pal_known_words_free (PalKnownWords *words)
{
  if (! words)
    return;

  for (guint i = 0; i < N_LISTS; i++)
    g_hash_table_unref (words->lists[i]);
  g_free (words);
}

static gchar *
key_of (const GArray *split, guint from, guint n)
{
  GString *key = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (key, "%s%s", i > 0 ? " " : "",
                            g_array_index (split, PalWord, from + i).folded);

  return g_string_free (key, FALSE);
}

static void
add_entry (PalKnownWords *words, const gchar *typed, const Entry *as)
{
  g_autofree gchar *valid = g_utf8_make_valid (typed, -1);
  g_autoptr (GArray) split = pal_word_split (valid);
  g_autofree gchar *key = key_of (split, 0, split->len);
  GHashTable *list = words->lists[as->kind == PAL_WORD_STYLE ? STYLES : MATERIALS];
  Entry *entry;

  if (split->len == 0 || g_hash_table_contains (list, key))
    return;

  entry = g_new0 (Entry, 1);
  entry->used = g_utf8_make_valid (as->used, -1);
  entry->meaning = g_utf8_make_valid (as->meaning, -1);
  entry->kind = as->kind;
  entry->own = as->own;
  words->longest = MAX (words->longest, split->len);
  g_hash_table_insert (list, g_steal_pointer (&key), entry);
}

void
pal_known_words_add (PalKnownWords *words, PalWordKind kind, const gchar *word,
                     const gchar *meaning)
{
  add_entry (words, word,
             &(Entry) { .used = (gchar *) word, .meaning = (gchar *) meaning, .kind = kind,
                        .own = TRUE });
}

gboolean
pal_known_words_other (PalKnownWords *words, const gchar *known, const gchar *other)
{
  g_autofree gchar *valid = g_utf8_make_valid (known, -1);
  g_autoptr (GArray) split = pal_word_split (valid);
  g_autofree gchar *key = key_of (split, 0, split->len);

  for (guint i = 0; i < N_LISTS; i++)
    {
      const Entry *entry = g_hash_table_lookup (words->lists[i], key);

      if (entry && entry->own)
        {
          Entry as = *entry;

          as.own = FALSE;
          add_entry (words, other, &as);
          return TRUE;
        }
    }

  return FALSE;
}

/* The entry of a phrase, whose last word may be one or many. */
static const Entry *
look_up (GHashTable *list, const gchar *key)
{
  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++)
    {
      const gsize length = strlen (key), cut = strlen (endings[i].typed);
      g_autofree gchar *other = NULL;
      const Entry *entry;

      if (! g_str_has_suffix (key, endings[i].typed) || (cut > 0 && length < LEAST_LETTERS))
        continue;

      other = g_strdup_printf ("%.*s%s", (gint) (length - cut), key, endings[i].known);
      entry = g_hash_table_lookup (list, other);
      if (entry)
        return entry;
    }

  return NULL;
}

/* The model's own word that this one is a typing error of. */
static const Entry *
guess (GHashTable *list, const gchar *folded)
{
  const glong letters = g_utf8_strlen (folded, -1);
  guint least = letters < FAR_LETTERS ? 2 : 3;
  const Entry *nearest = NULL;
  g_autofree gchar *best = NULL;
  gpointer key, value;
  GHashTableIter iter;

  if (letters < LEAST_LETTERS)
    return NULL;

  g_hash_table_iter_init (&iter, list);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const Entry *entry = value;
      guint distance;

      /* The first letter is the one that is rarely wrong. */
      if (! entry->own || strchr (key, ' ') ||
          g_utf8_get_char (key) != g_utf8_get_char (folded))
        continue;

      distance = pal_word_distance (folded, key);
      /* Of equals the first by the alphabet: a table has no order of its own. */
      if (distance < least || (best && distance == least && strcmp (key, best) < 0))
        {
          least = distance;
          nearest = entry;
          g_set_str (&best, key);
        }
    }

  return nearest;
}

/* Reading */

/* A word of the reading while it is found. */
typedef struct
{
  gsize        start, end;    /* bytes of the text */
  const Entry *entry;         /* NULL: not understood */
  PalWordFate  fate;
} Found;

static gboolean
same_place (const gchar *text, const Found *before, gsize start)
{
  return before && strspn (text + before->end, " \t\n-") >= start - before->end;
}

/* Of several materials, or styles, only one fits a caption: the last word of a group,
 * as in "snowy mountains", of the first group, as in "grass with stones". */
static void
choose (const gchar *text, GArray *found, PalWordKind kind, const Entry **chosen)
{
  gint at = -1;

  *chosen = NULL;
  for (guint i = 0; i < found->len; i++)
    {
      Found *f = &g_array_index (found, Found, i);
      Found *before = at >= 0 ? &g_array_index (found, Found, at) : NULL;

      if (! f->entry || f->entry->kind != kind || f->fate == PAL_WORD_MISPLACED)
        continue;

      if (before && g_str_equal (before->entry->meaning, f->entry->meaning))
        continue;
      if (before && (at + 1 != (gint) i || ! same_place (text, before, f->start)))
        {
          f->fate = PAL_WORD_LEFT_OUT;
          continue;
        }
      if (before)
        before->fate = PAL_WORD_LEFT_OUT;
      at = (gint) i;
    }

  if (at >= 0)
    *chosen = g_array_index (found, Found, at).entry;
}

/* The longest phrase at a place, of the list that is asked for or, if longer, of the
 * other one. Returns its number of words, 0 if there is none. */
static guint
match (const PalKnownWords *words, guint list, const GArray *split, guint at, Found *found)
{
  for (guint n = MIN (words->longest, split->len - at); n > 0; n--)
    {
      g_autofree gchar *key = key_of (split, at, n);

      for (guint k = 0; k < N_LISTS; k++)
        {
          const Entry *entry = look_up (words->lists[(list + k) % N_LISTS], key);

          if (! entry)
            continue;
          found->entry = entry;
          found->fate = k > 0 ? PAL_WORD_MISPLACED : entry->own ? PAL_WORD_KNOWN
                                                                : PAL_WORD_REPLACED;
          found->end = g_array_index (split, PalWord, at + n - 1).end;
          return n;
        }
    }

  return 0;
}

static void
match_typo (const PalKnownWords *words, guint list, const PalWord *word, Found *found)
{
  const Entry *own = guess (words->lists[list], word->folded);
  const Entry *other = own ? NULL : guess (words->lists[(list + 1) % N_LISTS], word->folded);

  found->entry = own ? own : other;
  found->fate = own ? PAL_WORD_REPLACED : other ? PAL_WORD_MISPLACED : PAL_WORD_UNKNOWN;
}

static GArray *
find_words (const PalKnownWords *words, guint list, const gchar *text)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (Found));
  g_autoptr (GArray) split = pal_word_split (text);

  for (guint i = 0; i < split->len;)
    {
      const PalWord *word = &g_array_index (split, PalWord, i);
      Found *last = found->len > 0 ? &g_array_index (found, Found, found->len - 1) : NULL;
      Found f = { word->start, word->end, NULL, PAL_WORD_UNKNOWN };
      guint n = match (words, list, split, i, &f);

      i += MAX (n, 1);
      if (n == 0 && pal_word_is_empty (word->folded))
        continue;
      if (n == 0)
        match_typo (words, list, word, &f);

      /* Characters that nothing parts are one word that is not understood. */
      if (f.fate == PAL_WORD_UNKNOWN && last && last->fate == PAL_WORD_UNKNOWN &&
          last->end == f.start)
        last->end = f.end;
      else
        g_array_append_val (found, f);
    }

  return found;
}

static void
free_word (gpointer data)
{
  PalPromptWord *word = data;

  g_free (word->typed);
  g_free (word->used);
  g_free (word);
}

/* What is said once need not be said again. */
static gboolean
is_told (const PalPromptReading *reading, const PalPromptWord *word)
{
  for (guint i = 0; i < reading->words->len; i++)
    {
      const PalPromptWord *told = g_ptr_array_index (reading->words, i);

      if (told->fate == word->fate && g_str_equal (told->typed, word->typed))
        return TRUE;
    }

  return FALSE;
}

static void
tell (PalPromptReading *reading, const gchar *text, const Found *found)
{
  PalPromptWord *word = g_new0 (PalPromptWord, 1);

  word->typed = g_strndup (text + found->start, found->end - found->start);
  word->used = found->entry ? g_strdup (found->entry->used) : NULL;
  word->fate = found->fate;
  if (is_told (reading, word))
    free_word (word);
  else
    g_ptr_array_add (reading->words, word);
}

PalPromptReading *
pal_known_words_read (const PalKnownWords *words, gboolean style, const gchar *text)
{
  PalPromptReading *reading = g_new0 (PalPromptReading, 1);
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GArray) found = find_words (words, style ? STYLES : MATERIALS, valid);
  const Entry *subject, *behind = NULL;

  choose (valid, found, style ? PAL_WORD_STYLE : PAL_WORD_MATERIAL, &subject);
  if (! style)
    choose (valid, found, PAL_WORD_BACKDROP, &behind);

  reading->understood = subject || behind;
  if (subject && behind)
    reading->prompt = g_strdup_printf ("%s under %s", subject->used, behind->used);
  else if (reading->understood)
    reading->prompt = g_strdup (subject ? subject->used : behind->used);
  else
    reading->prompt = g_strdup (text);

  reading->words = g_ptr_array_new_with_free_func (free_word);
  for (guint i = 0; i < found->len; i++)
    tell (reading, valid, &g_array_index (found, Found, i));

  return reading;
}

void
pal_prompt_reading_free (PalPromptReading *reading)
{
  if (! reading)
    return;

  g_free (reading->prompt);
  g_ptr_array_unref (reading->words);
  g_free (reading);
}

gchar *
pal_prompt_reading_list (const PalPromptReading *reading, PalWordFate fate)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < reading->words->len; i++)
    {
      const PalPromptWord *word = g_ptr_array_index (reading->words, i);

      if (word->fate == fate)
        g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", word->typed);
    }

  return list->len > 0 ? g_string_free (g_steal_pointer (&list), FALSE) : NULL;
}
