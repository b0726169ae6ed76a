/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights stored as half: storage alone, so cl_khr_fp16 is not needed. */

typedef half weight_t;

#define load_weight(p)   vload_half (0, p)
#define load_weights(p)  PAL_JOIN (vload_half, VEC) (0, p)
