/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between a PNG's whole-number samples and the engine's float pictures. */

#include <math.h>
#include <string.h>

#include "pixels.h"

static gboolean
has_alpha (const CliPng *png)
{
  return png->channels % 2 == 0;
}

static gfloat
max_sample (const CliPng *png)
{
  return png->depth == 16 ? 65535.0f : 255.0f;
}

static const guint16 *
pixel (const CliPng *png,
       gint          x,
       gint          y)
{
  return png->data + ((gsize) y * (gsize) png->width + (gsize) x) * (gsize) png->channels;
}

PalImage *
cli_pixels_source (const CliPng *png,
                   PalRect       rect)
{
  g_autoptr (PalImage) part = pal_image_new (rect.width, rect.height, png->channels);
  const gfloat         max  = max_sample (png);
  const gsize          n    = (gsize) rect.width * (gsize) png->channels;

  if (! part)
    return NULL;

  for (gint y = 0; y < rect.height; y++)
    {
      const guint16 *in  = pixel (png, rect.x, rect.y + y);
      gfloat        *out = part->data + (gsize) y * n;

      for (gsize i = 0; i < n; i++)
        out[i] = (gfloat) in[i] / max;
    }

  return pal_image_to_rgb (part);
}

gboolean
cli_pixels_transparent (const CliPng *png)
{
  const gsize   n      = (gsize) png->width * (gsize) png->height;
  const guint16 opaque = (guint16) max_sample (png);

  for (gsize i = 0; i < n && has_alpha (png); i++)
    if (png->data[(i + 1) * (gsize) png->channels - 1] != opaque)
      return TRUE;

  return FALSE;
}

/* Rec. 709 luma for colour, the gray value else. */
static gfloat
brightness (const guint16 *samples,
            gint           channels,
            gfloat         max)
{
  if (channels < 3)
    return (gfloat) samples[0] / max;

  /* Exact for gray, white above all. */
  if (samples[0] == samples[1] && samples[1] == samples[2])
    return (gfloat) samples[0] / max;

  return (0.2126f * (gfloat) samples[0] + 0.7152f * (gfloat) samples[1] +
          0.0722f * (gfloat) samples[2]) / max;
}

PalImage *
cli_pixels_mask (const CliPng *png,
                 PalRect       rect,
                 gboolean      invert)
{
  PalImage      *mask        = pal_image_new (rect.width, rect.height, 1);
  const gboolean transparent = cli_pixels_transparent (png);
  const gfloat   max         = max_sample (png);

  for (gint y = 0; y < rect.height && mask; y++)
    for (gint x = 0; x < rect.width; x++)
      {
        const guint16 *samples = pixel (png, rect.x + x, rect.y + y);
        const gfloat   value   = transparent
                                   ? 1.0f - (gfloat) samples[png->channels - 1] / max
                                   : brightness (samples, png->channels, max);

        mask->data[(gsize) y * (gsize) rect.width + (gsize) x] = invert ? 1.0f - value : value;
      }

  return mask;
}

/* The samples of a pixel that make its mask, and their value where the mask is 0. */
typedef struct
{
  gint    first, n;
  guint16 off;
} MaskSamples;

static gboolean
is_on (const guint16     *samples,
       const MaskSamples *of)
{
  for (gint c = of->first; c < of->first + of->n; c++)
    if (samples[c] != of->off)
      return TRUE;

  return FALSE;
}

/* Without a float for each pixel: pictures are large and selections small. */
PalRect
cli_pixels_bounds (const CliPng *png,
                   gboolean      invert)
{
  const gboolean    transparent = cli_pixels_transparent (png);
  const MaskSamples of          = {
    .first = transparent ? png->channels - 1 : 0,
    .n     = transparent || png->channels < 3 ? 1 : 3,
    .off   = transparent != invert ? (guint16) max_sample (png) : 0
  };
  gint left = png->width, right = -1, top = png->height, bottom = -1;

  for (gint y = 0; y < png->height; y++)
    {
      gint x = 0, end = png->width - 1;

      while (x < png->width && ! is_on (pixel (png, x, y), &of))
        x++;
      if (x == png->width)
        continue;

      while (end > MAX (x, right) && ! is_on (pixel (png, end, y), &of))
        end--;

      left   = MIN (left, x);
      right  = MAX (right, end);
      top    = MIN (top, y);
      bottom = y;
    }

  if (right < 0)
    return (PalRect) { 0, 0, 0, 0 };

  return (PalRect) { left, top, right - left + 1, bottom - top + 1 };
}

static guint16
blend (guint16 below,
       gfloat  above,
       gfloat  weight,
       gfloat  max)
{
  const gfloat value = (gfloat) below * (1.0f - weight) + CLAMP (above, 0.0f, 1.0f) * max * weight;

  return (guint16) lrintf (CLAMP (value, 0.0f, max));
}

/* A profile of gray values would be wrong for what has become colour. */
static void
copy_extras (const CliPng *from,
             CliPng       *to)
{
  if (from->icc && ! cli_png_gray_profile (from))
    {
      to->icc      = g_bytes_ref (from->icc);
      to->icc_name = g_strdup (from->icc_name);
    }

  to->srgb_intent  = from->srgb_intent;
  to->gamma        = from->gamma;
  to->density_x    = from->density_x;
  to->density_y    = from->density_y;
  to->density_unit = from->density_unit;
  memcpy (to->chromaticities, from->chromaticities, sizeof to->chromaticities);

  for (guint i = 0; i < from->texts->len; i++)
    {
      const CliPngText *text = g_ptr_array_index (from->texts, i);
      CliPngText       *copy = g_memdup2 (text, sizeof *text);

      copy->key            = g_strdup (text->key);
      copy->value          = g_strdup (text->value);
      copy->language       = g_strdup (text->language);
      copy->translated_key = g_strdup (text->translated_key);
      g_ptr_array_add (to->texts, copy);
    }
}

/* Gray samples three times, everything else as it is. */
CliPng *
cli_pixels_to_colour (CliPng *png)
{
  CliPng     *copy;
  const gsize n = (gsize) png->width * (gsize) png->height;

  if (png->channels >= 3)
    return png;

  copy = cli_png_new (png->width, png->height, has_alpha (png) ? 4 : 3, png->depth);
  for (gsize i = 0; i < n && copy; i++)
    {
      const guint16 *in  = png->data + i * (gsize) png->channels;
      guint16       *out = copy->data + i * (gsize) copy->channels;

      for (gint c = 0; c < 3; c++)
        out[c] = in[0];
      if (has_alpha (png))
        out[3] = in[1];
    }

  if (copy)
    copy_extras (png, copy);
  cli_png_free (png);

  return copy;
}

CliPng *
cli_pixels_part (const CliPng *png,
                 PalRect       rect)
{
  CliPng     *part = cli_png_new (rect.width, rect.height, png->channels, png->depth);
  const gsize n    = (gsize) rect.width * (gsize) png->channels;

  for (gint y = 0; y < rect.height && part; y++)
    memcpy (part->data + (gsize) y * n, pixel (png, rect.x, rect.y + y), n * sizeof (guint16));

  return part;
}

void
cli_pixels_lay (CliPng         *png,
                const CliPatch *patch,
                const PalImage *result)
{
  const PalRect rect     = patch->rect;
  const gsize   channels = (gsize) png->channels;
  const gfloat  max      = max_sample (png);

  g_return_if_fail (result->width == rect.width && result->height == rect.height &&
                    result->channels == 3 && channels >= 3);

  for (gint y = 0; y < rect.height; y++)
    for (gint x = 0; x < rect.width; x++)
      {
        const gsize    i      = (gsize) y * (gsize) rect.width + (gsize) x;
        const gsize    at     = (gsize) (rect.y + y) * (gsize) png->width + (gsize) (rect.x + x);
        const gfloat   weight = patch->mask ? patch->mask->data[i] : 1.0f;
        const guint16 *below  = patch->below->data + i * channels;
        guint16       *out    = png->data + at * channels;

        memcpy (out, below, channels * sizeof (guint16));
        if (! (weight > 0.0f))
          continue;

        for (gint c = 0; c < 3; c++)
          out[c] = blend (below[c], result->data[3 * i + (gsize) c], weight, max);
        if (patch->opaque && channels == 4)
          out[3] = (guint16) MIN (lrintf (max), below[3] + lrintf (weight * max));
      }
}

CliPng *
cli_pixels_new (const PalImage *result)
{
  CliPng *out = cli_png_new (result->width, result->height, 3, 8);

  if (! out)
    return NULL;

  out->srgb_intent = 0;
  for (gsize i = 0; i < (gsize) out->width * (gsize) out->height * 3; i++)
    out->data[i] = blend (0, result->data[i], 1.0f, 255.0f);

  return out;
}
