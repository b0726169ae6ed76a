/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures: life, crop, bounds, composite and what lies under transparency.
 * Resampling and blur are in image-filter.c. */

#include "base/image.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

PalImage *
pal_image_new (gint width,
               gint height,
               gint channels)
{
  g_autofree gfloat *data = NULL;
  PalImage          *image;
  gsize              n;

  if (width < 1 || height < 1 || channels < 1)
    return NULL;

  if (! g_size_checked_mul (&n, (gsize) width, (gsize) height) ||
      ! g_size_checked_mul (&n, n, (gsize) channels * sizeof (gfloat)))
    return NULL;

  data = pal_try_alloc (n);
  if (! data)
    return NULL;

  image = g_new0 (PalImage, 1);
  *image = (PalImage) { width, height, channels, g_steal_pointer (&data) };

  return image;
}

void
pal_image_free (PalImage *image)
{
  if (! image)
    return;

  g_free (image->data);
  g_free (image);
}

PalImage *
pal_image_copy (const PalImage *image)
{
  return pal_image_crop (image, (PalRect) { 0, 0, image->width, image->height });
}

PalImage *
pal_image_crop (const PalImage *image,
                PalRect         rect)
{
  gsize     channels = (gsize) image->channels;
  PalImage *out;

  g_return_val_if_fail (rect.x >= 0 && rect.y >= 0 &&
                        rect.width <= image->width - rect.x &&
                        rect.height <= image->height - rect.y, NULL);

  out = pal_image_new (rect.width, rect.height, image->channels);
  if (! out)
    return NULL;

  for (gint y = 0; y < rect.height; y++)
    {
      gsize from = (gsize) (rect.y + y) * (gsize) image->width + (gsize) rect.x;
      gsize to   = (gsize) y * (gsize) rect.width;

      memcpy (out->data + to * channels, image->data + from * channels,
              (gsize) rect.width * channels * sizeof (gfloat));
    }

  return out;
}

PalRect
pal_image_bounds (const PalImage *mask)
{
  gint left = mask->width, right = -1, top = mask->height, bottom = -1;

  for (gint y = 0; y < mask->height; y++)
    {
      const gfloat *row = mask->data + (gsize) y * (gsize) mask->width *
                                       (gsize) mask->channels;

      for (gint x = 0; x < mask->width; x++)
        if (row[(gsize) x * (gsize) mask->channels] > 0.0f)
          {
            left   = MIN (left, x);
            right  = MAX (right, x);
            top    = MIN (top, y);
            bottom = y;
          }
    }

  if (right < 0)
    return (PalRect) { 0, 0, 0, 0 };

  return (PalRect) { left, top, right - left + 1, bottom - top + 1 };
}

PalImage *
pal_image_composite (const PalImage *source,
                     const PalImage *over,
                     const PalImage *mask)
{
  gint      colours      = source->channels >= 3 ? 3 : 1;
  gint      over_colours = over->channels >= 3 ? 3 : 1;
  gsize     n            = (gsize) source->width * (gsize) source->height;
  PalImage *out;

  g_return_val_if_fail (over->width == source->width && over->height == source->height &&
                        mask->width == source->width && mask->height == source->height &&
                        over_colours == colours, NULL);

  out = pal_image_copy (source);
  if (! out)
    return NULL;

  for (gsize i = 0; i < n; i++)
    {
      const gfloat *from = over->data + i * (gsize) over->channels;
      gfloat       *to   = out->data + i * (gsize) out->channels;
      gfloat        m    = mask->data[i * (gsize) mask->channels];

      /* No arithmetic where nothing changes: bit-equal, whatever over holds. */
      if (! (m > 0.0f))
        continue;

      for (gint c = 0; c < colours; c++)
        to[c] = m >= 1.0f ? from[c] : to[c] * (1.0f - m) + from[c] * m;
    }

  return out;
}

/* One level of the pull-push pyramid: colours times weight, then the weight. */
static PalImage *
pull (const PalImage *fine)
{
  PalImage *coarse = pal_image_new ((fine->width + 1) / 2, (fine->height + 1) / 2, 4);

  if (! coarse)
    return NULL;

  for (gint y = 0; y < fine->height; y++)
    for (gint x = 0; x < fine->width; x++)
      {
        const gfloat *from = fine->data + ((gsize) y * (gsize) fine->width + (gsize) x) * 4;
        gfloat       *to   = coarse->data +
                             ((gsize) (y / 2) * (gsize) coarse->width + (gsize) (x / 2)) * 4;

        for (gint c = 0; c < 4; c++)
          to[c] += from[c];
      }

  /* A weight above 1 would count large known areas against near ones. */
  for (gsize i = 0; i < (gsize) coarse->width * (gsize) coarse->height; i++)
    {
      gfloat *p = coarse->data + i * 4;

      gfloat  w = p[3];

      if (w > 1.0f)
        for (gint c = 0; c < 4; c++)
          p[c] /= w;
    }

  return coarse;
}

/* Fills what is missing of fine's weight from the coarser level, bilinearly. */
static void
push (PalImage       *fine,
      const PalImage *coarse)
{
  for (gint y = 0; y < fine->height; y++)
    for (gint x = 0; x < fine->width; x++)
      {
        gfloat *to   = fine->data + ((gsize) y * (gsize) fine->width + (gsize) x) * 4;
        gfloat  need = 1.0f - to[3];
        gfloat  sum[3] = { 0.0f, 0.0f, 0.0f };

        if (! (need > 0.0f))
          continue;

        for (gint k = 0; k < 4; k++)
          {
            gint   cx = CLAMP (x / 2 + (k & 1 ? (x & 1 ? 1 : -1) : 0), 0, coarse->width - 1);
            gint   cy = CLAMP (y / 2 + (k & 2 ? (y & 1 ? 1 : -1) : 0), 0, coarse->height - 1);
            gfloat w  = (k & 1 ? 0.25f : 0.75f) * (k & 2 ? 0.25f : 0.75f);

            for (gint c = 0; c < 3; c++)
              sum[c] += w * coarse->data[((gsize) cy * (gsize) coarse->width +
                                          (gsize) cx) * 4 + (gsize) c];
          }

        for (gint c = 0; c < 3; c++)
          to[c] += need * sum[c];
        to[3] = 1.0f;
      }
}

/* weighted: [h, w, 4], colours times weight and the weight in [0, 1], at least one
 * of them > 0. Afterwards all weights are 1. */
static gboolean
pull_push (PalImage *weighted)
{
  g_autoptr (PalImage) coarse = NULL;

  if (weighted->width == 1 && weighted->height == 1)
    {
      for (gint c = 0; c < 3; c++)
        weighted->data[c] /= weighted->data[3];
      weighted->data[3] = 1.0f;
      return TRUE;
    }

  coarse = pull (weighted);
  if (! coarse || ! pull_push (coarse))
    return FALSE;

  push (weighted, coarse);

  return TRUE;
}

/* RGB of image where weight (of channel, or its complement) is 1, surroundings
 * elsewhere. */
static PalImage *
spread (const PalImage *image,
        const PalImage *weights,
        gint            weight_channel,
        gboolean        complement)
{
  g_autoptr (PalImage) work = pal_image_new (image->width, image->height, 4);
  g_autoptr (PalImage) out  = pal_image_new (image->width, image->height, 3);
  gsize                n    = (gsize) image->width * (gsize) image->height;
  gboolean             any  = FALSE;

  if (! work || ! out)
    return NULL;

  for (gsize i = 0; i < n; i++)
    {
      const gfloat *from = image->data + i * (gsize) image->channels;
      gfloat        w    = 1.0f;

      if (weights)
        w = CLAMP (weights->data[i * (gsize) weights->channels + (gsize) weight_channel],
                   0.0f, 1.0f);
      if (complement)
        w = 1.0f - w;

      for (gint c = 0; c < 3; c++)
        work->data[i * 4 + (gsize) c] = w > 0.0f ? w * from[image->channels >= 3 ? c : 0] : 0.0f;
      work->data[i * 4 + 3] = w;
      any |= w > 0.0f;
    }

  if (any && ! pull_push (work))
    return NULL;

  for (gsize i = 0; i < n; i++)
    for (gsize c = 0; c < 3; c++)
      out->data[i * 3 + c] = any ? work->data[i * 4 + c] : 0.5f;

  return g_steal_pointer (&out);
}

PalImage *
pal_image_to_rgb (const PalImage *image)
{
  gboolean has_alpha = image->channels == 2 || image->channels == 4;

  return spread (image, has_alpha ? image : NULL, image->channels - 1, FALSE);
}

PalImage *
pal_image_spread (const PalImage *image,
                  const PalImage *hole)
{
  g_return_val_if_fail (hole->width == image->width && hole->height == image->height, NULL);

  return spread (image, hole, 0, TRUE);
}
