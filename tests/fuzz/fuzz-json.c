/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a configuration file, every field read as every type. */

#include "fuzz.h"
#include "io/json.h"

static void
read_all (const PalJson *json)
{
  g_auto (GStrv) fields = pal_json_fields (json);

  for (gsize i = 0; fields[i]; i++)
    {
      g_autofree gchar   *text    = NULL;
      g_auto (GStrv)      strings = NULL;
      g_autoptr (PalJson) object  = NULL;
      gint64              ints[4];
      gdouble             doubles[4];
      gboolean            flag;
      guint               n;

      pal_json_int (json, fields[i], ints, NULL);
      pal_json_double (json, fields[i], doubles, NULL);
      pal_json_bool (json, fields[i], &flag, NULL);
      pal_json_string (json, fields[i], &text, NULL);
      pal_json_ints (json, fields[i], ints, G_N_ELEMENTS (ints), &n, NULL);
      pal_json_doubles (json, fields[i], doubles, G_N_ELEMENTS (doubles), &n, NULL);
      pal_json_strings (json, fields[i], &strings, NULL);

      object = pal_json_object (json, fields[i], NULL);
      if (object)
        read_all (object);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (GError)  error = NULL;
  g_autoptr (PalJson) json  = NULL;

  json = pal_json_parse (data ? (const gchar *) data : "", (gssize) size, "input", &error);
  g_assert ((json == NULL) == (error != NULL));
  if (json)
    read_all (json);

  return 0;
}
