/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The U-Net of latent diffusion (UNet2DConditionModel). */

#ifndef PAL_MODEL_UNET_H
#define PAL_MODEL_UNET_H

#include "io/json.h"
#include "op/op.h"

#define PAL_UNET_MAX_LEVELS 8
#define PAL_UNET_MAX_LAYERS 8

/* One level, counted from the full resolution inwards; the up path mirrors it. */
typedef struct
{
  gint64   channels;
  gboolean attention;         /* of the down block */
  gboolean up_attention;      /* of the up block at the same position of up_block_types' reverse */
  gint     heads;
  gint     transformer_layers;
  gint     layers;            /* residual blocks of the down block; the up block has one more */
} PalUnetLevel;

typedef struct
{
  gint64       in_channels, out_channels, cross_channels;
  gint64       vector_channels;   /* of the vector beside the text; 0 = it takes none */
  const gchar *vector_module;     /* which embeds it */
  gint64       vector_width;      /* what that module takes: the vector, and sinusoids of sizes */
  gint64       size_channels;     /* of one size's sinusoids; 0 = it is told no sizes */
  gint         n_sizes;           /* see pal_unet_config_vector () */
  gint64       guidance_channels; /* of the guidance's sinusoids; 0 = it is not told */
  PalUnetLevel levels[PAL_UNET_MAX_LEVELS];
  guint        n_levels;
  gint         norm_groups;
  gfloat       norm_eps;
  gboolean     time_modulates;    /* the embedding scales and shifts instead of being added */
  gboolean     flip_sin_to_cos;
  gfloat       freq_shift;
  gint         mid_resnets;       /* 2 around the attention, 1 without it, 0 = no middle block */
  gboolean     mid_attention;
  gint         sample_size;       /* latent px of the training size; 0 = not said */
} PalUnetConfig;

/* From unet/config.json; UNSUPPORTED names the field when a value is not built. */
gboolean   pal_unet_config_read (const PalJson *json, PalUnetConfig *config, GError **error);

/* Where the vector is a text's pooled state of this width: how many sizes go with it. The
 * configuration has only the width of both; FALSE when that can't be. */
gboolean   pal_unet_config_vector (PalUnetConfig *config, gint64 pooled);

typedef struct
{
  PalTensor *x;               /* [B, H, W, in_channels] */
  PalTensor *timesteps;       /* [B] */
  PalTensor *context;         /* [B, T, cross_channels] */
  PalTensor *vector;          /* [B, vector_channels], joins the embedding of the time; NULL when
                               * vector_channels is 0 */
  PalTensor *sizes;           /* [B * n_sizes], of picture, crop and target; NULL without */
  PalTensor *guidance;        /* [B], (scale - 1) * 1000; NULL when guidance_channels is 0 */
} PalUnetInputs;

/* → [B, H, W, out_channels]. H and W need not be multiples of anything. */
PalTensor *pal_unet (PalTape *tape, const PalUnetConfig *config, const PalUnetInputs *inputs);

#endif
