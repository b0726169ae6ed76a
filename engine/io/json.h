/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON objects read from configuration files, with errors that name the file, the
 * field and what was expected. A thin layer over json-glib that also refuses
 * duplicate keys, nesting over 64 levels, whole numbers over 64 bits and invalid UTF-8.
 * NaN and Infinity, which Python writes, are read as null. */

#ifndef PAL_IO_JSON_H
#define PAL_IO_JSON_H

#include "pal-types.h"

typedef struct _PalJson PalJson;

PalJson     *pal_json_load      (const gchar *path, GError **error);
PalJson     *pal_json_parse     (const gchar *text, gssize length, const gchar *label,
                                 GError **error);
PalJson     *pal_json_ref       (PalJson *json);
void         pal_json_unref     (PalJson *json);
const gchar *pal_json_label     (const PalJson *json);   /* path and position, for messages */

/* FALSE for null too */
gboolean     pal_json_has       (const PalJson *json, const gchar *field);
gchar      **pal_json_fields    (const PalJson *json);   /* names in file order; g_strfreev () */

/* Readers: *out is left as it is (the caller's default) when the field is absent
 * or null; FALSE and an error when it is there with another type or not finite. */
gboolean     pal_json_int       (const PalJson *json, const gchar *field, gint64 *out,
                                 GError **error);
gboolean     pal_json_double    (const PalJson *json, const gchar *field, gdouble *out,
                                 GError **error);
gboolean     pal_json_bool      (const PalJson *json, const gchar *field, gboolean *out,
                                 GError **error);
/* replaces *out by a copy */
gboolean     pal_json_string    (const PalJson *json, const gchar *field, gchar **out,
                                 GError **error);

/* An array of integers, or one integer (n = 1); at most max values into out. */
gboolean     pal_json_ints      (const PalJson *json, const gchar *field, gint64 *out,
                                 guint max, guint *n, GError **error);
gboolean     pal_json_doubles   (const PalJson *json, const gchar *field, gdouble *out,
                                 guint max, guint *n, GError **error);
gboolean     pal_json_strings   (const PalJson *json, const gchar *field, gchar ***out,
                                 GError **error);

/* A nested object, or NULL without an error when absent. */
PalJson     *pal_json_object    (const PalJson *json, const gchar *field, GError **error);
/* The same as a reader: *out, which may be NULL, and FALSE when the field is no object. */
gboolean     pal_json_child     (const PalJson *json, const gchar *field, PalJson **out,
                                 GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalJson, pal_json_unref)

#endif
