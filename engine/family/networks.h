/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The networks of a model on its device: their weights, their programs by shape, and the
 * ladder by which memory is spared. */

#ifndef PAL_FAMILY_NETWORKS_H
#define PAL_FAMILY_NETWORKS_H

#include "family/adapter.h"
#include "family/call.h"
#include "family/ladder.h"
#include "run/tape.h"

typedef struct _PalNetworks PalNetworks;

/* Checks the names and shapes of all weights. parts: kept, not owned. */
PalNetworks *pal_networks_new     (PalDevice *device, const PalParts *parts, GError **error);
void         pal_networks_free    (PalNetworks *networks);
PalLadder   *pal_networks_ladder  (PalNetworks *networks);

/* What all weights are changed by from now on: kept, not owned; NULL: nothing. */
void         pal_networks_adapt   (PalNetworks *networks, PalAdapters *adapters);

/* See pal_model_measure (), pal_model_recover (), pal_model_memory (). */
gboolean     pal_networks_measure (PalNetworks *networks, PalPhase phase, const PalCallSize *size,
                                   PalPlanReport *out, GError **error);
gboolean     pal_networks_measure_call (PalNetworks *networks, const PalCall *call,
                                        PalPlanReport *out, GError **error);
gboolean     pal_networks_recover (PalNetworks *networks, PalPhase phase, gint size,
                                   GError **error);
void         pal_networks_memory  (PalNetworks *networks, PalReport *report);

/* See pal_model_work (). */
gboolean     pal_networks_work    (PalNetworks *networks, PalPhase phase, const PalCallSize *size,
                                   PalWork *work, GError **error);

/* Runs the program for a call, recorded on first use. */
gboolean     pal_networks_run     (PalNetworks *networks, const PalCall *call,
                                   const PalBinding *bindings, gsize n_bindings,
                                   GCancellable *cancellable, GError **error);

/* The same, again and one rung further down as long as memory is what it lacks; for calls
 * that can be made in one way alone. */
gboolean     pal_networks_run_or_descend (PalNetworks *networks, const PalCall *call,
                                          const PalBinding *bindings, gsize n_bindings,
                                          GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalNetworks, pal_networks_free)

#endif
