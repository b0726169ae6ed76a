/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Included by test.cl: its factor. */

#ifndef SCALE
#define SCALE 1.0f
#endif
