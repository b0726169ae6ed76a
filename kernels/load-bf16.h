/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights stored as bfloat16: the upper half of a float. */

typedef ushort weight_t;

#define load_weight(p)  as_float ((uint) *(p) << 16)
#define load_weights(p)                                                          \
  PAL_JOIN (as_float, VEC) (PAL_JOIN (convert_uint, VEC) (PAL_JOIN (vload, VEC) (0, p)) << 16)
