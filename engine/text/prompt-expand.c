/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The grammar of prompts: comments left out, wildcards chosen.
 *
 * The n-th choice of a text is a hash of the seed and n, so that neither the noise nor
 * another wildcard's file changes it. */

#include "text/prompt-grammar.h"

#include <string.h>

#include "base/error.h"

/* Files within files, braces within braces. */
#define MOST_DEPTH 16

/* A text that grows beyond this by its files has gone wrong. */
#define MOST_BYTES   (64 * 1024)
#define MOST_CHOICES 10000

typedef struct
{
  guint64         seed;
  guint64         n_choices;
  PalWildcardFunc read;
  gpointer        data;
  GString        *out;
} Expander;

/* splitmix64, of Steele, Lea and Flood (doi 10.1145/2660193.2660195). */
static guint64
choose (Expander *e,
        guint64   n)
{
  guint64 x = e->seed + ++e->n_choices * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);

  return (x ^ (x >> 31)) % n;
}

static gboolean expand (Expander *e, const gchar *from, const gchar *end, guint depth,
                        GError **error);

/* Leaves comment lines out: those whose first sign is #. */
static gchar *
without_comments (const gchar *text)
{
  g_auto (GStrv)      lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) kept  = g_string_new (NULL);

  for (guint i = 0; lines[i]; i++)
    if (lines[i][strspn (lines[i], " \t")] != '#')
      g_string_append_printf (kept, "%s%s", kept->len > 0 ? "\n" : "", lines[i]);

  return g_string_free (g_steal_pointer (&kept), FALSE);
}

/* The brace that closes the one at open, NULL without one; *n_options of what is between. */
static const gchar *
find_brace (const gchar *open,
            const gchar *end,
            guint       *n_options)
{
  guint depth = 0;

  *n_options = 1;
  for (const gchar *at = open; at < end; at++)
    {
      if (*at == '\\')
        at++;
      else if (strchr ("{[(", *at))
        depth++;
      else if (*at == '}' && depth == 1)
        return at;
      else if (strchr ("}])", *at) && depth > 1)
        depth--;
      else if (*at == '|' && depth == 1)
        ++*n_options;
    }

  return NULL;
}

/* Option i of those between from and end. */
static void
find_option (const gchar **from,
             const gchar **end,
             guint64       i)
{
  guint depth = 0;

  for (const gchar *at = *from; at < *end; at++)
    {
      if (*at == '\\')
        at++;
      else if (strchr ("{[(", *at))
        depth++;
      else if (strchr ("}])", *at) && depth > 0)
        depth--;
      else if (*at == '|' && depth == 0 && i > 0)
        {
          *from = at + 1;
          i--;
        }
      else if (*at == '|' && depth == 0)
        *end = at;
    }
}

/* "__name__" at this place: where it ends; NULL when there is none. */
static const gchar *
find_name (const gchar *at,
           const gchar *end)
{
  const gchar *last = at + 2;

  if (end - at < 5 || at[0] != '_' || at[1] != '_' || ! g_ascii_isalnum (at[2]))
    return NULL;

  while (last < end && (g_ascii_isalnum (*last) || strchr ("-/_", *last)))
    if (end - last >= 2 && last[0] == '_' && last[1] == '_')
      return last + 2;
    else
      last++;

  return NULL;
}

static gboolean
expand_file (Expander     *e,
             const gchar  *at,
             const gchar  *end,
             guint         depth,
             GError      **error)
{
  g_autofree gchar *name  = g_strndup (at + 2, (gsize) (end - at) - 4);
  g_autofree gchar *text  = e->read ? e->read (e->data, name, error) : g_strdup ("");
  g_autofree gchar *plain = text ? without_comments (text) : NULL;
  g_auto (GStrv)    lines = plain ? g_strsplit (plain, "\n", -1) : NULL;
  g_autoptr (GPtrArray) filled = g_ptr_array_new ();
  const gchar      *line;

  if (! text)
    return FALSE;

  for (guint i = 0; lines[i]; i++)
    if (*g_strstrip (lines[i]))
      g_ptr_array_add (filled, lines[i]);

  if (filled->len == 0)
    return TRUE;

  line = g_ptr_array_index (filled, choose (e, filled->len));

  return expand (e, line, line + strlen (line), depth + 1, error);
}

static gboolean
check_size (const Expander  *e,
            guint            depth,
            GError         **error)
{
  if (depth <= MOST_DEPTH && e->out->len <= MOST_BYTES && e->n_choices <= MOST_CHOICES)
    return TRUE;

  g_set_error_literal (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                       "the prompt's wildcards do not come to an end: a file names itself, or "
                       "files name each other; look at the last ones that were changed");

  return FALSE;
}

static gboolean
expand (Expander     *e,
        const gchar  *from,
        const gchar  *end,
        guint         depth,
        GError      **error)
{
  for (const gchar *at = from; at < end; at++)
    {
      guint        n    = 1;
      const gchar *stop = *at == '{' ? find_brace (at, end, &n) : find_name (at, end);

      if (! check_size (e, depth, error))
        return FALSE;

      if (*at == '\\' && at + 1 < end)
        {
          /* The other signs are left for the parts. */
          if (! strchr ("{}#_", at[1]))
            g_string_append_c (e->out, '\\');
          g_string_append_c (e->out, *++at);
        }
      else if (stop && *at == '{' && n > 1)
        {
          const gchar *option = at + 1, *last = stop;

          find_option (&option, &last, choose (e, n));
          if (! expand (e, option, last, depth + 1, error))
            return FALSE;
          at = stop;
        }
      else if (stop && *at == '_')
        {
          if (! expand_file (e, at, stop, depth, error))
            return FALSE;
          at = stop - 1;
        }
      else
        {
          g_string_append_c (e->out, *at);
        }
    }

  return TRUE;
}

gchar *
pal_prompt_expand (const gchar      *text,
                   guint64           seed,
                   PalWildcardFunc   read,
                   gpointer          data,
                   GError          **error)
{
  g_autofree gchar   *plain = without_comments (text);
  g_autoptr (GString) out   = g_string_new (NULL);
  Expander            e     = { seed, 0, read, data, out };

  if (! expand (&e, plain, plain + strlen (plain), 0, error))
    return NULL;

  return g_string_free (g_steal_pointer (&out), FALSE);
}
