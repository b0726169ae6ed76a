/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every op of the engine. Each records one step (or none) on the tape, checks its
 * shapes, and never returns NULL. NULL options mean defaults. Weights are named
 * relative to the current scope; "x.bias" is used when the file has it.
 *
 * Letters: B batch, T tokens, C channels, H W height width, N heads, D head width,
 * E embedding. Tensors are F32 unless said otherwise. */

#ifndef PAL_OP_H
#define PAL_OP_H

#include "run/tape.h"

typedef enum
{
  PAL_ACT_NONE,
  PAL_ACT_SILU,
  PAL_ACT_GELU,               /* exact, by the error function */
  PAL_ACT_GELU_TANH,
  PAL_ACT_QUICK_GELU,         /* x * sigmoid (1.702 x) */
  PAL_ACT_RELU,
  PAL_N_ACTS
} PalAct;

/* x: [.., K], name.weight: [M, K] or [M, K, 1, 1] → [.., M]:
 * act (x W' + bias) + residual. */
typedef struct
{
  PalAct     act;
  PalTensor *residual;        /* [.., M] or NULL; added after act */
} PalLinear;

PalTensor *pal_linear (PalTape *tape, PalTensor *x, const gchar *name, const PalLinear *options);

/* x: [B, H, W, C], name.weight: [M, C, KH, KW] → [B, H', W', M]. Padding defaults to
 * "same" for odd kernels at stride 1: (K - 1) / 2 on each side. */
typedef struct
{
  gint       stride;          /* 0 = 1 */
  gboolean   pad_end_only;    /* 0 px before, 1 px after: AutoencoderKL's downsampler */
  gboolean   upsample;        /* nearest 2x before the convolution; H' = 2 H */
  gint64     height, width;   /* with upsample: H', W' when they are odd: 2 H - 1 or 2 H;
                               * 0 = 2 H */
  PalAct     act;
  PalTensor *residual;        /* [B, H', W', M] or NULL; added before act when act_last,
                               * else after */
  gboolean   act_last;
} PalConv;

PalTensor *pal_conv2d (PalTape *tape, PalTensor *x, const gchar *name, const PalConv *options);

/* x: [B, .., C], name.weight, name.bias: [C] → same. Mean and variance over a group's
 * channels and all positions of one batch entry; then modulation, then act. */
typedef struct
{
  gint       groups;
  gfloat     eps;
  PalTensor *modulation;      /* [B, 2 C] or NULL: times 1 + the first half, plus the second */
  PalAct     act;
} PalGroupNorm;

PalTensor *pal_group_norm (PalTape *tape, PalTensor *x, const gchar *name,
                           const PalGroupNorm *options);

/* x: [.., C] → same, over the last dimension. */
PalTensor *pal_layer_norm (PalTape *tape, PalTensor *x, const gchar *name, gfloat eps);

/* x: [.., C], name.weight: [C] → same: act (x / rms (x) weight + bias) + residual, with
 * the root of the mean square over the last dimension (arXiv 1910.07467). */
typedef struct
{
  gfloat     eps;             /* added to the mean square */
  PalAct     act;
  PalTensor *residual;        /* [.., C] or NULL */
} PalRmsNorm;

PalTensor *pal_rms_norm (PalTape *tape, PalTensor *x, const gchar *name,
                         const PalRmsNorm *options);

/* q: [B, T, N * D], k, v: [B, S, N * D] → [B, T, N * D]: softmax (scale q k') v for each
 * head. scale 0 = 1 / sqrt (D). causal: query i sees keys 0 .. i. */
typedef struct
{
  gint     heads;
  gfloat   scale;
  gboolean causal;
} PalAttention;

PalTensor *pal_attention (PalTape *tape, PalTensor *q, PalTensor *k, PalTensor *v,
                          const PalAttention *options);

/* Pointwise: same shape in and out. */
PalTensor *pal_add          (PalTape *tape, PalTensor *a, PalTensor *b);
PalTensor *pal_act          (PalTape *tape, PalTensor *x, PalAct act);
/* x * scale + shift */
PalTensor *pal_affine       (PalTape *tape, PalTensor *x, gfloat scale, gfloat shift);
/* limit * tanh (x / limit) */
PalTensor *pal_soft_clamp   (PalTape *tape, PalTensor *x, gfloat limit);

/* x: [B, H, W, C] + e: [B, C] → [B, H, W, C]. */
PalTensor *pal_add_channels (PalTape *tape, PalTensor *x, PalTensor *e);

/* x: [.., 2 C] → [.., C]: the first half times gelu of the second. */
PalTensor *pal_geglu        (PalTape *tape, PalTensor *x);

/* a: [.., A], b: [.., C], equal outer dimensions → [.., A + C]. */
PalTensor *pal_concat       (PalTape *tape, PalTensor *a, PalTensor *b);

/* Squares of f x f pixels to channels and back. Channel f f c + f dy + dx belongs to
 * channel c of the pixel (dy, dx) of its square, as in PyTorch. */
typedef struct
{
  gint       factor;          /* f: 1 (channels alone change) or 2 */
  gint64     channels;        /* M */
  PalTensor *residual;        /* the result's shape, or NULL; added */
} PalPixels;

/* x: [B, f H, f W, C] → [B, H, W, M]: each channel is the mean of f f C / M neighbours. */
PalTensor *pal_pixel_unshuffle (PalTape *tape, PalTensor *x, const PalPixels *options);

/* x: [B, H, W, C] → [B, f H, f W, M]: each channel is first repeated f f M / C times. */
PalTensor *pal_pixel_shuffle   (PalTape *tape, PalTensor *x, const PalPixels *options);

/* ids: [B, T] I32; table name.weight: [V, E] → [B, T, E]; plus the rows 0 .. T - 1 of
 * position.weight when position is not NULL. */
PalTensor *pal_embed (PalTape *tape, PalTensor *ids, const gchar *name, const gchar *position);

/* timesteps: [B] → [B, E] sinusoids (Vaswani et al. 2017, as DDPM uses them):
 * frequencies exp (-ln (10000) i / (E / 2 - shift)), i < E / 2; sines first unless
 * flip, which puts cosines first. */
PalTensor *pal_timestep_embed (PalTape *tape, PalTensor *timesteps, gint64 width, gboolean flip,
                               gfloat shift);

#endif
