/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef SCALE
#define SCALE 1.0f
#endif
