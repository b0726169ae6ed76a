/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON documents for scripts; fields are part of the program's interface. */

#ifndef CLI_JSON_OUT_H
#define CLI_JSON_OUT_H

#include <json-glib/json-glib.h>

#include "cli.h"

/* Each adds "name": value to the object that is open; a NULL string is null. */
void cli_json_string (JsonBuilder *json, const gchar *name, const gchar *value);
void cli_json_int    (JsonBuilder *json, const gchar *name, gint64 value);
void cli_json_double (JsonBuilder *json, const gchar *name, gdouble value);
void cli_json_bool   (JsonBuilder *json, const gchar *name, gboolean value);
void cli_json_strv   (JsonBuilder *json, const gchar *name, gchar **value);

/* The fields of an open object. */
void cli_json_device (JsonBuilder *json, const PalDeviceInfo *info);
void cli_json_model  (JsonBuilder *json, const PalModelInfo *info);

/* Prints the finished document to standard output. */
void cli_json_print  (JsonBuilder *json);

#endif
