/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tensors of one part of a model, over one or several mapped files. A weight that is
 * stored as whole numbers and scales counts as one tensor. */

#ifndef PAL_IO_WEIGHTS_H
#define PAL_IO_WEIGHTS_H

#include "pal-types.h"
#include "io/names.h"

typedef struct _PalWeightView PalWeightView;

struct _PalWeightView
{
  gchar         *name;
  PalDType       dtype;
  PalShape       shape;
  gconstpointer  data;        /* stays mapped while the weights live; not always aligned to dtype */
  gsize          n_bytes;
  PalWeightView *scale;       /* of I8: [M, 1, ..], each row's values are data * scale; else NULL */
  gboolean       transposed;  /* stored column by column; of matrices alone */
};

/* folder/stem.safetensors, else the shards that folder/stem.safetensors.index.json
 * names, else folder/stem.fp16.safetensors. Errors say which files were looked for. */
PalWeights  *pal_weights_open_folder (const gchar *folder, const gchar *stem, GError **error);
/* Whether there is one of those files. */
gboolean     pal_weights_are_in      (const gchar *folder, const gchar *stem);
PalWeights  *pal_weights_open_file   (const gchar *path, GError **error);
/* One part of a file that may hold others too, under the engine's names. */
PalWeights  *pal_weights_open_part   (PalTensorFile *file, const PalLayout *layout, GError **error);
PalWeights  *pal_weights_ref         (PalWeights *weights);
void         pal_weights_unref       (PalWeights *weights);

/* NULL if absent */
const PalWeightView *pal_weights_find (PalWeights *weights, const gchar *name);
gsize        pal_weights_count       (PalWeights *weights);
const PalWeightView *pal_weights_at  (PalWeights *weights, gsize index);
guint64      pal_weights_parameters  (PalWeights *weights);   /* elements, without scales */
guint64      pal_weights_bytes       (PalWeights *weights);   /* as stored */
/* the dtype that most elements have */
PalDType     pal_weights_precision   (PalWeights *weights);
const gchar *pal_weights_label       (PalWeights *weights);   /* path, for messages */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalWeights, pal_weights_unref)

#endif
