/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The vocabulary that all published CLIP text encoders share. It follows from its merges.
 *
 * Source of clip-merges.txt: openai/CLIP:clip/bpe_simple_vocab_16e6.txt.gz (MIT, see
 *   clip-merges.license), the lines that clip/simple_tokenizer.py uses.
 * Easy to get wrong, guarded by tests/unit/host/test-clip-tokens.c: ids begin with the visible
 *   bytes in their order; those that have no character of their own follow. */

#include "text/clip-standard.h"

#include <string.h>

#include <gio/gio.h>

#include "clip-resources.h"

#define MERGES "/org/palimpsest/text/clip-merges.txt"

gchar *
pal_clip_standard_merges (void)
{
  GResource         *resource = pal_text_get_resource ();
  g_autoptr (GBytes) bytes    = g_resource_lookup_data (resource, MERGES,
                                                        G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);

  g_assert (bytes);

  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static void
add (GHashTable *vocabulary,
     gchar      *piece,
     gsize      *n)
{
  *n += 1;
  g_hash_table_insert (vocabulary, piece, GSIZE_TO_POINTER (*n));
}

/* Visible Latin-1 characters stand for themselves, the other bytes for those from U+0100. */
static void
add_bytes (GHashTable  *vocabulary,
           const gchar *ending,
           gsize       *n)
{
  for (gint hidden = 0; hidden < 2; hidden++)
    for (gunichar byte = 0, next = 0x100; byte < 256; byte++)
      {
        const gboolean visible = (byte >= 0x21 && byte <= 0x7e) ||
                                 (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
        const gunichar character = visible ? byte : next++;
        gchar          piece[8] = { 0 };

        if (visible == hidden)
          continue;

        g_unichar_to_utf8 (character, piece);
        add (vocabulary, g_strconcat (piece, ending, NULL), n);
      }
}

gsize
pal_clip_standard_vocabulary (const gchar *merges,
                              GHashTable  *vocabulary)
{
  g_auto (GStrv) lines = g_strsplit (merges, "\n", -1);
  gsize          n     = 0;

  add_bytes (vocabulary, "", &n);
  add_bytes (vocabulary, "</w>", &n);

  for (gsize i = 0; lines[i] && *lines[i]; i++)
    {
      const gchar *space = strchr (lines[i], ' ');

      add (vocabulary, g_strdup_printf ("%.*s%s", (gint) (space - lines[i]), lines[i], space + 1),
           &n);
    }

  add (vocabulary, g_strdup ("<|startoftext|>"), &n);
  add (vocabulary, g_strdup ("<|endoftext|>"), &n);

  return n;
}
