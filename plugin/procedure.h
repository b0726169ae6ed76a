/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The procedures that the plug-in registers. */

#ifndef PAL_PLUGIN_PROCEDURE_H
#define PAL_PLUGIN_PROCEDURE_H

#include <libgimp/gimp.h>

G_BEGIN_DECLS

/* Names of all procedures, as query_procedures wants them. */
GList         *pal_procedure_names (void);

/* NULL for a name that is not one of them. */
GimpProcedure *pal_procedure_new   (GimpPlugIn *plug_in, const gchar *name);

G_END_DECLS

#endif
