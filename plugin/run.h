/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One run of a procedure: settings and layer in, new layers out. */

#ifndef PAL_PLUGIN_RUN_H
#define PAL_PLUGIN_RUN_H

#include <libgimp/gimp.h>

#include "pal.h"

G_BEGIN_DECLS

typedef struct _PalRun PalRun;

/* variant counts from 0; fraction is of the whole run. Main thread. */
typedef void (*PalRunProgress) (const PalProgress *progress,
                                gint               variant,
                                gint               n_variants,
                                gdouble            fraction,
                                gpointer           data);

/* layer: one that pal_layer_check () passed. */
PalRun      *pal_run_new  (GimpImage *image, GimpLayer *layer, PalIntent intent);
void         pal_run_free (PalRun *run);

/* Computes, iterating the main context meanwhile, and adds the result to the
 * image. May be called again: the model stays loaded, further layers come on
 * top. The image is touched only at the end of a run that succeeded. */
gboolean     pal_run_once (PalRun              *run,
                           GimpProcedureConfig *config,
                           PalRunProgress       progress,
                           gpointer             data,
                           GCancellable        *cancellable,
                           GError             **error);

/* Of the last successful run. */
GPtrArray   *pal_run_layers  (PalRun *run);     /* element type GimpLayer*; may be NULL */
gint         pal_run_seed    (PalRun *run);     /* of the first layer */
const gchar *pal_run_note    (PalRun *run);     /* the engine's line for the user, or NULL */
gdouble      pal_run_seconds (PalRun *run);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalRun, pal_run_free)

G_END_DECLS

#endif
