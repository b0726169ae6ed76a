/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PNG files of every kind, read and written again. */

#include <string.h>

#include <png.h>

#include "cli.h"
#include "png-io.h"
#include "support.h"

#define WIDTH  13
#define HEIGHT 9

/* What a file of the test is made of. */
typedef struct
{
  int type, depth;
  gboolean transparent, interlaced;
  gint channels, read_depth;    /* expected */
} Kind;

static const Kind kinds[] = {
  { PNG_COLOR_TYPE_GRAY, 1, FALSE, FALSE, 1, 8 },
  { PNG_COLOR_TYPE_GRAY, 2, FALSE, FALSE, 1, 8 },
  { PNG_COLOR_TYPE_GRAY, 4, TRUE, FALSE, 2, 8 },
  { PNG_COLOR_TYPE_GRAY, 8, FALSE, TRUE, 1, 8 },
  { PNG_COLOR_TYPE_GRAY, 8, TRUE, FALSE, 2, 8 },
  { PNG_COLOR_TYPE_GRAY, 16, FALSE, FALSE, 1, 16 },
  { PNG_COLOR_TYPE_GRAY, 16, TRUE, FALSE, 2, 16 },
  { PNG_COLOR_TYPE_GRAY_ALPHA, 8, FALSE, FALSE, 2, 8 },
  { PNG_COLOR_TYPE_GRAY_ALPHA, 16, FALSE, TRUE, 2, 16 },
  { PNG_COLOR_TYPE_PALETTE, 1, FALSE, FALSE, 3, 8 },
  { PNG_COLOR_TYPE_PALETTE, 4, TRUE, FALSE, 4, 8 },
  { PNG_COLOR_TYPE_PALETTE, 8, FALSE, TRUE, 3, 8 },
  { PNG_COLOR_TYPE_PALETTE, 8, TRUE, FALSE, 4, 8 },
  { PNG_COLOR_TYPE_RGB, 8, FALSE, FALSE, 3, 8 },
  { PNG_COLOR_TYPE_RGB, 8, TRUE, TRUE, 4, 8 },
  { PNG_COLOR_TYPE_RGB, 16, FALSE, FALSE, 3, 16 },
  { PNG_COLOR_TYPE_RGB, 16, TRUE, FALSE, 4, 16 },
  { PNG_COLOR_TYPE_RGB_ALPHA, 8, FALSE, FALSE, 4, 8 },
  { PNG_COLOR_TYPE_RGB_ALPHA, 16, FALSE, TRUE, 4, 16 },
};

static gint
stored_channels (int type)
{
  return (type & PNG_COLOR_MASK_COLOR && type != PNG_COLOR_TYPE_PALETTE ? 3 : 1) +
         (type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
}

/* The value of a stored sample: large and small ones, all bits in use. */
static guint
stored (const Kind *kind,
        gint        x,
        gint        y,
        gint        c)
{
  const guint value = (guint) (x * 5851 + y * 18013 + c * 30011) * 2654435761u;

  return value >> 8 & ((1u << kind->depth) - 1);
}

static guint
palette_entry (guint index,
               gint  c)
{
  return (index * 37 + (guint) c * 91 + 5) & 255;
}

static guint
expected (const Kind *kind,
          gint        x,
          gint        y,
          gint        c)
{
  const gboolean palette = kind->type == PNG_COLOR_TYPE_PALETTE;
  const gboolean extra   = kind->transparent && c == kind->channels - 1;
  const guint    max     = kind->read_depth == 16 ? 65535 : 255;
  gboolean       key     = TRUE;

  if (palette)
    return extra ? stored (kind, x, y, 0) * 11 & 255 : palette_entry (stored (kind, x, y, 0), c);

  if (! extra)
    return stored (kind, x, y, c) * max / ((1u << kind->depth) - 1);

  /* The transparent colour is that of the pixel 3, 4. */
  for (gint i = 0; i < stored_channels (kind->type); i++)
    key = key && stored (kind, x, y, i) == stored (kind, 3, 4, i);

  return key ? 0 : max;
}

static void
set_palette (png_structp png,
             png_infop   info,
             const Kind *kind)
{
  png_color colours[256];
  png_byte  alpha[256];
  const int n = 1 << kind->depth;

  for (int i = 0; i < n; i++)
    {
      colours[i] = (png_color) { (png_byte) palette_entry ((guint) i, 0),
                                 (png_byte) palette_entry ((guint) i, 1),
                                 (png_byte) palette_entry ((guint) i, 2) };
      alpha[i]   = (png_byte) (i * 11);
    }

  png_set_PLTE (png, info, colours, n);
  if (kind->transparent)
    png_set_tRNS (png, info, alpha, n, NULL);
}

static void
pack_row (const Kind *kind,
          gint        y,
          guint8     *row)
{
  const gint channels = stored_channels (kind->type);
  gint       bit      = 0;

  memset (row, 0, WIDTH * 8);
  for (gint x = 0; x < WIDTH; x++)
    for (gint c = 0; c < channels; c++)
      for (gint b = kind->depth - 1; b >= 0; b--, bit++)
        row[bit / 8] |= (guint8) ((stored (kind, x, y, c) >> b & 1) << (7 - bit % 8));
}

static void
write_kind (const Kind  *kind,
            const gchar *path)
{
  FILE       *file = fopen (path, "wb");
  png_structp png  = png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop   info = png_create_info_struct (png);
  guint8      rows[HEIGHT][WIDTH * 8];
  png_bytep   pointers[HEIGHT];

  g_assert_nonnull (file);
  png_init_io (png, file);
  png_set_IHDR (png, info, WIDTH, HEIGHT, kind->depth, kind->type,
                kind->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);

  if (kind->type == PNG_COLOR_TYPE_PALETTE)
    set_palette (png, info, kind);
  else if (kind->transparent)
    {
      const png_color_16 key = {
        .red = (png_uint_16) stored (kind, 3, 4, 0), .green = (png_uint_16) stored (kind, 3, 4, 1),
        .blue = (png_uint_16) stored (kind, 3, 4, 2), .gray = (png_uint_16) stored (kind, 3, 4, 0)
      };

      png_set_tRNS (png, info, NULL, 0, &key);
    }

  for (gint y = 0; y < HEIGHT; y++)
    {
      pack_row (kind, y, rows[y]);
      pointers[y] = rows[y];
    }
  png_write_info (png, info);
  png_write_image (png, pointers);
  png_write_end (png, NULL);
  png_destroy_write_struct (&png, &info);
  g_assert_cmpint (fclose (file), ==, 0);
}

static CliPng *
read_png (const gchar *path)
{
  GError *error = NULL;
  CliPng *png   = cli_png_read (path, &error);

  g_assert_no_error (error);

  return png;
}

static void
assert_same_pixels (const CliPng *a,
                    const CliPng *b)
{
  const gsize n = (gsize) a->width * (gsize) a->height * (gsize) a->channels;

  g_assert_cmpint (a->width, ==, b->width);
  g_assert_cmpint (a->height, ==, b->height);
  g_assert_cmpint (a->channels, ==, b->channels);
  g_assert_cmpint (a->depth, ==, b->depth);
  g_assert_cmpmem (a->data, n * sizeof (guint16), b->data, n * sizeof (guint16));
}

static void
test_kinds (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = g_build_filename (folder, "a.png", NULL);
  g_autofree gchar *copy   = g_build_filename (folder, "b.png", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      const Kind        *kind  = &kinds[i];
      g_autoptr (CliPng) png   = NULL;
      g_autoptr (CliPng) again = NULL;
      GError            *error = NULL;

      write_kind (kind, path);
      png = read_png (path);
      g_assert_cmpint (png->channels, ==, kind->channels);
      g_assert_cmpint (png->depth, ==, kind->read_depth);
      g_assert_cmpint (png->was_palette, ==, kind->type == PNG_COLOR_TYPE_PALETTE);

      for (gint y = 0; y < HEIGHT; y++)
        for (gint x = 0; x < WIDTH; x++)
          for (gint c = 0; c < png->channels; c++)
            g_assert_cmpuint (png->data[(y * WIDTH + x) * png->channels + c], ==,
                              expected (kind, x, y, c));

      g_assert_true (cli_png_write (png, copy, &error));
      g_assert_no_error (error);
      again = read_png (copy);
      assert_same_pixels (png, again);
    }

  support_remove (folder);
}

/* A profile with a header that is right and one tag, too mixed to be compressed to the
 * few bytes that libpng takes for a damaged one. */
static GBytes *
make_profile (const gchar *space)
{
  guint8 bytes[400] = { [2] = 400 >> 8, [3] = 400 & 255, [8] = 4, [70] = 0xf6, [71] = 0xd6,
                        [74] = 1, [78] = 0xd3, [79] = 0x2d, [131] = 1, [139] = 144, [142] = 1 };

  memcpy (bytes + 12, "mntr", 4);
  memcpy (bytes + 16, space, 4);
  memcpy (bytes + 20, "XYZ ", 4);
  memcpy (bytes + 36, "acsp", 4);
  memcpy (bytes + 132, "cprt", 4);
  memcpy (bytes + 144, "data", 4);
  for (guint i = 152; i < sizeof bytes; i++)
    bytes[i] = (guint8) (i * i * 2654435761u >> 13);

  return g_bytes_new (bytes, sizeof bytes);
}

static void
test_extras (void)
{
  gchar             *folder = support_folder ();
  g_autofree gchar  *path   = g_build_filename (folder, "a.png", NULL);
  g_autoptr (CliPng) png    = cli_png_new (2, 3, 3, 16);
  g_autoptr (CliPng) again  = NULL;
  GError            *error  = NULL;

  png->icc          = make_profile ("RGB ");
  png->icc_name     = g_strdup ("test profile");
  png->gamma        = 0.5;
  png->density_x    = 2835;
  png->density_y    = 2836;
  png->density_unit = PNG_RESOLUTION_METER;
  cli_png_set_text (png, "Title", "plain");
  cli_png_set_text (png, "parameters", "Grüße 猫\nSteps: 1");
  cli_png_set_text (png, "Title", "plainer");
  ((CliPngText *) png->texts->pdata[0])->compressed = TRUE;

  g_assert_true (cli_png_write (png, path, &error));
  g_assert_no_error (error);
  again = read_png (path);

  assert_same_pixels (png, again);
  g_assert_true (g_bytes_equal (again->icc, png->icc));
  g_assert_cmpstr (again->icc_name, ==, "test profile");
  g_assert_false (cli_png_gray_profile (again));
  g_assert_cmpfloat_with_epsilon (again->gamma, 0.5, 1e-5);
  g_assert_cmpuint (again->density_x, ==, 2835);
  g_assert_cmpuint (again->density_y, ==, 2836);
  g_assert_cmpint (again->density_unit, ==, PNG_RESOLUTION_METER);
  g_assert_cmpuint (again->texts->len, ==, 2);
  g_assert_cmpstr (cli_png_get_text (again, "Title"), ==, "plainer");
  g_assert_cmpstr (cli_png_get_text (again, "parameters"), ==, "Grüße 猫\nSteps: 1");
  g_assert_null (cli_png_get_text (again, "absent"));

  support_remove (folder);
}

static void
test_srgb_and_gray_profile (void)
{
  gchar             *folder = support_folder ();
  g_autofree gchar  *path   = g_build_filename (folder, "a.png", NULL);
  g_autoptr (CliPng) srgb   = cli_png_new (1, 1, 4, 8);
  g_autoptr (CliPng) gray   = cli_png_new (1, 1, 1, 8);
  g_autoptr (CliPng) again  = NULL;

  srgb->srgb_intent = 1;
  g_assert_true (cli_png_write (srgb, path, NULL));
  again = read_png (path);
  g_assert_cmpint (again->srgb_intent, ==, 1);
  g_assert_null (again->icc);
  cli_png_free (g_steal_pointer (&again));

  gray->icc = make_profile ("GRAY");
  g_assert_true (cli_png_write (gray, path, NULL));
  again = read_png (path);
  g_assert_cmpint (again->srgb_intent, ==, -1);
  g_assert_true (cli_png_gray_profile (again));

  support_remove (folder);
}

/* Plain texts are Latin-1, whatever a UTF-8 reader would make of them. */
static void
test_latin_text (void)
{
  gchar             *folder = support_folder ();
  g_autofree gchar  *path   = g_build_filename (folder, "a.png", NULL);
  g_autoptr (CliPng) png    = cli_png_new (1, 1, 1, 8);
  g_autoptr (CliPng) again  = NULL;

  cli_png_set_text (png, "Author", "Ren\u00e9");
  ((CliPngText *) png->texts->pdata[0])->international = FALSE;
  g_assert_true (cli_png_write (png, path, NULL));
  again = read_png (path);
  g_assert_false (((CliPngText *) again->texts->pdata[0])->international);
  g_assert_cmpstr (cli_png_get_text (again, "Author"), ==, "Ren\u00e9");

  support_remove (folder);
}

static void
assert_refused (const gchar *path,
                const gchar *message)
{
  GError *error = NULL;

  g_assert_null (cli_png_read (path, &error));
  g_assert_error (error, CLI_ERROR, CLI_EXIT_FAILED);
  if (! strstr (error->message, message))
    g_error ("expected \"%s\" in \"%s\"", message, error->message);
  g_clear_error (&error);
}

static void
test_malformed (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = g_build_filename (folder, "a.png", NULL);
  g_autofree gchar *bytes  = NULL;
  gsize             n      = 0;

  assert_refused (path, "a.png");
  support_write (folder, "a.png", "GIF89a, not what it says", -1);
  assert_refused (path, "is not a PNG file");

  write_kind (&kinds[15], path);
  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  for (gsize length = 8; length < n; length++)
    {
      support_write (folder, "a.png", bytes, (gssize) length);
      assert_refused (path, "it ends too early");
    }

  /* A pixel's byte changed: its checksum is wrong. */
  bytes[n - 30] ^= 1;
  support_write (folder, "a.png", bytes, (gssize) n);
  assert_refused (path, "can't be read");

  support_remove (folder);
}

/* A failed write leaves neither the file nor a temporary one. */
static void
test_unwritable (void)
{
  gchar             *folder = support_folder ();
  g_autofree gchar  *path   = g_build_filename (folder, "absent", "a.png", NULL);
  g_autoptr (CliPng) png    = cli_png_new (1, 1, 1, 8);
  GError            *error  = NULL;

  g_assert_false (cli_png_write (png, path, &error));
  g_assert_error (error, CLI_ERROR, CLI_EXIT_FAILED);
  g_clear_error (&error);
  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/png/kinds", test_kinds);
  g_test_add_func ("/png/extras", test_extras);
  g_test_add_func ("/png/srgb-and-gray-profile", test_srgb_and_gray_profile);
  g_test_add_func ("/png/latin-text", test_latin_text);
  g_test_add_func ("/png/malformed", test_malformed);
  g_test_add_func ("/png/unwritable", test_unwritable);

  return g_test_run ();
}
