/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the dialog's view of an image: reduced by GIMP itself, which is cheap at any size. */

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

/* A part of a channel or mask, which holds it; parts of the frame outside it are 0. */
static PalImage *
read_mask (GimpDrawable *drawable, gint x, gint y, PalRect frame)
{
  const gdouble scale  = MIN (1.0, (gdouble) MASK_PX / MAX (frame.width, frame.height));
  const gint    width  = MAX ((gint) (frame.width * scale), 1);
  const gint    height = MAX ((gint) (frame.height * scale), 1);

  return take_pixbuf (gimp_drawable_get_sub_thumbnail (drawable, frame.x - x, frame.y - y,
                                                       frame.width, frame.height, width, height,
                                                       GIMP_PIXBUF_KEEP_ALPHA), 1);
}

/* What the growing canvas adds: all of the frame but the image. */
static PalImage *
new_part (PalRect frame, PalRect image)
{
  const gdouble scale = MIN (1.0, (gdouble) MASK_PX / MAX (frame.width, frame.height));
  PalImage     *mask  = pal_image_new (MAX ((gint) (frame.width * scale), 1),
                                       MAX ((gint) (frame.height * scale), 1), 1);

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
    }

  return g_steal_pointer (&scene);
}
