/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CLIP's text transformer (CLIPTextModel). */

#ifndef PAL_MODEL_CLIP_H
#define PAL_MODEL_CLIP_H

#include "io/json.h"
#include "op/op.h"

typedef struct
{
  gint64 width, ff_width, vocab, positions;
  gint   layers, heads;
  PalAct act;
  gfloat eps;
  gint64 eos_id;
} PalClipConfig;

gboolean   pal_clip_config_read (const PalJson *json, PalClipConfig *config, GError **error);

/* Which of an encoder's states are wanted. */
typedef struct
{
  gint     skip;              /* layers left out at the end */
  gboolean raw;               /* as the layer gives them, without the final norm */
  gboolean pooled;
} PalClipWanted;

typedef struct
{
  PalTensor *states;          /* [B, T, width] */
  PalTensor *pooled;          /* [B, T, P]: the last layer's after the final norm, projected where
                               * the weights have "text_projection"; the end token's row stands
                               * for the text. NULL unless wanted */
} PalClipStates;

/* ids: [B, T] I32, T <= positions. Weights below "text_model.", or at the top as newer
 * files have them. */
PalClipStates pal_clip (PalTape *tape, const PalClipConfig *config, PalTensor *ids,
                        const PalClipWanted *wanted);

/* Position of the token whose last hidden state stands for the whole text: the first
 * end token, or 0 without one. */
gsize      pal_clip_end (const PalClipConfig *config, const gint32 *ids, gsize tokens);

#endif
