/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights stored as float. */

typedef float weight_t;

#define WEIGHT_IS_FLOAT  1
#define load_weight(p)   (*(p))
#define load_weights(p)  vec_load (p)
