/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns drawable, selection and mask to PalImage, and the result to a layer. babl
 * formats are named here alone.
 *
 * The engine works on sRGB values, as its models were trained on; babl converts
 * from and to the image's own profile, precision and gray. Alpha and masks never
 * pass through float on their way back: they are copied in their own format. */

#include "layer-io.h"

#include <glib/gi18n-lib.h>

#define BAND_ROWS 64

/* Checks */

static gboolean
refuse (GError **error, const gchar *message)
{
  g_set_error_literal (error, PAL_ERROR, PAL_ERROR_ARGUMENT, message);
  return FALSE;
}

/* A drawable may be a channel or a layer mask: libgimp has no type filter for that. */
static gboolean
check_kind (GimpItem *item, GError **error)
{
  if (gimp_item_is_layer_mask (item))
    return refuse (error, _("A layer mask is active. Click on the layer itself in the Layers "
                            "dialog, then try again."));
  if (gimp_item_is_channel (item))
    return refuse (error, _("A channel is active. Choose one layer in the Layers dialog, "
                            "then try again."));
  if (gimp_item_is_group (item))
    return refuse (error, _("A layer group is active. Choose one layer inside it, or merge "
                            "the group first (Layer > Merge Layer Group)."));
  if (! gimp_item_is_layer (item))
    return refuse (error, _("The active item is not a layer. Choose one layer in the Layers "
                            "dialog, then try again."));

  return TRUE;
}

GimpLayer *
pal_layer_check (GimpImage *image, GimpDrawable **drawables, GError **error)
{
  gsize n = gimp_core_object_array_get_length ((GObject **) drawables);

  if (! GIMP_IS_IMAGE (image) || ! gimp_image_is_valid (image))
    {
      refuse (error, _("There is no image to work on."));
      return NULL;
    }

  if (n == 0)
    {
      refuse (error, _("No layer is active. Choose one in the Layers dialog, then try again."));
      return NULL;
    }

  if (n > 1)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                   ngettext ("%u layers are active. Choose exactly one, then try again.",
                             "%u layers are active. Choose exactly one, then try again.",
                             (guint) n),
                   (guint) n);
      return NULL;
    }

  if (! gimp_item_is_valid (GIMP_ITEM (drawables[0])))
    {
      refuse (error, _("The layer is no longer part of the image."));
      return NULL;
    }

  if (! check_kind (GIMP_ITEM (drawables[0]), error))
    return NULL;

  if (gimp_image_get_floating_sel (image))
    {
      refuse (error, _("There is a floating selection. Anchor it (Layer > Anchor Floating "
                       "Layer) or make it a layer, then try again."));
      return NULL;
    }

  if (gimp_image_get_base_type (image) == GIMP_INDEXED)
    {
      refuse (error, _("The image has indexed colors, which can't hold the result. Convert it "
                       "with Image > Mode > RGB, then try again."));
      return NULL;
    }

  return GIMP_LAYER (drawables[0]);
}

/* Reading */

/* A copy in this process, with its origin at 0, 0, of a part of a drawable. */
static GeglBuffer *
copy_part (GimpDrawable *drawable, gint x, gint y, gint width, gint height)
{
  g_autoptr (GeglBuffer) whole = gimp_drawable_get_buffer (drawable);
  GeglBuffer            *part;

  part = gegl_buffer_new (GEGL_RECTANGLE (0, 0, width, height), gegl_buffer_get_format (whole));
  gegl_buffer_copy (whole, GEGL_RECTANGLE (x, y, width, height), GEGL_ABYSS_NONE,
                    part, GEGL_RECTANGLE (0, 0, width, height));

  return part;
}

static PalImage *
read_image (GeglBuffer *buffer, gint channels, GError **error)
{
  static const gchar *const formats[] = { NULL, "Y float", NULL, "R'G'B' float", "R'G'B'A float" };

  const GeglRectangle *extent = gegl_buffer_get_extent (buffer);
  PalImage            *image  = pal_image_new (extent->width, extent->height, channels);

  if (! image)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
                   _("There is not enough memory to read %d × %d pixels."),
                   extent->width, extent->height);
      return NULL;
    }

  gegl_buffer_get (buffer, extent, 1.0, babl_format (formats[channels]), image->data,
                   GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);

  /* A wide profile or a float image can hold values that sRGB can't. */
  for (gsize i = 0; i < (gsize) image->width * image->height * channels; i++)
    image->data[i] = image->data[i] >= 0 ? MIN (image->data[i], 1.0f) : 0.0f;

  return image;
}

/* region *= mask, both of one size. */
static void
multiply_mask (GeglBuffer *region, GeglBuffer *mask)
{
  const Babl          *format = babl_format ("Y double");
  const GeglRectangle *extent = gegl_buffer_get_extent (region);
  g_autofree gdouble  *a      = g_new (gdouble, extent->width);
  g_autofree gdouble  *b      = g_new (gdouble, extent->width);

  for (gint y = 0; y < extent->height; y++)
    {
      const GeglRectangle row = { 0, y, extent->width, 1 };

      gegl_buffer_get (region, &row, 1.0, format, a, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
      gegl_buffer_get (mask, &row, 1.0, format, b, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
      for (gint x = 0; x < extent->width; x++)
        a[x] *= b[x];
      gegl_buffer_set (region, &row, 0, format, a, GEGL_AUTO_ROWSTRIDE);
    }
}

/* The region over rect (image coordinates), in the format of masks; NULL in
 * *region means everything. */
static void
read_region (PalCapture *capture, PalRegion kind, gboolean own_mask_counts)
{
  GimpLayerMask *own = gimp_layer_get_mask (capture->layer);
  PalRect        r   = capture->rect;
  gint           x, y;

  gimp_drawable_get_offsets (GIMP_DRAWABLE (capture->layer), &x, &y);

  if (kind == PAL_REGION_SELECTION && ! gimp_selection_is_empty (capture->image))
    {
      GimpSelection *selection = gimp_image_get_selection (capture->image);

      capture->region = copy_part (GIMP_DRAWABLE (selection), r.x, r.y, r.width, r.height);
    }

  /* What the layer's mask hides is not to be painted over. */
  if (own && (kind == PAL_REGION_LAYER_MASK || own_mask_counts))
    {
      g_autoptr (GeglBuffer) mask = copy_part (GIMP_DRAWABLE (own), r.x - x, r.y - y,
                                               r.width, r.height);

      if (capture->region)
        multiply_mask (capture->region, mask);
      else
        capture->region = g_steal_pointer (&mask);
    }
}

/* Bounds of the region within the layer (or, to generate, within the canvas), in
 * the coordinates of that area. */
static gboolean
find_bounds (GimpImage *image, GimpLayer *layer, PalIntent intent, PalRegion kind,
             PalRect *area, PalRect *bounds, GError **error)
{
  gint     x1 = 0, y1 = 0, x2, y2;
  gboolean some = FALSE;

  if (intent == PAL_GENERATE)
    *area = (PalRect) { 0, 0, gimp_image_get_width (image), gimp_image_get_height (image) };
  else
    {
      area->width  = gimp_drawable_get_width (GIMP_DRAWABLE (layer));
      area->height = gimp_drawable_get_height (GIMP_DRAWABLE (layer));
      gimp_drawable_get_offsets (GIMP_DRAWABLE (layer), &area->x, &area->y);
    }
  x2 = area->width;
  y2 = area->height;

  if (kind == PAL_REGION_LAYER_MASK)
    {
      if (! gimp_layer_get_mask (layer))
        return refuse (error, _("The layer has no mask. Add one with Layer > Mask > Add Layer "
                                "Masks, or choose the selection as the region."));
    }
  else if (gimp_selection_bounds (image, &some, &x1, &y1, &x2, &y2) && some)
    {
      x1 = MAX (x1 - area->x, 0);
      y1 = MAX (y1 - area->y, 0);
      x2 = MIN (x2 - area->x, area->width);
      y2 = MIN (y2 - area->y, area->height);
      if (x1 >= x2 || y1 >= y2)
        return refuse (error, _("The selection lies outside the active layer. Select a part of "
                                "the layer, or take all of it with Select > None."));
    }
  else
    {
      x1 = y1 = 0;
      x2 = area->width;
      y2 = area->height;
    }

  *bounds = (PalRect) { x1, y1, x2 - x1, y2 - y1 };
  return TRUE;
}

/* A layer mask has no bounds of its own in libgimp, and a selection's bounds are
 * only a rectangle: the region's true bounds within *bounds, or an error. */
static gboolean
shrink_bounds (PalCapture *capture, PalRegion kind, gboolean own_mask_counts, PalRect area,
               PalRect *bounds, GError **error)
{
  g_autoptr (PalImage) mask = NULL;
  PalRect              inner;

  capture->rect = (PalRect) { area.x + bounds->x, area.y + bounds->y, bounds->width,
                              bounds->height };
  read_region (capture, kind, own_mask_counts);
  if (! capture->region)
    return TRUE;

  mask = read_image (capture->region, 1, error);
  g_clear_object (&capture->region);
  if (! mask)
    return FALSE;

  inner = pal_image_bounds (mask);
  if (inner.width == 0)
    return refuse (error, kind == PAL_REGION_LAYER_MASK
                            ? _("The layer mask is black everywhere: there is nothing to change. "
                                "Paint the part to change white.")
                            : _("Nothing visible of the active layer is selected. Select a part "
                                "of it, or take all of it with Select > None."));

  *bounds = (PalRect) { bounds->x + inner.x, bounds->y + inner.y, inner.width, inner.height };
  return TRUE;
}

PalCapture *
pal_capture_new (GimpImage *image, GimpLayer *layer, PalIntent intent, PalRegion region,
                 gdouble strength, const PalModelInfo *info, GError **error)
{
  g_autoptr (PalCapture) capture = g_new0 (PalCapture, 1);
  GimpDrawable          *drawable = GIMP_DRAWABLE (layer);
  gboolean               own_mask;
  PalRect                area, bounds, context;

  capture->image = image;
  capture->layer = layer;
  own_mask = intent != PAL_GENERATE && gimp_layer_get_mask (layer) &&
             gimp_layer_get_apply_mask (layer);

  if (! find_bounds (image, layer, intent, region, &area, &bounds, error) ||
      ! shrink_bounds (capture, region, own_mask, area, &bounds, error))
    return NULL;

  context = intent == PAL_GENERATE ? bounds :
            pal_context_rect (info, intent, strength, area.width, area.height, bounds);
  capture->rect = (PalRect) { area.x + context.x, area.y + context.y, context.width,
                              context.height };
  read_region (capture, region, own_mask);

  if (intent == PAL_GENERATE)
    return g_steal_pointer (&capture);

  capture->pixels = copy_part (drawable, context.x, context.y, context.width, context.height);
  capture->source = read_image (capture->pixels, gimp_drawable_has_alpha (drawable) ? 4 : 3,
                                error);
  if (! capture->source)
    return NULL;

  if (capture->region && ! (capture->mask = read_image (capture->region, 1, error)))
    return NULL;

  return g_steal_pointer (&capture);
}

void
pal_capture_free (PalCapture *capture)
{
  if (! capture)
    return;

  g_clear_object (&capture->pixels);
  g_clear_object (&capture->region);
  g_clear_pointer (&capture->source, pal_image_free);
  g_clear_pointer (&capture->mask, pal_image_free);
  g_free (capture);
}

/* Writing */

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
      if (capture->source && capture->source->channels == 4)
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

GimpLayer *
pal_layer_from_image (const PalCapture *capture, const PalImage *result, const gchar *name,
                      GError **error)
{
  GimpLayer *layer = NULL;
  gboolean   gray;

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
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_MEMORY,
                           _("GIMP could not make a new layer."));
      return NULL;
    }

  write_pixels (capture, result, layer);
  gimp_layer_set_offsets (layer, capture->rect.x, capture->rect.y);
  set_composite_space (layer, gimp_image_get_precision (capture->image));

  /* Two half transparent layers would add up to a less transparent picture. */
  if (capture->source && capture->source->channels == 4)
    gimp_layer_set_composite_mode (layer, GIMP_LAYER_COMPOSITE_CLIP_TO_BACKDROP);

  if (! write_mask (capture, layer))
    {
      gimp_item_delete (GIMP_ITEM (layer));
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_MEMORY,
                           _("GIMP could not make a mask for the new layer."));
      return NULL;
    }

  return layer;
}

gboolean
pal_layers_insert (GimpImage *image, GimpLayer *above, GPtrArray *layers, GError **error)
{
  GimpLayer *parent   = NULL;
  gint       position = 0;
  gboolean   ok       = TRUE;

  if (! gimp_image_is_valid (image))
    return refuse (error, _("The image was closed before the result was ready."));

  if (gimp_item_is_valid (GIMP_ITEM (above)))
    {
      parent   = GIMP_LAYER (gimp_item_get_parent (GIMP_ITEM (above)));
      position = gimp_image_get_item_position (image, GIMP_ITEM (above));
    }

  /* One inserted layer is one undo step already. */
  if (layers->len > 1)
    gimp_image_undo_group_start (image);
  for (guint i = 0; i < layers->len; i++)
    {
      ok = ok && gimp_image_insert_layer (image, layers->pdata[i], parent, position);
      if (ok)
        gimp_layer_set_edit_mask (layers->pdata[i], FALSE);
      else
        gimp_item_delete (GIMP_ITEM (layers->pdata[i]));
    }
  if (layers->len > 1)
    gimp_image_undo_group_end (image);

  gimp_displays_flush ();

  if (! ok)
    g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT, _("GIMP did not accept the new layer: %s"),
                 gimp_pdb_get_last_error (gimp_get_pdb ()));
  return ok;
}
