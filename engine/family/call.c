/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each call of a network records on a tape. */

#include "family/call.h"

#include "run/tape.h"

static void
record_text (PalTape *t, const PalParts *p, const PalCall *call)
{
  PalTensor *ids = pal_input (t, "ids", PAL_I32, PAL_SHAPE (call->batch, call->tokens));
  PalClipStates states = pal_clip (t, &p->encoders[call->encoder].clip, ids, &call->wanted);

  pal_output (t, "out", states.states);
  if (states.pooled)
    pal_output (t, "pooled", states.pooled);
}

static void
record_encode (PalTape *t, const PalParts *p, const PalCall *call)
{
  PalTensor *image = pal_input (t, "x", PAL_F32,
                                PAL_SHAPE (call->batch, call->height, call->width, 3));

  pal_output (t, "out", pal_vae_encode (t, &p->vae, image));
}

static void
record_decode (PalTape *t, const PalParts *p, const PalCall *call)
{
  PalShape shape = PAL_SHAPE (call->batch, call->height, call->width, p->vae.latent_channels);

  pal_output (t, "out", pal_vae_decode (t, &p->vae, pal_input (t, "x", PAL_F32, shape)));
}

static void
record_denoise (PalTape *t, const PalParts *p, const PalCall *call)
{
  PalShape shape = PAL_SHAPE (call->batch, call->height, call->width, p->unet.in_channels);
  PalShape text = PAL_SHAPE (call->batch, call->tokens, p->unet.cross_channels);
  PalShape vector = PAL_SHAPE (call->batch, p->unet.vector_channels);
  PalUnetInputs inputs = { .x = pal_input (t, "x", PAL_F32, shape),
                           .timesteps = pal_input (t, "timesteps", PAL_F32,
                                                   PAL_SHAPE (call->batch)),
                           .context = pal_input (t, "context", PAL_F32, text) };

  if (p->unet.vector_channels > 0)
    inputs.vector = pal_input (t, "vector", PAL_F32, vector);
  if (p->unet.n_sizes > 0)
    inputs.sizes = pal_input (t, "sizes", PAL_F32, PAL_SHAPE (call->batch * p->unet.n_sizes));
  if (p->unet.guidance_channels > 0)
    inputs.guidance = pal_input (t, "guidance", PAL_F32, PAL_SHAPE (call->batch));

  pal_output (t, "out", pal_unet (t, &p->unet, &inputs));
}

static void
record_match (PalTape *t, const PalParts *p G_GNUC_UNUSED, const PalCall *call)
{
  PalTensor *q = pal_input (t, "queries", PAL_F32, PAL_SHAPE (1, call->height, call->tokens));
  PalTensor *k = pal_input (t, "keys", PAL_F32, PAL_SHAPE (1, call->width, call->tokens));
  PalTensor *v = pal_input (t, "values", PAL_F32, PAL_SHAPE (1, call->width, call->tokens));

  pal_output (t, "out", pal_attention (t, q, k, v, &(PalAttention) { .heads = 1, .scale = 1.0f }));
}

static const struct
{
  PalPart  part;
  PalPhase phase;
  void   (*record) (PalTape *tape, const PalParts *parts, const PalCall *call);
} kinds[PAL_N_CALLS] = {
  [PAL_CALL_TEXT] = { PAL_PART_TEXT, PAL_PHASE_TEXT, record_text },
  [PAL_CALL_ENCODE] = { PAL_PART_CODEC, PAL_PHASE_ENCODE, record_encode },
  [PAL_CALL_DECODE] = { PAL_PART_CODEC, PAL_PHASE_DECODE, record_decode },
  [PAL_CALL_DENOISE] = { PAL_PART_DENOISER, PAL_PHASE_DENOISE, record_denoise },
  [PAL_CALL_MATCH] = { PAL_PART_DENOISER, PAL_PHASE_DENOISE, record_match },
};

PalPart
pal_call_part (const PalCall *call)
{
  return kinds[call->kind].part + call->encoder;
}

PalPhase
pal_call_phase (PalCallKind kind)
{
  return kinds[kind].phase;
}

void
pal_call_record (PalTape *tape, const PalParts *parts, const PalCall *call)
{
  kinds[call->kind].record (tape, parts, call);
  if (call->streamed)
    pal_tape_stream (tape);
}

gboolean
pal_call_equal (const PalCall *a, const PalCall *b)
{
  return a->kind == b->kind && a->batch == b->batch && a->height == b->height &&
         a->width == b->width && a->tokens == b->tokens && a->encoder == b->encoder &&
         a->wanted.skip == b->wanted.skip && a->wanted.raw == b->wanted.raw &&
         a->wanted.pooled == b->wanted.pooled && a->streamed == b->streamed;
}
