/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine's error domain. */

#include "base/error.h"

G_DEFINE_QUARK (pal-error-quark, pal_error)
