# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of a fill that meet those around it: engine/drive/seamless.h says what is solved."""
import torch
import torch.nn.functional as F

REACH = 0.15        # of the trained size, as in engine/drive/generate.c
OVER_RELAXED = 1.94
STILL = 1e-4        # a move, of [-1, 1], that ends it
MOST = 600


def around(x):
    """[B, C, H, W] -> its four neighbours' values, 0 beyond the edges: [4, B, C, H, W]."""
    p = F.pad(x, (1, 1, 1, 1))
    return torch.stack([p[:, :, 1:-1, :-2], p[:, :, 1:-1, 2:], p[:, :, :-2, 1:-1], p[:, :, 2:, 1:-1]])


def correction(painted, source, mask, reach):
    """What is to be added to `painted` where `mask` [B, 1, H, W] is not 0: [B, 3, H, W]."""
    inside = (mask > 0).to(painted)
    outer = around(1 - inside)
    stiff = around(torch.ones_like(inside)).sum(0) + 1 / reach ** 2
    pull = (around(source * (1 - inside)) - outer * painted).sum(0)
    u = torch.zeros_like(painted)
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in painted.shape[2:]), indexing="ij")
    colours = [inside * ((rows + columns) % 2 == k) for k in (0, 1)]     # a draughtboard's two
    for _ in range(MOST):
        before = u
        for turn in colours:
            u = u + OVER_RELAXED * turn * ((pull + around(u).sum(0)) / stiff - u)
        if (u - before).abs().max() < STILL:
            break
    return u


def fade(mask, reach):
    """[B, 1, H, W]: 1 at the border, 0 from `reach` px inside it on, 0 outside."""
    out = torch.zeros_like(mask)
    for weight, inside in zip(out[:, 0], mask[:, 0] > 0):
        if inside.any() and not inside.all():
            distance = torch.cdist(inside.nonzero().float(), (~inside).nonzero().float()).min(1).values
            t = ((distance - 1) / reach).clamp(0, 1)
            weight[inside] = 1 - t * t * (3 - 2 * t)
    return out


def match(painted, source, mask, trained):
    """`painted` with the colours of what lies around the mask; trained: the model's size in px."""
    reach = REACH * trained
    return (painted + fade(mask, reach) * correction(painted, source, mask, reach)).clamp(-1, 1)
