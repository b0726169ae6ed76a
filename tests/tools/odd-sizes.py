#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes cases for sizes that the reference cases lack: latents with odd sides.

    odd-sizes.py OUT

OUT is tests/data. The numbers come from the PyTorch modules in training/, which
training/selftest.py compares with the reference implementation. The upsamplers go back to the
size of the skip, as the reference does when a side is no multiple of its factor. unet3-tiny is
a random U-Net of three levels in the shape of the bundled model: 2 L + 1 channels in, no
attention at the first level.
"""
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "training"))
import common  # noqa: E402
import modules  # noqa: E402

TOKENS = 11
TRACED = ("resnets", "attentions", "downsamplers", "upsamplers")
SIZES = {"sd15-tiny": (5, 12), "unet3-tiny": (7, 9)}     # height, width
CONFIG = {
    "_class_name": "UNet2DConditionModel", "act_fn": "silu", "attention_head_dim": [1, 2, 3],
    "block_out_channels": [8, 16, 24], "cross_attention_dim": 20,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 9, "layers_per_block": 1,
    "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-05, "norm_num_groups": 4,
    "out_channels": 4, "sample_size": 16, "transformer_layers_per_block": 1,
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": True,
}


def write_unet3(folder):
    torch.manual_seed(3)
    unet = modules.UNet2DConditionModel(CONFIG)
    os.makedirs(folder, exist_ok=True)
    common.save_json(os.path.join(folder, "config.json"), CONFIG)
    common.save_safetensors(os.path.join(folder, "diffusion_pytorch_model.safetensors"),
                            {name: value.half() for name, value in unet.state_dict().items()})


def load_unet(folder):
    unet = modules.UNet2DConditionModel(common.load_json(os.path.join(folder, "config.json")))
    state = common.load_safetensors(os.path.join(folder, "diffusion_pytorch_model.safetensors"))
    unet.load_state_dict({name: value.float() for name, value in state.items()})
    return unet.eval()


def traced(unet, tensors):
    """The call's output, and those of the modules that the reference traces."""
    out = {}

    def keep(name):
        return lambda module, given, value: out.__setitem__("trace." + name, value.detach())

    for name, module in unet.named_modules():
        if "." in name and name.split(".")[-2] in TRACED:
            module.register_forward_hook(keep(name))
    out["out"] = unet(tensors["sample"], tensors["timestep"], tensors["encoder_hidden_states"])
    return out


def write_case(data, model):
    height, width = SIZES[model]
    unet = load_unet(os.path.join(data, "models", model, "unet"))
    config = unet.config
    generator = torch.Generator().manual_seed(height * 100 + width)
    tensors = {
        "sample": torch.randn(2, config["in_channels"], height, width, generator=generator),
        "timestep": torch.tensor([961.25, 20.0]),
        "encoder_hidden_states": torch.randn(2, TOKENS, config["cross_attention_dim"],
                                             generator=generator),
    }
    with torch.no_grad():
        tensors.update(traced(unet, tensors))
    folder = os.path.join(data, "cases", f"trace-unet-odd-{model}")
    os.makedirs(folder, exist_ok=True)
    common.save_safetensors(os.path.join(folder, "goldens.safetensors"), tensors)
    common.save_json(os.path.join(folder, "case.json"), {
        "case": os.path.basename(folder), "model": model, "class": "UNet2DConditionModel",
        "what": f"one forward at an odd size, {width}x{height} latents; output of sub-modules",
        "tensors": {name: ["float32", list(t.shape)] for name, t in sorted(tensors.items())},
        "provenance": {"computed by": "tests/tools/odd-sizes.py", "torch": torch.__version__},
    })


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_unet3(os.path.join(sys.argv[1], "models", "unet3-tiny", "unet"))
    for model in SIZES:
        write_case(sys.argv[1], model)


main()
