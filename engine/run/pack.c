/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packing: stored weights turned into the form that kernels read. */

#include "run/private.h"

#include <string.h>

#include "base/debug.h"

/* Channels that are turned at once: the rows' and the panel's parts stay in the
 * first-level cache. */
#define CHUNK 32

#define BLOCK 64                /* values that are checked at once */

#define WIDEN 8192              /* values that are widened at once, whole blocks of any type */

#define RANGE_BYTES (1 << 20)   /* a thread's share at least */
#define MAX_RANGES  16

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

/* Whether the device gets the values as they are stored. */
static gboolean
is_kept (const PalWeightView *view,
         PalPacking           packing)
{
  return packing != PAL_PACK_VECTOR && (pal_dtype_is_float (view->dtype) || view->scale);
}

/* What the device gets. Kernels do not read 8-bit floats and blocks: those become halves, with
 * 16 bits for the 4.5 to 8.5 that a value takes in the file. */
static PalDType
packed_dtype (const PalWeightView *view,
              PalPacking           packing)
{
  if (is_kept (view, packing))
    return view->dtype;

  return packing == PAL_PACK_VECTOR || view->dtype == PAL_F64 ? PAL_F32 : PAL_F16;
}

/* Whether a matrix of this type can be made of floats. */
static gboolean
is_widened (PalDType dtype)
{
  return dtype == PAL_F64 || dtype >= PAL_F8_E4M3;
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

  if (packing != PAL_PACK_VECTOR && ! is_kept (view, packing) && ! is_widened (view->dtype))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "The tensor “%s” is of the type %s; weights must be F32, F16, BF16, F64, "
                   "F8, blocks or I8 with scales", view->name, pal_dtype_name (view->dtype));
      return FALSE;
    }

  if (packing == PAL_PACK_VECTOR && view->scale)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "The tensor “%s” is I8 with scales, which only matrices and convolutions "
                   "may be", view->name);
      return FALSE;
    }

  if (packing == PAL_PACK_PANELS)
    {
      const gsize n = (gsize) view->shape.d[0];

      count = count / n * ((n + panel - 1) / panel * panel);
    }

  *dtype   = packed_dtype (view, packing);
  *n_bytes = count * pal_dtype_size (*dtype);

  return TRUE;
}

/* Files guarantee no alignment. */

static inline guint8
load8 (const guint8 *p)
{
  return *p;
}

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

/* An exponent of ones, and only that, carries into the sign's bit when one is added to
 * it. The sum of all by "or" is made by vectors where n is constant. */

static inline guint16
carry_16 (const guint8 *data,
          gsize         n,
          guint16       mask)
{
  const guint16 one = mask & (guint16) -mask;
  guint16       all = 0;

  for (gsize i = 0; i < n; i++)
    all |= (guint16) ((load16 (data + 2 * i) & mask) + one);

  return all & 0x8000;
}

static inline guint32
carry_32 (const guint8 *data,
          gsize         n,
          guint32       mask)
{
  const guint32 one = mask & -mask;
  guint32       all = 0;

  for (gsize i = 0; i < n; i++)
    all |= (load32 (data + 4 * i) & mask) + one;

  return all & 0x80000000;
}

static gboolean
all_finite (const guint8 *data,
            gsize         n,
            PalDType      dtype)
{
  const guint32 mask  = exponent_bits[dtype];
  const gsize   whole = n / BLOCK * BLOCK, rest = n - whole;
  guint32       carry = 0;

  if (mask == 0)
    return TRUE;

  if (pal_dtype_size (dtype) == 2)
    {
      for (gsize i = 0; i < whole; i += BLOCK)
        carry |= carry_16 (data + 2 * i, BLOCK, (guint16) mask);
      carry |= carry_16 (data + 2 * whole, rest, (guint16) mask);
    }
  else
    {
      for (gsize i = 0; i < whole; i += BLOCK)
        carry |= carry_32 (data + 4 * i, BLOCK, mask);
      carry |= carry_32 (data + 4 * whole, rest, mask);
    }

  return carry == 0;
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

/* One panel: rows [first, first + rows) of [N, C, taps], of 1, 2 or 4 bytes an element. */
#define TURN(bits)                                                           \
  static void                                                                \
  turn_##bits (const guint8 *src,                                            \
               const Panels *p,                                              \
               gsize         first,                                          \
               gsize         rows,                                           \
               gpointer      out)                                            \
  {                                                                          \
    const gsize size = bits / 8, row_bytes = size * p->channels * p->taps;   \
                                                                             \
    src += first * row_bytes;                                                \
    for (gsize c0 = 0; c0 < p->channels; c0 += CHUNK)                        \
      for (gsize t = 0; t < p->taps; t++)                                    \
        for (gsize c = c0; c < MIN (c0 + CHUNK, p->channels); c++)           \
          {                                                                  \
            const guint8   *from = src + size * (c * p->taps + t);           \
            guint##bits    *to   = (guint##bits *) out +                     \
                                   (t * p->channels + c) * p->panel;         \
                                                                             \
            for (gsize j = 0; j < rows; j++, from += row_bytes)              \
              to[j] = load##bits (from);                                     \
          }                                                                  \
  }

TURN (8)
TURN (16)
TURN (32)

/* A range of panels, for one thread. */
typedef struct
{
  const guint8 *src;            /* stored data of dtype, which is the device's */
  guint8       *out;
  PalDType      dtype;
  Panels        p;
  gsize         first, end;     /* panels */
  gboolean      finite;
} Range;

static gpointer
pack_range (gpointer data)
{
  Range        *range = data;
  const Panels *p     = &range->p;
  const gsize   size  = pal_dtype_size (range->dtype);
  const gsize   k     = p->channels * p->taps;

  range->finite = TRUE;
  for (gsize i = range->first; i < range->end && range->finite; i++)
    {
      const gsize   row  = i * p->panel;
      const gsize   rows = MIN (p->panel, p->n - row);
      const guint8 *src  = range->src;
      guint8       *dst  = range->out + i * k * p->panel * size;

      range->finite = all_finite (src + row * k * size, rows * k, range->dtype);
      if (rows < p->panel)
        memset (dst, 0, k * p->panel * size);

      if (size == 1)
        turn_8 (src, p, row, rows, dst);
      else if (size == 2)
        turn_16 (src, p, row, rows, dst);
      else
        turn_32 (src, p, row, rows, dst);
    }

  return NULL;
}

/* Large weights are packed by all processors: it is what starting takes longest. */
static gboolean
pack_panels (Range whole)
{
  const gsize n = (whole.p.n + whole.p.panel - 1) / whole.p.panel;
  const gsize bytes = n * whole.p.panel * whole.p.channels * whole.p.taps *
                      pal_dtype_size (whole.dtype);
  const guint n_ranges = (guint) CLAMP (MIN (bytes / RANGE_BYTES, g_get_num_processors ()),
                                        1, MAX_RANGES);
  Range       ranges[MAX_RANGES];
  GThread    *threads[MAX_RANGES] = { NULL };
  gboolean    finite = TRUE;

  for (guint i = 0; i < n_ranges; i++)
    {
      ranges[i]       = whole;
      ranges[i].first = n * i / n_ranges;
      ranges[i].end   = n * (i + 1) / n_ranges;

      if (i + 1 < n_ranges)
        threads[i] = g_thread_try_new ("pack", pack_range, &ranges[i], NULL);
      if (! threads[i])
        pack_range (&ranges[i]);
    }

  for (guint i = 0; i < n_ranges; i++)
    {
      g_clear_pointer (&threads[i], g_thread_join);
      finite = finite && ranges[i].finite;
    }

  return finite;
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
    return pack_panels ((Range) { .src = src, .out = out, .dtype = dtype,
                                  .p = panels_of (weight->view, weight->panel) });

  if (! all_finite (src, count, dtype))
    return FALSE;

  memcpy (out, src, count * pal_dtype_size (dtype));
  return TRUE;
}

/* out: count values of dtype, F32 or F16 */
static void
widen (const PalWeightView *view,
       PalDType             dtype,
       gsize                count,
       guint8              *out)
{
  g_autofree gfloat *floats = g_new (gfloat, WIDEN);
  const guint8      *src    = view->data;

  for (gsize i = 0; i < count; i += WIDEN)
    {
      const gsize n     = MIN (WIDEN, count - i);
      gsize       bytes = 0;

      pal_to_float (view->dtype, src, dtype == PAL_F32 ? (gfloat *) out + i : floats, n);
      for (gsize j = 0; dtype == PAL_F16 && j < n; j++)
        ((guint16 *) out)[i + j] = pal_half_from_float (floats[j]);

      pal_dtype_bytes (view->dtype, n, &bytes);
      src += bytes;
    }
}

/* in: [columns, rows] → out: [rows, columns] */
static void
transpose (const guint8 *in,
           PalShape      shape,
           gsize         size,
           guint8       *out)
{
  const gsize rows = (gsize) shape.d[0], columns = (gsize) shape.d[1];

  for (gsize i = 0; i < rows; i++)
    for (gsize j = 0; j < columns; j++)
      memcpy (out + (i * columns + j) * size, in + (j * rows + i) * size, size);
}

/* Whole numbers become what they stand for with a scale for each row. */
static void
scale_rows (const PalWeightView *view,
            gsize                count,
            gfloat              *values)
{
  const PalWeightView *scale = view->scale;
  const gsize          rows  = (gsize) view->shape.d[0];

  for (gsize r = 0; r < rows; r++)
    {
      gfloat by;

      pal_to_float (scale->dtype, (const guint8 *) scale->data + r * pal_dtype_size (scale->dtype),
                    &by, 1);
      for (gsize i = r * (count / rows); i < (r + 1) * (count / rows); i++)
        values[i] *= by;
    }
}

/* In place: n floats become n values of dtype at the start of the block. */
static void
narrow (gfloat   *values,
        gsize     n,
        PalDType  dtype)
{
  guint16 *half = (guint16 *) values;

  if (dtype == PAL_F32)
    return;

  for (gsize i = 0; i < n; i++)
    {
      gfloat value;

      memcpy (&value, (guint8 *) values + i * sizeof value, sizeof value);
      half[i] = dtype == PAL_F16 ? pal_half_from_float (value) : pal_bf16_from_float (value);
    }
}

/* values: as F32, which become the patched ones of the weight's dtype. */
static gboolean
change (const PalWeight  *weight,
        gsize             count,
        gfloat           *values,
        GError          **error)
{
  const PalWeightView *view  = weight->view;
  const PalPatch      *patch = weight->patch;

  if (view->scale)
    scale_rows (view, count, values);
  if (! patch->apply (patch->data, view->name, view->shape, values, error))
    return FALSE;

  narrow (values, count, weight->dtype);
  return TRUE;
}

gboolean
pal_pack_check (const PalWeightView  *view,
                const gchar          *label,
                GError              **error)
{
  gsize count;

  return (pal_shape_count (view->shape, &count) && all_finite (view->data, count, view->dtype)) ||
         refuse (view, label, error);
}

gboolean
pal_pack (const PalWeight  *weight,
          const gchar      *label,
          gpointer          out,
          GError          **error)
{
  const PalWeightView *view   = weight->view;
  const PalDType       dtype  = weight->patch ? PAL_F32 : weight->dtype;
  const gsize          size   = pal_dtype_size (dtype);
  const gboolean       widens = weight->patch || dtype != view->dtype;
  const guint8        *src    = view->data;
  g_autofree guint8   *wide   = NULL, *turned = NULL;
  gsize                count;

  pal_shape_count (view->shape, &count);

  if (widens)
    wide = pal_try_alloc (count * size);
  if (view->transposed)
    turned = pal_try_alloc (count * size);

  if ((widens && ! wide) || (view->transposed && ! turned))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
                   "There is no memory to widen the tensor “%s” of %s", view->name, label);
      return FALSE;
    }

  if (wide)
    {
      widen (view, dtype, count, wide);
      src = wide;
    }
  if (turned)
    {
      transpose (src, view->shape, size, turned);
      src = turned;
    }
  if (weight->patch && ! change (weight, count, (gfloat *) (turned ? turned : wide), error))
    return FALSE;

  return pack_from (weight, src, weight->dtype, count, out) || refuse (view, label, error);
}
