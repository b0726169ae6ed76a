/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the dialog's view of an image: reduced by GIMP and GEGL, which is cheap at any size. */

#include "scene.h"

#include <glib/gi18n-lib.h>

#include "surface.h"

/* GIMP makes no larger ones. */
#define PICTURE_PX 1024
#define MASK_PX    512

static PalImage *
take_pixbuf (GdkPixbuf *pixbuf /* taken */, gint channels)
{
  PalImage *image = pixbuf ? pal_image_from_pixbuf (pixbuf, channels) : NULL;

  g_clear_object (&pixbuf);
  return image;
}

static PalImage *
read_picture (GimpImage *image)
{
  gint    width  = gimp_image_get_width (image), height = gimp_image_get_height (image);
  gdouble scale  = MIN (1.0, (gdouble) PICTURE_PX / MAX (width, height));

  return take_pixbuf (gimp_image_get_thumbnail (image, MAX ((gint) (width * scale), 1),
                                                MAX ((gint) (height * scale), 1),
                                                GIMP_PIXBUF_KEEP_ALPHA), 4);
}

static gdouble
mask_scale (PalRect frame)
{
  return MIN (1.0, (gdouble) MASK_PX / MAX (frame.width, frame.height));
}

static PalImage *
mask_new (PalRect frame)
{
  const gdouble scale = mask_scale (frame);

  return pal_image_new (MAX ((gint) (frame.width * scale), 1),
                        MAX ((gint) (frame.height * scale), 1), 1);
}

/* A part of a channel or mask whose corner is at x, y of the image. */
static PalImage *
read_mask (GimpDrawable *drawable, gint x, gint y, PalRect frame)
{
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (drawable);
  const gdouble          scale  = mask_scale (frame);
  PalImage              *mask   = mask_new (frame);

  if (mask)
    gegl_buffer_get (buffer, GEGL_RECTANGLE ((gint) ((frame.x - x) * scale),
                                             (gint) ((frame.y - y) * scale),
                                             mask->width, mask->height),
                     scale, babl_format ("Y float"), mask->data, GEGL_AUTO_ROWSTRIDE,
                     GEGL_ABYSS_NONE);

  return mask;
}

/* What the growing canvas adds: all of the frame but the image. */
static PalImage *
new_part (PalRect frame, PalRect image)
{
  const gdouble scale = mask_scale (frame);
  PalImage     *mask  = mask_new (frame);

  for (gint row = 0; mask && row < mask->height; row++)
    for (gint column = 0; column < mask->width; column++)
      {
        gdouble  x      = frame.x + (column + 0.5) / scale, y = frame.y + (row + 0.5) / scale;
        gboolean inside = x >= image.x && x < image.x + image.width &&
                          y >= image.y && y < image.y + image.height;

        mask->data[row * mask->width + column] = inside ? 0.0f : 1.0f;
      }

  return mask;
}

static PalImage *
region_mask (GimpImage *image, GimpLayer *layer, const PalSettings *settings, PalRect frame)
{
  if (settings->region == PAL_REGION_LAYER_MASK)
    {
      gint x, y;

      gimp_drawable_get_offsets (GIMP_DRAWABLE (layer), &x, &y);
      return read_mask (GIMP_DRAWABLE (gimp_layer_get_mask (layer)), x, y, frame);
    }

  if (gimp_selection_is_empty (image))
    return NULL;

  return read_mask (GIMP_DRAWABLE (gimp_image_get_selection (image)), 0, 0, frame);
}

PalScene *
pal_scene_new (GimpImage *image, GimpLayer *layer, const PalSettings *settings,
               const PalModelInfo *info, GError **error)
{
  g_autoptr (PalScene) scene = g_new0 (PalScene, 1);
  PalRect              bounds;

  scene->image = (PalRect) { 0, 0, gimp_image_get_width (image), gimp_image_get_height (image) };
  if (! pal_capture_place (image, layer, settings, info, &bounds, &scene->frame, error))
    return NULL;

  scene->picture = read_picture (image);
  if (! scene->picture)
    {
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_MEMORY,
                           _("GIMP could not make a preview of the image."));
      return NULL;
    }

  if (pal_purpose_info (settings->purpose)->grows)
    {
      scene->canvas = scene->frame;
      scene->mask   = new_part (scene->frame, scene->image);
    }
  else
    {
      scene->canvas = scene->image;
      scene->mask   = region_mask (image, layer, settings, scene->frame);
      if (scene->mask && ! pal_edge_apply (settings->edge, scene->mask, mask_scale (scene->frame)))
        g_clear_pointer (&scene->mask, pal_image_free);
    }

  return g_steal_pointer (&scene);
}
