/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a PNG file through libpng. */

#include <setjmp.h>
#include <string.h>

#include <glib/gi18n.h>
#include <png.h>

#include "cli.h"
#include "png-io.h"

/* A compressed text or profile may unpack to no more than this. */
#define MAX_CHUNK (64u << 20)

/* Lives outside the function that setjmp () returns into. */
typedef struct
{
  const gchar *path;
  gchar       *bytes;
  gsize        n_bytes, at;
  png_structp  png;
  png_infop    info;
  CliPng      *image;
  guint8      *rows;            /* [height, width, channels, depth / 8] */
  png_bytepp   row_pointers;
  gchar       *message;
} Reader;

static void G_GNUC_NORETURN
on_error (png_structp     png,
          png_const_charp message)
{
  Reader *reader = png_get_error_ptr (png);

  g_set_str (&reader->message, message);
  png_longjmp (png, 1);
}

/* Warnings are about chunks that are then left out. */
static void
on_warning (png_structp     png,
            png_const_charp message)
{
}

static void
read_bytes (png_structp png,
            png_bytep   out,
            png_size_t  n)
{
  Reader *reader = png_get_io_ptr (png);

  if (n > reader->n_bytes - reader->at)
    png_error (png, _("it ends too early"));

  memcpy (out, reader->bytes + reader->at, n);
  reader->at += n;
}

static void
read_profile (Reader *reader)
{
  CliPng     *image = reader->image;
  png_charp   name;
  png_bytep   profile;
  png_uint_32 n;
  int         compression;

  if (png_get_iCCP (reader->png, reader->info, &name, &compression, &profile, &n))
    {
      image->icc      = g_bytes_new (profile, n);
      image->icc_name = g_strdup (name);
    }

  if (! png_get_sRGB (reader->png, reader->info, &image->srgb_intent))
    image->srgb_intent = -1;

  png_get_gAMA (reader->png, reader->info, &image->gamma);
  png_get_cHRM (reader->png, reader->info,
                &image->chromaticities[0], &image->chromaticities[1],
                &image->chromaticities[2], &image->chromaticities[3],
                &image->chromaticities[4], &image->chromaticities[5],
                &image->chromaticities[6], &image->chromaticities[7]);
  png_get_pHYs (reader->png, reader->info, &image->density_x, &image->density_y,
                &image->density_unit);
}

/* Plain texts are Latin-1 in the file; everything is UTF-8 here. */
static void
read_texts (Reader *reader)
{
  png_textp texts;
  int       n = 0;

  png_get_text (reader->png, reader->info, &texts, &n);

  for (int i = 0; i < n; i++)
    {
      const gboolean international = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE;
      CliPngText    *text          = g_new0 (CliPngText, 1);
      const gchar   *value         = texts[i].text ? texts[i].text : "";

      text->key           = g_utf8_make_valid (texts[i].key, -1);
      text->international = international;
      text->compressed    = texts[i].compression == PNG_TEXT_COMPRESSION_zTXt ||
                            texts[i].compression == PNG_ITXT_COMPRESSION_zTXt;
      /* Some programs write UTF-8 where Latin-1 belongs. */
      text->value = international || g_utf8_validate (value, -1, NULL)
                      ? g_utf8_make_valid (value, -1)
                      : g_convert (value, -1, "UTF-8", "ISO-8859-1", NULL, NULL, NULL);
      if (international)
        {
          text->language       = g_strdup (texts[i].lang);
          text->translated_key = g_strdup (texts[i].lang_key);
        }
      g_ptr_array_add (reader->image->texts, text);
    }
}

/* Asks libpng for 8 or 16 bits, no palette, alpha as a channel. */
static void
read_header (Reader *reader)
{
  png_uint_32 width, height;
  int         depth, type;

  png_read_info (reader->png, reader->info);
  png_get_IHDR (reader->png, reader->info, &width, &height, &depth, &type, NULL, NULL, NULL);

  png_set_expand (reader->png);
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    png_set_swap (reader->png);
  png_set_interlace_handling (reader->png);
  png_read_update_info (reader->png, reader->info);

  reader->image = cli_png_new ((gint) width, (gint) height,
                               png_get_channels (reader->png, reader->info),
                               png_get_bit_depth (reader->png, reader->info));
  if (! reader->image)
    png_error (reader->png, _("it is too large for the memory"));

  reader->image->was_palette = type == PNG_COLOR_TYPE_PALETTE;
}

static void
read_pixels (Reader *reader)
{
  CliPng     *image = reader->image;
  const gsize row   = png_get_rowbytes (reader->png, reader->info);
  const gsize n     = (gsize) image->width * (gsize) image->height * (gsize) image->channels;

  reader->rows         = g_try_malloc_n ((gsize) image->height, row);
  reader->row_pointers = g_try_new (png_bytep, (gsize) image->height);
  if (! reader->rows || ! reader->row_pointers)
    png_error (reader->png, _("it is too large for the memory"));

  for (gint y = 0; y < image->height; y++)
    reader->row_pointers[y] = reader->rows + (gsize) y * row;

  png_read_image (reader->png, reader->row_pointers);
  png_read_end (reader->png, reader->info);

  if (image->depth == 16)
    memcpy (image->data, reader->rows, n * sizeof (guint16));
  else
    for (gsize i = 0; i < n; i++)
      image->data[i] = reader->rows[i];
}

static gboolean
read_all (Reader *reader)
{
  reader->png  = png_create_read_struct (PNG_LIBPNG_VER_STRING, reader, on_error, on_warning);
  reader->info = reader->png ? png_create_info_struct (reader->png) : NULL;
  if (! reader->info)
    return FALSE;

  if (setjmp (png_jmpbuf (reader->png)))
    return FALSE;

  png_set_read_fn (reader->png, reader, read_bytes);
  png_set_chunk_malloc_max (reader->png, MAX_CHUNK);
  read_header (reader);
  read_pixels (reader);
  read_profile (reader);
  read_texts (reader);

  return TRUE;
}

CliPng *
cli_png_read (const gchar *path,
              GError     **error)
{
  Reader             reader  = { .path = path };
  g_autoptr (GError) problem = NULL;

  if (! g_file_get_contents (path, &reader.bytes, &reader.n_bytes, &problem))
    {
      g_set_error_literal (error, CLI_ERROR, CLI_EXIT_FAILED, problem->message);
      return NULL;
    }

  if (reader.n_bytes < 8 || png_sig_cmp ((png_const_bytep) reader.bytes, 0, 8) != 0)
    g_set_error (error, CLI_ERROR, CLI_EXIT_FAILED, _("%s: is not a PNG file"), path);
  else if (! read_all (&reader))
    {
      /* TRANSLATORS: %s: file name, then what libpng says, in English. */
      g_set_error (error, CLI_ERROR, CLI_EXIT_FAILED, _("%s: can't be read: %s"), path,
                   reader.message ? reader.message : _("there is too little memory"));
      g_clear_pointer (&reader.image, cli_png_free);
    }

  if (reader.png)
    png_destroy_read_struct (&reader.png, &reader.info, NULL);
  g_free (reader.row_pointers);
  g_free (reader.rows);
  g_free (reader.bytes);
  g_free (reader.message);

  return reader.image;
}
