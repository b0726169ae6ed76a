/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Element types and shapes: sizes, names, text, conversion to float. */

#ifndef PAL_BASE_DTYPE_H
#define PAL_BASE_DTYPE_H

#include "pal-types.h"

gsize        pal_dtype_size (PalDType dtype);   /* bytes of an element; not of block types */
gsize        pal_dtype_block (PalDType dtype);  /* values that are stored together, 1 or more */
/* Of n elements; FALSE when they are no whole blocks or the bytes overflow. */
gboolean     pal_dtype_bytes (PalDType dtype, gsize n, gsize *n_bytes);
const gchar *pal_dtype_name (PalDType dtype);   /* as safetensors writes it: "F16" */
gboolean     pal_dtype_is_float (PalDType dtype);   /* of those that weights keep: not F64 */
/* as safetensors writes it; FALSE for block types, which it has not */
gboolean     pal_dtype_from_name (const gchar *name, PalDType *dtype);

#define PAL_SHAPE(...)                                            \
  pal_shape_make (G_N_ELEMENTS (((gint64[]) { __VA_ARGS__ })),    \
                  (gint64[]) { __VA_ARGS__ })

PalShape pal_shape_make  (guint n, const gint64 *d);
gboolean pal_shape_equal (PalShape a, PalShape b);

/* Product of the dimensions; FALSE on overflow of gsize or a negative one. */
gboolean pal_shape_count (PalShape shape, gsize *n_elements);

/* "[2, 64, 64, 320]"; free with g_free (). */
gchar   *pal_shape_text  (PalShape shape);

/* Converts n elements of any dtype to float; n: whole blocks. */
void     pal_to_float    (PalDType dtype, gconstpointer data, gfloat *out, gsize n);

/* IEEE half and bfloat16, round to nearest even. */
guint16  pal_half_from_float (gfloat x);
gfloat   pal_half_to_float   (guint16 x);
guint16  pal_bf16_from_float (gfloat x);
gfloat   pal_bf16_to_float   (guint16 x);

#endif
