/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine's error domain; codes are PalErrorCode. */

#ifndef PAL_BASE_ERROR_H
#define PAL_BASE_ERROR_H

#include <glib.h>

#define PAL_ERROR (pal_error_quark ())

GQuark pal_error_quark (void);

#endif
