/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocation with a message. */

#include "drive/floats.h"

#include "base/debug.h"
#include "base/error.h"

gboolean
pal_floats_new (gfloat **out, gsize n, GError **error)
{
  *out = pal_try_alloc (n * sizeof (gfloat));
  if (*out)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
               "not enough memory for latents: %" G_GSIZE_FORMAT " bytes; choose a smaller region",
               n * sizeof (gfloat));
  return FALSE;
}

gboolean
pal_no_memory (const gchar *what, GError **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
               "not enough memory for %s; choose a smaller region", what);
  return FALSE;
}
