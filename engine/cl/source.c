/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel sources: read from the program's resources, with includes put in place. */

#include "cl/private.h"

#include <string.h>

#include <gio/gio.h>

#include "kernels.h"

#define PREFIX    "/org/palimpsest/kernels/"
#define MAX_DEPTH 8

static GBytes *
load (const gchar  *file,
      GError      **error)
{
  g_autofree gchar *path = g_strconcat (PREFIX, file, NULL);
  g_autoptr (GError) local = NULL;
  GBytes *bytes;

  /* The reference keeps the linker from dropping the resource's object file. */
  (void) pal_kernels_get_resource ();

  bytes = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, &local);
  if (! bytes)
    g_set_error (error, PAL_ERROR, PAL_ERROR_BUILD, "The kernel source “%s” is missing: %s",
                 file, local->message);

  return bytes;
}

/* "x.h" of a line #include "x.h", else NULL. */
static gchar *
included_file (const gchar *line)
{
  const gchar *start, *end;

  while (*line == ' ' || *line == '\t')
    line++;

  if (! g_str_has_prefix (line, "#include"))
    return NULL;

  start = strchr (line, '"');
  end   = start ? strchr (start + 1, '"') : NULL;

  return end ? g_strndup (start + 1, end - start - 1) : NULL;
}

static gboolean
expand (const gchar  *file,
        guint         depth,
        GString      *out,
        GError      **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (depth > MAX_DEPTH)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_BUILD,
                   "The kernel source “%s” is included %d levels deep", file, MAX_DEPTH);
      return FALSE;
    }

  if (! (bytes = load (file, error)))
    return FALSE;

  text  = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  lines = g_strsplit (text, "\n", -1);

  g_string_append_printf (out, "#line 1 \"%s\"\n", file);
  for (guint i = 0; lines[i]; i++)
    {
      g_autofree gchar *child = included_file (lines[i]);

      if (! child)
        {
          g_string_append (out, lines[i]);
          g_string_append_c (out, '\n');
          continue;
        }

      if (! expand (child, depth + 1, out, error))
        return FALSE;

      g_string_append_printf (out, "#line %u \"%s\"\n", i + 2, file);
    }

  return TRUE;
}

gchar *
pal_kernel_source (const gchar  *file,
                   GError      **error)
{
  g_autoptr (GString) out = g_string_new (NULL);

  if (! expand (file, 0, out, error))
    return NULL;

  return g_string_free (g_steal_pointer (&out), FALSE);
}
