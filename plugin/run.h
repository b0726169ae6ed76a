/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs on one layer: settings in, results out; results to layers. */

#ifndef PAL_PLUGIN_RUN_H
#define PAL_PLUGIN_RUN_H

#include <libgimp/gimp.h>

#include "result.h"

G_BEGIN_DECLS

/* On each layer that is added: its recipe, as text with a NUL; see pal_recipe_parse (). */
#define PAL_RECIPE_PARASITE "palimpsest-recipe"

typedef struct _PalRun PalRun;

typedef struct
{
  /* variant counts from 0; fraction is of the whole run. */
  void   (*progress) (const PalProgress *progress,
                      gint               variant,
                      gint               n_variants,
                      gdouble            fraction,
                      gpointer           data);

  /* One variant is done, before the next begins; NULL: the run's are taken when all are. */
  void   (*result)   (PalResult         *result,
                      gpointer           data);
  gpointer data;
  gboolean preview;             /* progress is to hold pictures of what forms */
} PalRunClient;

/* layer: one that pal_layer_check () passed. */
PalRun      *pal_run_new     (GimpImage           *image,
                              GimpLayer           *layer);
void         pal_run_free    (PalRun              *run);

/* What a run would work on. */
PalScene    *pal_run_look    (PalRun              *run,
                              GimpProcedureConfig *config,
                              const PalModelInfo  *info,
                              GError             **error);

/* Computes, iterating the main context meanwhile; does not touch the image. May be called
 * again: the model stays loaded. Returns the results, of type PalResult. */
GPtrArray   *pal_run_compute (PalRun              *run,
                              GimpProcedureConfig *config,
                              const PalRunClient  *client,
                              GCancellable        *cancellable,
                              GError             **error);

/* Adds results as layers, above those of earlier calls, as one step to undo; several in a
 * group when grouped. */
gboolean     pal_run_apply   (PalRun              *run,
                              GPtrArray           *results,
                              gboolean             grouped,
                              GError             **error);

GimpImage   *pal_run_image   (PalRun              *run);

/* Of the last results that were applied. */
GPtrArray   *pal_run_layers  (PalRun              *run);   /* of GimpLayer*; may be NULL */
gint         pal_run_seed    (PalRun              *run);   /* of the first layer */

/* Of the last run that succeeded: the engine's line for the user, or NULL. */
const gchar *pal_run_note    (PalRun              *run);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalRun, pal_run_free)

G_END_DECLS

#endif
