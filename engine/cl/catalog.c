/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows of the kernel catalogue; within an op the best stands first. */

#include "cl/catalog.h"

#define CPU   (PAL_CAP_CPU | PAL_CAP_VECTORS)
#define CPU16 (PAL_CAP_CPU | PAL_CAP_VECTORS | PAL_CAP_VECTOR16)
#define ANY   0

/* Tiles. 12x32 uses 24 of AVX-512's 32 registers for sums; 5x16 leaves LLVM a spare one of
 * AVX2's 16 (6x16 is no faster). Rows for ANY serve GPUs and llvmpipe. */
#define BLOCK_12X32 "-DVEC=16 -DTILE_M=12 -DTILE_N=32 -DBLOCK_M=96 -DBLOCK_N=160 -DBLOCK_K=256"
#define BLOCK_5X16  "-DVEC=8 -DTILE_M=5 -DTILE_N=16 -DBLOCK_M=60 -DBLOCK_N=160 -DBLOCK_K=256"
#define DIRECT_4X8  "-DVEC=4 -DTILE_M=4 -DTILE_N=8"

/* Winograd's squares, columns and channels: what it keeps stays in the second-level cache. */
#define SQUARES_12X32 "-DVEC=16 -DTILE_M=12 -DTILE_N=32 -DSQUARES=48 -DCOLUMNS=96 -DCHANNELS=64"
#define SQUARES_5X16  "-DVEC=8 -DTILE_M=5 -DTILE_N=16 -DSQUARES=30 -DCOLUMNS=96 -DCHANNELS=32"

#define FLASH_14X16 "-DVEC=16 -DTILE_M=14 -DTILE_N=16 -DQUERIES=168 -DKEYS=256"
#define FLASH_5X16  "-DVEC=8 -DTILE_M=5 -DTILE_N=16 -DQUERIES=100 -DKEYS=256"
#define FLASH_LANES "-DVEC=4 -DTILE_M=4 -DTILE_N=16 -DQUERIES=4 -DLANES=64"

#define FLASH_PACK  "-DVEC=4 -DTILE_N=16"

/* For kernels whose tile is a run of vectors: long runs on the CPU, one vector a lane
 * elsewhere. */
#define RUN_CPU "-DVEC=16 -DREPEAT=64"
#define RUN_ANY "-DVEC=4 -DREPEAT=1"
#define RUNS(op, file, entry)                                        \
  { op, "cpu", file, entry, RUN_CPU, CPU, { 1, 1024, 0, 1, 1 } },      \
  { op, "any", file, entry, RUN_ANY, ANY, { 1, 4, 0, 32, 1 } }

/* op, variant, file, entry, defines, needs, { rows, columns, depth, local, panels } */
static const PalKernelRow rows[] = {
  { "gemm", "cpu-12x32", "gemm.cl", "gemm_block", BLOCK_12X32, CPU16, { 96, 32, 256, 1, 5 } },
  { "gemm", "cpu-5x16", "gemm.cl", "gemm_block", BLOCK_5X16, CPU, { 60, 16, 256, 1, 10 } },
  { "gemm", "any-4x8", "gemm.cl", "gemm_direct", DIRECT_4X8, ANY, { 4, 8, 0, 8, 1 } },

  { "conv2d", "cpu-12x32", "conv.cl", "conv_block", BLOCK_12X32, CPU16, { 96, 32, 256, 1, 5 } },
  { "conv2d", "cpu-5x16", "conv.cl", "conv_block", BLOCK_5X16, CPU, { 60, 16, 256, 1, 10 } },
  { "conv2d", "any-4x8", "conv.cl", "conv_direct", DIRECT_4X8, ANY, { 4, 8, 0, 8, 1 } },

  { "winograd", "cpu-12x32", "winograd.cl", "winograd_block", SQUARES_12X32, CPU16,
    { 48, 32, 64, 1, 3 } },
  { "winograd", "cpu-5x16", "winograd.cl", "winograd_block", SQUARES_5X16, CPU,
    { 30, 16, 32, 1, 6 } },

  { "attention", "cpu-14x16", "attention.cl", "attention_block", FLASH_14X16, CPU16,
    { 168, 16, 512, 1, 1 } },
  { "attention", "cpu-5x16", "attention.cl", "attention_block", FLASH_5X16, CPU,
    { 100, 16, 512, 1, 1 } },
  { "attention", "any-lanes", "attention-lanes.cl", "attention_lanes", FLASH_LANES, ANY,
    { 4, 16, 64, 64, 1 } },
  { "attention_pack_keys", "any", "attention-pack.cl", "attention_pack_keys", FLASH_PACK, ANY,
    { 1, 16, 0, 1, 1 } },
  { "attention_pack_values", "any", "attention-pack.cl", "attention_pack_values", FLASH_PACK, ANY,
    { 1, 16, 0, 1, 1 } },

  { "group_norm_stats", "cpu", "group-norm.cl", "group_norm_stats", RUN_CPU, CPU,
    { 1, 16, 0, 1, 1 } },
  { "group_norm_stats", "any", "group-norm.cl", "group_norm_stats", RUN_ANY, ANY,
    { 1, 4, 0, 32, 1 } },
  { "group_norm_factors", "cpu", "group-norm.cl", "group_norm_factors", RUN_CPU, CPU,
    { 1, 1, 0, 1, 1 } },
  { "group_norm_factors", "any", "group-norm.cl", "group_norm_factors", RUN_ANY, ANY,
    { 1, 1, 0, 32, 1 } },
  RUNS ("group_norm_apply", "group-norm.cl", "group_norm_apply"),

  { "row_norm", "cpu", "row-norm.cl", "row_norm", "-DVEC=8 -DLANES=1 -DROWS=16", CPU,
    { 16, 1, 0, 1, 1 } },
  { "row_norm", "any", "row-norm.cl", "row_norm", "-DVEC=4 -DLANES=32 -DROWS=1", ANY,
    { 1, 1, 0, 32, 1 } },

  RUNS ("pointwise", "pointwise.cl", "pointwise"),
  RUNS ("geglu", "pointwise.cl", "geglu"),
  RUNS ("add_channels", "pointwise.cl", "add_channels"),
  RUNS ("copy_columns", "pointwise.cl", "copy_columns"),

  { "pixel_unshuffle", "cpu", "pixels.cl", "pixel_unshuffle", "-DREPEAT=1024", CPU,
    { 1, 1024, 0, 1, 1 } },
  { "pixel_unshuffle", "any", "pixels.cl", "pixel_unshuffle", "-DREPEAT=1", ANY,
    { 1, 1, 0, 32, 1 } },
  { "pixel_shuffle", "cpu", "pixels.cl", "pixel_shuffle", "-DREPEAT=1024", CPU,
    { 1, 1024, 0, 1, 1 } },
  { "pixel_shuffle", "any", "pixels.cl", "pixel_shuffle", "-DREPEAT=1", ANY,
    { 1, 1, 0, 32, 1 } },

  { "embed", "any", "embed.cl", "embed", "-DVEC=16", ANY, { 1, 16, 0, 1, 1 } },
  { "timestep_embed", "cpu", "pointwise.cl", "timestep_embed", RUN_CPU, CPU, { 1, 1, 0, 1, 1 } },
  { "timestep_embed", "any", "pointwise.cl", "timestep_embed", RUN_ANY, ANY, { 1, 1, 0, 32, 1 } },
};

const PalKernelRow *
pal_catalog_rows (gsize *n_rows)
{
  *n_rows = G_N_ELEMENTS (rows);
  return rows;
}

const PalKernelRow *
pal_catalog_pick (const gchar *op,
                  guint        capabilities)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (g_str_equal (rows[i].op, op) && (rows[i].needs & ~capabilities) == 0)
      return &rows[i];

  return NULL;
}
