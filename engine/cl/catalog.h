/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of kernel variants: which file and entry, with which tile sizes, on
 * which devices. Free of CL types, so that ops may name kernels. A GPU variant is
 * another row. */

#ifndef PAL_CL_CATALOG_H
#define PAL_CL_CATALOG_H

#include "pal-types.h"

typedef enum
{
  PAL_CAP_CPU       = 1 << 0,
  PAL_CAP_GPU       = 1 << 1,
  PAL_CAP_FP16      = 1 << 2,   /* cl_khr_fp16 arithmetic */
  PAL_CAP_SUBGROUPS = 1 << 3,
  PAL_CAP_VECTORS   = 1 << 4,   /* native float vectors of 4 or more: a work-item is a thread with
                                 * SIMD registers and a cached stack (pocl; not llvmpipe, whose
                                 * work-items are SIMD lanes) */
  PAL_CAP_VECTOR16  = 1 << 5    /* native float vectors of 16 (AVX-512) */
} PalCapability;

/* Tile sizes that host code needs to choose the global size and the packing. */
typedef struct
{
  guint rows;                 /* rows of C (pixels, tokens, queries) a work-item or group makes */
  guint columns;              /* columns of C, = width of a weight panel */
  guint depth;                /* K block, 0 = whole; of attention: the widest head of a plain
                               * build */
  guint local;                /* work-group size in the first dimension, 0 = driver's choice */
  guint panels;               /* weight panels a work-item makes side by side; 0 = 1 */
} PalTile;

typedef struct
{
  const gchar *op;            /* what asks for it: "gemm", "conv2d", "attention" ... */
  const gchar *variant;       /* name in benches and tests: "cpu-6x16" */
  const gchar *file;          /* resource in kernels/: "gemm.cl" */
  const gchar *entry;         /* kernel function */
  const gchar *defines;       /* fixed defines of this row: "-DTILE_M=6 -DTILE_N=16" */
  guint        needs;         /* PalCapability bits that must all be there */
  PalTile      tile;
} PalKernelRow;

/* All rows, for tests and benches. */
const PalKernelRow *pal_catalog_rows (gsize *n_rows);

/* The first row of an op whose needs the capabilities meet; NULL if none. Rows
 * stand best first. */
const PalKernelRow *pal_catalog_pick (const gchar *op, guint capabilities);

#endif
