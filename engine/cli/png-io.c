/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The image in memory: pixels, profile, texts. */

#include <string.h>

#include "png-io.h"

/* A picture of more samples is a damaged header rather than a picture. */
#define MAX_SAMPLES (G_GUINT64_CONSTANT (1) << 33)

static void
text_free (gpointer data)
{
  CliPngText *text = data;

  g_free (text->key);
  g_free (text->value);
  g_free (text->language);
  g_free (text->translated_key);
  g_free (text);
}

CliPng *
cli_png_new (gint width,
             gint height,
             gint channels,
             gint depth)
{
  CliPng *png = g_new0 (CliPng, 1);
  gsize   n;

  png->width       = width;
  png->height      = height;
  png->channels    = channels;
  png->depth       = depth;
  png->srgb_intent = -1;
  png->texts       = g_ptr_array_new_with_free_func (text_free);

  if (! g_size_checked_mul (&n, (gsize) width, (gsize) height) ||
      ! g_size_checked_mul (&n, n, (gsize) channels) || n > MAX_SAMPLES ||
      ! (png->data = g_try_new0 (guint16, n)))
    g_clear_pointer (&png, cli_png_free);

  return png;
}

void
cli_png_free (CliPng *png)
{
  if (! png)
    return;

  g_clear_pointer (&png->icc, g_bytes_unref);
  g_ptr_array_unref (png->texts);
  g_free (png->icc_name);
  g_free (png->data);
  g_free (png);
}

gboolean
cli_png_gray_profile (const CliPng *png)
{
  gsize         n     = 0;
  const guint8 *bytes = png->icc ? g_bytes_get_data (png->icc, &n) : NULL;

  /* ICC.1, 7.2: the colour space is at byte 16 of the header. */
  return n >= 20 && memcmp (bytes + 16, "GRAY", 4) == 0;
}

const gchar *
cli_png_get_text (const CliPng *png,
                  const gchar  *key)
{
  for (guint i = 0; i < png->texts->len; i++)
    {
      const CliPngText *text = g_ptr_array_index (png->texts, i);

      if (g_str_equal (text->key, key))
        return text->value;
    }

  return NULL;
}

void
cli_png_set_text (CliPng      *png,
                  const gchar *key,
                  const gchar *value)
{
  CliPngText *text = g_new0 (CliPngText, 1);

  for (guint i = png->texts->len; i-- > 0;)
    if (g_str_equal (((CliPngText *) g_ptr_array_index (png->texts, i))->key, key))
      g_ptr_array_remove_index (png->texts, i);

  /* Plain texts are Latin-1 by the specification; ASCII is all that is sure. */
  text->key           = g_strdup (key);
  text->value         = g_strdup (value);
  text->international = ! g_str_is_ascii (value);
  g_ptr_array_add (png->texts, text);
}
