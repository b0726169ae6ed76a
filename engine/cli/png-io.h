/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PNG files in and out, with what they say besides their pixels. */

#ifndef CLI_PNG_IO_H
#define CLI_PNG_IO_H

#include <gio/gio.h>

typedef struct
{
  gchar   *key, *value;
  gchar   *language, *translated_key;   /* of an international text; or NULL */
  gboolean international, compressed;
} CliPngText;

/* Palettes and depths below 8 bits are read as 8-bit samples, a transparent colour as
 * an alpha channel. */
typedef struct
{
  gint       width, height;
  gint       channels;          /* 1 gray, 2 gray + alpha, 3 RGB, 4 RGBA; straight alpha */
  gint       depth;             /* 8 or 16 */
  guint16   *data;              /* [height, width, channels], 0 .. 2^depth - 1 */
  gboolean   was_palette;

  GBytes    *icc;               /* colour profile, or NULL */
  gchar     *icc_name;
  gint       srgb_intent;       /* -1 = no sRGB chunk */
  gdouble    gamma;             /* of the file, 1/2.2; 0 = not given */
  gdouble    chromaticities[8]; /* white, red, green, blue x y; white x 0 = not given */
  guint32    density_x, density_y;   /* pixels for each density unit; 0 = not given */
  gint       density_unit;
  GPtrArray *texts;             /* of CliPngText */
} CliPng;

/* An image of zeros without texts; NULL when there is too little memory. */
CliPng      *cli_png_new       (gint width, gint height, gint channels, gint depth);
void         cli_png_free      (CliPng *png);

/* Errors are CLI_ERROR and name the file. */
CliPng      *cli_png_read      (const gchar *path, GError **error);

/* Written to a temporary file that then takes the name. */
gboolean     cli_png_write     (const CliPng *png, const gchar *path, GError **error);

/* TRUE when the profile is one of gray values. */
gboolean     cli_png_gray_profile (const CliPng *png);

const gchar *cli_png_get_text  (const CliPng *png, const gchar *key);   /* or NULL */

/* Replaces all texts of that key. */
void         cli_png_set_text  (CliPng *png, const gchar *key, const gchar *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliPng, cli_png_free)

#endif
