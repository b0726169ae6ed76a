/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shapes that models have, and the time that an op takes on them. */

#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include "bench.h"

typedef struct _BenchShape BenchShape;

struct _BenchShape
{
  const gchar *name;
  const gchar *ops[4];        /* of the catalogue, whose rows the op uses; the main one first */
  PalTensor *(*record) (PalTape *tape, const BenchShape *shape, PalTensor *x);
  gint         side;          /* of a square of pixels, or the root of the tokens */
  gint         c, m;          /* channels in and out; of attention: heads and their width */
  gint         kernel;        /* side of a convolution's; 0: no matrix product of a weight */
  PalDType     dtype;         /* of the weight */
};

const BenchShape *bench_shapes (gsize *n_shapes);
gint64            bench_shape_rows (const BenchShape *shape);

/* A shape ready to be timed with the catalogue rows that the device has chosen by then. */
typedef struct _BenchCase BenchCase;

BenchCase *bench_case_new   (BenchRun *run, const BenchShape *shape, GError **error);
void       bench_case_free  (BenchCase *c);
PalWork    bench_case_work  (const BenchCase *c);   /* of one op */

/* Busy seconds of one op, now; BENCH_NONE and an error on failure. */
gdouble    bench_case_time  (BenchCase *c, GError **error);
/* How often it is worth timing: not long ones again and again. */
guint      bench_case_turns (const BenchCase *c);

/* Busy seconds of OpenBLAS for the same products, with im2col and softmax for free. Only for
 * shapes with products, after bench_blas_open (). */
typedef struct _BenchBlas BenchBlas;

BenchBlas *bench_blas_new  (BenchRun *run, const BenchShape *shape);
void       bench_blas_free (BenchBlas *blas);
gdouble    bench_blas_time (BenchBlas *blas);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchCase, bench_case_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchBlas, bench_blas_free)

#endif
