/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of engine/op share: shapes as rows and columns, weights, launches. */

#ifndef PAL_OP_PRIVATE_H
#define PAL_OP_PRIVATE_H

#include "op/op.h"
#include "run/step.h"

/* A shape seen as rows of its last dimension. */
typedef struct
{
  gint64 rows, columns;
} PalRowsView;

PalRowsView pal_op_rows (PalShape shape);

/* x's shape with its last dimension replaced. */
PalShape pal_op_widen (PalShape shape, gint64 columns);

/* Whether every value fits a kernel's int; else a sticky error that names the op. */
gboolean pal_op_fits (PalTape *tape, const gchar *op, const gint64 *values, guint n_values);

/* Whether x is of this dtype and has at least n_dims dimensions; else a sticky error. */
gboolean pal_op_takes (PalTape *tape, const gchar *op, const PalTensor *x, PalDType dtype,
                       guint n_dims);

/* Sticky SHAPE error that names both shapes; returns what pal_tape_fail () does. */
PalTensor *pal_op_clash (PalTape *tape, const gchar *op, PalShape a, PalShape b, const gchar *rule);

/* The weight name.suffix; NULL and a sticky error (if required) when it is absent or
 * its shape is not the expected one. */
PalWeight *pal_op_vector (PalTape *tape, const gchar *name, const gchar *suffix,
                          gint64 width, gboolean required);
PalWeight *pal_op_matrix (PalTape *tape, const gchar *name, PalPacking packing, guint panel);

/* "-DWEIGHT_F16": selects the loader of kernels/load.h. */
const gchar *pal_op_loader (const PalWeight *weight);

/* Ends a launch with the row's work-group size in the first dimension. */
gboolean pal_op_go (PalEmit *emit, const PalKernelRow *row, gint64 gx, gint64 gy,
                    gint64 gz, GError **error);

/* Work-items that make `count` elements of `each`. */
#define PAL_OP_PARTS(count, each) (((count) + (each) - 1) / (each))

/* The row for a product on x's rows: of one x, ops of one subject (cl/tune.h) agree. */
const PalKernelRow *pal_op_product_row (PalTape *tape, const gchar *op, const PalTensor *x);

/* Of a step whose first weight is [M, K] or [M, C, KH, KW], and of attention. */
guint64 pal_op_product_flops   (const PalStep *step);
guint64 pal_op_attention_flops (const PalStep *step);

/* What gemm and conv2d do with a finished sum; kernels/tile.h reads the same bits. */
enum
{
  PAL_END_BIAS           = 1 << 0,
  PAL_END_RESIDUAL       = 1 << 1,
  PAL_END_RESIDUAL_FIRST = 1 << 2,
  PAL_END_SCALE          = 1 << 3
};

/* The end of a product: shared by pal_linear () and pal_conv2d (). */
typedef struct
{
  PalAct     act;
  PalTensor *residual;
  gboolean   residual_first;
} PalEnd;

/* act (x w' + bias), residual after or before act. x: [.., K] → [.., M]. weight is
 * packed in panels of row; bias may be NULL. */
PalTensor *pal_op_product (PalTape *tape, PalTensor *x, const PalKernelRow *row,
                           PalWeight *weight, PalWeight *bias, const PalEnd *end);

#endif
