/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Python pickles that hold tensors, read without running anything: a small machine for
 * numbers, strings, lists and dictionaries. What else there may be is in pickle-objects.c.
 *
 * Reference: python/cpython:Lib/pickletools.py @v3.13.0 (PSF-2.0), the operations. */

#include "io/pickle-private.h"

#include <string.h>

#include "base/error.h"

/* One operation. n: bytes of its number, length or index; or how many values it takes. */
typedef struct
{
  guint8    code;
  gboolean (*run) (Machine *m, guint n, GError **error);
  guint     n;
} Operation;

static void
value_free (gpointer data)
{
  Value *value = data;

  g_clear_pointer (&value->items, g_ptr_array_unref);
  g_free (value->text);
  g_free (value);
}

Value *
pal_pickle_value (Machine *m,
           Kind     kind)
{
  Value *value = g_new0 (Value, 1);

  value->kind = kind;
  if (kind == LIST || kind == DICT)
    value->items = g_ptr_array_new ();
  g_ptr_array_add (m->values, value);

  return value;
}

gboolean
pal_pickle_push (Machine *m,
      Value   *value)
{
  g_ptr_array_add (m->stack, value);

  return TRUE;
}

gboolean
pal_pickle_malformed (const Machine *m,
           GError       **error)
{
  return pal_format_refuse (m->file, error, PAL_ERROR_FORMAT,
                            "its pickle is damaged at byte %" G_GSIZE_FORMAT " of the file; "
                            "fetch it again", (gsize) (m->cursor.at - m->file->start));
}

/* The topmost value above the last mark; NULL when there is none. */
Value *
pal_pickle_pop (Machine *m)
{
  const guint floor = m->marks->len > 0 ? g_array_index (m->marks, guint, m->marks->len - 1) : 0;

  return m->stack->len > floor ? g_ptr_array_steal_index (m->stack, m->stack->len - 1) : NULL;
}

static Value *
top (Machine *m)
{
  return m->stack->len > 0 ? g_ptr_array_index (m->stack, m->stack->len - 1) : NULL;
}

/* Moves what lies above the last mark into items, and takes the mark away. */
static gboolean
pop_marked (Machine    *m,
            GPtrArray  *items,
            GError    **error)
{
  guint from;

  if (m->marks->len == 0)
    return pal_pickle_malformed (m, error);

  from = g_array_index (m->marks, guint, m->marks->len - 1);
  g_array_set_size (m->marks, m->marks->len - 1);

  for (guint i = from; i < m->stack->len; i++)
    g_ptr_array_add (items, g_ptr_array_index (m->stack, i));
  g_ptr_array_set_size (m->stack, (gint) from);

  return TRUE;
}

static gboolean
run_skip (Machine *m, guint n, GError **error)
{
  pal_cursor_take (&m->cursor, n);

  return TRUE;
}

static gboolean
run_plain (Machine *m, guint n, GError **error)
{
  pal_cursor_take (&m->cursor, n);

  return pal_pickle_push (m, pal_pickle_value (m, PLAIN));
}

/* n: the number itself */
static gboolean
run_boolean (Machine *m, guint n, GError **error)
{
  Value *value = pal_pickle_value (m, NUMBER);

  value->number = n;

  return pal_pickle_push (m, value);
}

static gboolean
run_number (Machine *m, guint n, GError **error)
{
  Value *value = pal_pickle_value (m, NUMBER);

  value->number = (gint64) pal_cursor_number (&m->cursor, n);
  if (n == 4)
    value->number = (gint32) value->number;

  return pal_pickle_push (m, value);
}

/* A number of as many bytes as it says itself, in n bytes. */
static gboolean
run_long (Machine *m, guint n, GError **error)
{
  const guint64 length = pal_cursor_number (&m->cursor, n);
  Value        *value  = pal_pickle_value (m, length <= 8 ? NUMBER : PLAIN);

  if (length > 8)
    {
      pal_cursor_take (&m->cursor, length);
    }
  else if (length > 0)
    {
      const guint shift = 64 - 8 * (guint) length;

      value->number = (gint64) (pal_cursor_number (&m->cursor, (guint) length) << shift) >> shift;
    }

  return pal_pickle_push (m, value);
}

static gchar *
take_text (Machine *m,
           guint64  length)
{
  const guint8 *bytes = pal_cursor_take (&m->cursor, length);

  if (! bytes || memchr (bytes, 0, length) ||
      ! g_utf8_validate_len ((const gchar *) bytes, length, NULL))
    return NULL;

  return g_strndup ((const gchar *) bytes, length);
}

static gboolean
run_text (Machine *m, guint n, GError **error)
{
  Value *value = pal_pickle_value (m, TEXT);

  value->text = take_text (m, pal_cursor_number (&m->cursor, n));

  return value->text ? pal_pickle_push (m, value) : pal_pickle_malformed (m, error);
}

static gboolean
run_bytes (Machine *m, guint n, GError **error)
{
  pal_cursor_take (&m->cursor, pal_cursor_number (&m->cursor, n));

  return pal_pickle_push (m, pal_pickle_value (m, PLAIN));
}

static gboolean
run_empty_list (Machine *m, guint n, GError **error)
{
  return pal_pickle_push (m, pal_pickle_value (m, LIST));
}

static gboolean
run_empty_dict (Machine *m, guint n, GError **error)
{
  return pal_pickle_push (m, pal_pickle_value (m, DICT));
}

static gboolean
run_mark (Machine *m, guint n, GError **error)
{
  g_array_append_val (m->marks, m->stack->len);

  return TRUE;
}

static gboolean
run_pop (Machine *m, guint n, GError **error)
{
  return pal_pickle_pop (m) || pal_pickle_malformed (m, error);
}

static gboolean
run_pop_mark (Machine *m, guint n, GError **error)
{
  return pop_marked (m, pal_pickle_value (m, LIST)->items, error);
}

/* The last n values as a tuple. */
static gboolean
run_tuple (Machine *m, guint n, GError **error)
{
  Value *tuple = pal_pickle_value (m, LIST);

  for (guint i = 0; i < n; i++)
    {
      Value *value = pal_pickle_pop (m);

      if (! value)
        return pal_pickle_malformed (m, error);
      g_ptr_array_insert (tuple->items, 0, value);
    }

  return pal_pickle_push (m, tuple);
}

/* n: whether a dictionary */
static gboolean
run_marked (Machine *m, guint n, GError **error)
{
  Value *value = pal_pickle_value (m, n ? DICT : LIST);

  if (! pop_marked (m, value->items, error))
    return FALSE;

  return n && value->items->len % 2 ? pal_pickle_malformed (m, error) : pal_pickle_push (m, value);
}

/* One value (n = 1) or key and value (n = 2) more of the list or dictionary below. */
static gboolean
run_append (Machine *m, guint n, GError **error)
{
  Value *second = n == 2 ? pal_pickle_pop (m) : NULL;
  Value *first  = pal_pickle_pop (m);
  Value *to     = top (m);

  if (! first || (n == 2 && ! second) || ! to ||
      (to->kind != PLAIN && to->kind != (n == 2 ? DICT : LIST)))
    return pal_pickle_malformed (m, error);

  if (to->items)
    g_ptr_array_add (to->items, first);
  if (to->items && second)
    g_ptr_array_add (to->items, second);

  return TRUE;
}

/* The same for all above the mark. */
static gboolean
run_extend (Machine *m, guint n, GError **error)
{
  Value *more = pal_pickle_value (m, LIST), *to;

  if (! pop_marked (m, more->items, error))
    return FALSE;

  to = top (m);
  if (! to || more->items->len % n != 0 ||
      (to->kind != PLAIN && to->kind != (n == 2 ? DICT : LIST)))
    return pal_pickle_malformed (m, error);

  for (guint i = 0; to->items && i < more->items->len; i++)
    g_ptr_array_add (to->items, g_ptr_array_index (more->items, i));

  return TRUE;
}

static gboolean
remember (Machine *m,
          guint    place,
          GError **error)
{
  Value *value = top (m);

  if (! value)
    return pal_pickle_malformed (m, error);

  g_hash_table_replace (m->memo, GUINT_TO_POINTER (place), value);

  return TRUE;
}

static gboolean
run_put (Machine *m, guint n, GError **error)
{
  return remember (m, (guint) pal_cursor_number (&m->cursor, n), error);
}

static gboolean
run_memoize (Machine *m, guint n, GError **error)
{
  return remember (m, m->n_memo++, error);
}

static gboolean
run_get (Machine *m, guint n, GError **error)
{
  const guint place = (guint) pal_cursor_number (&m->cursor, n);
  Value      *value = g_hash_table_lookup (m->memo, GUINT_TO_POINTER (place));

  return value ? pal_pickle_push (m, value) : pal_pickle_malformed (m, error);
}

/* A line, without its end. */
static gchar *
take_line (Machine *m)
{
  const gsize   left = (gsize) (m->cursor.end - m->cursor.at);
  const guint8 *end  = memchr (m->cursor.at, '\n', left);
  gchar        *text = end ? take_text (m, (guint64) (end - m->cursor.at)) : NULL;

  if (text)
    pal_cursor_take (&m->cursor, 1);

  return text;
}

static gboolean
run_name (Machine *m, guint n, GError **error)
{
  g_autofree gchar *module = take_line (m);
  g_autofree gchar *name   = module ? take_line (m) : NULL;

  return name ? pal_pickle_name (m, module, name, error) : pal_pickle_malformed (m, error);
}

static gboolean
run_stacked_name (Machine *m, guint n, GError **error)
{
  const Value *name   = pal_pickle_pop (m);
  const Value *module = pal_pickle_pop (m);

  if (! name || ! module || name->kind != TEXT || module->kind != TEXT)
    return pal_pickle_malformed (m, error);

  return pal_pickle_name (m, module->text, name->text, error);
}

/* Attributes of an object, which nothing here needs. */
static gboolean
run_build (Machine *m, guint n, GError **error)
{
  return (pal_pickle_pop (m) && top (m)) || pal_pickle_malformed (m, error);
}

static const Operation operations[] = {
  { 0x80, run_skip, 1 },        { 0x95, run_skip, 8 },        { '(', run_mark },
  { ')', run_empty_list },      { ']', run_empty_list },      { '}', run_empty_dict },
  { 'N', run_plain, 0 },        { 'G', run_plain, 8 },        { 0x88, run_boolean, 1 },
  { 0x89, run_boolean, 0 },     { 'K', run_number, 1 },       { 'M', run_number, 2 },
  { 'J', run_number, 4 },       { 0x8a, run_long, 1 },        { 0x8b, run_long, 4 },
  { 'X', run_text, 4 },         { 0x8c, run_text, 1 },        { 0x8d, run_text, 8 },
  { 'U', run_bytes, 1 },        { 'T', run_bytes, 4 },        { 'C', run_bytes, 1 },
  { 'B', run_bytes, 4 },        { 0x8e, run_bytes, 8 },       { 'c', run_name },
  { 0x93, run_stacked_name },   { 'q', run_put, 1 },          { 'r', run_put, 4 },
  { 0x94, run_memoize },        { 'h', run_get, 1 },          { 'j', run_get, 4 },
  { 0x85, run_tuple, 1 },       { 0x86, run_tuple, 2 },       { 0x87, run_tuple, 3 },
  { 't', run_marked, FALSE },   { 'l', run_marked, FALSE },   { 'd', run_marked, TRUE },
  { 'a', run_append, 1 },       { 's', run_append, 2 },       { 'e', run_extend, 1 },
  { 'u', run_extend, 2 },       { '0', run_pop },             { '1', run_pop_mark },
  { 'Q', pal_pickle_storage },  { 'R', pal_pickle_call },     { 0x81, pal_pickle_call },
  { 'b', run_build },
};

#define STOP '.'

/* Runs to the end; what is left on the stack is the pickled value. */
static gboolean
run (Machine *m,
     GError **error)
{
  for (;;)
    {
      const guint8     code = (guint8) pal_cursor_number (&m->cursor, 1);
      const Operation *operation = NULL;

      if (m->cursor.is_short)
        return pal_pickle_malformed (m, error);
      if (code == STOP)
        return TRUE;

      for (gsize i = 0; i < G_N_ELEMENTS (operations) && ! operation; i++)
        if (operations[i].code == code)
          operation = &operations[i];

      if (! operation)
        return pal_pickle_malformed (m, error);
      if (! operation->run (m, operation->n, error))
        return FALSE;
    }
}

gboolean
pal_pickle_read (PalTensorFile         *file,
                 const PalPickleSource *source,
                 GError               **error)
{
  g_autofree gchar       *name   = g_strconcat (source->folder, "data.pkl", NULL);
  const PalZipEntry      *pickle = g_hash_table_lookup (source->entries, name);
  g_autoptr (GPtrArray)   values = g_ptr_array_new_with_free_func (value_free);
  g_autoptr (GPtrArray)   stack  = g_ptr_array_new ();
  g_autoptr (GArray)      marks  = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GHashTable)  memo   = g_hash_table_new (NULL, NULL);
  Machine                 m      = { .file = file, .source = source, .values = values,
                                     .stack = stack, .marks = marks, .memo = memo };

  m.cursor = (PalCursor) { pickle->data, pickle->data + pickle->size, FALSE };

  return run (&m, error) && pal_pickle_collect (&m, top (&m), error);
}
