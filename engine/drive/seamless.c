/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Solved by multigrid: each level is a network of springs between cells, a cell of the next
 * holds 2x2 of this one's, and finds what sweeps of this one leave over. */

#include "drive/seamless.h"

#include <math.h>
#include <string.h>

#include "drive/floats.h"

#define MAX_LEVELS 16
#define SWEEPS     2
#define MAX_CYCLES 30
#define STILL      (1.0f / 16384.0f)   /* a move that ends it */

typedef struct
{
  gint    width, height;
  gfloat *right, *down;   /* [H, W]: strength of the spring to the next cell inside; 0 = none */
  gfloat *ground;         /* [H, W]: of those to the border and to 0 */
  gfloat *pull;           /* [H, W]: what the border's springs pull with */
  gfloat *u;              /* [H, W] */
} Level;

typedef struct
{
  Level levels[MAX_LEVELS];
  guint n_levels;
} Net;

static void
net_clear (Net *net)
{
  for (guint i = 0; i < net->n_levels; i++)
    {
      Level *level = &net->levels[i];

      g_free (level->right);
      g_free (level->down);
      g_free (level->ground);
      g_free (level->pull);
      g_free (level->u);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Net, net_clear)

static Level *
add_level (Net *net, gint width, gint height, GError **error)
{
  Level *level = &net->levels[net->n_levels++];
  gsize  n     = (gsize) width * (gsize) height;

  level->width  = width;
  level->height = height;

  return pal_floats_new (&level->right, n, error) && pal_floats_new (&level->down, n, error) &&
         pal_floats_new (&level->ground, n, error) && pal_floats_new (&level->pull, n, error) &&
         pal_floats_new (&level->u, n, error) ? level : NULL;
}

/* The springs between the pixels, and to 0. */
static gboolean
lay_pixels (Net *net, const PalImage *inside, gdouble reach_px, GError **error)
{
  Level        *level = add_level (net, inside->width, inside->height, error);
  const gfloat *in    = inside->data;
  gfloat        sink  = (gfloat) (1.0 / (reach_px * reach_px));
  gsize         w     = (gsize) inside->width, h = (gsize) inside->height;

  if (! level)
    return FALSE;

  for (gsize y = 0; y < h; y++)
    for (gsize x = 0; x < w; x++)
      {
        gsize i = y * w + x;

        if (x + 1 < w)
          {
            level->right[i]       = in[i] > 0.0f && in[i + 1] > 0.0f;
            level->ground[i]     += in[i] > 0.0f && ! (in[i + 1] > 0.0f);
            level->ground[i + 1] += in[i + 1] > 0.0f && ! (in[i] > 0.0f);
          }
        if (y + 1 < h)
          {
            level->down[i]        = in[i] > 0.0f && in[i + w] > 0.0f;
            level->ground[i]     += in[i] > 0.0f && ! (in[i + w] > 0.0f);
            level->ground[i + w] += in[i + w] > 0.0f && ! (in[i] > 0.0f);
          }
        if (in[i] > 0.0f)
          level->ground[i] += sink;
      }

  return TRUE;
}

/* Springs in parallel add up; one that is twice as long is half as strong. */
static gboolean
lay_coarser (Net *net, GError **error)
{
  const Level *fine   = &net->levels[net->n_levels - 1];
  Level       *coarse = add_level (net, (fine->width + 1) / 2, (fine->height + 1) / 2, error);

  if (! coarse)
    return FALSE;

  for (gint y = 0; y < fine->height; y++)
    for (gint x = 0; x < fine->width; x++)
      {
        gsize from = (gsize) y * (gsize) fine->width + (gsize) x;
        gsize to   = (gsize) (y / 2) * (gsize) coarse->width + (gsize) (x / 2);

        coarse->ground[to] += fine->ground[from];
        if (x % 2)
          coarse->right[to] += 0.5f * fine->right[from];
        if (y % 2)
          coarse->down[to] += 0.5f * fine->down[from];
      }

  return TRUE;
}

/* What the border pulls with, of one colour channel. */
static void
pull_pixels (Level *level, const PalImage *painted, const PalImage *source,
             const PalImage *inside, gsize channel)
{
  const gfloat *in = inside->data;
  gsize         w  = (gsize) level->width, h = (gsize) level->height;
  const gint    dx[] = { 1, -1, 0, 0 }, dy[] = { 0, 0, 1, -1 };

  for (gsize i = 0; i < w * h; i++)
    {
      gint x = (gint) (i % w), y = (gint) (i / w);

      level->pull[i] = 0.0f;
      for (gint k = 0; k < 4 && in[i] > 0.0f; k++)
        {
          gint  qx = x + dx[k], qy = y + dy[k];
          gsize q  = (gsize) qy * w + (gsize) qx;

          if (qx < 0 || qy < 0 || qx >= level->width || qy >= level->height || in[q] > 0.0f)
            continue;
          level->pull[i] += source->data[q * 3 + channel] - painted->data[i * 3 + channel];
        }
    }
}

/* What the springs of cell (x, y) pull with, and how stiff they are. */
static inline gfloat
pull_at (const Level *level, gsize x, gsize y, gfloat *stiff)
{
  gsize  w   = (gsize) level->width, i = y * w + x;
  gfloat sum = level->pull[i];

  *stiff = level->ground[i];
  if (x > 0)
    *stiff += level->right[i - 1], sum += level->right[i - 1] * level->u[i - 1];
  if (y > 0)
    *stiff += level->down[i - w], sum += level->down[i - w] * level->u[i - w];
  if (x + 1 < w)
    *stiff += level->right[i], sum += level->right[i] * level->u[i + 1];
  if (y + 1 < (gsize) level->height)
    *stiff += level->down[i], sum += level->down[i] * level->u[i + w];

  return sum;
}

/* Lets every cell give way to its springs, one after another; returns the largest move. */
static gfloat
sweep (Level *level)
{
  gfloat most = 0.0f;

  for (gsize y = 0; y < (gsize) level->height; y++)
    for (gsize x = 0; x < (gsize) level->width; x++)
      {
        gsize  i = y * (gsize) level->width + x;
        gfloat stiff, sum, at;

        if (level->ground[i] <= 0.0f)
          continue;

        sum         = pull_at (level, x, y, &stiff);
        at          = sum / stiff;
        most        = MAX (most, fabsf (at - level->u[i]));
        level->u[i] = at;
      }

  return most;
}

/* The coarser level is to find what the finer one still lacks. */
static void
pass_down (const Level *fine, Level *coarse)
{
  gsize n = (gsize) coarse->width * (gsize) coarse->height;

  memset (coarse->pull, 0, n * sizeof (gfloat));
  memset (coarse->u, 0, n * sizeof (gfloat));

  for (gsize y = 0; y < (gsize) fine->height; y++)
    for (gsize x = 0; x < (gsize) fine->width; x++)
      {
        gsize  i = y * (gsize) fine->width + x;
        gfloat stiff, sum;

        if (fine->ground[i] <= 0.0f)
          continue;

        sum = pull_at (fine, x, y, &stiff);
        coarse->pull[y / 2 * (gsize) coarse->width + x / 2] += sum - stiff * fine->u[i];
      }
}

static void
pass_up (Level *fine, const Level *coarse)
{
  for (gsize y = 0; y < (gsize) fine->height; y++)
    for (gsize x = 0; x < (gsize) fine->width; x++)
      if (fine->ground[y * (gsize) fine->width + x] > 0.0f)
        fine->u[y * (gsize) fine->width + x] += coarse->u[y / 2 * (gsize) coarse->width + x / 2];
}

/* Down to the coarsest level and up again; returns the last move on level nth. */
static gfloat
cycle (Net *net, guint nth)
{
  Level *level = &net->levels[nth];
  gfloat moved = 0.0f;

  for (gint i = 0; i < SWEEPS; i++)
    sweep (level);

  if (nth + 1 < net->n_levels)
    {
      pass_down (level, level + 1);
      cycle (net, nth + 1);
      pass_up (level, level + 1);
    }

  for (gint i = 0; i < SWEEPS; i++)
    moved = sweep (level);

  return moved;
}

static void
solve (Net *net)
{
  Level *finest = &net->levels[0];
  gint   left   = MAX_CYCLES;

  memset (finest->u, 0, (gsize) finest->width * (gsize) finest->height * sizeof (gfloat));
  while (left-- > 0 && cycle (net, 0) > STILL);
}

/* *out [H, W]: 1 at the border, falling to 0 where the next pixel outside is reach_px away. */
static gboolean
fade_inwards (const PalImage *inside, gdouble reach_px, gfloat **out, GError **error)
{
  gint                w     = inside->width, h = inside->height;
  gint                reach = (gint) ceil (reach_px) + 1;
  g_autofree gfloat  *drop  = NULL;   /* to the next pixel outside in the same column */

  if (! pal_floats_new (&drop, (gsize) w * (gsize) h, error) ||
      ! pal_floats_new (out, (gsize) w * (gsize) h, error))
    return FALSE;

  for (gint x = 0; x < w; x++)
    {
      gint above = reach, below = reach;

      for (gint y = 0; y < h; y++)
        {
          above = inside->data[y * w + x] > 0.0f ? MIN (above + 1, reach) : 0;
          drop[y * w + x] = (gfloat) above;
        }
      for (gint y = h - 1; y >= 0; y--)
        {
          below = inside->data[y * w + x] > 0.0f ? MIN (below + 1, reach) : 0;
          drop[y * w + x] = MIN (drop[y * w + x], (gfloat) below);
        }
    }

  for (gint i = 0; i < w * h; i++)
    {
      gint   x    = i % w;
      gfloat next = (gfloat) (reach * reach), t;

      if (! (inside->data[i] > 0.0f))
        continue;

      for (gint k = MAX (x - reach, 0); k <= MIN (x + reach, w - 1); k++)
        next = MIN (next, (gfloat) ((k - x) * (k - x)) + drop[i - x + k] * drop[i - x + k]);
      t         = CLAMP ((sqrtf (next) - 1.0f) / (gfloat) reach_px, 0.0f, 1.0f);
      (*out)[i] = 1.0f - t * t * (3.0f - 2.0f * t);
    }

  return TRUE;
}

gboolean
pal_seamless (PalImage       *painted,
              const PalImage *source,
              const PalImage *inside,
              gdouble         reach_px,
              GError        **error)
{
  g_auto (Net)       net  = { 0 };
  g_autofree gfloat *fade = NULL;
  gsize              n    = (gsize) painted->width * (gsize) painted->height;

  if (! fade_inwards (inside, reach_px, &fade, error) ||
      ! lay_pixels (&net, inside, reach_px, error))
    return FALSE;
  while (net.n_levels < MAX_LEVELS &&
         MAX (net.levels[net.n_levels - 1].width, net.levels[net.n_levels - 1].height) > 1)
    if (! lay_coarser (&net, error))
      return FALSE;

  for (gsize c = 0; c < 3; c++)
    {
      pull_pixels (&net.levels[0], painted, source, inside, c);
      solve (&net);
      for (gsize i = 0; i < n; i++)
        painted->data[i * 3 + c] = CLAMP (painted->data[i * 3 + c] +
                                          fade[i] * net.levels[0].u[i], 0.0f, 1.0f);
    }

  return TRUE;
}
