/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A place in bytes that are read one after the other. Past the end everything reads as
 * zero and is_short is set, so that a reader may check once for many values. For engine/io
 * alone. */

#ifndef PAL_IO_CURSOR_H
#define PAL_IO_CURSOR_H

#include <string.h>

#include <glib.h>

typedef struct
{
  const guint8 *at, *end;
  gboolean      is_short;
} PalCursor;

/* The next n bytes, or NULL when there are fewer. */
static inline const guint8 *
pal_cursor_take (PalCursor *cursor,
                 guint64    n)
{
  const guint8 *bytes = cursor->at;

  if (n > (gsize) (cursor->end - cursor->at))
    {
      cursor->is_short = TRUE;
      cursor->at       = cursor->end;
      return NULL;
    }
  cursor->at += n;

  return bytes;
}

/* n little-endian bytes, up to 8, as a number. */
static inline guint64
pal_cursor_number (PalCursor *cursor,
                   guint      n)
{
  const guint8 *bytes = pal_cursor_take (cursor, n);
  guint64       x     = 0;

  for (guint i = 0; bytes && i < n; i++)
    x |= (guint64) bytes[i] << (8 * i);

  return x;
}

static inline guint32
pal_cursor_u32 (PalCursor *cursor)
{
  return (guint32) pal_cursor_number (cursor, 4);
}

#endif
