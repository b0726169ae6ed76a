#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tiny AutoencoderDC codecs with random weights, and what the reference computes from them.

    deep-codecs.py OUT

OUT is tests/data. Needs diffusers (Apache-2.0) in Python's path. The three codecs have between
them both ways of changing size, with and without residual blocks at the outermost level, and the
shortcuts around the innermost convolutions on and off; dcae-tiny is built like the bundled
model's codec. Weights are stored as F16, which holds them exactly.
"""
import os
import sys

import diffusers
import torch
from diffusers import AutoencoderDC

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "training"))
import common  # noqa: E402

SIZES = ((32, 32), (48, 24))         # width, height
CODECS = {
    "dcae-tiny": {
        "latent_channels": 6, "encoder_block_out_channels": [4, 16, 32],
        "decoder_block_out_channels": [8, 16, 32], "encoder_layers_per_block": [1, 1, 0],
        "decoder_layers_per_block": [1, 2, 1], "encoder_out_shortcut": False,
        "decoder_in_shortcut": False,
    },
    "dcae-shortcut-tiny": {
        "latent_channels": 8, "encoder_block_out_channels": [8, 16, 32],
        "decoder_block_out_channels": [8, 12, 24], "encoder_layers_per_block": [0, 2, 1],
        "decoder_layers_per_block": [0, 1, 2], "decoder_act_fns": "relu",
    },
    "dcae-conv-tiny": {
        "latent_channels": 4, "encoder_block_out_channels": [8, 8, 16],
        "decoder_block_out_channels": [6, 12, 16], "encoder_layers_per_block": [0, 1, 1],
        "decoder_layers_per_block": [1, 1, 1], "downsample_block_type": "Conv",
        "upsample_block_type": "interpolate", "decoder_act_fns": ["relu", "gelu", "silu"],
        "decoder_conv_act_fn": "silu", "scaling_factor": 0.5,
    },
}


def build(name, options):
    torch.manual_seed(len(name))
    codec = AutoencoderDC(encoder_qkv_multiscales=[[]] * 3, decoder_qkv_multiscales=[[]] * 3,
                          **options)
    with torch.no_grad():
        for key, value in codec.named_parameters():
            if "norm" in key:
                value.add_(0.2 * torch.randn_like(value))
            value.copy_(value.half().float())
    return codec.eval()


def write_model(folder, codec):
    config = {key: value for key, value in codec.config.items() if not key.startswith("_")}
    os.makedirs(folder, exist_ok=True)
    common.save_json(os.path.join(folder, "config.json"),
                     {"_class_name": "AutoencoderDC", "_diffusers_version": diffusers.__version__,
                      **config})
    common.save_safetensors(os.path.join(folder, "diffusion_pytorch_model.safetensors"),
                            {key: value.half() for key, value in codec.state_dict().items()})


def write_case(folder, name, codec):
    generator = torch.Generator().manual_seed(len(name))
    tensors = {}
    for width, height in SIZES:
        image = torch.rand(1, 3, height, width, generator=generator) * 2 - 1
        with torch.no_grad():
            latents = codec.encode(image).latent
            noise = torch.randn(latents.shape, generator=generator)
            results = {"image": image, "latents": latents, "decoded": codec.decode(latents).sample,
                       "random_latents": noise, "decoded_random": codec.decode(noise).sample}
        tensors.update({f"{width}x{height}.{key}": value for key, value in results.items()})
    os.makedirs(folder, exist_ok=True)
    common.save_safetensors(os.path.join(folder, "goldens.safetensors"), tensors)
    common.save_json(os.path.join(folder, "case.json"), {
        "case": name, "model": name, "class": "AutoencoderDC",
        "what": "image in [-1,1]; latents unscaled",
        "tensors": {key: ["float32", list(t.shape)] for key, t in sorted(tensors.items())},
        "provenance": {"computed by": "tests/tools/deep-codecs.py",
                       "diffusers": diffusers.__version__, "torch": torch.__version__},
    })


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, options in CODECS.items():
        codec = build(name, options)
        write_model(os.path.join(sys.argv[1], "models", name), codec)
        write_case(os.path.join(sys.argv[1], "cases", name), name, codec)


main()
