/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Adapters: small files of changes to a model's weights, several at once. */

#ifndef PAL_FAMILY_ADAPTER_H
#define PAL_FAMILY_ADAPTER_H

#include "family/family.h"
#include "run/residency.h"

/* The tensors that an adapter has for one layer. */
typedef enum
{
  PAL_ROLE_DOWN, PAL_ROLE_UP, PAL_ROLE_MID,
  PAL_ROLE_HADA_1A, PAL_ROLE_HADA_1B, PAL_ROLE_HADA_T1,
  PAL_ROLE_HADA_2A, PAL_ROLE_HADA_2B, PAL_ROLE_HADA_T2,
  PAL_ROLE_KRON_1, PAL_ROLE_KRON_1A, PAL_ROLE_KRON_1B,
  PAL_ROLE_KRON_2, PAL_ROLE_KRON_2A, PAL_ROLE_KRON_2B, PAL_ROLE_KRON_T2,
  PAL_ROLE_DIFF,
  PAL_ROLE_ALPHA,
  PAL_ROLE_MAGNITUDE,
  PAL_N_ROLES
} PalRole;

typedef struct
{
  const gchar         *file;      /* for messages */
  gchar               *name;      /* of the layer, as the file has it */
  const PalWeightView *roles[PAL_N_ROLES];   /* NULL: it has none */
  gdouble              strength;
} PalAdapterLayer;

/* adapter-kinds.c: the role of a tensor name; *length: of the layer's part of it. FALSE
 * for a name that is none of an adapter's. */
gboolean pal_adapter_role (const gchar *name, PalRole *role, gsize *length);

/* Whether the layer's tensors can change a weight of this shape; SHAPE or UNSUPPORTED,
 * naming file, layer and both shapes, when not. */
gboolean pal_adapter_layer_check  (const PalAdapterLayer *layer, PalShape weight, GError **error);

/* weight += strength * change. MEMORY on failure. */
gboolean pal_adapter_layer_apply  (const PalAdapterLayer *layer, PalShape shape, gfloat *weight,
                           GError **error);

/* adapter-names.c: what a layer is called, without dots and without the name of its
 * network. *part: which network. NULL when the prefix is none that is known. */
gchar   *pal_adapter_layer_key    (const gchar *name, guint n_encoders, PalPart *part);

/* Other names of a U-Net's weight: as the original layout has it; NULL for those that it
 * calls no otherwise. Keys as above. */
gchar   *pal_unet_original_key (const PalUnetConfig *unet, const gchar *weight);

/* A weight's own key: its name without ".weight". */
gchar   *pal_weight_key   (const gchar *weight);

/* A set of open adapters for a model. */
typedef struct _PalAdapters PalAdapters;

/* NULL and an error that names the file, and the first layer that the model lacks. */
PalAdapters    *pal_adapters_open  (const PalParts *parts, const PalAdapter *adapters, gsize n,
                                    GError **error);
void            pal_adapters_free  (PalAdapters *adapters);

/* Whether they are these, in this order, with these strengths. adapters may be NULL. */
gboolean        pal_adapters_equal (const PalAdapters *adapters, const PalAdapter *others,
                                    gsize n);

/* Of one part's weights; lives as long as the adapters. */
const PalPatch *pal_adapters_patch (PalAdapters *adapters, PalPart part);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalAdapters, pal_adapters_free)

#endif
