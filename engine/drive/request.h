/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What may be asked of a model, and what it takes where nothing is asked. */

#ifndef PAL_DRIVE_REQUEST_H
#define PAL_DRIVE_REQUEST_H

#include "family/model.h"

/* *out = request with the model's defaults in place of zeros; strings and images are
 * still the request's. ARGUMENT names the field, its value and the range. */
gboolean pal_request_resolve (const PalRequest *request, const PalModelInfo *info,
                              PalRequest *out, GError **error);

#endif
