/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the growing and softening of masks. */

#include "soften.h"

#include <math.h>

gint
pal_edge_reach (PalEdge edge)
{
  return edge.grow_px + edge.feather_px;
}

/* Of count values, step apart: each becomes the largest within radius. */
static void
spread_line (gfloat *line, gsize step, gint count, gint radius, gfloat *scratch)
{
  for (gint i = 0; i < count; i++)
    {
      gfloat largest = 0.0f;

      for (gint k = MAX (i - radius, 0); k <= MIN (i + radius, count - 1); k++)
        largest = MAX (largest, line[(gsize) k * step]);
      scratch[i] = largest;
    }
  for (gint i = 0; i < count; i++)
    line[(gsize) i * step] = scratch[i];
}

/* By a square: corners stay corners. */
static gboolean
grow (PalImage *mask, gint radius)
{
  g_autofree gfloat *scratch = g_try_new (gfloat, MAX (mask->width, mask->height));

  if (! scratch)
    return FALSE;

  for (gint y = 0; y < mask->height; y++)
    spread_line (mask->data + (gsize) y * (gsize) mask->width, 1, mask->width, radius, scratch);
  for (gint x = 0; x < mask->width; x++)
    spread_line (mask->data + x, (gsize) mask->width, mask->height, radius, scratch);

  return TRUE;
}

gboolean
pal_edge_apply (PalEdge edge, PalImage *mask, gdouble scale)
{
  const gint radius = (gint) lround (edge.grow_px * scale);

  if (radius > 0 && ! grow (mask, radius))
    return FALSE;

  /* Two standard deviations to each side hold nearly all of a Gaussian edge. */
  return edge.feather_px <= 0 || pal_image_blur (mask, MAX (edge.feather_px * scale / 2.0, 0.3));
}
