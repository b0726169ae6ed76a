#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small random adapters for tests/data/models/sd15-tiny, and what they make of its weights.

    adapters.py OUT

OUT  tests/data

Each of OUT/adapters/NAME.safetensors is an adapter as one program or another writes it, and
OUT/adapters/NAME.merged.safetensors holds the weights that it touches as they are at the strength
STRENGTH, computed here by the definition of its kind and named "part/weight".
"""
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "training"))
import common  # noqa: E402

STRENGTH = 0.75
RANK = 2
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0"
KOHYA = "lora_unet_" + ATTENTION.replace(".", "_")
CONV = "down_blocks.1.resnets.0.conv1"
TEXT = "text_model.encoder.layers.0.self_attn"
FILES = {"unet": "unet/diffusion_pytorch_model.safetensors",
         "text": "text_encoder/model.safetensors"}


class Adapter:
    """Tensors of an adapter, and the weights that it changes."""

    def __init__(self, model):
        self.model, self.tensors, self.merged = model, {}, {}

    def put(self, name, **tensors):
        for role, tensor in tensors.items():
            self.tensors[name + "." + role.replace("__", ".")] = tensor.clone()

    def weight(self, part, name):
        return self.merged.get(f"{part}/{name}.weight", self.model[part][name + ".weight"].float())

    def change(self, part, name, delta, magnitude=None, over=None):
        weight = self.weight(part, name)
        changed = weight + delta.reshape(weight.shape)
        if magnitude is not None:
            changed = changed * magnitude / changed.square().sum(over, keepdim=True).sqrt()
        self.merged[f"{part}/{name}.weight"] = weight + STRENGTH * (changed - weight)


def random(*shape):
    return torch.randn(*shape) * 0.3


def low_rank(shape, rank=RANK):
    """Factors of a linear layer's or a convolution's change, and the change."""
    down = random(rank, *shape[1:])
    up = random(shape[0], rank, *[1] * (len(shape) - 2))
    return down, up, up.reshape(shape[0], rank) @ down.reshape(rank, -1)


def kohya(adapter):
    shape = adapter.weight("unet", ATTENTION + ".attn1.to_q").shape
    down, up, delta = low_rank(shape)
    adapter.put(KOHYA + "_attn1_to_q", lora_down__weight=down,
                lora_up__weight=up, alpha=torch.tensor(1.0))
    adapter.change("unet", ATTENTION + ".attn1.to_q", delta * (1.0 / RANK))

    down, up, delta = low_rank(adapter.weight("text", TEXT + ".q_proj").shape)
    adapter.put("lora_te_" + TEXT.replace(".", "_") + "_q_proj", lora_down__weight=down,
                lora_up__weight=up)
    adapter.change("text", TEXT + ".q_proj", delta)


def locon(adapter):
    """A convolution with its middle apart, named as the original code has it."""
    shape = adapter.weight("unet", CONV).shape
    down, mid, up = random(3, shape[1], 1, 1), random(2, 3, 3, 3), random(shape[0], 2, 1, 1)
    level = adapter.layers + 1
    adapter.put(f"lora_unet_input_blocks_{level + 1}_0_in_layers_2", lora_down__weight=down,
                lora_mid__weight=mid, lora_up__weight=up, alpha=torch.tensor(1.5))
    adapter.change("unet", CONV, torch.einsum("mi,ijkl,jc->mckl", up[:, :, 0, 0], mid,
                                              down[:, :, 0, 0]) * (1.5 / 3))

    shape = adapter.weight("unet", "mid_block.attentions.0.proj_in").shape
    down, up, delta = low_rank(shape)
    adapter.put("lora_unet_middle_block_1_proj_in", lora_down__weight=down, lora_up__weight=up)
    adapter.change("unet", "mid_block.attentions.0.proj_in", delta)


def diffusers(adapter):
    down, up, delta = low_rank(adapter.weight("unet", ATTENTION + ".attn2.to_k").shape)
    adapter.put(f"unet.{ATTENTION}.attn2.to_k", lora_A__weight=down, lora_B__weight=up)
    adapter.change("unet", ATTENTION + ".attn2.to_k", delta)

    down, up, delta = low_rank(adapter.weight("unet", ATTENTION + ".attn1.to_out.0").shape)
    adapter.put(f"unet.{ATTENTION}.attn1.processor.to_out_lora", down__weight=down, up__weight=up)
    adapter.change("unet", ATTENTION + ".attn1.to_out.0", delta)

    down, up, delta = low_rank(adapter.weight("text", TEXT + ".v_proj").shape)
    adapter.put(f"text_encoder.{TEXT}.v_proj", lora_A__weight=down, lora_B__weight=up)
    adapter.change("text", TEXT + ".v_proj", delta)


def loha(adapter):
    rows, columns = adapter.weight("unet", ATTENTION + ".attn1.to_q").shape
    a, b = random(rows, RANK), random(RANK, columns)
    c, d = random(rows, RANK), random(RANK, columns)
    adapter.put(KOHYA + "_attn1_to_q", hada_w1_a=a, hada_w1_b=b, hada_w2_a=c, hada_w2_b=d,
                alpha=torch.tensor(1.0))
    adapter.change("unet", ATTENTION + ".attn1.to_q", (a @ b) * (c @ d) / RANK)

    rows, columns = adapter.weight("unet", CONV).shape[:2]
    tensors = {"hada_t1": random(RANK, RANK, 3, 3), "hada_w1_a": random(RANK, rows),
               "hada_w1_b": random(RANK, columns), "hada_t2": random(RANK, RANK, 3, 3),
               "hada_w2_a": random(RANK, rows), "hada_w2_b": random(RANK, columns)}
    adapter.put("lora_unet_" + CONV.replace(".", "_"), **tensors)
    one, two = (torch.einsum("ijkl,jr,ip->prkl", tensors[f"hada_t{i}"], tensors[f"hada_w{i}_b"],
                             tensors[f"hada_w{i}_a"]) for i in (1, 2))
    adapter.change("unet", CONV, one * two)


def lokr(adapter):
    rows, columns = adapter.weight("unet", ATTENTION + ".attn1.to_q").shape
    one, two = random(2, 4), random(rows // 2, columns // 4)
    adapter.put(KOHYA + "_attn1_to_q", lokr_w1=one, lokr_w2=two,
                alpha=torch.tensor(99.0))
    adapter.change("unet", ATTENTION + ".attn1.to_q", torch.kron(one, two))

    rows, columns = adapter.weight("unet", ATTENTION + ".attn2.to_k").shape
    one, a, b = random(4, 2), random(rows // 4, RANK), random(RANK, columns // 2)
    adapter.put(KOHYA + "_attn2_to_k", lokr_w1=one,
                lokr_w2_a=a, lokr_w2_b=b, alpha=torch.tensor(1.0))
    adapter.change("unet", ATTENTION + ".attn2.to_k", torch.kron(one, a @ b) / RANK)

    rows, columns = adapter.weight("unet", CONV).shape[:2]
    c, d, core = random(2, RANK), random(RANK, 2), random(RANK, RANK, 3, 3)
    a, b = random(RANK, rows // 2), random(RANK, columns // 2)
    adapter.put("lora_unet_" + CONV.replace(".", "_"), lokr_w1_a=c, lokr_w1_b=d, lokr_t2=core,
                lokr_w2_a=a, lokr_w2_b=b)
    adapter.change("unet", CONV, torch.kron((c @ d)[:, :, None, None],
                                            torch.einsum("ijkl,jr,ip->prkl", core, b, a)
                                            .contiguous()))


def dora(adapter):
    """Magnitudes of the outputs, and of the inputs."""
    name = ATTENTION + ".attn2.to_k"
    rows, columns = adapter.weight("unet", name).shape
    down, up, delta = low_rank((rows, columns))
    outputs = random(rows) + 1
    adapter.put("unet." + name, lora_A__weight=down, lora_B__weight=up,
                lora_magnitude_vector=outputs)
    adapter.change("unet", name, delta, outputs[:, None], 1)

    shape = adapter.weight("unet", CONV).shape
    inputs = random(1, shape[1], 1, 1) + 1
    down, up, delta = low_rank(shape)
    adapter.put("lora_unet_" + CONV.replace(".", "_"), lora_down__weight=down, lora_up__weight=up,
                dora_scale=inputs)
    adapter.change("unet", CONV, delta, inputs, (0, 2, 3))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = os.path.join(sys.argv[1], "models", "sd15-tiny")
    model = {part: common.load_safetensors(os.path.join(folder, file))
             for part, file in FILES.items()}
    out = os.path.join(sys.argv[1], "adapters")
    os.makedirs(out, exist_ok=True)
    torch.manual_seed(5)
    for write in (kohya, locon, diffusers, loha, lokr, dora):
        adapter = Adapter(model)
        adapter.layers = sum(name.startswith("down_blocks.0.resnets.") and
                             name.endswith("conv1.weight") for name in model["unet"])
        write(adapter)
        path = os.path.join(out, write.__name__)
        common.save_safetensors(path + ".safetensors", adapter.tensors)
        common.save_safetensors(path + ".merged.safetensors", adapter.merged)


main()
