/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The size a model works at for a picture, and the way of pixels there and back. */

#include "drive/canvas.h"

#include <math.h>

#include "base/debug.h"

/* Windows that a picture may take; a larger picture is worked on reduced. */
#define MOST_WINDOWS 16.0

/* Beyond this factor over what a model takes at once, a whole look loses too much. */
#define TOLERABLE_REDUCTION 1.3

/* What a model takes at once. */
typedef struct
{
  gdouble side;               /* px, the longer */
  gdouble area;               /* px */
} Limit;

static Limit
limit_of (const PalModelInfo   *info,
          const PalModelTraits *traits)
{
  gdouble side = MAX (traits->window_px > 0 ? traits->window_px : info->trained_max_px, 1);
  gdouble area = side * side;

  if (traits->window_px == 0 && info->trained_megapixels > 0.0)
    area = MIN (area, info->trained_megapixels * 1e6);

  return (Limit) { side, area };
}

/* How much larger than the limit a picture is. */
static gdouble
excess (Limit limit,
        gint  width,
        gint  height)
{
  return MAX (MAX (width, height) / limit.side,
              sqrt ((gdouble) width * height / limit.area));
}

static gint
whole_multiple (gint length,
                gint multiple)
{
  return MAX ((length + multiple - 1) / multiple, 1) * multiple;
}

static gint
least_common_multiple (gint a,
                       gint b)
{
  gint x = a, y = b;

  while (y)
    {
      gint rest = x % y;

      x = y;
      y = rest;
    }

  return a / x * b;
}

PalCanvas
pal_canvas_plan (const PalModelInfo   *info,
                 const PalModelTraits *traits,
                 gint                  factor,
                 gint                  width,
                 gint                  height,
                 gboolean              whole)
{
  gint      multiple = least_common_multiple (MAX (info->multiple_px, 1), MAX (factor, 1));
  Limit     limit    = limit_of (info, traits);
  gint      window   = whole_multiple ((gint) sqrt (limit.area) - multiple + 1, multiple);
  gdouble   shortest = MIN (width, height), room;
  gdouble   scale    = 1.0;
  PalCanvas canvas   = { 0 };

  limit.side = whole_multiple ((gint) limit.side - multiple + 1, multiple);
  room       = 1.0 / excess (limit, width, height);
  if (shortest < info->trained_min_px)
    scale = MAX (MIN (info->trained_min_px / shortest, room), 1.0);
  if (whole)
    scale = MIN (scale, room);
  else
    scale = MIN (scale, window * sqrt (MOST_WINDOWS / ((gdouble) width * height)));

  canvas.content_width  = MAX ((gint) lround (width * scale), 1);
  canvas.content_height = MAX ((gint) lround (height * scale), 1);
  canvas.width          = whole_multiple (canvas.content_width, multiple);
  canvas.height         = whole_multiple (canvas.content_height, multiple);
  canvas.reduced        = canvas.content_width < width || canvas.content_height < height;

  if (! whole && (MAX (canvas.width, canvas.height) > limit.side ||
                  excess (limit, canvas.content_width, canvas.content_height) > 1.0))
    {
      canvas.window  = window;
      canvas.overlap = traits->window_px > 0 && traits->window_overlap_px > 0
                       ? MIN (traits->window_overlap_px, canvas.window / 2) : canvas.window / 4;
    }

  return canvas;
}

gboolean
pal_canvas_wants_two_passes (const PalModelInfo   *info,
                             const PalModelTraits *traits,
                             gint                  width,
                             gint                  height)
{
  /* A model that names its window was made to work in windows alone. */
  return traits->window_px == 0 &&
         excess (limit_of (info, traits), width, height) > TOLERABLE_REDUCTION;
}

PalImage *
pal_canvas_place (const PalCanvas *canvas,
                  const PalImage  *image)
{
  g_autoptr (PalImage) content = NULL;
  PalImage            *out;
  gsize                channels = (gsize) image->channels;

  content = pal_image_resize (image, canvas->content_width, canvas->content_height);
  out     = content ? pal_image_new (canvas->width, canvas->height, image->channels) : NULL;
  if (! out)
    return NULL;

  for (gint y = 0; y < out->height; y++)
    for (gint x = 0; x < out->width; x++)
      {
        gsize from = (gsize) MIN (y, content->height - 1) * (gsize) content->width +
                     (gsize) MIN (x, content->width - 1);
        gsize to   = (gsize) y * (gsize) out->width + (gsize) x;

        for (gsize c = 0; c < channels; c++)
          out->data[to * channels + c] = content->data[from * channels + c];
      }

  return out;
}

PalImage *
pal_canvas_take (const PalCanvas *canvas,
                 const PalImage  *image,
                 gint             width,
                 gint             height)
{
  PalRect              rect    = { 0, 0, canvas->content_width, canvas->content_height };
  g_autoptr (PalImage) content = pal_image_crop (image, rect);

  return content ? pal_image_resize (content, width, height) : NULL;
}

gfloat *
pal_canvas_latent_mask (const PalImage *mask,
                        gint            factor,
                        PalMaskRule     rule)
{
  gsize   w   = (gsize) (mask->width / factor), h = (gsize) (mask->height / factor);
  gfloat *out = pal_try_alloc (w * h * sizeof (gfloat));

  if (! out)
    return NULL;

  for (gsize i = 0; i < w * h; i++)
    {
      gsize   x0  = i % w * (gsize) factor, y0 = i / w * (gsize) factor;
      gfloat  top = 0.0f;
      gdouble sum = 0.0;

      for (gsize y = y0; y < y0 + (gsize) factor; y++)
        for (gsize x = x0; x < x0 + (gsize) factor; x++)
          {
            gfloat value = mask->data[y * (gsize) mask->width + x];

            top  = MAX (top, value);
            sum += (gdouble) value;
          }

      if (rule == PAL_MASK_ANY)
        out[i] = top;
      else if (rule == PAL_MASK_AREA)
        out[i] = (gfloat) (sum / (factor * factor));
      else
        out[i] = mask->data[y0 * (gsize) mask->width + x0];
    }

  return out;
}
