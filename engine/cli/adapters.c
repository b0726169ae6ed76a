/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The option --lora FILE:STRENGTH. */

#include "adapters.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#define MOST_STRENGTH 10.0

static void
adapter_clear (gpointer data)
{
  g_free ((gchar *) ((PalAdapter *) data)->path);
}

/* What follows the last colon, when it is a number: a file's name may have colons too. */
static PalAdapter
read_adapter (const gchar *text)
{
  const gchar *colon = strrchr (text, ':');
  gchar       *end   = NULL;
  gdouble      value = colon ? g_ascii_strtod (colon + 1, &end) : 1.0;

  if (! colon || end == colon + 1 || *end)
    return (PalAdapter) { g_strdup (text), 1.0 };

  return (PalAdapter) { g_strndup (text, (gsize) (colon - text)), value };
}

gboolean
cli_adapters_parse (gchar  **texts,
                    GArray **out,
                    GError **error)
{
  g_autoptr (GArray) adapters = g_array_new (FALSE, FALSE, sizeof (PalAdapter));

  g_array_set_clear_func (adapters, adapter_clear);
  for (guint i = 0; texts && texts[i]; i++)
    {
      PalAdapter adapter = read_adapter (texts[i]);

      g_array_append_val (adapters, adapter);
      if (! (fabs (adapter.strength) <= MOST_STRENGTH))
        {
          g_set_error (error, CLI_ERROR, CLI_EXIT_USAGE,
                       _("--lora %s: the strength must be from -10 to 10"), texts[i]);
          return FALSE;
        }
    }

  *out = adapters->len > 0 ? g_steal_pointer (&adapters) : NULL;

  return TRUE;
}
