/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns drawable, selection and mask to PalImage.
 *
 * The engine works on sRGB values, as its models were trained on; babl converts
 * from the image's own profile, precision and gray. Alpha and masks never pass
 * through float on their way back: they are kept in their own format. */

#include "layer-io.h"

#include <glib/gi18n-lib.h>

/* How far the new part of a canvas reaches into the old one, so that both meet softly. */
#define OVERLAP_PX 24

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

static gboolean
out_of_memory (GError **error, gint width, gint height)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
               _("There is not enough memory to read %d × %d pixels."), width, height);
  return FALSE;
}

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
      out_of_memory (error, extent->width, extent->height);
      return NULL;
    }

  gegl_buffer_get (buffer, extent, 1.0, babl_format (formats[channels]), image->data,
                   GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);

  /* A wide profile or a float image can hold values that sRGB can't. */
  for (gsize i = 0; i < (gsize) image->width * image->height * channels; i++)
    image->data[i] = image->data[i] >= 0 ? MIN (image->data[i], 1.0f) : 0.0f;

  return image;
}

static GeglBuffer *
mask_buffer (const PalImage *mask)
{
  GeglBuffer *buffer = gegl_buffer_new (GEGL_RECTANGLE (0, 0, mask->width, mask->height),
                                        babl_format ("Y float"));

  gegl_buffer_set (buffer, NULL, 0, babl_format ("Y float"), mask->data, GEGL_AUTO_ROWSTRIDE);
  return buffer;
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
find_bounds (GimpImage *image, GimpLayer *layer, const PalSettings *settings,
             PalRect *area, PalRect *bounds, GError **error)
{
  gint     x1 = 0, y1 = 0, x2, y2;
  gboolean some = FALSE;

  if (pal_purpose_info (settings->purpose)->intent == PAL_GENERATE)
    *area = (PalRect) { 0, 0, gimp_image_get_width (image), gimp_image_get_height (image) };
  else
    {
      area->width  = gimp_drawable_get_width (GIMP_DRAWABLE (layer));
      area->height = gimp_drawable_get_height (GIMP_DRAWABLE (layer));
      gimp_drawable_get_offsets (GIMP_DRAWABLE (layer), &area->x, &area->y);
    }
  x2 = area->width;
  y2 = area->height;

  if (settings->region == PAL_REGION_LAYER_MASK)
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

/* What the canvas will be, in its present coordinates. */
static gboolean
grown_canvas (GimpImage *image, const PalGrowth *growth, PalRect *canvas, GError **error)
{
  if (growth->left + growth->right + growth->top + growth->bottom == 0)
    return refuse (error, _("Give the number of pixels to extend the canvas by: at its left, "
                            "right, top or bottom."));

  *canvas = (PalRect) { -growth->left, -growth->top,
                        gimp_image_get_width (image) + growth->left + growth->right,
                        gimp_image_get_height (image) + growth->top + growth->bottom };
  return TRUE;
}

/* 1 on new canvas, falling to 0 within what the image shows; 1 where that is transparent. */
static PalImage *
growth_mask (const PalImage *picture, const PalGrowth *growth)
{
  PalImage *mask = pal_image_new (picture->width, picture->height, 1);

  for (gint y = 0; mask && y < mask->height; y++)
    for (gint x = 0; x < mask->width; x++)
      {
        gsize i     = (gsize) y * (gsize) mask->width + (gsize) x;
        gint  depth = OVERLAP_PX;

        if (growth->left > 0)
          depth = MIN (depth, x - growth->left);
        if (growth->top > 0)
          depth = MIN (depth, y - growth->top);
        if (growth->right > 0)
          depth = MIN (depth, mask->width - 1 - growth->right - x);
        if (growth->bottom > 0)
          depth = MIN (depth, mask->height - 1 - growth->bottom - y);

        mask->data[i] = CLAMP (1.0f - (gfloat) (depth + 1) / (OVERLAP_PX + 1), 0.0f, 1.0f);
        mask->data[i] = MAX (mask->data[i], 1.0f - picture->data[i * 4 + 3]);
      }

  return mask;
}

/* The visible image on its grown canvas. */
static gboolean
capture_canvas (PalCapture *capture, const PalSettings *settings, GError **error)
{
  GimpLayer             *visible;
  g_autoptr (GeglBuffer) pixels  = NULL;
  g_autoptr (PalImage)   picture = NULL;
  PalRect                r;

  if (! grown_canvas (capture->image, &settings->growth, &capture->rect, error))
    return FALSE;

  r       = capture->rect;
  visible = gimp_layer_new_from_visible (capture->image, capture->image, "visible");
  gimp_layer_add_alpha (visible);
  pixels  = copy_part (GIMP_DRAWABLE (visible), r.x, r.y, r.width, r.height);
  gimp_item_delete (GIMP_ITEM (visible));

  picture = read_image (pixels, 4, error);
  if (! picture)
    return FALSE;

  capture->grows  = TRUE;
  capture->source = pal_image_to_rgb (picture);
  capture->mask   = growth_mask (picture, &settings->growth);
  if (! capture->source || ! capture->mask)
    return out_of_memory (error, r.width, r.height);

  capture->region = mask_buffer (capture->mask);
  return TRUE;
}

/* Room for a grown and softened edge, within the area. */
static void
widen_bounds (PalRect *bounds, PalRect area, PalEdge edge)
{
  const gint reach  = pal_edge_reach (edge);
  const gint right  = MIN (bounds->x + bounds->width + reach, area.width);
  const gint bottom = MIN (bounds->y + bounds->height + reach, area.height);

  bounds->x      = MAX (bounds->x - reach, 0);
  bounds->y      = MAX (bounds->y - reach, 0);
  bounds->width  = right - bounds->x;
  bounds->height = bottom - bounds->y;
}

/* The region as it was selected stays in its own format; one with another edge is float. */
static gboolean
read_mask (PalCapture *capture, PalEdge edge, GError **error)
{
  if (! capture->region)
    return TRUE;

  capture->mask = read_image (capture->region, 1, error);
  if (! capture->mask)
    return FALSE;
  if (pal_edge_reach (edge) == 0)
    return TRUE;

  if (! pal_edge_apply (edge, capture->mask, 1.0))
    return out_of_memory (error, capture->mask->width, capture->mask->height);

  g_object_unref (capture->region);
  capture->region = mask_buffer (capture->mask);
  return TRUE;
}

gboolean
pal_capture_place (GimpImage *image, GimpLayer *layer, const PalSettings *settings,
                   const PalModelInfo *info, PalRect *bounds, PalRect *context, GError **error)
{
  const PalPurposeInfo *purpose = pal_purpose_info (settings->purpose);
  PalRect               area;

  if (purpose->grows)
    {
      *bounds = (PalRect) { 0, 0, 0, 0 };
      return grown_canvas (image, &settings->growth, context, error);
    }

  if (! find_bounds (image, layer, settings, &area, bounds, error))
    return FALSE;

  widen_bounds (bounds, area, settings->edge);
  *context = purpose->intent == PAL_GENERATE ? *bounds :
             pal_context_rect (info, purpose->intent, settings->strength, area.width, area.height,
                               *bounds);
  for (gint i = 0; i < 2; i++)
    {
      PalRect *rect = i ? context : bounds;

      rect->x += area.x;
      rect->y += area.y;
    }
  return TRUE;
}

static gboolean
capture_layer (PalCapture *capture, const PalSettings *settings, const PalModelInfo *info,
               GError **error)
{
  GimpDrawable *drawable = GIMP_DRAWABLE (capture->layer);
  PalIntent     intent   = pal_purpose_info (settings->purpose)->intent;
  gboolean      own_mask;
  PalRect       area, bounds, context;

  own_mask = intent != PAL_GENERATE && gimp_layer_get_mask (capture->layer) &&
             gimp_layer_get_apply_mask (capture->layer);

  if (! find_bounds (capture->image, capture->layer, settings, &area, &bounds, error) ||
      ! shrink_bounds (capture, settings->region, own_mask, area, &bounds, error))
    return FALSE;

  widen_bounds (&bounds, area, settings->edge);
  context = intent == PAL_GENERATE ? bounds :
            pal_context_rect (info, intent, settings->strength, area.width, area.height, bounds);
  capture->rect = (PalRect) { area.x + context.x, area.y + context.y, context.width,
                              context.height };
  read_region (capture, settings->region, own_mask);

  if (! read_mask (capture, settings->edge, error))
    return FALSE;
  if (intent == PAL_GENERATE)
    return TRUE;

  capture->pixels = copy_part (drawable, context.x, context.y, context.width, context.height);
  capture->alpha  = gimp_drawable_has_alpha (drawable);
  capture->source = read_image (capture->pixels, capture->alpha ? 4 : 3, error);

  return capture->source != NULL;
}

PalCapture *
pal_capture_new (GimpImage *image, GimpLayer *layer, const PalSettings *settings,
                 const PalModelInfo *info, GError **error)
{
  PalCapture *capture = g_rc_box_new0 (PalCapture);
  gboolean    ok;

  capture->image = image;
  capture->layer = layer;
  gimp_drawable_get_offsets (GIMP_DRAWABLE (layer), &capture->layer_x, &capture->layer_y);

  if (pal_purpose_info (settings->purpose)->grows)
    ok = capture_canvas (capture, settings, error);
  else
    ok = capture_layer (capture, settings, info, error);
  if (! ok)
    g_clear_pointer (&capture, pal_capture_unref);

  return capture;
}

PalCapture *
pal_capture_new_kept (GimpImage *image, PalRect rect, const PalImage *mask, gboolean grows)
{
  PalCapture *capture = g_rc_box_new0 (PalCapture);

  capture->image = image;
  capture->rect  = rect;
  capture->grows = grows;
  capture->region = mask ? mask_buffer (mask) : NULL;

  return capture;
}

static void
clear_capture (gpointer data)
{
  PalCapture *capture = data;

  g_clear_object (&capture->pixels);
  g_clear_object (&capture->region);
  g_clear_pointer (&capture->source, pal_image_free);
  g_clear_pointer (&capture->mask, pal_image_free);
}

PalCapture *
pal_capture_ref (PalCapture *capture)
{
  return g_rc_box_acquire (capture);
}

void
pal_capture_unref (PalCapture *capture)
{
  if (capture)
    g_rc_box_release_full (capture, clear_capture);
}
