/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the way of a result into the image: layers, their masks, one step to undo.
 *
 * babl converts to the image's own profile, precision and gray. */

#include "layer-write.h"

#include <glib/gi18n-lib.h>

#define BAND_ROWS 64

static gboolean
refuse (GError **error, const gchar *message)
{
  g_set_error_literal (error, PAL_ERROR, PAL_ERROR_ARGUMENT, message);
  return FALSE;
}

static gboolean
out_of_memory (GError **error, const gchar *message)
{
  g_set_error_literal (error, PAL_ERROR, PAL_ERROR_MEMORY, message);
  return FALSE;
}

/* Overwrites the last component, alpha, of n pixels with another picture's, in
 * the same format: exact in any precision, where a conversion might round. */
static void
splice_alpha (guchar *pixels, const guchar *other, gsize n, const Babl *format)
{
  gsize bytes = (gsize) babl_format_get_bytes_per_pixel (format);
  gsize alpha = bytes / (gsize) babl_format_get_n_components (format);

  for (gsize i = 0; i < n; i++)
    memcpy (pixels + (i + 1) * bytes - alpha, other + (i + 1) * bytes - alpha, alpha);
}

/* The result's colours with the source's alpha, in bands to spare memory. */
static void
write_pixels (const PalCapture *capture, const PalImage *result, GimpLayer *layer)
{
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (layer));
  const Babl            *format = gegl_buffer_get_format (buffer);
  const Babl            *fish   = babl_fish (babl_format ("R'G'B' float"), format);
  gsize                  bytes  = (gsize) babl_format_get_bytes_per_pixel (format);
  gsize                  n_band = (gsize) result->width * BAND_ROWS;
  g_autofree guchar     *band   = g_malloc (n_band * bytes);
  g_autofree guchar     *source = g_malloc (n_band * bytes);

  for (gint y = 0; y < result->height; y += BAND_ROWS)
    {
      const GeglRectangle part = { 0, y, result->width, MIN (BAND_ROWS, result->height - y) };
      gsize               n    = (gsize) part.width * part.height;

      babl_process (fish, result->data + (gsize) y * result->width * 3, band, (glong) n);
      if (capture->alpha)
        {
          gegl_buffer_get (capture->pixels, &part, 1.0, format, source, GEGL_AUTO_ROWSTRIDE,
                           GEGL_ABYSS_NONE);
          splice_alpha (band, source, n, format);
        }
      gegl_buffer_set (buffer, &part, 0, format, band, GEGL_AUTO_ROWSTRIDE);
    }
}

/* GIMP would convert all that the layer covers to linear light and back, which is
 * exact up to 16 bit and in half floats. Finer pixels are to stay bit-equal where
 * the mask is black, so they are composited as they are encoded. */
static const struct
{
  GimpPrecision       precision;
  GimpLayerColorSpace space;
} composite_spaces[] = {
  { GIMP_PRECISION_U32_NON_LINEAR, GIMP_LAYER_COLOR_SPACE_RGB_NON_LINEAR },
  { GIMP_PRECISION_U32_PERCEPTUAL, GIMP_LAYER_COLOR_SPACE_RGB_PERCEPTUAL },
  { GIMP_PRECISION_FLOAT_NON_LINEAR, GIMP_LAYER_COLOR_SPACE_RGB_NON_LINEAR },
  { GIMP_PRECISION_FLOAT_PERCEPTUAL, GIMP_LAYER_COLOR_SPACE_RGB_PERCEPTUAL },
  { GIMP_PRECISION_DOUBLE_NON_LINEAR, GIMP_LAYER_COLOR_SPACE_RGB_NON_LINEAR },
  { GIMP_PRECISION_DOUBLE_PERCEPTUAL, GIMP_LAYER_COLOR_SPACE_RGB_PERCEPTUAL },
};

static void
set_composite_space (GimpLayer *layer, GimpPrecision precision)
{
  for (gsize i = 0; i < G_N_ELEMENTS (composite_spaces); i++)
    if (composite_spaces[i].precision == precision)
      {
        gimp_layer_set_composite_space (layer, composite_spaces[i].space);
        gimp_layer_set_blend_space (layer, composite_spaces[i].space);
      }
}

static gboolean
write_mask (const PalCapture *capture, GimpLayer *layer)
{
  GimpLayerMask *mask = gimp_layer_create_mask (layer, GIMP_ADD_MASK_WHITE);

  if (! mask || ! gimp_layer_add_mask (layer, mask))
    return FALSE;

  if (capture->region)
    {
      g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (mask));

      gegl_buffer_copy (capture->region, NULL, GEGL_ABYSS_NONE, buffer, NULL);
    }

  return TRUE;
}

/* A canvas that grew meanwhile, by another result, has moved the layer. */
static void
shift_since (const PalCapture *capture, gint *x, gint *y)
{
  *x = *y = 0;
  if (! capture->layer || ! gimp_item_is_valid (GIMP_ITEM (capture->layer)))
    return;

  gimp_drawable_get_offsets (GIMP_DRAWABLE (capture->layer), x, y);
  *x -= capture->layer_x;
  *y -= capture->layer_y;
}

GimpLayer *
pal_layer_from_image (const PalCapture *capture, const PalImage *result, const gchar *name,
                      GError **error)
{
  GimpLayer *layer = NULL;
  gboolean   gray;
  gint       x, y;

  g_return_val_if_fail (result->width == capture->rect.width &&
                        result->height == capture->rect.height && result->channels == 3, NULL);

  if (! gimp_image_is_valid (capture->image))
    {
      refuse (error, _("The image was closed before the result was ready."));
      return NULL;
    }

  gray  = gimp_image_get_base_type (capture->image) == GIMP_GRAY;
  layer = gimp_layer_new (capture->image, name, result->width, result->height,
                          gray ? GIMP_GRAYA_IMAGE : GIMP_RGBA_IMAGE, 100.0,
                          GIMP_LAYER_MODE_NORMAL);
  if (! layer)
    {
      out_of_memory (error, _("GIMP could not make a new layer."));
      return NULL;
    }

  write_pixels (capture, result, layer);
  shift_since (capture, &x, &y);
  gimp_layer_set_offsets (layer, capture->rect.x + x, capture->rect.y + y);
  set_composite_space (layer, gimp_image_get_precision (capture->image));

  /* Two half transparent layers would add up to a less transparent picture. */
  if (capture->alpha)
    gimp_layer_set_composite_mode (layer, GIMP_LAYER_COMPOSITE_CLIP_TO_BACKDROP);

  if (! write_mask (capture, layer))
    {
      gimp_item_delete (GIMP_ITEM (layer));
      out_of_memory (error, _("GIMP could not make a mask for the new layer."));
      return NULL;
    }

  return layer;
}

/* Where new layers go. */
typedef struct
{
  GimpImage *image;
  GimpLayer *parent;
  gint       position;
} Place;

static Place
find_place (GimpImage *image, GimpLayer *above)
{
  Place place = { .image = image };

  if (above && gimp_item_is_valid (GIMP_ITEM (above)))
    {
      place.parent   = GIMP_LAYER (gimp_item_get_parent (GIMP_ITEM (above)));
      place.position = gimp_image_get_item_position (image, GIMP_ITEM (above));
    }

  return place;
}

/* Layers in a group are variants to choose from: the top one alone is visible. The group
 * passes through, as its layers need what is below them. */
static GimpLayer *
insert_group (Place *place, const gchar *name)
{
  GimpLayer *group = GIMP_LAYER (gimp_group_layer_new (place->image, name));

  if (! group || ! gimp_image_insert_layer (place->image, group, place->parent, place->position))
    return NULL;

  gimp_layer_set_mode (group, GIMP_LAYER_MODE_PASS_THROUGH);
  place->parent   = group;
  place->position = 0;
  return group;
}

/* FALSE leaves none of them in the image. */
static gboolean
insert_all (Place place, GPtrArray *layers, const gchar *group_name)
{
  GimpLayer *group = group_name ? insert_group (&place, group_name) : NULL;
  gboolean   ok    = group || ! group_name;
  guint      done;

  for (done = 0; ok && done < layers->len; done++)
    {
      ok = gimp_image_insert_layer (place.image, layers->pdata[done], place.parent,
                                    place.position);
      if (! ok)
        break;
      gimp_layer_set_edit_mask (layers->pdata[done], FALSE);
      if (group)
        gimp_item_set_visible (GIMP_ITEM (layers->pdata[done]), done + 1 == layers->len);
    }
  if (ok)
    return TRUE;

  for (guint i = 0; i < layers->len; i++)
    if (i >= done)
      gimp_item_delete (GIMP_ITEM (layers->pdata[i]));
    else if (! group)
      gimp_image_remove_layer (place.image, layers->pdata[i]);
  if (group)
    gimp_image_remove_layer (place.image, group);

  return FALSE;
}

/* The canvas that holds itself and all layers. */
static void
grow_canvas (GimpImage *image, GPtrArray *layers)
{
  gint left = 0, top = 0;
  gint right = gimp_image_get_width (image), bottom = gimp_image_get_height (image);

  for (guint i = 0; i < layers->len; i++)
    {
      GimpDrawable *layer = layers->pdata[i];
      gint          x, y;

      gimp_drawable_get_offsets (layer, &x, &y);
      left   = MIN (left, x);
      top    = MIN (top, y);
      right  = MAX (right, x + gimp_drawable_get_width (layer));
      bottom = MAX (bottom, y + gimp_drawable_get_height (layer));
    }

  if (left < 0 || top < 0 || right > gimp_image_get_width (image) ||
      bottom > gimp_image_get_height (image))
    gimp_image_resize (image, right - left, bottom - top, -left, -top);
}

gboolean
pal_layers_insert (GimpImage *image, GimpLayer *above, GPtrArray *layers, gboolean grows,
                   const gchar *group_name, GError **error)
{
  /* One inserted layer is one undo step already. */
  gboolean steps = layers->len > 1 || grows || group_name;
  gboolean ok;

  if (! gimp_image_is_valid (image))
    return refuse (error, _("The image was closed before the result was ready."));

  if (steps)
    gimp_image_undo_group_start (image);
  ok = insert_all (find_place (image, above), layers, group_name);
  if (ok && grows)
    grow_canvas (image, layers);
  if (steps)
    gimp_image_undo_group_end (image);

  gimp_displays_flush ();

  if (! ok)
    g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT, _("GIMP did not accept the new layer: %s"),
                 gimp_pdb_get_last_error (gimp_get_pdb ()));
  return ok;
}
