/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures: resampling and Gaussian blur, both separable with edges repeated. */

#include "base/image.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

/* What one output position takes of a line. */
typedef struct
{
  gint    first, n;
  gfloat *weights;
} Taps;

typedef struct
{
  gfloat *weights;
  Taps   *taps;
} Filter;

static void
filter_clear (Filter *filter)
{
  g_free (filter->weights);
  g_free (filter->taps);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Filter, filter_clear)

/* Catmull-Rom spline (a = -1/2). */
static gdouble
cubic (gdouble x)
{
  x = fabs (x);

  if (x < 1.0)
    return (1.5 * x - 2.5) * x * x + 1.0;
  if (x < 2.0)
    return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;

  return 0.0;
}

/* Weight of input pixel i for the output pixel whose footprint is [low, high). */
static gdouble
tap_weight (gint     i,
            gdouble  low,
            gdouble  high,
            gboolean shrink)
{
  if (shrink)
    return MAX (MIN (high, i + 1.0) - MAX (low, (gdouble) i), 0.0);

  return cubic (i + 0.5 - (low + high) / 2.0);
}

static gboolean
filter_init (Filter *filter,
             gint    from,
             gint    to)
{
  gdouble  ratio  = (gdouble) from / to;
  gboolean shrink = to < from;
  gint     n      = shrink ? (gint) ceil (ratio) + 2 : 5;

  filter->weights = pal_try_alloc ((gsize) to * (gsize) n * sizeof (gfloat));
  filter->taps    = pal_try_alloc ((gsize) to * sizeof (Taps));
  if (! filter->weights || ! filter->taps)
    return FALSE;

  for (gint o = 0; o < to; o++)
    {
      gdouble low   = o * ratio, high = (o + 1) * ratio, sum = 0.0;
      Taps   *taps  = filter->taps + o;

      taps->weights = filter->weights + (gsize) o * (gsize) n;
      taps->first   = (gint) floor (shrink ? low : (low + high) / 2.0 - 2.0);
      taps->n       = n;

      for (gint k = 0; k < n; k++)
        sum += tap_weight (taps->first + k, low, high, shrink);
      for (gint k = 0; k < n; k++)
        taps->weights[k] = (gfloat) (tap_weight (taps->first + k, low, high, shrink) / sum);
    }

  return TRUE;
}

/* Resamples the rows and turns the picture: [h, w, C] → [to, h, C]. */
static PalImage *
resize_turned (const PalImage *image,
               gint            to)
{
  g_auto (Filter) filter = { NULL, NULL };
  PalImage       *out;
  gint            channels = image->channels;

  if (! filter_init (&filter, image->width, to))
    return NULL;

  out = pal_image_new (image->height, to, channels);
  if (! out)
    return NULL;

  for (gint y = 0; y < image->height; y++)
    {
      const gfloat *row = image->data + (gsize) y * (gsize) image->width * (gsize) channels;

      for (gint o = 0; o < to; o++)
        {
          const Taps *taps = filter.taps + o;
          gfloat     *p    = out->data +
                             ((gsize) o * (gsize) image->height + (gsize) y) * (gsize) channels;

          for (gint k = 0; k < taps->n; k++)
            {
              gint i = CLAMP (taps->first + k, 0, image->width - 1);

              for (gint c = 0; c < channels; c++)
                p[c] += taps->weights[k] * row[(gsize) i * (gsize) channels + (gsize) c];
            }
        }
    }

  return out;
}

/* Colours times alpha, or back: what is transparent must not bleed. */
static void
multiply_alpha (PalImage *image,
                gboolean  undo)
{
  gsize colours = (gsize) image->channels - 1;
  gsize n       = (gsize) image->width * (gsize) image->height;

  for (gsize i = 0; i < n; i++)
    {
      gfloat *p     = image->data + i * (colours + 1);
      gfloat  alpha = p[colours];

      for (gsize c = 0; c < colours; c++)
        if (! undo)
          p[c] *= alpha;
        else
          p[c] = alpha > 0.0f ? p[c] / alpha : 0.0f;
    }
}

/* The cubic rings; a mask or a colour must not leave the range it had. */
static void
limit_range (PalImage       *image,
             const PalImage *like)
{
  gsize  n  = (gsize) image->width * (gsize) image->height * (gsize) image->channels;
  gsize  m  = (gsize) like->width * (gsize) like->height * (gsize) like->channels;
  gfloat lo = like->data[0], hi = like->data[0];

  for (gsize i = 1; i < m; i++)
    {
      lo = MIN (lo, like->data[i]);
      hi = MAX (hi, like->data[i]);
    }

  for (gsize i = 0; i < n; i++)
    image->data[i] = CLAMP (image->data[i], lo, hi);
}

PalImage *
pal_image_resize (const PalImage *image,
                  gint            width,
                  gint            height)
{
  g_autoptr (PalImage) source = NULL;
  g_autoptr (PalImage) turned = NULL;
  g_autoptr (PalImage) out    = NULL;
  gboolean             alpha  = image->channels == 2 || image->channels == 4;

  if (width < 1 || height < 1)
    return NULL;

  source = pal_image_copy (image);
  if (! source || (width == image->width && height == image->height))
    return g_steal_pointer (&source);

  if (alpha)
    multiply_alpha (source, FALSE);

  turned = resize_turned (source, width);
  if (turned)
    out = resize_turned (turned, height);
  if (! out)
    return NULL;

  limit_range (out, source);
  if (alpha)
    multiply_alpha (out, TRUE);

  return g_steal_pointer (&out);
}

/* Widest sigma for which the Gaussian is summed tap by tap. */
#define EXACT_SIGMA_PX 4.0
#define BOX_PASSES     4

static void
blur_line_exact (const gfloat *weights,
                 gint          radius,
                 const gfloat *in,
                 gfloat       *out,
                 gint          n)
{
  for (gint i = 0; i < n; i++)
    {
      gfloat sum = weights[0] * in[i];

      for (gint k = 1; k <= radius; k++)
        sum += weights[k] * (in[MAX (i - k, 0)] + in[MIN (i + k, n - 1)]);
      out[i] = sum;
    }
}

/* A box of 2 radius + 1 full taps and a part `edge` of one more at each end, so that
 * its variance can be any number (Gwosdek et al., extended box filter). */
static void
blur_line_box (gint          radius,
               gdouble       edge,
               const gfloat *in,
               gfloat       *out,
               gint          n)
{
  gdouble sum   = 0.0;
  gdouble scale = 1.0 / (2 * radius + 1 + 2 * edge);

  for (gint k = -radius; k <= radius; k++)
    sum += (gdouble) in[CLAMP (k, 0, n - 1)];

  for (gint i = 0; i < n; i++)
    {
      gdouble before = (gdouble) in[CLAMP (i - radius - 1, 0, n - 1)];
      gdouble after  = (gdouble) in[CLAMP (i + radius + 1, 0, n - 1)];

      out[i] = (gfloat) ((sum + edge * (before + after)) * scale);
      sum += after - (gdouble) in[CLAMP (i - radius, 0, n - 1)];
    }
}

typedef struct
{
  gint    radius;
  gdouble edge;               /* of the boxes */
  gfloat *weights;            /* of the exact kernel, NULL: boxes */
} Blur;

static void
blur_init (Blur    *blur,
           gdouble  sigma)
{
  gdouble variance, r, sum = 1.0;

  if (sigma <= EXACT_SIGMA_PX)
    {
      blur->radius  = (gint) ceil (sigma * 4.0);
      blur->weights = g_new (gfloat, (gsize) blur->radius + 1);

      for (gint k = 1; k <= blur->radius; k++)
        sum += 2.0 * exp (-0.5 * k * k / (sigma * sigma));
      for (gint k = 0; k <= blur->radius; k++)
        blur->weights[k] = (gfloat) (exp (-0.5 * k * k / (sigma * sigma)) / sum);
      return;
    }

  /* Variance of the box: (r (r+1) (2r+1) / 3 + 2 e (r+1)²) / (2r + 1 + 2e). */
  variance     = sigma * sigma / BOX_PASSES;
  r            = floor ((sqrt (12.0 * variance + 1.0) - 1.0) / 2.0);
  blur->radius = (gint) r;
  blur->edge   = (2.0 * r + 1.0) * (variance - r * (r + 1.0) / 3.0) /
                 (2.0 * ((r + 1.0) * (r + 1.0) - variance));
}

static void
blur_line (const Blur *blur,
           gfloat     *line,
           gfloat     *scratch,
           gint        n)
{
  if (blur->weights)
    {
      blur_line_exact (blur->weights, blur->radius, line, scratch, n);
      memcpy (line, scratch, (gsize) n * sizeof (gfloat));
      return;
    }

  for (gint pass = 0; pass < BOX_PASSES; pass += 2)
    {
      blur_line_box (blur->radius, blur->edge, line, scratch, n);
      blur_line_box (blur->radius, blur->edge, scratch, line, n);
    }
}

gboolean
pal_image_blur (PalImage *image,
                gdouble   sigma_px)
{
  g_autofree gfloat *line = NULL;
  gsize              w = (gsize) image->width, h = (gsize) image->height;
  gsize              channels = (gsize) image->channels, longest = MAX (w, h);
  Blur               blur = { 0, 0.0, NULL };

  if (! (sigma_px > 0.0))
    return TRUE;

  line = pal_try_alloc (2 * longest * sizeof (gfloat));
  if (! line)
    return FALSE;

  blur_init (&blur, sigma_px);

  for (gsize axis = 0; axis < 2; axis++)
    {
      gsize lines  = (axis ? w : h) * channels, n = axis ? h : w;
      gsize stride = axis ? w * channels : channels;

      for (gsize l = 0; l < lines; l++)
        {
          gfloat *first = axis ? image->data + l
                               : image->data + l / channels * w * channels + l % channels;

          for (gsize i = 0; i < n; i++)
            line[i] = first[i * stride];
          blur_line (&blur, line, line + longest, (gint) n);
          for (gsize i = 0; i < n; i++)
            first[i * stride] = line[i];
        }
    }

  g_free (blur.weights);

  return TRUE;
}
