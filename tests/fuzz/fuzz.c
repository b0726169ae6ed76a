/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the fuzz entries share. */

#include <stdio.h>
#include <stdlib.h>

#include <glib/gstdio.h>

#include "fuzz.h"

static gchar *folder;

static void
remove_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar     *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *path = g_build_filename (folder, name, NULL);

      g_remove (path);
    }

  g_rmdir (folder);
  g_clear_pointer (&folder, g_free);
}

const gchar *
fuzz_folder (void)
{
  if (! folder)
    {
      folder = g_dir_make_tmp ("palimpsest-fuzz-XXXXXX", NULL);
      if (! folder)
        abort ();
      atexit (remove_folder);
    }

  return folder;
}

gchar *
fuzz_file (const gchar *name,
           const void  *data,
           gsize        size)
{
  gchar *path = g_build_filename (fuzz_folder (), name, NULL);
  FILE  *file;

  /* Some file systems write a truncated file to disk at once; a new one they don't. */
  g_remove (path);
  file = g_fopen (path, "wb");
  if (! file || fwrite (data ? data : "", 1, size, file) != size || fclose (file) != 0)
    abort ();

  return path;
}

gchar *
fuzz_text (const void *data,
           gsize       size)
{
  return g_strndup (data ? data : "", size);
}
