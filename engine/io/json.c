/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON objects with errors that name the file and the field, over json-glib. */

#include <math.h>
#include <string.h>

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "base/error.h"
#include "io/json.h"

#define MAX_DEPTH 64

struct _PalJson
{
  gatomicrefcount refs;
  JsonNode       *node;         /* holds an object */
  JsonObject     *object;       /* of node */
  gchar          *label;
};

/* What json-glib does not say: members seen so far in each open object. */
typedef struct
{
  GArray *counts;               /* of guint */
  gchar  *duplicate;
} MemberCheck;

static gboolean
refuse (GError     **error,
        const gchar *label,
        const gchar *format,
        ...) G_GNUC_PRINTF (3, 4);

static gboolean
refuse (GError     **error,
        const gchar *label,
        const gchar *format,
        ...)
{
  g_autofree gchar *text = NULL;
  va_list           args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "%s: %s", label, text);

  return FALSE;
}

/* Steps over a string; text points at its opening quote. */
static const gchar *
skip_string (const gchar *text,
             const gchar *end)
{
  for (text++; text < end && *text != '"'; text++)
    if (*text == '\\')
      text++;

  return MIN (text, end - 1);
}

/* Steps over a number; json-glib would clamp a whole one that needs more than 64
 * bits without a word. Malformed ones are left to json-glib. */
static const gchar *
skip_number (const gchar *text,
             const gchar *end,
             gboolean    *fits)
{
  const gchar *start = text;
  gboolean     whole = TRUE;

  for (; text < end && *text && strchr ("+-.0123456789eE", *text); text++)
    whole = whole && ! strchr (".eE", *text);

  if (whole && text - start > 18)
    {
      g_autofree gchar  *digits  = g_strndup (start, (gsize) (text - start));
      g_autoptr (GError) problem = NULL;

      g_ascii_string_to_signed (digits, 10, G_MININT64, G_MAXINT64, NULL, &problem);
      *fits = ! g_error_matches (problem, G_NUMBER_PARSER_ERROR,
                                 G_NUMBER_PARSER_ERROR_OUT_OF_BOUNDS);
    }

  return text - 1;
}

/* Nesting and numbers, before the recursive parser sees the text. */
static gboolean
check_text (const gchar *text,
            gsize        length,
            const gchar *label,
            GError     **error)
{
  const gchar *end   = text + length;
  guint        depth = 0;

  for (const gchar *at = text; at < end; at++)
    {
      gboolean fits = TRUE;

      if (*at == '"')
        at = skip_string (at, end);
      else if (*at == '-' || g_ascii_isdigit (*at))
        at = skip_number (at, end, &fits);
      else if (*at == '{' || *at == '[')
        depth++;
      else if ((*at == '}' || *at == ']') && depth > 0)
        depth--;

      if (! fits)
        return refuse (error, label, "a number at byte %" G_GSIZE_FORMAT
                       " does not fit in 64 bits", (gsize) (at - text));
      if (depth > MAX_DEPTH)
        return refuse (error, label, "nested more than %d levels deep at byte %" G_GSIZE_FORMAT,
                       MAX_DEPTH, (gsize) (at - text));
    }

  return TRUE;
}

/* Python's json module writes NaN and Infinity for what JSON has no word for, and
 * published scheduler configurations hold them: they are read as null, "not given". */
static gchar *
without_constants (const gchar *text,
                   gsize        length)
{
  static const gchar *const constants[] = { "-Infinity", "Infinity", "NaN" };

  g_autoptr (GString) out = g_string_sized_new (length);
  const gchar        *end = text + length, *at = text;

  while (at < end)
    {
      const gchar *next = at;
      gsize        skip = 0;

      if (*at == '"')
        next = skip_string (at, end);
      for (gsize i = 0; i < G_N_ELEMENTS (constants) && ! skip; i++)
        if (strncmp (at, constants[i], MIN ((gsize) (end - at), strlen (constants[i]))) == 0 &&
            (gsize) (end - at) >= strlen (constants[i]))
          skip = strlen (constants[i]);

      if (skip)
        g_string_append (out, "null");
      else
        g_string_append_len (out, at, next - at + 1);
      at = skip ? at + skip : next + 1;
    }

  return g_string_free (g_steal_pointer (&out), FALSE);
}

static void
on_object_start (JsonParser  *parser,
                 MemberCheck *check)
{
  const guint none = 0;

  g_array_append_val (check->counts, none);
}

static void
on_object_member (JsonParser  *parser,
                  JsonObject  *object,
                  const gchar *name,
                  MemberCheck *check)
{
  guint *count = &g_array_index (check->counts, guint, check->counts->len - 1);

  *count += 1;
  if (json_object_get_size (object) < *count && ! check->duplicate)
    check->duplicate = g_strdup (name);
}

static void
on_object_end (JsonParser  *parser,
               JsonObject  *object,
               MemberCheck *check)
{
  g_array_set_size (check->counts, check->counts->len - 1);
}

static PalJson *
json_wrap (JsonNode *node,
           gchar    *label)
{
  PalJson *json = g_new0 (PalJson, 1);

  g_atomic_ref_count_init (&json->refs);
  json->node   = json_node_ref (node);
  json->object = json_node_get_object (node);
  json->label  = label;

  return json;
}

static JsonNode *
parse_text (const gchar *text,
            gsize        length,
            const gchar *label,
            GError     **error)
{
  g_autoptr (JsonParser) parser  = json_parser_new ();
  g_autoptr (GArray)     counts  = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GError)     problem = NULL;
  MemberCheck            check   = { counts, NULL };
  JsonNode              *root;
  gboolean               parsed;

#if JSON_CHECK_VERSION (1, 10, 0)
  json_parser_set_strict (parser, TRUE);
#endif
  g_signal_connect (parser, "object-start", G_CALLBACK (on_object_start), &check);
  g_signal_connect (parser, "object-member", G_CALLBACK (on_object_member), &check);
  g_signal_connect (parser, "object-end", G_CALLBACK (on_object_end), &check);

  parsed = json_parser_load_from_data (parser, text, (gssize) length, &problem);
  if (! parsed)
    refuse (error, label, "is not valid JSON: %s", problem->message);
  else if (check.duplicate)
    refuse (error, label, "has the key \"%s\" twice in one object", check.duplicate);
  else if (! (root = json_parser_get_root (parser)) || ! JSON_NODE_HOLDS_OBJECT (root))
    parsed = refuse (error, label, "is not a JSON object");

  parsed = parsed && ! check.duplicate;
  g_free (check.duplicate);

  return parsed ? json_parser_steal_root (parser) : NULL;
}

PalJson *
pal_json_parse (const gchar *text,
                gssize       length,
                const gchar *label,
                GError     **error)
{
  const gsize          n    = length < 0 ? strlen (text) : (gsize) length;
  const gchar         *stop = NULL;
  g_autofree gchar    *json = NULL;
  g_autoptr (JsonNode) root = NULL;

  if (! g_utf8_validate_len (text, n, &stop))
    {
      refuse (error, label, "is not valid UTF-8 at byte %" G_GSIZE_FORMAT, (gsize) (stop - text));
      return NULL;
    }

  if (! check_text (text, n, label, error))
    return NULL;

  json = without_constants (text, n);
  root = parse_text (json, strlen (json), label, error);

  return root ? json_wrap (root, g_strdup (label)) : NULL;
}

PalJson *
pal_json_load (const gchar *path,
               GError     **error)
{
  g_autofree gchar  *text    = NULL;
  g_autoptr (GError) problem = NULL;
  gsize              length  = 0;

  if (! g_file_get_contents (path, &text, &length, &problem))
    {
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_IO, problem->message);
      return NULL;
    }

  return pal_json_parse (text, (gssize) length, path, error);
}

PalJson *
pal_json_ref (PalJson *json)
{
  g_atomic_ref_count_inc (&json->refs);

  return json;
}

void
pal_json_unref (PalJson *json)
{
  if (! json || ! g_atomic_ref_count_dec (&json->refs))
    return;

  json_node_unref (json->node);
  g_free (json->label);
  g_free (json);
}

const gchar *
pal_json_label (const PalJson *json)
{
  return json->label;
}

/* The field's node; NULL when absent or null. */
static JsonNode *
member (const PalJson *json,
        const gchar   *field)
{
  JsonNode *node = json_object_get_member (json->object, field);

  return node && ! JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

gboolean
pal_json_has (const PalJson *json,
              const gchar   *field)
{
  return member (json, field) != NULL;
}

gchar **
pal_json_fields (const PalJson *json)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  JsonObjectIter           iter;
  const gchar             *name;

  json_object_iter_init_ordered (&iter, json->object);
  while (json_object_iter_next_ordered (&iter, &name, NULL))
    g_strv_builder_add (names, name);

  return g_strv_builder_end (names);
}

static gboolean
wrong_type (GError       **error,
            const PalJson *json,
            const gchar   *field,
            const gchar   *expected)
{
  return refuse (error, json->label, "field \"%s\" should be %s", field, expected);
}

static gboolean
holds (JsonNode *node,
       GType     type)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

static gboolean
node_double (JsonNode *node,
             gdouble  *out)
{
  if (! holds (node, G_TYPE_DOUBLE) && ! holds (node, G_TYPE_INT64))
    return FALSE;

  *out = json_node_get_double (node);

  return isfinite (*out);
}

/* A whole number written with a point, as 7.0, is taken too. */
static gboolean
node_int (JsonNode *node,
          gint64   *out)
{
  gdouble value;

  if (holds (node, G_TYPE_INT64))
    {
      *out = json_node_get_int (node);
      return TRUE;
    }

  if (! node_double (node, &value) || value != floor (value) || fabs (value) > 0x1p53)
    return FALSE;

  *out = (gint64) value;

  return TRUE;
}

gboolean
pal_json_int (const PalJson *json,
              const gchar   *field,
              gint64        *out,
              GError       **error)
{
  JsonNode *node = member (json, field);

  return ! node || node_int (node, out) || wrong_type (error, json, field, "a whole number");
}

gboolean
pal_json_double (const PalJson *json,
                 const gchar   *field,
                 gdouble       *out,
                 GError       **error)
{
  JsonNode *node = member (json, field);
  gdouble   value;

  if (! node)
    return TRUE;

  if (! node_double (node, &value))
    return wrong_type (error, json, field, "a finite number");

  *out = value;

  return TRUE;
}

gboolean
pal_json_bool (const PalJson *json,
               const gchar   *field,
               gboolean      *out,
               GError       **error)
{
  JsonNode *node = member (json, field);

  if (! node)
    return TRUE;

  if (! holds (node, G_TYPE_BOOLEAN))
    return wrong_type (error, json, field, "true or false");

  *out = json_node_get_boolean (node);

  return TRUE;
}

gboolean
pal_json_string (const PalJson *json,
                 const gchar   *field,
                 gchar        **out,
                 GError       **error)
{
  JsonNode *node = member (json, field);

  if (! node)
    return TRUE;

  if (! holds (node, G_TYPE_STRING))
    return wrong_type (error, json, field, "a string");

  g_free (*out);
  *out = json_node_dup_string (node);

  return TRUE;
}

/* The elements of an array field, or the field itself as the only element. */
static JsonNode *
element (JsonNode *node,
         guint     index)
{
  return JSON_NODE_HOLDS_ARRAY (node) ? json_array_get_element (json_node_get_array (node), index)
                                      : node;
}

static gboolean
list_length (const PalJson *json,
             const gchar   *field,
             JsonNode      *node,
             guint          max,
             guint         *length,
             GError       **error)
{
  *length = JSON_NODE_HOLDS_ARRAY (node) ? json_array_get_length (json_node_get_array (node)) : 1;

  if (*length > max)
    return refuse (error, json->label, "field \"%s\" has %u values, at most %u are supported",
                   field, *length, max);

  return TRUE;
}

gboolean
pal_json_ints (const PalJson *json,
               const gchar   *field,
               gint64        *out,
               guint          max,
               guint         *n,
               GError       **error)
{
  JsonNode *node = member (json, field);
  guint     length;

  if (! node)
    return TRUE;

  if (! list_length (json, field, node, max, &length, error))
    return FALSE;

  for (guint i = 0; i < length; i++)
    if (! node_int (element (node, i), &out[i]))
      return wrong_type (error, json, field, "a list of whole numbers");

  *n = length;

  return TRUE;
}

gboolean
pal_json_doubles (const PalJson *json,
                  const gchar   *field,
                  gdouble       *out,
                  guint          max,
                  guint         *n,
                  GError       **error)
{
  JsonNode *node = member (json, field);
  guint     length;

  if (! node)
    return TRUE;

  if (! list_length (json, field, node, max, &length, error))
    return FALSE;

  for (guint i = 0; i < length; i++)
    if (! node_double (element (node, i), &out[i]))
      return wrong_type (error, json, field, "a list of finite numbers");

  *n = length;

  return TRUE;
}

gboolean
pal_json_strings (const PalJson *json,
                  const gchar   *field,
                  gchar       ***out,
                  GError       **error)
{
  g_autoptr (GStrvBuilder) strings = g_strv_builder_new ();
  JsonNode                *node    = member (json, field);
  guint                    length;

  if (! node)
    return TRUE;

  if (! JSON_NODE_HOLDS_ARRAY (node))
    return wrong_type (error, json, field, "a list of strings");

  length = json_array_get_length (json_node_get_array (node));
  for (guint i = 0; i < length; i++)
    {
      if (! holds (element (node, i), G_TYPE_STRING))
        return wrong_type (error, json, field, "a list of strings");
      g_strv_builder_add (strings, json_node_get_string (element (node, i)));
    }

  g_strfreev (*out);
  *out = g_strv_builder_end (strings);

  return TRUE;
}

PalJson *
pal_json_object (const PalJson *json,
                 const gchar   *field,
                 GError       **error)
{
  JsonNode *node = member (json, field);

  if (! node)
    return NULL;

  if (! JSON_NODE_HOLDS_OBJECT (node))
    {
      wrong_type (error, json, field, "an object");
      return NULL;
    }

  return json_wrap (node, g_strdup_printf ("%s: %s", json->label, field));
}

gboolean
pal_json_child (const PalJson *json,
                const gchar   *field,
                PalJson      **out,
                GError       **error)
{
  GError *local = NULL;

  *out = pal_json_object (json, field, &local);
  if (! local)
    return TRUE;

  g_propagate_error (error, local);

  return FALSE;
}
