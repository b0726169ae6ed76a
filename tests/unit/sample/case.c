/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads reference cases for tests. */

#include "case.h"

#include <string.h>

#include "base/dtype.h"

Case *
case_open (const gchar *folder)
{
  g_autofree gchar  *json  = g_build_filename (folder, "case.json", NULL);
  g_autofree gchar  *file  = g_build_filename (folder, "goldens.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  Case              *c     = g_new0 (Case, 1);

  c->folder = g_strdup (folder);
  c->json   = pal_json_load (json, &error);
  g_assert_no_error (error);
  c->tensors = pal_tensor_file_open (file, &error);
  g_assert_no_error (error);

  return c;
}

void
case_free (Case *c)
{
  g_free (c->folder);
  pal_json_unref (c->json);
  pal_tensor_file_unref (c->tensors);
  g_free (c);
}

/* The case and name that an alias stands for; NULL when it is none. */
static Case *
follow (Case        *c,
        const gchar *name,
        gchar      **target)
{
  g_autoptr (PalJson) same   = pal_json_object (c->json, "same_as", NULL);
  g_autoptr (PalJson) others = pal_json_object (c->json, "same_as_case", NULL);
  g_auto (GStrv)      pair   = NULL;
  g_autofree gchar   *parent = g_path_get_dirname (c->folder);
  g_autofree gchar   *folder = NULL;

  if (same && pal_json_has (same, name))
    {
      g_assert_true (pal_json_string (same, name, target, NULL));
      return case_open (c->folder);
    }

  if (! others || ! pal_json_has (others, name))
    return NULL;

  g_assert_true (pal_json_strings (others, name, &pair, NULL));
  g_assert_cmpuint (g_strv_length (pair), ==, 2);
  folder  = g_build_filename (parent, pair[0], NULL);
  *target = g_strdup (pair[1]);

  return case_open (folder);
}

gboolean
case_has (Case        *c,
          const gchar *name)
{
  g_autofree gchar *target = NULL;
  g_autoptr (Case)  other  = NULL;

  if (pal_tensor_file_find (c->tensors, name))
    return TRUE;

  other = follow (c, name, &target);

  return other && case_has (other, target);
}

gdouble *
case_tensor (Case        *c,
             const gchar *name,
             PalShape    *shape,
             gsize       *n)
{
  const PalTensorEntry *entry  = pal_tensor_file_find (c->tensors, name);
  g_autofree gchar     *target = NULL;
  g_autofree gfloat    *floats = NULL;
  g_autoptr (Case)      other  = NULL;
  gdouble              *values;

  if (! entry)
    {
      other = follow (c, name, &target);
      if (! other)
        g_error ("%s has no tensor %s", c->folder, name);
      return case_tensor (other, target, shape, n);
    }

  g_assert_true (pal_shape_count (entry->shape, n));
  if (shape)
    *shape = entry->shape;

  floats = g_new (gfloat, *n);
  values = g_new (gdouble, *n);
  pal_to_float (entry->dtype, entry->data, floats, *n);
  for (gsize i = 0; i < *n; i++)
    values[i] = (gdouble) floats[i];

  return values;
}

gfloat *
case_floats (Case        *c,
             const gchar *name,
             gsize       *n)
{
  g_autofree gdouble *values = case_tensor (c, name, NULL, n);
  gfloat             *floats = g_new (gfloat, *n);

  for (gsize i = 0; i < *n; i++)
    floats[i] = (gfloat) values[i];

  return floats;
}

static gint
by_name (gconstpointer a,
         gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

static void
list_cases (const gchar *cases,
            GPtrArray   *found)
{
  g_autoptr (GDir) dir = g_dir_open (cases, 0, NULL);
  const gchar     *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *json = g_build_filename (cases, name, "case.json", NULL);

      if (g_file_test (json, G_FILE_TEST_EXISTS))
        g_ptr_array_add (found, g_path_get_dirname (json));
    }
}

GPtrArray *
case_folders (const gchar *data_folder)
{
  GPtrArray        *found   = g_ptr_array_new_with_free_func (g_free);
  const gchar      *goldens = g_getenv ("PALIMPSEST_GOLDENS");
  g_autofree gchar *bundled = g_build_filename (data_folder, "cases", NULL);
  g_autofree gchar *full    = goldens ? g_build_filename (goldens, "cases", NULL) : NULL;

  list_cases (bundled, found);
  if (full)
    list_cases (full, found);
  g_ptr_array_sort (found, by_name);

  return found;
}
