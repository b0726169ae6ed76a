/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weights on the device: packed once, shared by all programs of a model part. */

#ifndef PAL_RUN_RESIDENCY_H
#define PAL_RUN_RESIDENCY_H

#include "cl/device.h"
#include "io/weights.h"

/* How kernels read a weight. The stored dtype (F32, F16, BF16, I8 with scales) is kept
 * but for VECTOR, which is widened to F32. */
typedef enum
{
  PAL_PACK_VECTOR,            /* [N] or any small tensor, F32, as stored */
  PAL_PACK_ROWS,              /* [V, E] rows as stored: embedding tables */
  PAL_PACK_PANELS             /* [N, K] or [N, C, KH, KW] →
                               * [ceil (N / panel)][KH * KW * C][panel], zero-filled;
                               * K runs taps outermost, channels innermost */
} PalPacking;

/* Changes weights on their way to the device; the stored form stays as it is. */
typedef struct
{
  gboolean (*touches) (gpointer data, const gchar *name);
  /* values: of the shape, widened. */
  gboolean (*apply)   (gpointer data, const gchar *name, PalShape shape, gfloat *values,
                       GError **error);
  gpointer data;
} PalPatch;

typedef struct _PalWeight PalWeight;

struct _PalWeight
{
  gchar               *key;       /* name, packing, panel */
  const PalWeightView *view;      /* stored form: name, dtype, shape */
  PalPacking           packing;
  guint                panel;     /* columns of a panel; PAL_PACK_PANELS alone */
  PalDType             dtype;     /* on the device */
  gsize                n_bytes;   /* on the device */
  gboolean             shared;    /* the device reads the stored bytes where they are */
  PalBuffer           *buffer;    /* NULL until uploaded */
  PalWeight           *scale;     /* of I8: VECTOR of a scale for each row; else NULL */
  const PalPatch      *patch;     /* NULL: stays as it is stored */
};

PalResidency *pal_residency_new      (PalDevice *device, PalWeights *weights);
PalResidency *pal_residency_ref      (PalResidency *residency);
void          pal_residency_unref    (PalResidency *residency);
PalDevice    *pal_residency_device   (PalResidency *residency);
PalWeights   *pal_residency_weights  (PalResidency *residency);

/* Before any weight is looked up. What it touches is F16 on the device where it is stored
 * in less. patch must live as long. */
void          pal_residency_set_patch (PalResidency *residency, const PalPatch *patch);

/* The entry for a weight in this packing; NULL when the file has no such tensor. */
PalWeight    *pal_residency_find     (PalResidency *residency, const gchar *name,
                                      PalPacking packing, guint panel);

/* Packs and uploads what is not there yet. */
gboolean      pal_residency_upload   (PalResidency *residency, PalWeight *weight, GError **error);

/* Packs a weight, which is not shared, into n_bytes of the caller's. */
gboolean      pal_residency_pack     (PalResidency *residency, const PalWeight *weight,
                                      gpointer out, GError **error);

/* Bytes on the device; gives them up (programs upload again when they next run). */
guint64       pal_residency_bytes    (PalResidency *residency);
void          pal_residency_release  (PalResidency *residency);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalResidency, pal_residency_unref)

#endif
