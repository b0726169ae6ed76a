/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON objects: what is read, what is refused and with which words. */

#include <string.h>

#include "base/error.h"
#include "io/json.h"
#include "support.h"

static PalJson *
parse (const gchar *text)
{
  GError  *error = NULL;
  PalJson *json  = pal_json_parse (text, -1, "config.json", &error);

  g_assert_no_error (error);

  return json;
}

static void
test_values (void)
{
  g_autoptr (PalJson) json = parse ("{ \"i\": -7, \"whole\": 3.0, \"d\": 0.5, \"b\": true,"
                                    " \"s\": \"h\\u00e9\", \"n\": null,"
                                    " \"big\": 9223372036854775807 }");
  gint64            i = 1;
  gdouble           d = 1;
  gboolean          b = FALSE;
  g_autofree gchar *s = g_strdup ("default");

  g_assert_true (pal_json_int (json, "i", &i, NULL));
  g_assert_cmpint (i, ==, -7);
  g_assert_true (pal_json_int (json, "whole", &i, NULL));
  g_assert_cmpint (i, ==, 3);
  g_assert_true (pal_json_int (json, "big", &i, NULL));
  g_assert_cmpint (i, ==, G_MAXINT64);
  g_assert_true (pal_json_double (json, "d", &d, NULL));
  g_assert_cmpfloat (d, ==, 0.5);
  g_assert_true (pal_json_double (json, "i", &d, NULL));
  g_assert_cmpfloat (d, ==, -7);
  g_assert_true (pal_json_bool (json, "b", &b, NULL));
  g_assert_true (b);
  g_assert_true (pal_json_string (json, "s", &s, NULL));
  g_assert_cmpstr (s, ==, "hé");

  /* Absent and null leave the default. */
  g_assert_true (pal_json_string (json, "n", &s, NULL));
  g_assert_true (pal_json_string (json, "absent", &s, NULL));
  g_assert_cmpstr (s, ==, "hé");
  g_assert_true (pal_json_int (json, "n", &i, NULL));
  g_assert_cmpint (i, ==, G_MAXINT64);
  g_assert_true (pal_json_has (json, "i"));
  g_assert_false (pal_json_has (json, "n"));
  g_assert_false (pal_json_has (json, "absent"));
}

static void
test_lists (void)
{
  g_autoptr (PalJson) json = parse ("{ \"i\": [1, 2, 3], \"one\": 5, \"d\": [0.5, 1],"
                                    " \"s\": [\"a\", \"b\"], \"none\": [],"
                                    " \"o\": { \"x\": 1, \"p\": { \"y\": 2 } } }");
  g_autoptr (PalJson) o      = NULL;
  g_autoptr (PalJson) p      = NULL;
  gint64              i[3]   = { 0 };
  gdouble             d[2]   = { 0 };
  guint               n      = 9;
  g_auto (GStrv)      s      = NULL;
  g_auto (GStrv)      fields = pal_json_fields (json);
  GError             *error  = NULL;

  g_assert_cmpstr (fields[0], ==, "i");
  g_assert_cmpstr (fields[5], ==, "o");
  g_assert_cmpuint (g_strv_length (fields), ==, 6);

  g_assert_true (pal_json_ints (json, "absent", i, 3, &n, NULL));
  g_assert_cmpuint (n, ==, 9);
  g_assert_true (pal_json_ints (json, "i", i, 3, &n, NULL));
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpint (i[2], ==, 3);
  g_assert_true (pal_json_ints (json, "one", i, 3, &n, NULL));
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpint (i[0], ==, 5);
  g_assert_true (pal_json_doubles (json, "d", d, 2, &n, NULL));
  g_assert_cmpfloat (d[0] + d[1], ==, 1.5);
  g_assert_true (pal_json_ints (json, "none", i, 3, &n, NULL));
  g_assert_cmpuint (n, ==, 0);
  g_assert_true (pal_json_strings (json, "s", &s, NULL));
  g_assert_cmpuint (g_strv_length (s), ==, 2);
  g_assert_cmpstr (s[1], ==, "b");

  g_assert_false (pal_json_ints (json, "i", i, 2, &n, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "has 3 values, at most 2");
  g_clear_error (&error);

  g_assert_null (pal_json_object (json, "absent", &error));
  g_assert_no_error (error);
  o = pal_json_object (json, "o", NULL);
  p = pal_json_object (o, "p", NULL);
  g_assert_cmpstr (pal_json_label (p), ==, "config.json: o: p");
  g_assert_true (pal_json_int (p, "y", &i[0], NULL));
  g_assert_cmpint (i[0], ==, 2);
}

static void
test_wrong_types (void)
{
  g_autoptr (PalJson) json = parse ("{ \"s\": \"x\", \"f\": 0.5, \"inf\": 1e999, \"a\": [1, \"x\"],"
                                    " \"m\": [1e999], \"t\": [\"x\", 1], \"o\": {} }");
  GError             *error = NULL;
  gint64              i[4]  = { 0 };
  gdouble             d[4]  = { 0 };
  gboolean            b;
  guint               n;
  g_auto (GStrv)      s     = NULL;
  g_autofree gchar   *text  = NULL;

  g_assert_false (pal_json_int (json, "s", i, &error));
  support_assert_error (error, PAL_ERROR_FORMAT,
                        "config.json: field \"s\" should be a whole number");
  g_clear_error (&error);
  g_assert_false (pal_json_int (json, "f", i, NULL));
  g_assert_false (pal_json_int (json, "inf", i, NULL));
  g_assert_false (pal_json_double (json, "inf", d, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "\"inf\" should be a finite number");
  g_clear_error (&error);
  g_assert_false (pal_json_double (json, "o", d, NULL));
  g_assert_false (pal_json_bool (json, "f", &b, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "\"f\" should be true or false");
  g_clear_error (&error);
  g_assert_false (pal_json_string (json, "f", &text, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "\"f\" should be a string");
  g_clear_error (&error);
  g_assert_false (pal_json_ints (json, "a", i, 4, &n, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "\"a\" should be a list of whole numbers");
  g_clear_error (&error);
  g_assert_false (pal_json_doubles (json, "m", d, 4, &n, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "\"m\" should be a list of finite numbers");
  g_clear_error (&error);
  g_assert_false (pal_json_strings (json, "t", &s, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "\"t\" should be a list of strings");
  g_clear_error (&error);
  g_assert_null (pal_json_object (json, "s", &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "\"s\" should be an object");
  g_clear_error (&error);
}

/* Python's spelling of what is not finite means "not given". */
static void
test_python_constants (void)
{
  g_autoptr (PalJson) json  = parse ("{\"a\": -Infinity, \"b\": NaN, \"c\": Infinity,"
                                     " \"d\": \"NaN \\\"Infinity\", \"e\": 7}");
  gdouble             value = 0.5;
  g_autofree gchar   *text  = NULL;

  for (const gchar *field = "abc"; *field; field++)
    {
      const gchar name[2] = { *field, '\0' };

      g_assert_false (pal_json_has (json, name));
      g_assert_true (pal_json_double (json, name, &value, NULL));
      g_assert_cmpfloat (value, ==, 0.5);
    }

  g_assert_true (pal_json_string (json, "d", &text, NULL));
  g_assert_cmpstr (text, ==, "NaN \"Infinity");
  g_assert_true (pal_json_double (json, "e", &value, NULL));
  g_assert_cmpfloat (value, ==, 7);
}

static gchar *
nested (guint       depth,
        const gchar open,
        const gchar close)
{
  GString *text = g_string_new ("{\"a\":");

  for (guint i = 0; i < depth; i++)
    g_string_append_c (text, open);
  for (guint i = 0; i < depth; i++)
    g_string_append_c (text, close);
  g_string_append_c (text, '}');

  return g_string_free (text, FALSE);
}

static void
test_depth (void)
{
  g_autofree gchar   *deepest = nested (63, '[', ']');
  g_autofree gchar   *deeper  = nested (64, '[', ']');
  g_autofree gchar   *abyss   = nested (1000000, '[', ']');
  g_autoptr (PalJson) json    = parse (deepest);
  g_autoptr (PalJson) quoted  = parse ("{\"a\": \"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                                       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[\"}");
  GError             *error   = NULL;

  g_assert_nonnull (json);
  g_assert_nonnull (quoted);
  g_assert_null (pal_json_parse (deeper, -1, "x", &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "nested more than 64 levels deep");
  g_clear_error (&error);
  g_assert_null (pal_json_parse (abyss, -1, "x", &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "nested more than 64 levels deep");
  g_clear_error (&error);
}

static const struct { const gchar *text, *message; } malformed[] = {
  { "", "not valid JSON" },
  { "[1]", "is not a JSON object" },
  { "3", "is not a JSON object" },
  { "null", "is not a JSON object" },
  { "{\"a\":1", "not valid JSON" },
  { "{\"a\":1,}", "not valid JSON" },
  { "{\"a\":1} x", "not valid JSON" },
  { "{\"a\":nan}", "not valid JSON" },
  { "{\"a\":Infinit", "not valid JSON" },
  { "{NaN:1}", "not valid JSON" },
  { "{\"a\":01}", "not valid JSON" },
  { "{\"a\":\"\\ud800\"}", "not valid JSON" },
  { "{\"a\":\"open", "not valid JSON" },
  { "{\"a\":\"\\", "not valid JSON" },
  { "{/* c */\"a\":1}", "not valid JSON" },
  { "{\"a\":1,\"a\":2}", "the key \"a\" twice" },
  { "{\"a\":1,\"\\u0061\":2}", "the key \"a\" twice" },
  { "{\"x\":{\"b\":1,\"c\":2,\"b\":1}}", "the key \"b\" twice" },
  { "{\"x\":[{\"b\":1},{\"b\":1,\"b\":1}]}", "the key \"b\" twice" },
  { "{\"a\":9223372036854775808}", "does not fit in 64 bits" },
  { "{\"a\":-9223372036854775809}", "does not fit in 64 bits" },
  { "{\"a\":[1,18446744073709551617]}", "does not fit in 64 bits" },
  { "{\"a\":\"\xff\"}", "not valid UTF-8 at byte 6" },
};

static void
test_malformed (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      GError *error = NULL;

      g_assert_null (pal_json_parse (malformed[i].text, -1, "config.json", &error));
      support_assert_error (error, PAL_ERROR_FORMAT, malformed[i].message);
      support_assert_error (error, PAL_ERROR_FORMAT, "config.json");
      g_clear_error (&error);
    }
}

static void
test_load (void)
{
  gchar              *folder = support_folder ();
  g_autofree gchar   *path   = g_build_filename (folder, "config.json", NULL);
  g_autoptr (PalJson) json   = NULL;
  GError             *error  = NULL;

  g_assert_null (pal_json_load (path, &error));
  support_assert_error (error, PAL_ERROR_IO, path);
  g_clear_error (&error);

  support_write (folder, "config.json", "{\"a\":\"x\0y\"}", 11);
  g_assert_null (pal_json_load (path, &error));
  support_assert_error (error, PAL_ERROR_FORMAT, "not valid UTF-8");
  g_clear_error (&error);

  support_write (folder, "config.json", "{\"a\":1}", -1);
  json = pal_json_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pal_json_label (json), ==, path);

  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/values", test_values);
  g_test_add_func ("/json/lists", test_lists);
  g_test_add_func ("/json/wrong-types", test_wrong_types);
  g_test_add_func ("/json/python-constants", test_python_constants);
  g_test_add_func ("/json/depth", test_depth);
  g_test_add_func ("/json/malformed", test_malformed);
  g_test_add_func ("/json/load", test_load);

  return g_test_run ();
}
