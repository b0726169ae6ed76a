/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entries of a zip archive whose content is stored, not packed.
 *
 * Format: PKWARE, APPNOTE.TXT 6.3 - a directory at the end, found by searching backwards for
 *   its mark, names each entry and the place of its own header.
 * Easy to get wrong, guarded by tests/unit/host/test-torch.c: sizes and places that do not
 *   fit in 32 bits are all ones there, and stand in an extra field, each only when it is
 *   needed; an entry's own header has other extra fields than the directory. */

#include "io/zip.h"

#include "base/error.h"
#include "io/cursor.h"

enum
{
  LOCAL_MARK   = 0x04034b50,
  ENTRY_MARK   = 0x02014b50,
  END_MARK     = 0x06054b50,
  LOCATOR_MARK = 0x07064b50,
  END_64_MARK  = 0x06064b50
};

#define END_BYTES     22
#define LOCATOR_BYTES 20
#define LOCAL_BYTES   30
#define MAX_COMMENT   65535
#define EXTRA_64      1
#define IN_EXTRA      0xffffffffu

/* What the directory says of an entry. */
typedef struct
{
  guint         flags, method;
  guint64       packed, size, place;
  const guint8 *name;
  gsize         name_length;
} Row;

static PalCursor
cursor_at (const PalTensorFile *file,
           guint64              place)
{
  return (PalCursor) { file->start + MIN (place, file->size), file->start + file->size, FALSE };
}

static gboolean
damaged (const PalTensorFile *file,
         GError             **error)
{
  return pal_format_refuse (file, error, PAL_ERROR_FORMAT,
                            "the archive's directory is damaged or cut short, fetch the file "
                            "again");
}

/* The place of the last record at the end, or of the file's size when there is none. */
static gsize
find_end (const PalTensorFile *file)
{
  const gsize lowest = file->size > END_BYTES + MAX_COMMENT ? file->size - END_BYTES - MAX_COMMENT
                                                            : 0;

  for (gsize at = file->size >= END_BYTES ? file->size - END_BYTES + 1 : 0; at > lowest; at--)
    {
      PalCursor cursor = cursor_at (file, at - 1);

      if (pal_cursor_u32 (&cursor) == END_MARK)
        return at - 1;
    }

  return file->size;
}

/* How many entries, and where their list begins. */
static gboolean
read_end (const PalTensorFile *file,
          guint64             *n,
          guint64             *place,
          GError             **error)
{
  const gsize end    = find_end (file);
  PalCursor   cursor = cursor_at (file, end + 10);

  *n = pal_cursor_number (&cursor, 2);
  pal_cursor_take (&cursor, 4);
  *place = pal_cursor_u32 (&cursor);

  if (end == file->size)
    return damaged (file, error);

  if ((*n == 0xffff || *place == IN_EXTRA) && end >= LOCATOR_BYTES)
    {
      cursor = cursor_at (file, end - LOCATOR_BYTES);
      if (pal_cursor_u32 (&cursor) != LOCATOR_MARK)
        return damaged (file, error);

      pal_cursor_take (&cursor, 4);
      cursor = cursor_at (file, pal_cursor_number (&cursor, 8));
      if (pal_cursor_u32 (&cursor) != END_64_MARK)
        return damaged (file, error);

      pal_cursor_take (&cursor, 28);
      *n = pal_cursor_number (&cursor, 8);
      pal_cursor_take (&cursor, 8);
      *place = pal_cursor_number (&cursor, 8);
    }

  return ! cursor.is_short || damaged (file, error);
}

/* Replaces what does not fit in 32 bits. */
static void
read_extra (Row          *row,
            const guint8 *extra,
            gsize         length)
{
  PalCursor cursor = { extra, extra + length, FALSE };
  guint64  *wide[] = { &row->size, &row->packed, &row->place };

  while (cursor.at < cursor.end)
    {
      const guint   id    = (guint) pal_cursor_number (&cursor, 2);
      const gsize   n     = (gsize) pal_cursor_number (&cursor, 2);
      const guint8 *bytes = pal_cursor_take (&cursor, n);
      PalCursor     field = { bytes, bytes + n, FALSE };

      for (guint i = 0; bytes && id == EXTRA_64 && i < G_N_ELEMENTS (wide); i++)
        if (*wide[i] == IN_EXTRA)
          *wide[i] = pal_cursor_number (&field, 8);
    }
}

static gboolean
read_row (PalCursor *cursor,
          Row       *row)
{
  gsize         extra_length, comment_length;
  const guint8 *extra;

  if (pal_cursor_u32 (cursor) != ENTRY_MARK)
    return FALSE;

  pal_cursor_take (cursor, 4);
  row->flags  = (guint) pal_cursor_number (cursor, 2);
  row->method = (guint) pal_cursor_number (cursor, 2);
  pal_cursor_take (cursor, 8);
  row->packed      = pal_cursor_u32 (cursor);
  row->size        = pal_cursor_u32 (cursor);
  row->name_length = (gsize) pal_cursor_number (cursor, 2);
  extra_length     = (gsize) pal_cursor_number (cursor, 2);
  comment_length   = (gsize) pal_cursor_number (cursor, 2);
  pal_cursor_take (cursor, 8);
  row->place = pal_cursor_u32 (cursor);
  row->name  = pal_cursor_take (cursor, row->name_length);
  extra      = pal_cursor_take (cursor, extra_length);
  pal_cursor_take (cursor, comment_length);

  if (extra)
    read_extra (row, extra, extra_length);

  return ! cursor->is_short;
}

/* NULL when the entry's own header or its content are not inside the file. */
static PalZipEntry *
locate (const PalTensorFile *file,
        const Row           *row)
{
  PalCursor     cursor = cursor_at (file, row->place);
  const guint8 *data;
  gsize         skip;

  if (pal_cursor_u32 (&cursor) != LOCAL_MARK)
    return NULL;

  pal_cursor_take (&cursor, LOCAL_BYTES - 8);
  skip = (gsize) pal_cursor_number (&cursor, 2);
  skip += (gsize) pal_cursor_number (&cursor, 2);
  pal_cursor_take (&cursor, skip);
  data = pal_cursor_take (&cursor, row->size);
  if (cursor.is_short)
    return NULL;

  return g_memdup2 (&(PalZipEntry) { data, (gsize) row->size }, sizeof (PalZipEntry));
}

static gboolean
add_row (const PalTensorFile *file,
         GHashTable          *entries,
         const Row           *row,
         GError             **error)
{
  g_autofree gchar *name  = g_strndup ((const gchar *) row->name, row->name_length);
  PalZipEntry      *entry = NULL;

  if (! g_utf8_validate (name, -1, NULL))
    return damaged (file, error);

  if (row->method != 0 || row->flags & 1 || row->packed != row->size)
    return pal_format_refuse (file, error, PAL_ERROR_UNSUPPORTED,
                              "the archive's entry %s is packed or encrypted, and only stored ones "
                              "can be mapped; get the model in safetensors form", name);

  entry = locate (file, row);
  if (! entry)
    return damaged (file, error);

  g_hash_table_replace (entries, g_steal_pointer (&name), entry);

  return TRUE;
}

gboolean
pal_zip_recognise (const guint8 *start,
                   gsize         size)
{
  PalCursor cursor;

  if (size <= 8)
    return FALSE;

  cursor = (PalCursor) { start, start + size, FALSE };

  return start[8] != '{' && pal_cursor_u32 (&cursor) == LOCAL_MARK;
}

GHashTable *
pal_zip_read (const PalTensorFile *file,
              GError             **error)
{
  g_autoptr (GHashTable) entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  guint64                n = 0, place = 0;
  PalCursor              cursor;

  if (! read_end (file, &n, &place, error))
    return NULL;

  cursor = cursor_at (file, place);
  for (guint64 i = 0; i < n; i++)
    {
      Row row = { 0 };

      if (! read_row (&cursor, &row))
        {
          damaged (file, error);
          return NULL;
        }
      if (! add_row (file, entries, &row, error))
        return NULL;
    }

  return g_steal_pointer (&entries);
}
