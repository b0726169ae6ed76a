/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables of figures, or one JSON document. */

#include "out.h"

#include <math.h>

#include <json-glib/json-glib.h>

struct _BenchOut
{
  JsonBuilder       *json;      /* NULL: tables for people */
  const BenchColumn *columns;   /* of the open table */
  guint              n_columns, next;
};

BenchOut *
bench_out_new (gboolean json)
{
  BenchOut *out = g_new0 (BenchOut, 1);

  if (json)
    {
      out->json = json_builder_new ();
      json_builder_begin_object (out->json);
    }

  return out;
}

void
bench_out_finish (BenchOut *out)
{
  g_autoptr (JsonGenerator) generator = NULL;
  g_autoptr (JsonNode) root = NULL;
  g_autofree gchar *text    = NULL;

  if (! out->json)
    return;

  json_builder_end_object (out->json);
  root      = json_builder_get_root (out->json);
  generator = json_generator_new ();
  json_generator_set_pretty (generator, TRUE);
  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, NULL);
  g_print ("%s\n", text);
}

void
bench_out_free (BenchOut *out)
{
  g_clear_object (&out->json);
  g_free (out);
}

static void
add_number (JsonBuilder *json, gdouble value)
{
  if (isfinite (value))
    json_builder_add_double_value (json, value);
  else
    json_builder_add_null_value (json);
}

void
bench_out_text (BenchOut *out, const gchar *key, const gchar *title, const gchar *value)
{
  if (out->json)
    {
      json_builder_set_member_name (out->json, key);
      json_builder_add_string_value (out->json, value);
    }
  else if (title)
    g_print ("%s: %s\n", title, value);
}

void
bench_out_figure (BenchOut *out, const gchar *key, const gchar *title, gdouble value)
{
  if (out->json)
    {
      json_builder_set_member_name (out->json, key);
      add_number (out->json, value);
    }
  else if (title && isfinite (value))
    g_print ("%s: %.4g\n", title, value);
}

void
bench_out_table (BenchOut *out, const gchar *key, const BenchColumn *columns, guint n_columns)
{
  out->columns   = columns;
  out->n_columns = n_columns;
  out->next      = 0;

  if (out->json)
    {
      json_builder_set_member_name (out->json, key);
      json_builder_begin_array (out->json);
      return;
    }

  g_print ("\n");
  for (guint i = 0; i < n_columns; i++)
    g_print ("%s%*s", i > 0 ? "  " : "", columns[i].width, columns[i].title);
  g_print ("\n");
}

static void
begin_cell (BenchOut *out)
{
  if (out->json)
    {
      if (out->next == 0)
        json_builder_begin_object (out->json);
      json_builder_set_member_name (out->json, out->columns[out->next].key);
    }
  else if (out->next > 0)
    g_print ("  ");
}

static void
end_cell (BenchOut *out)
{
  if (++out->next < out->n_columns)
    return;

  out->next = 0;
  if (out->json)
    json_builder_end_object (out->json);
  else
    g_print ("\n");
}

void
bench_out_word (BenchOut *out, const gchar *value)
{
  begin_cell (out);
  if (out->json)
    json_builder_add_string_value (out->json, value);
  else
    g_print ("%*s", out->columns[out->next].width, value);
  end_cell (out);
}

void
bench_out_number (BenchOut *out, gdouble value)
{
  const BenchColumn *column = &out->columns[out->next];

  begin_cell (out);
  if (out->json)
    add_number (out->json, value);
  else if (isfinite (value) && column->digits < 0)
    g_print ("%*.1e", column->width, value);
  else if (isfinite (value))
    g_print ("%*.*f", column->width, column->digits, value);
  else
    g_print ("%*s", column->width, "-");
  end_cell (out);
}

void
bench_out_end (BenchOut *out)
{
  g_assert (out->next == 0);

  if (out->json)
    json_builder_end_array (out->json);
}
