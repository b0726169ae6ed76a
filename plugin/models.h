/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where models are looked for. */

#ifndef PAL_PLUGIN_MODELS_H
#define PAL_PLUGIN_MODELS_H

#include <glib.h>

G_BEGIN_DECLS

/* Paths of all models in the known folders, the default one first; element type
 * gchar*. May be empty. */
GPtrArray *pal_models_list    (void);

/* The folder of a model: text is a path, the name of a listed model, or "" for
 * the default one. Fails, with the folders searched, when there is none. */
gchar     *pal_models_resolve (const gchar *text, GError **error);

/* FALSE and an error when a folder that the user chose can't be read. */
gboolean   pal_models_check   (GError **error);

/* Remembers a folder to look in for all further runs. Fails when it holds no
 * model or the settings can't be written. */
gboolean   pal_models_add     (const gchar *folder, GError **error);

G_END_DECLS

#endif
