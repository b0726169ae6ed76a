/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The values of a pickle and the machine that makes them. For pickle.c, the operations, and
 * pickle-objects.c, what they make of names. */

#ifndef PAL_IO_PICKLE_PRIVATE_H
#define PAL_IO_PICKLE_PRIVATE_H

#include "io/cursor.h"
#include "io/pickle.h"

typedef enum
{
  PLAIN,                        /* what no tensor needs: None, floats, results of INERT names */
  NUMBER,                       /* whole ones, and booleans */
  TEXT,
  LIST,                         /* and tuples */
  DICT,                         /* keys and values in turns */
  NAME,                         /* a name of the table below */
  STORAGE,
  TENSOR
} Kind;

/* What a known name is good for. */
typedef enum { MAKES_DICT, MAKES_TENSOR, MAKES_PARAMETER, IS_STORAGE, INERT } Use;

typedef struct
{
  const gchar *module, *name;
  Use          use;
  PalDType     dtype;           /* of IS_STORAGE */
} Known;

typedef struct _Value Value;

struct _Value
{
  Kind           kind;
  gint64         number;
  gchar         *text;
  GPtrArray     *items;         /* of Value, of LIST and DICT; the machine owns them */
  const Known   *name;
  PalTensorEntry tensor;        /* of TENSOR; of STORAGE: dtype, data, and n_bytes of them */
  gboolean       is_seen;
};

typedef struct
{
  PalTensorFile         *file;
  const PalPickleSource *source;
  PalCursor              cursor;
  GPtrArray             *values;  /* all, of Value */
  GPtrArray             *stack;   /* of Value */
  GArray                *marks;   /* of guint: the stack's lengths */
  GHashTable            *memo;    /* number → Value */
  guint                  n_memo;
} Machine;

Value    *pal_pickle_value     (Machine *machine, Kind kind);
gboolean  pal_pickle_push      (Machine *machine, Value *value);   /* TRUE */
Value    *pal_pickle_pop       (Machine *machine);   /* above the last mark; NULL without one */
gboolean  pal_pickle_malformed (const Machine *machine, GError **error);   /* FALSE */

/* Pushes a known name; UNSUPPORTED for others. */
gboolean  pal_pickle_name      (Machine *machine, const gchar *module, const gchar *name,
                                GError **error);
/* Pushes what the topmost values stand for: a storage; a name called with arguments. */
gboolean  pal_pickle_storage   (Machine *machine, guint unused, GError **error);
gboolean  pal_pickle_call      (Machine *machine, guint unused, GError **error);
/* Adds all tensors of the value to the file. */
gboolean  pal_pickle_collect   (Machine *machine, Value *value, GError **error);

#endif
