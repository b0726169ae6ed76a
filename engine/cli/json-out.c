/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON documents for scripts. */

#include "json-out.h"

void
cli_json_string (JsonBuilder *json,
                 const gchar *name,
                 const gchar *value)
{
  json_builder_set_member_name (json, name);
  if (value)
    {
      g_autofree gchar *valid = g_utf8_make_valid (value, -1);

      json_builder_add_string_value (json, valid);
    }
  else
    json_builder_add_null_value (json);
}

void
cli_json_int (JsonBuilder *json,
              const gchar *name,
              gint64       value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_int_value (json, value);
}

void
cli_json_double (JsonBuilder *json,
                 const gchar *name,
                 gdouble      value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_double_value (json, value);
}

void
cli_json_bool (JsonBuilder *json,
               const gchar *name,
               gboolean     value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_boolean_value (json, value);
}

void
cli_json_strv (JsonBuilder *json,
               const gchar *name,
               gchar      **value)
{
  json_builder_set_member_name (json, name);
  json_builder_begin_array (json);
  for (gsize i = 0; value && value[i]; i++)
    json_builder_add_string_value (json, value[i]);
  json_builder_end_array (json);
}

void
cli_json_device (JsonBuilder         *json,
                 const PalDeviceInfo *info)
{
  cli_json_string (json, "id", info->id);
  cli_json_string (json, "name", info->name);
  cli_json_string (json, "vendor", info->vendor);
  cli_json_string (json, "platform", info->platform);
  cli_json_string (json, "driver", info->driver);
  cli_json_bool (json, "cpu", info->is_cpu);
  cli_json_int (json, "compute_units", info->compute_units);
  cli_json_int (json, "memory_bytes", (gint64) info->memory_bytes);
  cli_json_int (json, "max_allocation_bytes", (gint64) info->max_allocation_bytes);
  cli_json_int (json, "local_bytes", (gint64) info->local_bytes);
}

static void
print_parts (JsonBuilder *json,
             GPtrArray   *parts)
{
  json_builder_set_member_name (json, "parts");
  json_builder_begin_array (json);
  for (guint i = 0; i < parts->len; i++)
    {
      const PalPartInfo *part = g_ptr_array_index (parts, i);

      json_builder_begin_object (json);
      cli_json_string (json, "name", part->name);
      cli_json_string (json, "path", part->path);
      cli_json_string (json, "precision", part->precision);
      cli_json_int (json, "parameters", (gint64) part->parameters);
      cli_json_int (json, "stored_bytes", (gint64) part->stored_bytes);
      cli_json_int (json, "memory_bytes", (gint64) part->memory_bytes);
      json_builder_end_object (json);
    }
  json_builder_end_array (json);
}

void
cli_json_model (JsonBuilder        *json,
                const PalModelInfo *info)
{
  cli_json_string (json, "title", info->title);
  cli_json_string (json, "path", info->path);
  cli_json_string (json, "family", info->family);
  cli_json_string (json, "family_title", info->family_title);
  cli_json_string (json, "precision", info->precision);
  cli_json_int (json, "parameters", (gint64) info->parameters);
  cli_json_int (json, "weight_bytes", (gint64) info->weight_bytes);
  cli_json_int (json, "memory_bytes", (gint64) info->memory_bytes);
  print_parts (json, info->parts);
  cli_json_bool (json, "inpainting", info->inpainting);
  cli_json_int (json, "trained_px", info->trained_px);
  cli_json_int (json, "trained_min_px", info->trained_min_px);
  cli_json_int (json, "trained_max_px", info->trained_max_px);
  cli_json_int (json, "multiple_px", info->multiple_px);
  cli_json_int (json, "steps", info->steps);
  cli_json_double (json, "guidance", info->guidance);
  cli_json_double (json, "fill_strength", info->fill_strength);
  cli_json_double (json, "restyle_strength", info->restyle_strength);
  cli_json_string (json, "sampler", info->sampler);
  cli_json_strv (json, "vocabulary", info->vocabulary);
  cli_json_strv (json, "styles", info->styles);
}

void
cli_json_print (JsonBuilder *json)
{
  g_autoptr (JsonNode)      root      = json_builder_get_root (json);
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autofree gchar         *text      = NULL;

  json_generator_set_pretty (generator, TRUE);
  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, NULL);
  g_print ("%s\n", text);
}
