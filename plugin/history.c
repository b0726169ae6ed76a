/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns palimpsest/history below the user's data folder: a folder for each image, in it a PNG
 * for each result. Its text "parameters" is what other programs read; the place in the image
 * stands in "palimpsest". */

#include "history.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "layer-io.h"
#include "surface.h"

#define MOST_BYTES (G_GUINT64_CONSTANT (512) << 20)
#define MOST_SHOWN 40
#define RECIPE_KEY "tEXt::parameters"
#define PLACE_KEY  "tEXt::palimpsest"

static gchar *
history_folder (void)
{
  return g_build_filename (g_get_user_data_dir (), "palimpsest", "history", NULL);
}

/* An image without a file is known as long as its GIMP runs. */
static gchar *
image_folder (GimpImage *image)
{
  g_autoptr (GFile) file   = gimp_image_get_file (image);
  g_autofree gchar *name   = file ? g_file_get_uri (file)
                                  : g_strdup_printf ("%d:%d", (gint) getppid (),
                                                     gimp_image_get_id (image));
  g_autofree gchar *key    = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
  g_autofree gchar *folder = history_folder ();

  key[16] = '\0';
  return g_build_filename (folder, key, NULL);
}

/* The size cap */

typedef struct
{
  gchar  *path;
  guint64 bytes;
  gint64  time_us;
} File;

static void
free_file (gpointer data)
{
  g_free (((File *) data)->path);
  g_free (data);
}

static gint
newer_first (gconstpointer a, gconstpointer b)
{
  const File *one = *(File *const *) a, *other = *(File *const *) b;

  return one->time_us > other->time_us ? -1 : one->time_us < other->time_us;
}

static void
add_files (GPtrArray *files, const gchar *folder)
{
  g_autoptr (GFile)           parent = g_file_new_for_path (folder);
  g_autoptr (GFileEnumerator) list   = NULL;
  GFileInfo                  *info;

  list = g_file_enumerate_children (parent, "standard::name,standard::size,standard::type,"
                                    "time::modified,time::modified-usec",
                                    G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, NULL);
  while (list && (info = g_file_enumerator_next_file (list, NULL, NULL)))
    {
      g_autofree gchar *path = g_build_filename (folder, g_file_info_get_name (info), NULL);

      if (g_file_info_get_file_type (info) == G_FILE_TYPE_DIRECTORY)
        add_files (files, path);
      else if (g_str_has_suffix (path, ".png"))
        {
          g_autoptr (GDateTime) time = g_file_info_get_modification_date_time (info);
          File                 *file = g_new0 (File, 1);

          file->path    = g_steal_pointer (&path);
          file->bytes   = (guint64) g_file_info_get_size (info);
          file->time_us = g_date_time_to_unix (time) * G_USEC_PER_SEC +
                          g_date_time_get_microsecond (time);
          g_ptr_array_add (files, file);
        }
      g_object_unref (info);
    }
}

static GPtrArray *
list_files (const gchar *folder)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (free_file);

  add_files (files, folder);
  g_ptr_array_sort (files, newer_first);
  return files;
}

static void
drop_oldest (void)
{
  g_autofree gchar     *folder = history_folder ();
  g_autoptr (GPtrArray) files  = list_files (folder);
  guint64               bytes  = 0;

  for (guint i = 0; i < files->len; i++)
    {
      const File *file = files->pdata[i];

      bytes += file->bytes;
      if (bytes > MOST_BYTES && i > 0)
        g_unlink (file->path);
    }
}

/* Writing */

static GdkPixbuf *
to_pixbuf (const PalResult *result)
{
  const PalImage *image  = result->image;
  GdkPixbuf      *pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, result->mask != NULL, 8,
                                           image->width, image->height);
  gint            n      = result->mask ? 4 : 3;

  for (gint y = 0; pixbuf && y < image->height; y++)
    {
      guchar *to = gdk_pixbuf_get_pixels (pixbuf) + y * gdk_pixbuf_get_rowstride (pixbuf);

      for (gint x = 0; x < image->width; x++, to += n)
        {
          gsize i = (gsize) y * (gsize) image->width + (gsize) x;

          for (gint c = 0; c < 3; c++)
            to[c] = (guchar) (CLAMP (image->data[i * 3 + c], 0.0f, 1.0f) * 255.0f + 0.5f);
          if (n == 4)
            to[3] = (guchar) (result->mask->data[i] * 255.0f + 0.5f);
        }
    }

  return pixbuf;
}

void
pal_history_keep (GimpImage *image, PalResult *result)
{
  g_autofree gchar     *folder = image_folder (image);
  g_autofree gchar     *name   = g_strdup_printf ("%" G_GINT64_FORMAT "-%d.png",
                                                  g_get_real_time (), result->seed);
  g_autofree gchar     *path   = g_build_filename (folder, name, NULL);
  g_autofree gchar     *place  = g_strdup_printf ("%s %d %d %d",
                                                  pal_purpose_info (result->purpose)->id,
                                                  result->rect.x, result->rect.y, result->seed);
  g_autoptr (GdkPixbuf) pixbuf = to_pixbuf (result);
  g_autoptr (GError)    error  = NULL;
  g_autofree gchar     *bytes  = NULL;
  gsize                 size;

  if (pixbuf && g_mkdir_with_parents (folder, 0700) == 0 &&
      gdk_pixbuf_save_to_buffer (pixbuf, &bytes, &size, "png", &error, "compression", "2",
                                 RECIPE_KEY, result->recipe, PLACE_KEY, place, NULL) &&
      g_file_set_contents_full (path, bytes, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                                &error))
    result->path = g_steal_pointer (&path);
  else
    g_info ("%s is not kept: %s", path, error ? error->message : g_strerror (errno));

  drop_oldest ();
}

/* Reading */

static PalResult *
read_result (GimpImage *image, const gchar *path)
{
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new_from_file (path, NULL);
  const gchar          *place  = pixbuf ? gdk_pixbuf_get_option (pixbuf, PLACE_KEY) : NULL;
  const gchar          *text   = pixbuf ? gdk_pixbuf_get_option (pixbuf, RECIPE_KEY) : NULL;
  g_autoptr (PalRecipe) recipe = text ? pal_recipe_parse (text, NULL) : NULL;
  PalResult            *result;
  gchar                 purpose[16];
  gint                  x, y, seed;

  if (! recipe || ! place || sscanf (place, "%15s %d %d %d", purpose, &x, &y, &seed) != 4)
    return NULL;

  result          = pal_result_new ();
  result->purpose = pal_purpose_find (purpose);
  result->image   = pal_image_from_pixbuf (pixbuf, 3);
  result->rect    = (PalRect) { x, y, gdk_pixbuf_get_width (pixbuf),
                                gdk_pixbuf_get_height (pixbuf) };
  result->seed    = seed;
  result->prompt  = g_strdup (recipe->prompt);
  result->recipe  = g_strdup (text);
  result->path    = g_strdup (path);
  if (gdk_pixbuf_get_has_alpha (pixbuf))
    {
      g_autoptr (PalImage) all = pal_image_from_pixbuf (pixbuf, 4);

      result->mask = all ? pal_image_new (all->width, all->height, 1) : NULL;
      for (gsize i = 0; result->mask && i < (gsize) all->width * (gsize) all->height; i++)
        result->mask->data[i] = all->data[i * 4 + 3];
    }
  result->data    = pal_capture_new_kept (image, result->rect, result->mask,
                                          pal_purpose_info (result->purpose)->grows);
  result->destroy = (GDestroyNotify) pal_capture_unref;
  if (! result->image)
    g_clear_pointer (&result, pal_result_unref);

  return result;
}

GPtrArray *
pal_history_read (GimpImage *image)
{
  g_autofree gchar     *folder  = image_folder (image);
  g_autoptr (GPtrArray) files   = list_files (folder);
  GPtrArray            *results;

  results = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_result_unref);
  for (guint i = MIN (files->len, MOST_SHOWN); i-- > 0;)
    {
      PalResult *result = read_result (image, ((File *) files->pdata[i])->path);

      if (result)
        g_ptr_array_add (results, result);
    }

  return results;
}

void
pal_history_forget (PalResult *result)
{
  if (result->path)
    g_unlink (result->path);
  g_clear_pointer (&result->path, g_free);
}
