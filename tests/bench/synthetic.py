#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a Stable Diffusion 1.5 folder with the real names and shapes and with random values.

    synthetic.py OUT [--sparse]

It takes the time and the memory of the real one, and its pictures are noise. F16, 2 GB; --sparse
leaves the values out (all 0) and takes no room, for counting. The tokenizer and what the
configurations have in common with any other come from tests/data/models/sd15-tiny.
"""
import json
import math
import pathlib
import random
import shutil
import struct
import sys

TINY = pathlib.Path(__file__).resolve().parents[1] / "data" / "models" / "sd15-tiny"
POOL = 1 << 16
WIDTH, LEVELS, TEXT = 320, (1, 2, 4, 4), 768
VAE_LEVELS = (128, 256, 512, 512)
TOKENS, LAYERS, POSITIONS = 49408, 12, 77


class Tensors(dict):
    """name → shape. Each method adds the tensors of one layer."""

    def linear(self, name, c, m, bias=True):
        self[name + ".weight"] = (m, c)
        if bias:
            self[name + ".bias"] = (m,)

    def conv(self, name, c, m, kernel):
        self[name + ".weight"] = (m, c, kernel, kernel)
        self[name + ".bias"] = (m,)

    def norm(self, name, c):
        self[name + ".weight"] = (c,)
        self[name + ".bias"] = (c,)

    def resnet(self, name, c, m, embedding=0):
        self.norm(name + ".norm1", c)
        self.conv(name + ".conv1", c, m, 3)
        if embedding:
            self.linear(name + ".time_emb_proj", embedding, m)
        self.norm(name + ".norm2", m)
        self.conv(name + ".conv2", m, m, 3)
        if c != m:
            self.conv(name + ".conv_shortcut", c, m, 1)

    def attention(self, name, c, keys, bias=False):
        for part, width in (("to_q", c), ("to_k", keys), ("to_v", keys)):
            self.linear(f"{name}.{part}", width, c, bias)
        self.linear(name + ".to_out.0", c, c)

    def transformer(self, name, c):
        block = name + ".transformer_blocks.0"
        self.norm(name + ".norm", c)
        self.conv(name + ".proj_in", c, c, 1)
        for i, keys in ((1, c), (2, TEXT)):
            self.norm(f"{block}.norm{i}", c)
            self.attention(f"{block}.attn{i}", c, keys)
        self.norm(block + ".norm3", c)
        self.linear(block + ".ff.net.0.proj", c, 8 * c)
        self.linear(block + ".ff.net.2", 4 * c, c)
        self.conv(name + ".proj_out", c, c, 1)


def unet():
    t, embedding, last = Tensors(), 4 * WIDTH, len(LEVELS) - 1
    t.conv("conv_in", 4, WIDTH, 3)
    t.linear("time_embedding.linear_1", WIDTH, embedding)
    t.linear("time_embedding.linear_2", embedding, embedding)
    c, skips = WIDTH, [WIDTH]
    for i, level in enumerate(LEVELS):
        for j in range(2):
            t.resnet(f"down_blocks.{i}.resnets.{j}", c, level * WIDTH, embedding)
            c = level * WIDTH
            if i < last:
                t.transformer(f"down_blocks.{i}.attentions.{j}", c)
            skips.append(c)
        if i < last:
            t.conv(f"down_blocks.{i}.downsamplers.0.conv", c, c, 3)
            skips.append(c)
    for j in range(2):
        t.resnet(f"mid_block.resnets.{j}", c, c, embedding)
    t.transformer("mid_block.attentions.0", c)
    for i, level in enumerate(reversed(LEVELS)):
        for j in range(3):
            t.resnet(f"up_blocks.{i}.resnets.{j}", c + skips.pop(), level * WIDTH, embedding)
            c = level * WIDTH
            if i > 0:
                t.transformer(f"up_blocks.{i}.attentions.{j}", c)
        if i < last:
            t.conv(f"up_blocks.{i}.upsamplers.0.conv", c, c, 3)
    t.norm("conv_norm_out", c)
    t.conv("conv_out", c, 4, 3)
    return t


def vae_half(t, name, widths, layers, sampler):
    """Blocks of `layers` resnets, with a sampler after all but the last; widths[0] comes in."""
    c, last = widths[0], len(widths) - 1
    for i, m in enumerate(widths):
        for j in range(layers):
            t.resnet(f"{name}.{sampler[0]}_blocks.{i}.resnets.{j}", c, m)
            c = m
        if i < last:
            t.conv(f"{name}.{sampler[0]}_blocks.{i}.{sampler[1]}.0.conv", c, c, 3)
    for j in range(2):
        t.resnet(f"{name}.mid_block.resnets.{j}", VAE_LEVELS[-1], VAE_LEVELS[-1])
    t.norm(f"{name}.mid_block.attentions.0.group_norm", VAE_LEVELS[-1])
    t.attention(f"{name}.mid_block.attentions.0", VAE_LEVELS[-1], VAE_LEVELS[-1], True)
    t.norm(name + ".conv_norm_out", c)
    return c


def vae():
    t = Tensors()
    t.conv("encoder.conv_in", 3, VAE_LEVELS[0], 3)
    t.conv("encoder.conv_out", vae_half(t, "encoder", VAE_LEVELS, 2, ("down", "downsamplers")), 8,
           3)
    t.conv("quant_conv", 8, 8, 1)
    t.conv("post_quant_conv", 4, 4, 1)
    t.conv("decoder.conv_in", 4, VAE_LEVELS[-1], 3)
    t.conv("decoder.conv_out", vae_half(t, "decoder", VAE_LEVELS[::-1], 3, ("up", "upsamplers")),
           3, 3)
    return t


def text_encoder():
    t = Tensors()
    t["text_model.embeddings.token_embedding.weight"] = (TOKENS, TEXT)
    t["text_model.embeddings.position_embedding.weight"] = (POSITIONS, TEXT)
    for i in range(LAYERS):
        layer = f"text_model.encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            t.linear(f"{layer}.self_attn.{part}", TEXT, TEXT)
        t.norm(layer + ".layer_norm1", TEXT)
        t.norm(layer + ".layer_norm2", TEXT)
        t.linear(layer + ".mlp.fc1", TEXT, 4 * TEXT)
        t.linear(layer + ".mlp.fc2", 4 * TEXT, TEXT)
    t.norm("text_model.final_layer_norm", TEXT)
    return t


# folder → tensors, stem of the file, what its configuration has that the tiny model's has not
PARTS = {
    "unet": (unet, "diffusion_pytorch_model", {
        "block_out_channels": [level * WIDTH for level in LEVELS],
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        "attention_head_dim": 8, "cross_attention_dim": TEXT, "norm_num_groups": 32,
        "sample_size": 64}),
    "vae": (vae, "diffusion_pytorch_model", {
        "block_out_channels": list(VAE_LEVELS), "layers_per_block": 2, "norm_num_groups": 32,
        "sample_size": 512}),
    "text_encoder": (text_encoder, "model", {
        "hidden_size": TEXT, "intermediate_size": 4 * TEXT, "num_attention_heads": 12,
        "num_hidden_layers": LAYERS, "projection_dim": TEXT, "vocab_size": TOKENS}),
}


def pool():
    """Halves of size 1 in expectation, each with both signs."""
    generator = random.Random(1)
    return [generator.gauss(0.0, 1.0) for _ in range(POOL)]


def values(name, shape, normal):
    """Small random weights that keep a signal's size; 1 and 0 for norms and biases."""
    count = math.prod(shape)
    if len(shape) == 1:
        scale, block = 0.0, struct.pack("<e", 1.0 if name.endswith("weight") else 0.0)
    else:
        scale = 1.0 / math.sqrt(math.prod(shape[1:]))
        block = struct.pack(f"<{POOL}e", *(scale * value for value in normal))
    return (block * (2 * count // len(block) + 1))[:2 * count]


def write_weights(path, tensors, normal):
    header, end = {}, 0
    for name, shape in tensors.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors.items() if normal else ():
            file.write(values(name, shape, normal))
        file.truncate(8 + len(text) + end)


def main():
    out = pathlib.Path(sys.argv[1])
    normal = None if "--sparse" in sys.argv[2:] else pool()
    out.mkdir(parents=True)
    shutil.copy(TINY / "model_index.json", out)
    for folder in ("tokenizer", "scheduler"):
        shutil.copytree(TINY / folder, out / folder)
    for folder, (tensors, stem, changes) in PARTS.items():
        (out / folder).mkdir()
        config = json.loads((TINY / folder / "config.json").read_text(encoding="utf-8"))
        (out / folder / "config.json").write_text(json.dumps({**config, **changes}, indent=2),
                                                  encoding="utf-8")
        write_weights(out / folder / (stem + ".safetensors"), tensors(), normal)


if __name__ == "__main__":
    main()
