/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The picture while it forms. A decoder's colours are nearly linear in its latents, as
 * long as they vary slowly: decoding a small field of random patches once gives enough
 * pairs to fit that. The same for every latent space, with no table of constants.
 *
 * Guarded by tests/unit/drive/generate.c. */

#include "drive/preview.h"

#include <math.h>

#include "base/random.h"
#include "drive/codec.h"
#include "drive/floats.h"

#define FIT_CELLS   16        /* side of the field, latent px */
#define PATCH_CELLS 2         /* side of its patches of one value */
#define RIDGE       1e-2      /* keeps channels that say nothing of colour at 0 */
#define PAUSE_US    (G_USEC_PER_SEC * 3 / 10)

struct _PalPreview
{
  const gfloat *projection;   /* [L + 1, 3], the last row is added; the model's */
  gint          channels;
  gint          width, content_width, content_height;
  gint64        last_us;
  PalImage     *image;
};

/* The fit */

/* Solves a x = b for symmetric positive a [n, n], b [n, 3] → x, in place of b. */
static void
solve (gdouble *a,
       gdouble *b,
       gsize    n)
{
  for (gsize i = 0; i < n; i++)
    for (gsize row = i + 1; row < n; row++)
      {
        gdouble factor = a[row * n + i] / a[i * n + i];

        for (gsize k = i; k < n; k++)
          a[row * n + k] -= factor * a[i * n + k];
        for (gsize c = 0; c < 3; c++)
          b[row * 3 + c] -= factor * b[i * 3 + c];
      }

  for (gsize i = n; i-- > 0;)
    for (gsize c = 0; c < 3; c++)
      {
        for (gsize k = i + 1; k < n; k++)
          b[i * 3 + c] -= a[i * n + k] * b[k * 3 + c];
        b[i * 3 + c] /= a[i * n + i];
      }
}

/* z: [count, channels], rgb: [count, 3] → [channels + 1, 3], least squares. */
static gfloat *
fit (const gfloat *z,
     const gfloat *rgb,
     gsize         count,
     gsize         channels)
{
  gsize               n   = channels + 1;
  g_autofree gdouble *a   = g_new0 (gdouble, n * n);
  g_autofree gdouble *b   = g_new0 (gdouble, n * 3);
  g_autofree gdouble *row = g_new (gdouble, n);
  gfloat             *out = g_new (gfloat, n * 3);

  for (gsize s = 0; s < count; s++)
    {
      for (gsize i = 0; i < n; i++)
        row[i] = (gdouble) (i < channels ? z[s * channels + i] : 1.0f);
      for (gsize i = 0; i < n; i++)
        {
          for (gsize k = 0; k < n; k++)
            a[i * n + k] += row[i] * row[k];
          for (gsize c = 0; c < 3; c++)
            b[i * 3 + c] += row[i] * (gdouble) rgb[s * 3 + c];
        }
    }
  for (gsize i = 0; i < n; i++)
    a[i * n + i] += RIDGE * (gdouble) count;

  solve (a, b, n);
  for (gsize i = 0; i < n * 3; i++)
    out[i] = (gfloat) b[i];

  return out;
}

/* [FIT_CELLS, FIT_CELLS, channels] of N(0,1), each patch of one value. */
static void
draw_field (gfloat *z,
            gsize   channels)
{
  g_autoptr (PalRandom) random = pal_random_new (PAL_RANDOM_PHILOX, 0);

  for (gsize y = 0; y < FIT_CELLS; y += PATCH_CELLS)
    for (gsize x = 0; x < FIT_CELLS; x += PATCH_CELLS)
      {
        gfloat *first = z + (y * FIT_CELLS + x) * channels;

        pal_random_normal (random, first, channels);
        for (gsize i = 1; i < PATCH_CELLS * PATCH_CELLS; i++)
          memcpy (first + (i / PATCH_CELLS * FIT_CELLS + i % PATCH_CELLS) * channels, first,
                  channels * sizeof (gfloat));
      }
}

static gboolean
fit_model (PalModel      *model,
           GCancellable  *cancellable,
           GError       **error)
{
  gsize                channels = (gsize) pal_model_vae (model)->latent_channels;
  g_autofree gfloat   *z        = NULL;
  g_autoptr (PalImage) decoded  = NULL;
  g_autoptr (PalImage) cells    = NULL;

  if (! pal_floats_new (&z, FIT_CELLS * FIT_CELLS * channels, error))
    return FALSE;

  draw_field (z, channels);
  decoded = pal_codec_decode (model, z, FIT_CELLS, FIT_CELLS, cancellable, error);
  if (! decoded)
    return FALSE;

  cells = pal_image_resize (decoded, FIT_CELLS, FIT_CELLS);
  if (! cells)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY, "not enough memory for the preview");
      return FALSE;
    }

  pal_model_keep_projection (model, fit (z, cells->data, FIT_CELLS * FIT_CELLS, channels));

  return TRUE;
}

PalPreview *
pal_preview_new (PalModel      *model,
                 GCancellable  *cancellable,
                 GError       **error)
{
  PalPreview *preview;

  if (! pal_model_projection (model) && ! fit_model (model, cancellable, error))
    return NULL;

  preview             = g_new0 (PalPreview, 1);
  preview->projection = pal_model_projection (model);
  preview->channels   = (gint) pal_model_vae (model)->latent_channels;

  return preview;
}

void
pal_preview_free (PalPreview *preview)
{
  if (! preview)
    return;

  g_clear_pointer (&preview->image, pal_image_free);
  g_free (preview);
}

/* Looks */

void
pal_preview_place (PalPreview *preview,
                   gint        width,
                   gint        content_width,
                   gint        content_height)
{
  preview->width          = width;
  preview->content_width  = content_width;
  preview->content_height = content_height;
}

void
pal_preview_look (PalPreview       *preview,
                  PalSamplingLevel  level,
                  const gfloat     *x,
                  const gfloat     *output)
{
  gint64        now  = g_get_monotonic_time ();
  gsize         n    = (gsize) preview->channels;
  const gfloat *last = preview->projection + n * 3;
  gfloat        of_x = (gfloat) level.of_latents, of_output = (gfloat) level.of_output;
  gfloat       *to;

  if (preview->last_us > 0 && now - preview->last_us < PAUSE_US)
    return;

  g_clear_pointer (&preview->image, pal_image_free);
  preview->image = pal_image_new (preview->content_width, preview->content_height, 3);
  if (! preview->image)
    return;

  preview->last_us = now;
  to               = preview->image->data;
  for (gint row = 0; row < preview->content_height; row++)
    for (gint column = 0; column < preview->content_width; column++, to += 3)
      {
        gsize  at     = ((gsize) row * (gsize) preview->width + (gsize) column) * n;
        gfloat rgb[3] = { last[0], last[1], last[2] };

        for (gsize c = 0; c < n; c++)
          {
            gfloat z = of_x * x[at + c] + of_output * output[at + c];

            for (gsize k = 0; k < 3; k++)
              rgb[k] += z * preview->projection[c * 3 + k];
          }
        for (gsize k = 0; k < 3; k++)
          to[k] = CLAMP (rgb[k], 0.0f, 1.0f);
      }
}

PalImage *
pal_preview_take (PalPreview *preview)
{
  return g_steal_pointer (&preview->image);
}
