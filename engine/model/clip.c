/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CLIP's text transformer.
 *
 * Paper: Radford et al., Learning Transferable Visual Models From Natural Language
 *   Supervision (arXiv 2103.00020), section 2.4.
 * Reference: huggingface/transformers:src/transformers/models/clip/modeling_clip.py
 *   @v4.50.0 (Apache-2.0), class CLIPTextTransformer.
 * Easy to get wrong, all guarded by te1.*.last_hidden_state of the golden cases:
 *   - attention is causal, and padding is not masked;
 *   - norms stand before attention and before the feed-forward part;
 *   - the activation differs between checkpoints (quick_gelu, gelu): from the file;
 *   - files written by transformers 5 have no "text_model." in front of their names;
 *   - old configurations say 2 for the end token, whatever it is, and leave it to be
 *     found as the largest id (guarded by te1.*.pooler_output);
 *   - the pooled state is projected after the final norm, though the states that go
 *     with it are taken a layer earlier and without it (te2.*.text_embeds,
 *     te1.*.hidden_states_m2). */

#include "model/clip.h"

#include "base/error.h"
#include "model/blocks.h"

static const struct
{
  const gchar *name;
  PalAct       act;
} activations[] = {
  { "quick_gelu", PAL_ACT_QUICK_GELU },
  { "gelu", PAL_ACT_GELU },
  { "gelu_new", PAL_ACT_GELU_TANH },
};

static gboolean
read_activation (const PalJson *json, PalAct *act, GError **error)
{
  g_autofree gchar *name = g_strdup ("quick_gelu");

  if (! pal_json_string (json, "hidden_act", &name, error))
    return FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (activations); i++)
    if (g_str_equal (name, activations[i].name))
      {
        *act = activations[i].act;
        return TRUE;
      }

  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
               "%s: \"hidden_act\" is %s, and only quick_gelu, gelu and gelu_new are supported",
               pal_json_label (json), name);
  return FALSE;
}

gboolean
pal_clip_config_read (const PalJson *json, PalClipConfig *config, GError **error)
{
  gint64 layers = 12, heads = 8;
  gdouble eps = 1e-5;

  *config = (PalClipConfig) { .width = 512, .ff_width = 2048, .vocab = 49408, .positions = 77,
                              .eos_id = 49407 };

  if (! pal_config_range (json, "hidden_size", 1, 65536, &config->width, error) ||
      ! pal_config_range (json, "intermediate_size", 1, 1 << 20, &config->ff_width, error) ||
      ! pal_config_range (json, "vocab_size", 1, 1 << 24, &config->vocab, error) ||
      ! pal_config_range (json, "max_position_embeddings", 2, 65536, &config->positions, error) ||
      ! pal_config_range (json, "num_hidden_layers", 1, 1024, &layers, error) ||
      ! pal_config_range (json, "num_attention_heads", 1, 1024, &heads, error) ||
      ! pal_json_int (json, "eos_token_id", &config->eos_id, error) ||
      ! pal_json_double (json, "layer_norm_eps", &eps, error) ||
      ! read_activation (json, &config->act, error))
    return FALSE;

  if (config->width % heads != 0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"hidden_size\" %" G_GINT64_FORMAT " is not a multiple of "
                   "\"num_attention_heads\" %" G_GINT64_FORMAT,
                   pal_json_label (json), config->width, heads);
      return FALSE;
    }

  config->layers = (gint) layers;
  config->heads = (gint) heads;
  config->eps = (gfloat) eps;
  return TRUE;
}

/* x: [B, T, C] → [B, T, C] */
static PalTensor *
encoder_layer (PalTape *t, const PalClipConfig *c, PalTensor *x)
{
  PalTensor *h, *q, *k, *v;

  h = pal_layer_norm (t, x, "layer_norm1", c->eps);
  q = pal_linear (t, h, "self_attn.q_proj", NULL);
  k = pal_linear (t, h, "self_attn.k_proj", NULL);
  v = pal_linear (t, h, "self_attn.v_proj", NULL);
  h = pal_attention (t, q, k, v, &(PalAttention) { .heads = c->heads, .causal = TRUE });
  x = pal_linear (t, h, "self_attn.out_proj", &(PalLinear) { .residual = x });

  h = pal_layer_norm (t, x, "layer_norm2", c->eps);
  h = pal_linear (t, h, "mlp.fc1", &(PalLinear) { .act = c->act });
  return pal_linear (t, h, "mlp.fc2", &(PalLinear) { .residual = x });
}

static PalTensor *
final_norm (PalTape *t, const PalClipConfig *c, PalTensor *x)
{
  return pal_layer_norm (t, x, "final_layer_norm", c->eps);
}

/* states: as wanted; pooled: after the final norm, not projected. */
static PalClipStates
transformer (PalTape *t, const PalClipConfig *c, PalTensor *ids, const PalClipWanted *wanted)
{
  const gint end = wanted->pooled ? c->layers : c->layers - wanted->skip;
  PalClipStates out = { NULL, NULL };
  PalTensor *x;

  x = pal_embed (t, ids, "embeddings.token_embedding", "embeddings.position_embedding");

  for (gint i = 0; i < end; i++)
    {
      pal_segment (t);
      pal_enter (t, "encoder.layers.%d", i);
      x = pal_leave (t, encoder_layer (t, c, x));
      if (i + 1 == c->layers - wanted->skip)
        out.states = x;
    }

  if (! out.states)
    out.states = pal_tape_fail (t, PAL_ERROR_ARGUMENT,
                                "%d of the %d layers can't be left out", wanted->skip, c->layers);
  if (! wanted->raw)
    out.states = final_norm (t, c, out.states);
  if (wanted->pooled)
    out.pooled = wanted->skip == 0 && ! wanted->raw ? out.states : final_norm (t, c, x);

  return out;
}

PalClipStates
pal_clip (PalTape *t, const PalClipConfig *c, PalTensor *ids, const PalClipWanted *wanted)
{
  gboolean nested = ! pal_has_weight (t, "embeddings.token_embedding.weight");
  PalClipStates out;

  if (nested)
    pal_enter (t, "text_model");
  out = transformer (t, c, ids, wanted);
  if (nested)
    out.states = pal_leave (t, out.states);

  if (out.pooled && pal_has_weight (t, "text_projection.weight"))
    out.pooled = pal_linear (t, out.pooled, "text_projection", NULL);

  return out;
}

gsize
pal_clip_end (const PalClipConfig *c, const gint32 *ids, gsize tokens)
{
  gsize largest = 0;

  for (gsize i = 0; i < tokens; i++)
    {
      if (c->eos_id != 2 && ids[i] == c->eos_id)
        return i;
      if (ids[i] > ids[largest])
        largest = i;
    }

  return c->eos_id == 2 ? largest : 0;
}
