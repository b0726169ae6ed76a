/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The networks of a model on its device: their weights, their programs by shape, and the
 * ladder by which memory is spared. */

#ifndef PAL_FAMILY_NETWORKS_H
#define PAL_FAMILY_NETWORKS_H

#include "family/family.h"
#include "family/ladder.h"
#include "run/tape.h"

typedef enum
{
  PAL_CALL_TEXT,
  PAL_CALL_ENCODE,
  PAL_CALL_DECODE,
  PAL_CALL_DENOISE,
  PAL_CALL_MATCH,
  PAL_N_NETWORKS
} PalNetwork;

/* What a program is bound to. Sizes in the call's own unit: px to encode; queries, keys
 * and their width, as height, width and tokens, to match; latent px otherwise. */
typedef struct
{
  PalNetwork call;
  gint64     batch, height, width, tokens;
  gboolean   streamed;        /* as the ladder has it when the call is made */
} PalNetKey;

typedef struct _PalNetworks PalNetworks;

/* Checks the names and shapes of all weights. parts: kept, not owned. */
PalNetworks *pal_networks_new     (PalDevice *device, const PalParts *parts, GError **error);
void         pal_networks_free    (PalNetworks *networks);
PalLadder   *pal_networks_ladder  (PalNetworks *networks);

/* See pal_model_measure (), pal_model_recover (), pal_model_memory (). */
gboolean     pal_networks_measure (PalNetworks *networks, PalPhase phase, const PalCallSize *size,
                                   PalPlanReport *out, GError **error);
gboolean     pal_networks_measure_key (PalNetworks *networks, const PalNetKey *key,
                                       PalPlanReport *out, GError **error);
gboolean     pal_networks_recover (PalNetworks *networks, PalPhase phase, gint size,
                                   GError **error);
void         pal_networks_memory  (PalNetworks *networks, PalReport *report);

/* See pal_model_work (). */
gboolean     pal_networks_work    (PalNetworks *networks, PalPhase phase, const PalCallSize *size,
                                   PalWork *work, GError **error);

/* Runs the program for a key, recorded on first use. */
gboolean     pal_networks_run     (PalNetworks *networks, const PalNetKey *key,
                                   const PalBinding *bindings, gsize n_bindings,
                                   GCancellable *cancellable, GError **error);

/* The same, again and one rung further down as long as memory is what it lacks; for calls
 * that can be made in one way alone. */
gboolean     pal_networks_run_or_descend (PalNetworks *networks, const PalNetKey *key,
                                          const PalBinding *bindings, gsize n_bindings,
                                          GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalNetworks, pal_networks_free)

#endif
