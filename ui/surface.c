/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the conversion of pictures to 8 bit for the screen. */

#include "surface.h"

static guint32
byte (gfloat value)
{
  return (guint32) (CLAMP (value, 0.0f, 1.0f) * 255.0f + 0.5f);
}

/* cairo wants colours multiplied by alpha. */
static guint32
pixel (const gfloat *rgb, gfloat alpha)
{
  return byte (alpha) << 24 | byte (rgb[0] * alpha) << 16 | byte (rgb[1] * alpha) << 8 |
         byte (rgb[2] * alpha);
}

/* The picture itself where it is small enough. */
static PalImage *
shrink (const PalImage *image, gint most_px)
{
  gdouble scale = (gdouble) most_px / MAX (image->width, image->height);

  if (scale >= 1.0)
    return pal_image_copy (image);

  return pal_image_resize (image, MAX ((gint) (image->width * scale), 1),
                           MAX ((gint) (image->height * scale), 1));
}

/* A surface of one pixel stands for a picture that there is no memory for. */
static cairo_surface_t *
empty_surface (void)
{
  return cairo_image_surface_create (CAIRO_FORMAT_ARGB32, 1, 1);
}

cairo_surface_t *
pal_surface_new (const PalImage *image, const PalImage *mask, gint most_px)
{
  g_autoptr (PalImage) small = shrink (image, most_px);
  g_autoptr (PalImage) alpha = small && mask ? pal_image_resize (mask, small->width, small->height)
                                             : NULL;
  cairo_surface_t     *surface;
  guint32             *to;
  gint                 stride;

  if (! small || (mask && ! alpha))
    return empty_surface ();

  surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, small->width, small->height);
  to      = (guint32 *) (gpointer) cairo_image_surface_get_data (surface);
  stride  = cairo_image_surface_get_stride (surface) / 4;
  for (gint y = 0; y < small->height; y++)
    for (gint x = 0; x < small->width; x++)
      {
        gsize         i    = (gsize) y * (gsize) small->width + (gsize) x;
        const gfloat *from = small->data + i * (gsize) small->channels;
        gfloat        a    = alpha ? alpha->data[i] : 1.0f;

        to[y * stride + x] = pixel (from, small->channels == 4 ? a * from[3] : a);
      }
  cairo_surface_mark_dirty (surface);

  return surface;
}

cairo_surface_t *
pal_surface_new_tint (const PalImage *mask, const GdkRGBA *colour)
{
  const gfloat     rgb[] = { (gfloat) colour->red, (gfloat) colour->green, (gfloat) colour->blue };
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, mask->width,
                                                         mask->height);
  guint32         *to      = (guint32 *) (gpointer) cairo_image_surface_get_data (surface);
  gint             stride  = cairo_image_surface_get_stride (surface) / 4;

  for (gint y = 0; y < mask->height; y++)
    for (gint x = 0; x < mask->width; x++)
      to[y * stride + x] = pixel (rgb, (gfloat) colour->alpha * mask->data[y * mask->width + x]);
  cairo_surface_mark_dirty (surface);

  return surface;
}

GdkPixbuf *
pal_thumbnail_new (const PalImage *image, const PalImage *mask, gint side)
{
  const PalRect        all    = { 0, 0, image->width, image->height };
  const PalRect        seen   = mask ? pal_image_bounds (mask) : all;
  gint                 least  = MAX (MIN (seen.width, seen.height), 1);
  g_autoptr (PalImage) middle = pal_image_crop (image, (PalRect) {
                                                  seen.x + (seen.width - least) / 2,
                                                  seen.y + (seen.height - least) / 2,
                                                  least, least });
  g_autoptr (PalImage) small  = middle ? pal_image_resize (middle, side, side) : NULL;
  GdkPixbuf           *pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, side, side);
  guchar              *to     = gdk_pixbuf_get_pixels (pixbuf);
  gint                 stride = gdk_pixbuf_get_rowstride (pixbuf);

  gdk_pixbuf_fill (pixbuf, 0x808080ff);
  for (gint y = 0; small && y < side; y++)
    for (gint i = 0; i < side * 3; i++)
      to[y * stride + i] = (guchar) byte (small->data[y * side * 3 + i]);

  return pixbuf;
}

PalImage *
pal_image_from_pixbuf (const GdkPixbuf *pixbuf, gint channels)
{
  gint          width  = gdk_pixbuf_get_width (pixbuf), height = gdk_pixbuf_get_height (pixbuf);
  gint          n      = gdk_pixbuf_get_n_channels (pixbuf);
  gint          stride = gdk_pixbuf_get_rowstride (pixbuf);
  const guchar *from   = gdk_pixbuf_read_pixels (pixbuf);
  PalImage     *image  = pal_image_new (width, height, channels);

  for (gint y = 0; image && y < height; y++)
    for (gint x = 0; x < width; x++)
      for (gint c = 0; c < channels; c++)
        image->data[(y * width + x) * channels + c] =
          c < n ? from[y * stride + x * n + c] / 255.0f : 1.0f;

  return image;
}
