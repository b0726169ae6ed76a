# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights as 8-bit whole numbers with one scale for each output channel: value = data * scale.

The layout of a quantised file is the one that huggingface/optimum-quanto writes (optimum/quanto/tensor/weights/
qbytes.py, Apache-2.0): in place of "X" there are "X._data", int8 of the same shape, and "X._scale", [M, 1, ...].
"""
import torch

LEAST = 1024        # elements; smaller tensors would save nothing worth the error


def quantise(tensor):
    """float [M, ...] -> int8 data of the same shape, float32 scale [M, 1, ...].

    The largest weight of a channel is 127. Smaller scales, tried for the least squared error, took 0.01 % off the
    error (0.4 % of the weights of the U-Net in models/default): not worth their lines.
    """
    rows = tensor.detach().float().flatten(1)
    scale = rows.abs().amax(1, keepdim=True) / 127
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    data = (rows / scale).round().to(torch.int8)
    return data.view(tensor.shape), scale.view(-1, *[1] * (tensor.dim() - 1))


def dequantise(data, scale):
    return data.float() * scale.float()


def quantised(state, keep=lambda name: False):
    """A module's state in the layout above: matrices and convolutions of LEAST elements or more as int8, but those that
    keep names, and everything else as fp16."""
    out = {}
    for name, value in state.items():
        if value.dim() in (2, 4) and value.numel() >= LEAST and not keep(name):
            out[name + "._data"], out[name + "._scale"] = quantise(value)
        else:
            out[name] = value.half() if value.is_floating_point() else value
    return out
