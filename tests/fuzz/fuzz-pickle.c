/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as the pickle of a PyTorch file, whose archive is made here: the bytes, and a
 * storage of 64 bytes. */

#include "fuzz-tensors.h"

#include <string.h>

static void
put (GByteArray *out,
     guint64     number,
     guint       n_bytes)
{
  for (guint i = 0; i < n_bytes; i++)
    g_byte_array_append (out, &(guint8) { i < 8 ? (guint8) (number >> (8 * i)) : 0 }, 1);
}

/* What an entry's own header and its row in the directory have in common. */
static void
put_common (GByteArray  *out,
            const gchar *name,
            gsize        size)
{
  put (out, 0, 6);
  put (out, 0, 8);
  put (out, size, 4);
  put (out, size, 4);
  put (out, strlen (name), 2);
  put (out, 0, 2);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const guint8 storage[64] = { 0x00, 0x3c };
  const struct { const gchar *name; gconstpointer bytes; gsize size; } entries[] = {
    { "a/data.pkl", data, size }, { "a/data/0", storage, sizeof storage }
  };
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autoptr (GByteArray) rows = g_byte_array_new ();
  gsize                  start;

  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    {
      const gchar *name = entries[i].name;

      put (rows, 0x02014b50, 4);
      put (rows, 0, 2);
      put_common (rows, name, entries[i].size);
      put (rows, 0, 10);
      put (rows, file->len, 4);
      g_byte_array_append (rows, (const guint8 *) name, (guint) strlen (name));

      put (file, 0x04034b50, 4);
      put_common (file, name, entries[i].size);
      g_byte_array_append (file, (const guint8 *) name, (guint) strlen (name));
      if (entries[i].size > 0)
        g_byte_array_append (file, entries[i].bytes, (guint) entries[i].size);
    }

  start = file->len;
  g_byte_array_append (file, rows->data, rows->len);
  put (file, 0x06054b50, 4);
  put (file, 0, 6);
  put (file, G_N_ELEMENTS (entries), 2);
  put (file, rows->len, 4);
  put (file, start, 4);
  put (file, 0, 2);

  fuzz_tensors (file->data, file->len, "", 0);

  return 0;
}
