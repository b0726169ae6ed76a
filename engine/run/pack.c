/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packing: stored weights turned into the form that kernels read. */

#include "run/private.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

/* Channels that are turned at once: the rows' and the panel's parts stay in the
 * first-level cache. */
#define CHUNK 32

/* Bits that are all set in what is not finite, by dtype; 0 for integers. */
static const guint32 exponent_bits[PAL_N_DTYPES] = {
  [PAL_F32]  = 0x7f800000,
  [PAL_F16]  = 0x7c00,
  [PAL_BF16] = 0x7f80,
};

/* [N, K] or [N, C, KH, KW] */
typedef struct
{
  gsize n, channels, taps, panel;
} Panels;

static Panels
panels_of (const PalWeightView *view,
           guint                panel)
{
  Panels p = { .n = (gsize) view->shape.d[0], .channels = (gsize) view->shape.d[1],
               .taps = 1, .panel = panel };

  for (guint i = 2; i < view->shape.n; i++)
    p.taps *= (gsize) view->shape.d[i];

  return p;
}

static gboolean
is_stored_float (PalDType dtype)
{
  return dtype == PAL_F32 || dtype == PAL_F16 || dtype == PAL_BF16;
}

gboolean
pal_pack_size (const PalWeightView  *view,
               PalPacking            packing,
               guint                 panel,
               PalDType             *dtype,
               gsize                *n_bytes,
               GError              **error)
{
  g_autofree gchar *shape = pal_shape_text (view->shape);
  gsize             count;

  if (! pal_shape_count (view->shape, &count) || count == 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE, "The tensor “%s” is empty: %s",
                   view->name, shape);
      return FALSE;
    }

  if ((packing == PAL_PACK_PANELS && view->shape.n != 2 && view->shape.n != 4) ||
      (packing == PAL_PACK_ROWS && view->shape.n != 2))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
                   "The tensor “%s” is no matrix%s: %s", view->name,
                   packing == PAL_PACK_PANELS ? " and no convolution" : "", shape);
      return FALSE;
    }

  if (packing != PAL_PACK_VECTOR && ! is_stored_float (view->dtype) &&
      view->dtype != PAL_F64)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "The tensor “%s” is of the type %s; weights must be F32, F16, BF16 or "
                   "F64", view->name, pal_dtype_name (view->dtype));
      return FALSE;
    }

  if (packing == PAL_PACK_PANELS)
    {
      const gsize n = (gsize) view->shape.d[0];

      count = count / n * ((n + panel - 1) / panel * panel);
    }

  *dtype   = packing != PAL_PACK_VECTOR && is_stored_float (view->dtype) ? view->dtype
                                                                         : PAL_F32;
  *n_bytes = count * pal_dtype_size (*dtype);

  return TRUE;
}

/* Files guarantee no alignment. */

static inline guint16
load16 (const guint8 *p)
{
  guint16 x;

  memcpy (&x, p, sizeof x);
  return x;
}

static inline guint32
load32 (const guint8 *p)
{
  guint32 x;

  memcpy (&x, p, sizeof x);
  return x;
}

/* The largest exponent tells; a maximum is what compilers vectorise. */
static gboolean
all_finite (const guint8 *data,
            gsize         n,
            PalDType      dtype)
{
  const guint32 mask = exponent_bits[dtype];
  guint32       top  = 0;

  if (pal_dtype_size (dtype) == 2)
    {
      guint16 top16 = 0;

      for (gsize i = 0; i < n; i++)
        {
          const guint16 e = load16 (data + 2 * i) & (guint16) mask;

          top16 = MAX (top16, e);
        }
      top = top16;
    }
  else
    for (gsize i = 0; i < n; i++)
      {
        const guint32 e = load32 (data + 4 * i) & mask;

        top = MAX (top, e);
      }

  return top != mask;
}

static gboolean
refuse (const PalWeightView  *view,
        const gchar          *label,
        GError              **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
               "The tensor “%s” of %s holds values that are not finite; the file is "
               "damaged, so get it again", view->name, label);
  return FALSE;
}

/* One panel: rows [first, first + rows) of [N, C, taps], all of dtype size 2 or 4. */
static void
turn_16 (const guint8 *src,
         Panels        p,
         gsize         first,
         gsize         rows,
         guint16      *dst)
{
  for (gsize c0 = 0; c0 < p.channels; c0 += CHUNK)
    {
      const gsize c1 = MIN (c0 + CHUNK, p.channels);

      for (gsize j = 0; j < rows; j++)
        {
          const guint8 *row = src + 2 * (first + j) * p.channels * p.taps;

          for (gsize c = c0; c < c1; c++)
            for (gsize t = 0; t < p.taps; t++)
              dst[(t * p.channels + c) * p.panel + j] = load16 (row + 2 * (c * p.taps + t));
        }
    }
}

static void
turn_32 (const guint8 *src,
         Panels        p,
         gsize         first,
         gsize         rows,
         guint32      *dst)
{
  for (gsize c0 = 0; c0 < p.channels; c0 += CHUNK)
    {
      const gsize c1 = MIN (c0 + CHUNK, p.channels);

      for (gsize j = 0; j < rows; j++)
        {
          const guint8 *row = src + 4 * (first + j) * p.channels * p.taps;

          for (gsize c = c0; c < c1; c++)
            for (gsize t = 0; t < p.taps; t++)
              dst[(t * p.channels + c) * p.panel + j] = load32 (row + 4 * (c * p.taps + t));
        }
    }
}

/* src: stored data of dtype, which is the device's. */
static gboolean
pack_panels (const guint8 *src,
             PalDType      dtype,
             Panels        p,
             gpointer      out)
{
  const gsize size = pal_dtype_size (dtype);
  const gsize k    = p.channels * p.taps;
  guint8     *dst  = out;

  for (gsize first = 0; first < p.n; first += p.panel, dst += k * p.panel * size)
    {
      const gsize rows = MIN (p.panel, p.n - first);

      if (! all_finite (src + first * k * size, rows * k, dtype))
        return FALSE;

      if (rows < p.panel)
        memset (dst, 0, k * p.panel * size);

      if (size == 2)
        turn_16 (src, p, first, rows, (guint16 *) (gpointer) dst);
      else
        turn_32 (src, p, first, rows, (guint32 *) (gpointer) dst);
    }

  return TRUE;
}

/* dtype and layout of out: those of packing. */
static gboolean
pack_from (const PalWeight *weight,
           const guint8    *src,
           PalDType         dtype,
           gsize            count,
           gpointer         out)
{
  if (weight->packing == PAL_PACK_PANELS)
    return pack_panels (src, dtype, panels_of (weight->view, weight->panel), out);

  if (! all_finite (src, count, dtype))
    return FALSE;

  memcpy (out, src, count * pal_dtype_size (dtype));
  return TRUE;
}

gboolean
pal_pack (const PalWeight  *weight,
          const gchar      *label,
          gpointer          out,
          GError          **error)
{
  const PalWeightView *view = weight->view;
  g_autofree gfloat   *wide = NULL;
  gsize                count;

  pal_shape_count (view->shape, &count);

  if (weight->dtype == view->dtype)
    return pack_from (weight, view->data, view->dtype, count, out) ||
           refuse (view, label, error);

  wide = pal_try_alloc (count * sizeof (gfloat));
  if (! wide)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
                   "There is no memory to widen the tensor “%s” of %s", view->name, label);
      return FALSE;
    }

  pal_to_float (view->dtype, view->data, wide, count);

  return pack_from (weight, (guint8 *) wide, PAL_F32, count, out) ||
         refuse (view, label, error);
}
