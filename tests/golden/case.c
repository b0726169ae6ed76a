/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading of reference cases. */

#include "case.h"

#include <png.h>
#include <string.h>

#include "base/error.h"

/* Aliases may point at aliases; a longer chain than this is a circle. */
#define MAX_ALIASES 16

/* The writer of case.json prints infinities and NaN bare, which is no JSON; nothing
 * here needs their values. */
static gchar *
without_infinities (const gchar *text)
{
  static const gchar *const bare[] = { "-Infinity", "Infinity", "NaN" };
  g_autoptr (GString) out = g_string_new (NULL);
  gboolean quoted = FALSE;

  for (const gchar *p = text; *p; p++)
    {
      gsize skip = 0;

      for (gsize i = 0; i < G_N_ELEMENTS (bare) && ! quoted && skip == 0; i++)
        if (g_str_has_prefix (p, bare[i]))
          skip = strlen (bare[i]);

      if (skip > 0)
        {
          g_string_append (out, "null");
          p += skip - 1;
          continue;
        }

      if (quoted && *p == '\\' && p[1])
        g_string_append_c (out, *p++);
      else if (*p == '"')
        quoted = ! quoted;
      g_string_append_c (out, *p);
    }

  return g_string_free (g_steal_pointer (&out), FALSE);
}

static gboolean
read_json (GoldenCase *c, const gchar *path, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree gchar *text = NULL;
  g_autofree gchar *clean = NULL;

  if (! g_file_get_contents (path, &text, NULL, error))
    return FALSE;

  clean = without_infinities (text);
  if (! json_parser_load_from_data (parser, clean, -1, error))
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }

  c->node = json_parser_steal_root (parser);
  if (! c->node || ! JSON_NODE_HOLDS_OBJECT (c->node))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "%s: not a JSON object", path);
      return FALSE;
    }

  c->json = json_node_get_object (c->node);
  return TRUE;
}

GoldenCase *
golden_case_open (const gchar *folder, GError **error)
{
  g_autoptr (GoldenCase) c = g_new0 (GoldenCase, 1);
  g_autofree gchar *json = NULL;
  g_autofree gchar *tensors = NULL;

  c->folder = g_canonicalize_filename (folder, NULL);
  c->name = g_path_get_basename (c->folder);
  c->others = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                     (GDestroyNotify) golden_case_free);
  c->arrays = g_ptr_array_new_with_free_func (g_free);

  json = g_build_filename (c->folder, "case.json", NULL);
  tensors = g_build_filename (c->folder, "goldens.safetensors", NULL);

  if (! read_json (c, json, error))
    return NULL;

  c->file = pal_tensor_file_open (tensors, error);
  return c->file ? g_steal_pointer (&c) : NULL;
}

void
golden_case_free (GoldenCase *c)
{
  g_clear_pointer (&c->file, pal_tensor_file_unref);
  g_clear_pointer (&c->node, json_node_unref);
  g_hash_table_unref (c->others);
  g_ptr_array_unref (c->arrays);
  g_free (c->folder);
  g_free (c->name);
  g_free (c);
}

static JsonObject *
member_object (const GoldenCase *c, const gchar *member)
{
  JsonNode *node = json_object_get_member (c->json, member);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

gchar **
golden_names (const GoldenCase *c)
{
  static const gchar *const aliases[] = { "same_as", "same_as_case" };
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (gsize i = 0; i < pal_tensor_file_count (c->file); i++)
    g_ptr_array_add (names, g_strdup (pal_tensor_file_entry (c->file, i)->name));

  for (gsize i = 0; i < G_N_ELEMENTS (aliases); i++)
    {
      JsonObject *object = member_object (c, aliases[i]);
      g_autoptr (GList) members = object ? json_object_get_members (object) : NULL;

      for (GList *l = members; l; l = l->next)
        g_ptr_array_add (names, g_strdup (l->data));
    }

  g_ptr_array_sort_values (names, (GCompareFunc) g_strcmp0);
  g_ptr_array_add (names, NULL);
  return (gchar **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

static GoldenCase *
other_case (GoldenCase *c, const gchar *name)
{
  GoldenCase *other = g_hash_table_lookup (c->others, name);

  if (! other)
    {
      g_autofree gchar *folder = g_build_filename (c->folder, "..", name, NULL);

      other = golden_case_open (folder, NULL);
      if (other)
        g_hash_table_insert (c->others, g_strdup (name), other);
    }

  return other;
}

static const PalTensorEntry *
find (GoldenCase *c, const gchar *name, guint depth)
{
  const PalTensorEntry *entry = pal_tensor_file_find (c->file, name);
  JsonObject *same = member_object (c, "same_as");
  JsonObject *same_case = member_object (c, "same_as_case");

  if (entry || depth > MAX_ALIASES)
    return entry;

  if (same && json_object_has_member (same, name))
    return find (c, json_object_get_string_member (same, name), depth + 1);

  if (same_case && json_object_has_member (same_case, name))
    {
      JsonArray *pair = json_object_get_array_member (same_case, name);
      GoldenCase *other = pair && json_array_get_length (pair) == 2
                            ? other_case (c, json_array_get_string_element (pair, 0)) : NULL;

      return other ? find (other, json_array_get_string_element (pair, 1), depth + 1) : NULL;
    }

  return NULL;
}

const PalTensorEntry *
golden_find (GoldenCase *c, const gchar *format, ...)
{
  g_autofree gchar *name = NULL;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);

  return find (c, name, 0);
}

gfloat *
golden_channels_last (const gfloat *x, PalShape shape)
{
  gsize n = (gsize) shape.d[0], channels = (gsize) shape.d[1];
  gsize pixels = (gsize) (shape.d[2] * shape.d[3]);
  gfloat *out = g_new (gfloat, n * channels * pixels);

  for (gsize b = 0; b < n; b++)
    for (gsize ch = 0; ch < channels; ch++)
      for (gsize p = 0; p < pixels; p++)
        out[(b * pixels + p) * channels + ch] = x[(b * channels + ch) * pixels + p];

  return out;
}

const gfloat *
golden_floats (GoldenCase *c, const PalTensorEntry *entry, PalShape *shape)
{
  gfloat *x;
  gsize n = 0;

  pal_shape_count (entry->shape, &n);
  x = g_new (gfloat, MAX (n, 1));
  pal_to_float (entry->dtype, entry->data, x, n);
  *shape = entry->shape;

  if (shape->n == 4)
    {
      gfloat *turned = golden_channels_last (x, entry->shape);

      g_free (x);
      x = turned;
      *shape = PAL_SHAPE (shape->d[0], shape->d[2], shape->d[3], shape->d[1]);
    }

  g_ptr_array_add (c->arrays, x);
  return x;
}

const gchar *
golden_string (const GoldenCase *c, const gchar *member)
{
  return json_object_get_string_member_with_default (c->json, member, NULL);
}

gdouble
golden_call_number (const GoldenCase *c, const gchar *member, gdouble fallback)
{
  JsonObject *call = member_object (c, "call");

  if (! call || ! json_object_has_member (call, member) ||
      json_object_get_null_member (call, member))
    return fallback;

  return json_object_get_double_member (call, member);
}

gboolean
golden_call_is_null (const GoldenCase *c, const gchar *member)
{
  JsonObject *call = member_object (c, "call");

  return ! call || ! json_object_has_member (call, member) ||
         json_object_get_null_member (call, member);
}

void
golden_call_pair (const GoldenCase *c, const gchar *member, gint *first, gint *second)
{
  JsonArray *array;

  if (golden_call_is_null (c, member))
    return;

  array = json_object_get_array_member (member_object (c, "call"), member);
  *first = (gint) json_array_get_int_element (array, 0);
  *second = (gint) json_array_get_int_element (array, 1);
}

gboolean
golden_guided (GoldenCase *c)
{
  const PalTensorEntry *sample = golden_find (c, "den.0.sample");
  const PalTensorEntry *noise = golden_find (c, "noise.init.0");

  return sample && noise && sample->shape.d[0] > noise->shape.d[0];
}

gchar **
golden_prompts (const GoldenCase *c, const gchar *member)
{
  JsonObject *call = member_object (c, "call");
  JsonNode *node = call ? json_object_get_member (call, member) : NULL;
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();

  if (node && JSON_NODE_HOLDS_ARRAY (node))
    {
      JsonArray *array = json_node_get_array (node);

      for (guint i = 0; i < json_array_get_length (array); i++)
        g_strv_builder_add (list, json_array_get_string_element (array, i));
    }
  else
    {
      const gchar *text = node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;

      g_strv_builder_add (list, text ? text : "");
    }

  return g_strv_builder_end (list);
}

gboolean
golden_schedule (const GoldenCase *c, PalScheduleConfig *config, GError **error)
{
  JsonObject *object = member_object (c, "scheduler_config");
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree gchar *text = NULL;
  g_autoptr (PalJson) json = NULL;

  if (! object)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "case.json has no scheduler_config");
      return FALSE;
    }

  json_object_set_string_member (object, "_class_name", golden_string (c, "scheduler"));
  json_node_set_object (node, object);
  text = json_to_string (node, FALSE);
  json = pal_json_parse (text, -1, "scheduler_config", error);

  return json && pal_schedule_config_read (json, config, error);
}

gchar *
golden_model (const GoldenCase *c, GError **error)
{
  const gchar *model = golden_string (c, "model");
  g_autofree gchar *above = g_strdup (c->folder);

  if (! model)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "case.json names no model");
      return NULL;
    }

  for (gchar *path = g_build_filename (c->folder, "..", "..", "models", model, NULL);;)
    {
      gchar *parent;

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        return path;

      g_free (path);
      parent = g_path_get_dirname (above);
      if (g_str_equal (parent, above))
        {
          g_free (parent);
          g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
                       "the model %s is not at ../../models/%s", model, model);
          return NULL;
        }

      g_free (above);
      above = parent;
      path = g_build_filename (above, model, NULL);
    }
}

guint8 *
golden_png (const GoldenCase *c, const gchar *name, gint *width, gint *height)
{
  g_autofree gchar *path = g_build_filename (c->folder, name, NULL);
  png_image image = { .version = PNG_IMAGE_VERSION };
  guint8 *pixels;

  if (! png_image_begin_read_from_file (&image, path))
    return NULL;

  image.format = PNG_FORMAT_RGB;
  pixels = g_malloc (PNG_IMAGE_SIZE (image));
  if (! png_image_finish_read (&image, NULL, pixels, 0, NULL))
    g_clear_pointer (&pixels, g_free);

  *width = (gint) image.width;
  *height = (gint) image.height;
  return pixels;
}
