/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does not compile, on purpose. */

#include "test.h"

__kernel void
broken (__global float *x)
{
  x[0] = undeclared_thing;
}
