/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks that the U-Net and the autoencoder have in common, and readers for the
 * configuration values that they share. */

#ifndef PAL_MODEL_BLOCKS_H
#define PAL_MODEL_BLOCKS_H

#include "io/json.h"
#include "op/op.h"

/* x: [B, H, W, C] → [B, H, W, C']. emb: [B, E], already activated, is projected to C'
 * and added between the convolutions, or with modulate projected to 2 C' and scales and
 * shifts the second norm's result; NULL = none. Weights: norm1, conv1, time_emb_proj,
 * norm2, conv2, conv_shortcut (when C' != C). */
typedef struct
{
  gint     groups;
  gfloat   eps;
  gboolean modulate;
} PalResBlock;

PalTensor *pal_res_block (PalTape *t, PalTensor *x, PalTensor *emb, const PalResBlock *options);

/* Publishes x on a tracing tape as the result of the module "name"; returns x. */
PalTensor *pal_publish   (PalTape *t, const gchar *name, PalTensor *x);

/* One entry of a table of fields that only one value is built for. */
typedef struct
{
  const gchar *field;
  const gchar *value;         /* as JSON prints it: "silu", "1", "false", "null" */
} PalFixedField;

/* UNSUPPORTED, naming file and field, when a field has another value; absent and
 * null fields pass. */
gboolean   pal_config_fixed (const PalJson *json, const PalFixedField *fields, gsize n_fields,
                             GError **error);

/* An integer in min .. max; FORMAT otherwise. *out keeps its value when absent. */
gboolean   pal_config_range (const PalJson *json, const gchar *field, gint64 min, gint64 max,
                             gint64 *out, GError **error);

/* A list of n integers in min .. max, or one integer for all; *out keeps its values
 * when absent. */
gboolean   pal_config_list  (const PalJson *json, const gchar *field, guint n, gint64 min,
                             gint64 max, gint64 *out, GError **error);

/* A word that a field may hold, and what it stands for. */
typedef struct
{
  const gchar *word;          /* NULL ends a table */
  gint         value;
} PalConfigWord;

/* A list of n words, or one word for all; UNSUPPORTED, naming file and field, when the
 * table lacks one. *out keeps its values when absent. */
gboolean   pal_config_words (const PalJson *json, const gchar *field, guint n,
                             const PalConfigWord *table, gint *out, GError **error);

#endif
