/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Overlapping windows and their blending.
 *
 * Paper: arXiv 2302.08113 (MultiDiffusion): at every step the windows' results are
 * averaged where they overlap. Weights fall as a raised cosine over the overlap, so
 * that no window's edge shows. */

#include "drive/windows.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

static gint
axis_count (gint length,
            gint size,
            gint overlap)
{
  gint stride = size - overlap;

  return length <= size ? 1 : (length - overlap + stride - 1) / stride;
}

static gint
axis_first (gint length,
            gint size,
            gint overlap,
            gint nth)
{
  gint n = axis_count (length, size, overlap);

  return n < 2 ? 0 : (gint) ((gint64) nth * (length - size) / (n - 1));
}

guint
pal_windows_count (const PalWindows *w)
{
  return (guint) (axis_count (w->width, w->size, w->overlap) *
                  axis_count (w->height, w->size, w->overlap));
}

PalRect
pal_windows_nth (const PalWindows *w,
                 guint             nth)
{
  gint columns = axis_count (w->width, w->size, w->overlap);

  return (PalRect) {
    axis_first (w->width, w->size, w->overlap, (gint) nth % columns),
    axis_first (w->height, w->size, w->overlap, (gint) nth / columns),
    MIN (w->width, w->size), MIN (w->height, w->size)
  };
}

gboolean
pal_blend_init (PalBlend         *blend,
                const PalWindows *windows,
                gint              channels)
{
  gsize n = (gsize) windows->width * (gsize) windows->height;

  blend->windows  = *windows;
  blend->channels = channels;
  blend->margin   = 0;
  blend->sum      = pal_try_alloc (n * (gsize) channels * sizeof (gfloat));
  blend->weight   = pal_try_alloc (n * sizeof (gfloat));

  return blend->sum && blend->weight;
}

void
pal_blend_clear (PalBlend *blend)
{
  g_clear_pointer (&blend->sum, g_free);
  g_clear_pointer (&blend->weight, g_free);
}

/* Never 0: a pixel that one window alone covers keeps that window's value. */
#define LEAST_WEIGHT 1e-6f

static gfloat
ramp (gint at,
      gint length,
      gint overlap,
      gint margin)
{
  gint edge = MIN (at, length - 1 - at);

  if (edge >= overlap)
    return 1.0f;
  if (edge < margin)
    return LEAST_WEIGHT;

  return (gfloat) (0.5 - 0.5 * cos (G_PI * (edge - margin + 0.5) / (overlap - margin)));
}

void
pal_blend_add (PalBlend     *blend,
               PalRect       rect,
               const gfloat *tile)
{
  gsize channels = (gsize) blend->channels;

  for (gint y = 0; y < rect.height; y++)
    for (gint x = 0; x < rect.width; x++)
      {
        gsize         at   = (gsize) (rect.y + y) * (gsize) blend->windows.width +
                             (gsize) (rect.x + x);
        gfloat        w    = ramp (x, rect.width, blend->windows.overlap, blend->margin) *
                             ramp (y, rect.height, blend->windows.overlap, blend->margin);
        const gfloat *from = tile + ((gsize) y * (gsize) rect.width + (gsize) x) * channels;

        for (gsize c = 0; c < channels; c++)
          blend->sum[at * channels + c] += w * from[c];
        blend->weight[at] += w;
      }
}

void
pal_blend_finish (PalBlend *blend,
                  gfloat   *out)
{
  gsize n        = (gsize) blend->windows.width * (gsize) blend->windows.height;
  gsize channels = (gsize) blend->channels;

  for (gsize i = 0; i < n; i++)
    for (gsize c = 0; c < channels; c++)
      out[i * channels + c] = blend->sum[i * channels + c] / blend->weight[i];

  memset (blend->sum, 0, n * channels * sizeof (gfloat));
  memset (blend->weight, 0, n * sizeof (gfloat));
}

void
pal_window_cut (const gfloat *array,
                gint          array_width,
                PalRect       rect,
                gint          channels,
                gfloat       *tile)
{
  gsize row = (gsize) rect.width * (gsize) channels;

  for (gint y = 0; y < rect.height; y++)
    memcpy (tile + (gsize) y * row,
            array + ((gsize) (rect.y + y) * (gsize) array_width + (gsize) rect.x) *
                    (gsize) channels,
            row * sizeof (gfloat));
}
