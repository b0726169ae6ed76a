/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chooses how weights are read: -DWEIGHT_F32, -DWEIGHT_F16, -DWEIGHT_BF16 or -DWEIGHT_I8. */

#ifndef PAL_LOAD_H
#define PAL_LOAD_H

#include "pal.h"

#if defined(WEIGHT_F16)
#include "load-f16.h"
#elif defined(WEIGHT_BF16)
#include "load-bf16.h"
#elif defined(WEIGHT_I8)
#include "load-i8.h"
#else
#include "load-f32.h"
#endif

#endif
