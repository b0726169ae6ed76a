/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the unit tests share. */

#include <string.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "support.h"

gchar *
support_data (const gchar *first,
              ...)
{
  const gchar      *root = g_getenv ("PALIMPSEST_TEST_DATA");
  g_autofree gchar *rest = NULL;
  va_list           args;

  g_assert_nonnull (root);
  va_start (args, first);
  rest = g_build_filename_valist (first, &args);
  va_end (args);

  return g_build_filename (root, rest, NULL);
}

gchar *
support_folder (void)
{
  GError *error  = NULL;
  gchar  *folder = g_dir_make_tmp ("palimpsest-test-XXXXXX", &error);

  g_assert_no_error (error);

  return folder;
}

static void
remove_tree (const gchar *path)
{
  g_autoptr (GDir) dir  = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL
                                                                     : g_dir_open (path, 0, NULL);
  const gchar     *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }

  g_assert_cmpint (g_remove (path), ==, 0);
}

void
support_remove (gchar *folder)
{
  remove_tree (folder);
  g_free (folder);
}

void
support_write (const gchar *folder,
               const gchar *name,
               const void  *data,
               gssize       length)
{
  g_autofree gchar *path   = g_build_filename (folder, name, NULL);
  g_autofree gchar *parent = g_path_get_dirname (path);
  GError           *error  = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_file_set_contents (path, data, length, &error);
  g_assert_no_error (error);
}

void
support_copy (const gchar *from,
              const gchar *folder,
              const gchar *name)
{
  g_autofree gchar *text   = NULL;
  gsize             length = 0;
  GError           *error  = NULL;

  g_file_get_contents (from, &text, &length, &error);
  g_assert_no_error (error);
  support_write (folder, name, text, (gssize) length);
}

void
support_write_safetensors (const gchar *folder,
                           const gchar *name,
                           const gchar *header,
                           gsize        n_data)
{
  const guint64          length = GUINT64_TO_LE ((guint64) strlen (header));
  g_autoptr (GByteArray) bytes  = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) strlen (header));
  g_byte_array_set_size (bytes, bytes->len + (guint) n_data);
  if (n_data > 0)
    memset (bytes->data + bytes->len - n_data, 0, n_data);

  support_write (folder, name, bytes->data, bytes->len);
}

void
support_assert_error (GError      *error,
                      gint         code,
                      const gchar *text)
{
  g_assert_error (error, PAL_ERROR, code);
  g_test_message ("%s", error->message);
  if (! strstr (error->message, text))
    g_error ("expected \"%s\" in \"%s\"", text, error->message);
}
