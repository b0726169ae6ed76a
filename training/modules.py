# SPDX-License-Identifier: GPL-3.0-or-later
"""The three networks of the bundled model in plain PyTorch: AutoencoderDC, UNet2DConditionModel, CLIPTextModel.

Every sub-module carries the name that diffusers and transformers give it, so `state_dict ()` is the content of
the published file layout and weights travel both ways without renaming. Only the options that the bundled
model and the SD 1.x test models use are built: convolution projections in the attention blocks, GEGLU,
"positional" time embedding, no or projected class labels, no dropout.

Papers: arXiv 2112.10752 (latent diffusion), 2410.10733 (the autoencoder), 2103.00020 (CLIP text tower). Names and order of operations follow
huggingface/diffusers:src/diffusers/models/unets/unet_2d_condition.py, .../autoencoders/autoencoder_dc.py and
huggingface/transformers:src/transformers/models/clip/modeling_clip.py (both Apache-2.0); `selftest.py` compares
the three with tensors computed by those.

Easy to get wrong: `attention_head_dim` of an SD 1.x U-Net is the NUMBER of heads; the encoder's downsampler pads
right and bottom only; norms use eps 1e-6 in the autoencoder and in the transformer's outer GroupNorm, but the
configured `norm_eps` in the U-Net's residual blocks; GEGLU's gate is the second half and uses exact GELU;
"scale_shift" multiplies by 1 + the first half and adds the second.
"""
import math

import torch
from torch import nn
import torch.nn.functional as F


class ResnetBlock2D(nn.Module):
    """modulate: the embedding scales and shifts the second norm's output instead of being added before it."""

    def __init__(self, c_in, c_out, groups, eps, temb=None, modulate=False):
        super().__init__()
        self.modulate = modulate
        self.norm1 = nn.GroupNorm(groups, c_in, eps=eps)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        if temb is not None:
            self.time_emb_proj = nn.Linear(temb, 2 * c_out if modulate else c_out)
        self.norm2 = nn.GroupNorm(groups, c_out, eps=eps)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        if c_in != c_out:
            self.conv_shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x, temb=None):
        h = self.conv1(F.silu(self.norm1(x)))
        change = self.time_emb_proj(F.silu(temb))[:, :, None, None] if temb is not None else None
        if self.modulate:
            scale, shift = change.chunk(2, 1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h if change is None else h + change)
        h = self.conv2(F.silu(h))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Downsample2D(nn.Module):
    """pad 1: symmetric (U-Net); pad 0: one row and column right and below (autoencoder)."""

    def __init__(self, c, pad):
        super().__init__()
        self.pad = pad
        self.conv = nn.Conv2d(c, c, 3, stride=2, padding=pad)

    def forward(self, x):
        return self.conv(x if self.pad else F.pad(x, (0, 1, 0, 1)))


class Upsample2D(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x, size=None):
        # the U-Net passes the skip's size so that odd sizes come back as they went down
        x = F.interpolate(x, size=size, mode="nearest") if size else F.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.conv(x)


class Attention(nn.Module):
    """Multi-head attention; `context` of another width makes it cross-attention."""

    def __init__(self, dim, heads, context=None, bias=False, norm_groups=None):
        super().__init__()
        self.heads = heads
        if norm_groups:
            self.group_norm = nn.GroupNorm(norm_groups, dim, eps=1e-6)
        self.to_q = nn.Linear(dim, dim, bias=bias)
        self.to_k = nn.Linear(context or dim, dim, bias=bias)
        self.to_v = nn.Linear(context or dim, dim, bias=bias)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])

    def forward(self, x, context=None):
        context = x if context is None else context
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        # in fp32: PyTorch's CPU attention in bf16 takes ten times as long as all the products around it
        q, k, v = (split(t).float() for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        with torch.autocast(x.device.type, enabled=False):
            h = F.scaled_dot_product_attention(q, k, v)
        return self.to_out[0](h.transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, -1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.net = nn.ModuleList([GEGLU(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class BasicTransformerBlock(nn.Module):
    def __init__(self, dim, heads, context):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn1 = Attention(dim, heads)
        self.attn2 = Attention(dim, heads, context)
        self.ff = FeedForward(dim)

    def forward(self, x, context):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2DModel(nn.Module):
    def __init__(self, dim, heads, context, groups, depth):
        super().__init__()
        self.norm = nn.GroupNorm(groups, dim, eps=1e-6)
        self.proj_in = nn.Conv2d(dim, dim, 1)
        self.transformer_blocks = nn.ModuleList(BasicTransformerBlock(dim, heads, context) for _ in range(depth))
        self.proj_out = nn.Conv2d(dim, dim, 1)

    def forward(self, x, context):
        b, c, h, w = x.shape
        t = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            t = block(t, context)
        return x + self.proj_out(t.transpose(1, 2).reshape(b, c, h, w))


class UNetBlock(nn.Module):
    """One level, going down or up; `skips` are the widths concatenated before each residual block."""

    def __init__(self, widths, c_out, groups, eps, temb, attention, down=None, up=False, modulate=False):
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock2D(c, c_out, groups, eps, temb, modulate) for c in widths)
        if attention:
            heads, context, depth = attention
            self.attentions = nn.ModuleList(Transformer2DModel(c_out, heads, context, groups, depth) for _ in widths)
        if down is not None:
            self.downsamplers = nn.ModuleList([Downsample2D(c_out, down)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample2D(c_out)])

    def layers(self):
        return zip(self.resnets, getattr(self, "attentions", [None] * len(self.resnets)))


class UNetMidBlock(nn.Module):
    def __init__(self, c, groups, eps, temb, heads, context, depth, modulate):
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock2D(c, c, groups, eps, temb, modulate) for _ in range(2))
        self.attentions = nn.ModuleList([Transformer2DModel(c, heads, context, groups, depth)])

    def forward(self, x, temb, context):
        x = self.attentions[0](self.resnets[0](x, temb), context)
        return self.resnets[1](x, temb)


class TimestepEmbedding(nn.Module):
    def __init__(self, c, dim):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(c, dim), nn.Linear(dim, dim)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


def timestep_sinusoids(t, dim, flip, shift):
    """t [B] -> [B, dim]; flip: cosines before sines."""
    half = dim // 2
    rate = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float32, device=t.device) / (half - shift))
    angle = t.float()[:, None] * rate
    parts = [angle.cos(), angle.sin()] if flip else [angle.sin(), angle.cos()]
    return torch.cat(parts, -1)


class UNet2DConditionModel(nn.Module):
    """x [B, in_channels, H, W], t [B], context [B, T, cross_attention_dim], with class_embed_type "projection" also
    labels [B, projection_class_embeddings_input_dim] -> [B, out_channels, H, W]."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        widths, groups, eps = config["block_out_channels"], config["norm_num_groups"], config["norm_eps"]
        layers, context = config["layers_per_block"], config["cross_attention_dim"]
        depth, n = config["transformer_layers_per_block"], len(widths)
        heads = config["attention_head_dim"]
        heads = [heads] * n if isinstance(heads, int) else list(heads)
        temb = 4 * widths[0]
        attention = lambda kind, i: (heads[i], context, depth) if "CrossAttn" in kind else None

        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], temb)
        if config["class_embed_type"] == "projection":
            self.class_embedding = TimestepEmbedding(config["projection_class_embeddings_input_dim"], temb)
        modulate = config["resnet_time_scale_shift"] == "scale_shift"
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        skips, c = [widths[0]], widths[0]
        for i, kind in enumerate(config["down_block_types"]):
            last = i == n - 1
            self.down_blocks.append(UNetBlock([c] + [widths[i]] * (layers - 1), widths[i], groups, eps, temb,
                                              attention(kind, i), None if last else 1, modulate=modulate))
            c = widths[i]
            skips += [c] * (layers if last else layers + 1)
        self.mid_block = UNetMidBlock(c, groups, eps, temb, heads[-1], context, depth, modulate)
        for j, kind in enumerate(config["up_block_types"]):
            i = n - 1 - j
            ins = []
            for _ in range(layers + 1):
                ins.append(c + skips.pop())
                c = widths[i]
            self.up_blocks.append(UNetBlock(ins, c, groups, eps, temb, attention(kind, i), up=i > 0,
                                            modulate=modulate))
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], eps=eps)
        self.conv_out = nn.Conv2d(widths[0], config["out_channels"], 3, padding=1)

    def forward(self, x, t, context, labels=None):
        config = self.config
        angles = timestep_sinusoids(t.expand(x.shape[0]), config["block_out_channels"][0],
                                    config["flip_sin_to_cos"], config["freq_shift"])
        temb = self.time_embedding(angles.to(x.dtype))
        if labels is not None:
            temb = temb + self.class_embedding(labels)
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            for resnet, attention in block.layers():
                x = resnet(x, temb)
                x = attention(x, context) if attention else x
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block(x, temb, context)
        for block in self.up_blocks:
            for resnet, attention in block.layers():
                x = resnet(torch.cat([x, skips.pop()], 1), temb)
                x = attention(x, context) if attention else x
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x, skips[-1].shape[2:])
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class RMSNorm(nn.Module):
    """Over the channels of each position, in fp32: x [B, C, H, W]."""

    def __init__(self, c, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))

    def forward(self, x):
        x = x.float()
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + self.eps)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class ResBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.norm = RMSNorm(c)

    def forward(self, x):
        return x + self.norm(self.conv2(F.silu(self.conv1(x)))).to(x.dtype)


class DCDownBlock2d(nn.Module):
    """Half the size by moving 2x2 positions into channels; the shortcut averages groups of those."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.group = 4 * c_in // c_out
        self.conv = nn.Conv2d(c_in, c_out // 4, 3, padding=1)

    def forward(self, x):
        return F.pixel_unshuffle(self.conv(x), 2) + F.pixel_unshuffle(x, 2).unflatten(1, (-1, self.group)).mean(2)


class DCUpBlock2d(nn.Module):
    """Twice the size by moving channels to 2x2 positions; the shortcut repeats channels before that."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.repeats = 4 * c_out // c_in
        self.conv = nn.Conv2d(c_in, 4 * c_out, 3, padding=1)

    def forward(self, x):
        return F.pixel_shuffle(self.conv(x) + x.repeat_interleave(self.repeats, 1), 2)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths, layers = config["encoder_block_out_channels"], config["encoder_layers_per_block"]
        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            nn.Sequential(*[ResBlock(c) for _ in range(n)], *[DCDownBlock2d(c, after) for after in widths[i + 1:i + 2]])
            for i, (c, n) in enumerate(zip(widths, layers)))
        self.conv_out = nn.Conv2d(widths[-1], config["latent_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(x)


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths, layers = config["decoder_block_out_channels"], config["decoder_layers_per_block"]
        self.conv_in = nn.Conv2d(config["latent_channels"], widths[-1], 3, padding=1)
        self.up_blocks = nn.ModuleList(
            nn.Sequential(*[DCUpBlock2d(before, c) for before in widths[i + 1:i + 2]], *[ResBlock(c) for _ in range(n)])
            for i, (c, n) in enumerate(zip(widths, layers)))
        self.norm_out = RMSNorm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], config["in_channels"], 3, padding=1)

    def forward(self, z):
        x = self.conv_in(z)
        for block in reversed(self.up_blocks):
            x = block(x)
        with torch.autocast(z.device.type, enabled=False):
            return self.conv_out(F.relu(self.norm_out(x)))


class AutoencoderDC(nn.Module):
    """Image [B, 3, H, W] in [-1, 1] <-> latent [B, C, H/8, W/8], unscaled; residual blocks alone, no shortcut around
    conv_in of the decoder and conv_out of the encoder."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)


class ClipAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.q_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        h = F.scaled_dot_product_attention(split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x)),
                                           is_causal=True)
        return self.out_proj(h.transpose(1, 2).flatten(2))


class ClipMlp(nn.Module):
    def __init__(self, dim, inner, act):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.act = {"quick_gelu": lambda x: x * torch.sigmoid(1.702 * x), "gelu": F.gelu}[act]

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class ClipLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim, eps = config["hidden_size"], config["layer_norm_eps"]
        self.self_attn = ClipAttention(dim, config["num_attention_heads"])
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)
        self.mlp = ClipMlp(dim, config["intermediate_size"], config["hidden_act"])

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class ClipTextTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim = config["hidden_size"]
        self.embeddings = nn.Module()
        self.embeddings.token_embedding = nn.Embedding(config["vocab_size"], dim)
        self.embeddings.position_embedding = nn.Embedding(config["max_position_embeddings"], dim)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(ClipLayer(config) for _ in range(config["num_hidden_layers"]))
        self.final_layer_norm = nn.LayerNorm(dim, eps=config["layer_norm_eps"])


class CLIPTextModel(nn.Module):
    """Token ids [B, T] -> last hidden state [B, T, hidden_size]; `pooled` takes the first end token's row of it."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.text_model = ClipTextTransformer(config)
        with torch.no_grad():
            self.text_model.embeddings.token_embedding.weight.mul_(0.02)
            self.text_model.embeddings.position_embedding.weight.mul_(0.02)

    def forward(self, ids):
        m = self.text_model
        x = m.embeddings.token_embedding(ids) + m.embeddings.position_embedding.weight[: ids.shape[1]]
        for layer in m.encoder.layers:
            x = layer(x)
        return m.final_layer_norm(x)

    def pooled(self, ids, states):
        """ids [B, T], states [B, T, C] -> [B, C]; transformers calls it pooler_output."""
        end = (ids == self.config["eos_token_id"]).int().argmax(1)
        return states[torch.arange(len(ids)), end]


def count_parameters(module):
    return sum(p.numel() for p in module.parameters())
