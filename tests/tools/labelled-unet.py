#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the cases of U-Nets that are told more than the text: class labels, sizes, guidance.

    labelled-unet.py DIFFUSERS OUT

DIFFUSERS  the source tree of diffusers; what it imports and this system lacks is stubbed, since
           only the network itself is needed
OUT        tests/data

unet-labels-tiny is random and has class_embed_type "projection", resnet_time_scale_shift
"scale_shift", three levels and the 2 L + 1 channels of inpainting. unet-labels-int8-tiny holds the
same weights as training/quantise.py stores them. unet-told-tiny has the embeddings of
SDXL's refiner (five sizes beside the pooled text) and of a latent consistency model (the guidance).
The numbers of all are the reference implementation's own, those of quantised weights with what
data * scale gives.
"""
import importlib.abc
import importlib.machinery
import math
import os
import sys
import types

import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "training"))
import common  # noqa: E402
import quantise  # noqa: E402

MISSING = ("huggingface_hub", "safetensors", "tqdm", "httpx", "requests")
TRACED = ("resnets", "attentions", "downsamplers", "upsamplers")
HEIGHT, WIDTH, TOKENS = 6, 5, 9
WEIGHTS = "diffusion_pytorch_model.safetensors"
CONFIG = {
    "act_fn": "silu", "attention_head_dim": [1, 2, 3], "block_out_channels": [8, 16, 24],
    "class_embed_type": "projection", "cross_attention_dim": 32,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 9, "layers_per_block": 1,
    "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-05, "norm_num_groups": 8,
    "out_channels": 4, "projection_class_embeddings_input_dim": 32,
    "resnet_time_scale_shift": "scale_shift", "sample_size": 16, "transformer_layers_per_block": 1,
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": False,
}

TOLD = {
    **{name: value for name, value in CONFIG.items() if "class" not in name},
    "addition_embed_type": "text_time", "addition_time_embed_dim": 8, "in_channels": 8,
    "projection_class_embeddings_input_dim": 24 + 5 * 8, "resnet_time_scale_shift": "default",
    "time_cond_proj_dim": 12, "use_linear_projection": True,
}
GUIDANCE = (1.0, 7.5)


class Anything(type):
    """Of classes that stand for whatever is asked of a module that is not there."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)


def stand_in(name):
    return Anything(name, (), {"__init__": lambda self, *a, **k: None,
                               "__call__": lambda self, *a, **k: self})


class StubModule(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name.isupper():
            return ""
        # decorators hand back what they are given
        return (lambda f: f) if name.startswith("validate") else stand_in(name)


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name.split(".")[0] in MISSING else None

    def create_module(self, spec):
        return StubModule(spec.name)

    def exec_module(self, module):
        pass


def reference_class(source):
    sys.meta_path.append(Stubs())
    sys.path.insert(0, os.path.join(source, "src"))
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    return UNet2DConditionModel


def random_unet(cls, config):
    """Norms and biases are random too, so that one left out shows; all values are exact in fp16."""
    torch.manual_seed(8)
    unet = cls(**config).eval()
    with torch.no_grad():
        for name, value in unet.named_parameters():
            if value.dim() == 1:
                middle = 1.0 if "norm" in name and "weight" in name else 0.0
                value.copy_(middle + 0.2 * torch.randn_like(value))
            value.copy_(value.half().float())
    return unet


def first(value):
    return value[0] if isinstance(value, tuple) else getattr(value, "sample", value)


def traced(unet, tensors):
    """The call's output, and those of the modules inside."""
    out = {}

    def keep(name):
        return lambda module, given, value: out.__setitem__("trace." + name, first(value).detach())

    for name, module in unet.named_modules():
        if name.endswith("_embedding") or "." in name and name.split(".")[-2] in TRACED:
            module.register_forward_hook(keep(name))
    out["out"] = unet(tensors["sample"], tensors["timestep"], tensors["encoder_hidden_states"],
                      **told(tensors)).sample
    return out


def told(tensors):
    """What the call is given beside the text. The guidance is embedded as pipelines do it."""
    if "class_labels" in tensors:
        return {"class_labels": tensors["class_labels"]}
    half = TOLD["time_cond_proj_dim"] // 2
    rates = torch.exp(-math.log(10000.0) / (half - 1) * torch.arange(half))
    angles = tensors["guidance"][:, None] * rates
    return {"timestep_cond": torch.cat([angles.sin(), angles.cos()], 1),
            "added_cond_kwargs": {"text_embeds": tensors["added.text_embeds"],
                                  "time_ids": tensors["added.time_ids"]}}


def write(data, model, unet, state, config):
    """One model folder, and its case."""
    folder = os.path.join(data, "models", model, "unet")
    os.makedirs(folder, exist_ok=True)
    common.save_json(os.path.join(folder, "config.json"),
                     {"_class_name": "UNet2DConditionModel", **config})
    common.save_safetensors(os.path.join(folder, WEIGHTS), state)
    unet.load_state_dict({name: value.float() for name, value in
                          common.load_safetensors(os.path.join(folder, WEIGHTS)).items()})

    generator = torch.Generator().manual_seed(88)
    tensors = {
        "sample": torch.randn(2, config["in_channels"], HEIGHT, WIDTH, generator=generator),
        "timestep": torch.tensor([961.25, 20.0]),
        "encoder_hidden_states": torch.randn(2, TOKENS, config["cross_attention_dim"],
                                             generator=generator),
    }
    if config is TOLD:
        tensors["added.text_embeds"] = torch.randn(2, 24, generator=generator)
        tensors["added.time_ids"] = torch.tensor([[768.0, 1024.0, 0.0, 16.0, 2.5],
                                                  [768.0, 1024.0, 0.0, 16.0, 6.0]])
        tensors["guidance"] = (torch.tensor(GUIDANCE) - 1) * 1000
    else:
        tensors["class_labels"] = torch.randn(2, config["projection_class_embeddings_input_dim"],
                                              generator=generator)
    with torch.no_grad():
        tensors.update(traced(unet, tensors))
    what = "sizes and guidance" if config is TOLD else "class labels"
    folder = os.path.join(data, "cases", "trace-" + model)
    os.makedirs(folder, exist_ok=True)
    common.save_safetensors(os.path.join(folder, "goldens.safetensors"), tensors)
    common.save_json(os.path.join(folder, "case.json"), {
        "case": os.path.basename(folder), "model": model, "class": "UNet2DConditionModel",
        "what": f"one forward with {what}, {WIDTH}x{HEIGHT} latents; output of sub-modules",
        "tensors": {name: ["float32", list(t.shape)] for name, t in sorted(tensors.items())},
        "provenance": {"computed by": "tests/tools/labelled-unet.py", "torch": torch.__version__,
                       "diffusers": "58eb52c0803ea9af3abec60841c2a093bdf1f951"},
    })


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    cls = reference_class(sys.argv[1])
    unet = random_unet(cls, CONFIG)
    state = {name: value.clone() for name, value in unet.state_dict().items()}
    write(sys.argv[2], "unet-labels-tiny", unet,
          {name: value.half() for name, value in state.items()}, CONFIG)
    write(sys.argv[2], "unet-labels-int8-tiny", unet, quantise.quantised(state), CONFIG)
    unet = random_unet(cls, TOLD)
    write(sys.argv[2], "unet-told-tiny", unet,
          {name: value.half() for name, value in unet.state_dict().items()}, TOLD)


main()
