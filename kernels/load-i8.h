/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights stored as whole numbers. What is made of them is multiplied by their row's scale
 * at the end, since a row is a column of the result: see END_SCALE. */

typedef char weight_t;

#define load_weight(p)   ((float) *(p))
#define load_weights(p)  PAL_JOIN (convert_float, VEC) (PAL_JOIN (vload, VEC) (0, p))
