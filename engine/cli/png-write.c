/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes a PNG file through libpng. */

#include <setjmp.h>
#include <string.h>

#include <glib/gi18n.h>
#include <png.h>

#include "cli.h"
#include "png-io.h"

/* Of zlib, 0 to 9: half the time of its usual 6, files 7% larger. A large picture takes
 * longer to write than to fill. */
#define COMPRESSION 3

typedef struct
{
  const CliPng *image;
  GByteArray   *bytes;
  png_structp   png;
  png_infop     info;
  guint8       *row;            /* [width, channels, depth / 8] */
  png_textp     texts;
  gchar       **latin;          /* values of plain texts, NULL-terminated */
  gchar        *message;
} Writer;

static const int color_types[] = {
  [1] = PNG_COLOR_TYPE_GRAY, [2] = PNG_COLOR_TYPE_GRAY_ALPHA,
  [3] = PNG_COLOR_TYPE_RGB,  [4] = PNG_COLOR_TYPE_RGB_ALPHA,
};

static void G_GNUC_NORETURN
on_error (png_structp     png,
          png_const_charp message)
{
  Writer *writer = png_get_error_ptr (png);

  g_set_str (&writer->message, message);
  png_longjmp (png, 1);
}

static void
on_warning (png_structp     png,
            png_const_charp message)
{
}

static void
write_bytes (png_structp png,
             png_bytep   data,
             png_size_t  n)
{
  Writer *writer = png_get_io_ptr (png);

  g_byte_array_append (writer->bytes, data, (guint) n);
}

static void
flush_bytes (png_structp png)
{
}

static void
set_profile (Writer *writer)
{
  const CliPng  *image = writer->image;
  const gdouble *c     = image->chromaticities;

  if (image->icc)
    {
      gsize         n;
      const guint8 *bytes = g_bytes_get_data (image->icc, &n);

      png_set_iCCP (writer->png, writer->info, image->icc_name ? image->icc_name : "icc",
                    PNG_COMPRESSION_TYPE_BASE, bytes, (png_uint_32) n);
    }
  else if (image->srgb_intent >= 0)
    png_set_sRGB (writer->png, writer->info, image->srgb_intent);

  if (image->gamma > 0)
    png_set_gAMA (writer->png, writer->info, image->gamma);
  if (c[0] > 0)
    png_set_cHRM (writer->png, writer->info, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]);
  if (image->density_x > 0 && image->density_y > 0)
    png_set_pHYs (writer->png, writer->info, image->density_x, image->density_y,
                  image->density_unit);
}

/* A plain text whose value left Latin-1 is written as an international one. */
static void
set_texts (Writer *writer)
{
  const GPtrArray *texts = writer->image->texts;

  writer->texts = g_new0 (png_text, texts->len);
  writer->latin = g_new0 (gchar *, texts->len + 1);

  for (guint i = 0, n = 0; i < texts->len; i++)
    {
      const CliPngText *text = g_ptr_array_index (texts, i);
      png_textp         out  = &writer->texts[i];
      gchar            *latin;

      latin = text->international ? NULL
                                  : g_convert (text->value, -1, "ISO-8859-1", "UTF-8",
                                               NULL, NULL, NULL);
      out->key = text->key;
      if (latin)
        {
          writer->latin[n++] = latin;
          out->compression   = text->compressed ? PNG_TEXT_COMPRESSION_zTXt
                                                : PNG_TEXT_COMPRESSION_NONE;
          out->text          = latin;
        }
      else
        {
          out->compression = text->compressed ? PNG_ITXT_COMPRESSION_zTXt
                                              : PNG_ITXT_COMPRESSION_NONE;
          out->text        = text->value;
          out->lang        = text->language ? text->language : (png_charp) "";
          out->lang_key    = text->translated_key ? text->translated_key : (png_charp) "";
        }
    }

  png_set_text (writer->png, writer->info, writer->texts, (int) texts->len);
}

static void
write_pixels (Writer *writer)
{
  const CliPng *image = writer->image;
  const gsize   n     = (gsize) image->width * (gsize) image->channels;

  writer->row = g_new (guint8, n * 2);

  for (gint y = 0; y < image->height; y++)
    {
      const guint16 *in = image->data + (gsize) y * n;

      if (image->depth == 16)
        memcpy (writer->row, in, n * sizeof (guint16));
      else
        for (gsize i = 0; i < n; i++)
          writer->row[i] = (guint8) in[i];

      png_write_row (writer->png, writer->row);
    }
}

static gboolean
write_all (Writer *writer)
{
  const CliPng *image = writer->image;

  writer->png  = png_create_write_struct (PNG_LIBPNG_VER_STRING, writer, on_error, on_warning);
  writer->info = writer->png ? png_create_info_struct (writer->png) : NULL;
  if (! writer->info)
    return FALSE;

  if (setjmp (png_jmpbuf (writer->png)))
    return FALSE;

  png_set_write_fn (writer->png, writer, write_bytes, flush_bytes);
  png_set_IHDR (writer->png, writer->info, (png_uint_32) image->width,
                (png_uint_32) image->height, image->depth, color_types[image->channels],
                PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
  png_set_compression_level (writer->png, COMPRESSION);
  set_profile (writer);
  set_texts (writer);

  png_write_info (writer->png, writer->info);
  if (image->depth == 16 && G_BYTE_ORDER == G_LITTLE_ENDIAN)
    png_set_swap (writer->png);
  write_pixels (writer);
  png_write_end (writer->png, NULL);

  return TRUE;
}

gboolean
cli_png_write (const CliPng *png,
               const gchar  *path,
               GError      **error)
{
  Writer             writer  = { .image = png, .bytes = g_byte_array_new () };
  g_autoptr (GError) problem = NULL;
  gboolean           written = write_all (&writer);

  if (! written)
    g_set_error (error, CLI_ERROR, CLI_EXIT_FAILED, _("%s: can't be written: %s"), path,
                 writer.message ? writer.message : _("there is too little memory"));
  else if (! g_file_set_contents_full (path, (const gchar *) writer.bytes->data,
                                       (gssize) writer.bytes->len,
                                       G_FILE_SET_CONTENTS_CONSISTENT, 0666, &problem))
    {
      g_set_error_literal (error, CLI_ERROR, CLI_EXIT_FAILED, problem->message);
      written = FALSE;
    }

  if (writer.png)
    png_destroy_write_struct (&writer.png, &writer.info);
  g_byte_array_unref (writer.bytes);
  g_strfreev (writer.latin);
  g_free (writer.texts);
  g_free (writer.row);
  g_free (writer.message);

  return written;
}
