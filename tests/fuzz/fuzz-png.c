/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a PNG file: refused, or all samples in range and all texts UTF-8. */

#include "cli.h"
#include "fuzz.h"
#include "png-io.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree gchar  *path  = fuzz_file ("x.png", data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (CliPng) png   = cli_png_read (path, &error);
  gsize              n     = 0;

  g_assert ((png == NULL) == (error != NULL));

  if (png)
    n = (gsize) png->width * (gsize) png->height * (gsize) png->channels;
  for (gsize i = 0; i < n; i++)
    g_assert (png->data[i] >> png->depth == 0);
  for (guint i = 0; png && i < png->texts->len; i++)
    g_assert (g_utf8_validate (((CliPngText *) png->texts->pdata[i])->value, -1, NULL));

  return 0;
}
