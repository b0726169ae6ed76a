# SPDX-License-Identifier: GPL-3.0-or-later
"""Classical filters that the restyle mode learns from. Image float [3, H, W] in [-1, 1] in and out.

Radii are in pixels of the training size, where they must be visible: a filter whose result looks like its source
teaches nothing. Oil and watercolour use the Kuwahara filter (IEEE Trans. Computers 1976: the mean of the calmest of
four neighbouring quadrants); pencil is the colour-dodge of a blurred negative; ink and cartoon lines are a
difference of Gaussians under a soft threshold.
"""
import random

import torch
import torch.nn.functional as F

LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


def luma(x):
    return (x * LUMA).sum(0, keepdim=True)


def tint(x, red, green, blue):
    return x * torch.tensor([red, green, blue])[:, None, None]


def blur(x, sigma):
    radius = max(1, int(2.5 * sigma))
    k = torch.exp(-torch.arange(-radius, radius + 1, dtype=torch.float32).square() / (2 * sigma * sigma))
    k = (k / k.sum()).repeat(x.shape[0], 1)
    pad = F.pad(x[None], (radius,) * 4, mode="replicate")
    pad = F.conv2d(pad, k[:, None, None, :], groups=x.shape[0])
    return F.conv2d(pad, k[:, None, :, None], groups=x.shape[0])[0]


def saturate(x, amount):
    g = luma(x)
    return g + (x - g) * amount


def kuwahara(x, radius):
    """x in [0, 1]; the four quadrants' statistics are one box filter read at four offsets."""
    size = radius + 1
    stack = torch.cat([x, luma(x), luma(x).square()])[None]
    box = F.avg_pool2d(F.pad(stack, (radius,) * 4, mode="replicate"), size, stride=1)[0]
    h, w = x.shape[1:]
    corners = [box[:, a:a + h, b:b + w] for a in (0, radius) for b in (0, radius)]
    variance = torch.stack([c[4] - c[3].square() for c in corners])
    weight = torch.softmax(-variance * 600, 0)[:, None]
    return (torch.stack([c[:3] for c in corners]) * weight).sum(0)


def lines(x, sigma=1.0, gain=28.0, level=0.012):
    """Dark lines along edges: 1 on flat areas, towards 0 on a line; x in [0, 1]."""
    g = luma(x)
    return torch.sigmoid((blur(g, sigma) - blur(g, 1.6 * sigma) + level) * gain * 10).clamp(0, 1)


def grain(h, w, scale):
    n = torch.randn(1, 1, max(2, h // scale), max(2, w // scale))
    return F.interpolate(n, size=(h, w), mode="bilinear", align_corners=False)[0]


def black_and_white(x):
    return ((luma(x) - 0.5) * 1.1 + 0.5).expand(3, -1, -1)


def sepia(x):
    g = luma(x)
    return torch.cat([g * 1.02 + 0.06, g * 0.86 + 0.03, g * 0.62 + 0.01])


def night(x):
    g = luma(x)
    return tint(0.36 * (0.45 * x + 0.55 * g), 0.55, 0.8, 1.4) + 0.3 * (g - 0.8).clamp_min(0) + 0.01


def sunset_light(x):
    h = torch.linspace(0.14, -0.02, x.shape[1])[:, None]
    return tint(x, 1.15, 0.82, 0.58) + tint(torch.ones_like(x), 1.0, 0.45, 0.1) * h


def fog(x):
    depth = torch.linspace(0.78, 0.45, x.shape[1])[:, None]
    return saturate(x, 0.55) * (1 - depth) + tint(torch.ones_like(x), 0.80, 0.83, 0.86) * depth


def vintage_photo(x):
    return tint(saturate(x, 0.6) * 0.72, 1.08, 0.98, 0.80) + tint(torch.ones_like(x), 0.17, 0.13, 0.10)


def winter(x):
    g = luma(x)
    return tint(saturate(x, 0.3) * 0.62, 0.93, 1.0, 1.08) + 0.30 + 0.12 * (g - 0.5)


def autumn(x):
    """Greens to orange and brown: what green has over blue goes to red."""
    leaf = (x[1:2] - torch.maximum(x[2:3], x[0:1] * 0.8)).clamp_min(0)
    return tint(x + torch.cat([1.5 * leaf, -0.1 * leaf, -0.6 * leaf]), 1.10, 0.96, 0.82)


def oil_painting(x):
    y = kuwahara(kuwahara(x, random.choice((4, 5, 6))), 3)
    return saturate((y - 0.5) * 1.15 + 0.5, 1.4)


def watercolor(x):
    y = kuwahara(x, random.choice((3, 4, 5)))
    edge = (luma(y) - blur(luma(y), 2.5)).abs()
    paper = 1 + 0.03 * grain(*x.shape[1:], 2)
    return (1 - (1 - saturate(y, 1.25)) * 0.72) * paper - 1.6 * edge.clamp_max(0.12)


def pencil_sketch(x):
    g = luma(x)
    dodge = (g / (1 - blur(1 - g, random.uniform(2.0, 4.0)) + 0.02).clamp_min(0.02)).clamp(0, 1)
    y = dodge ** 2.5 * (0.86 + 0.14 * g) + 0.03 * grain(*x.shape[1:], 1)
    return y.expand(3, -1, -1) * 0.98


def ink_drawing(x):
    g = luma(x)
    y = lines(x, random.uniform(1.2, 1.8), 20.0, 0.010) * torch.sigmoid((g - 0.22) * 18)
    return tint(y.expand(3, -1, -1) * 0.96 + 0.03, 1.0, 0.99, 0.95)


def cartoon(x):
    y = saturate(kuwahara(x, 4), 1.6)
    levels = random.choice((4, 5))
    step = y * levels
    soft = step.floor() + torch.sigmoid((step - step.floor() - 0.5) * 14)
    return (soft / levels) * (0.12 + 0.88 * lines(x, 1.4, 20.0, 0.012)) + 0.03


def pixel_art(x):
    """Blocks of 8 px, eight levels a channel."""
    small = F.avg_pool2d(saturate(x, 1.35)[None], 8)
    small = (small * 7).round() / 7
    return F.interpolate(small, size=x.shape[1:], mode="nearest")[0]


def comic_halftone(x):
    """Flat colour under a 45 degree screen of black dots, two a cell of 8 px, larger where it is darker."""
    flat = saturate(kuwahara(x, 3), 1.5)
    h, w = x.shape[1:]
    yy, xx = (torch.arange(n, dtype=torch.float32) + 0.5 for n in (h, w))
    near = lambda t, at: (torch.remainder(t - at + 4, 8) - 4).square()
    distance = torch.minimum(near(yy, 2)[:, None] + near(xx, 2), near(yy, 6)[:, None] + near(xx, 6)).sqrt()
    radius = 2.8 * (1 - luma(flat)).clamp(0, 1) - 0.2
    dots = torch.sigmoid((radius - distance) * 4)
    ink = lines(x, 1.4, 20.0, 0.012)
    return ((0.35 + 0.65 * flat) * (1 - 0.6 * dots)) * (0.15 + 0.85 * ink)


def mosaic(x):
    """Square tiles of 8 px with a light and a dark edge and dark grout between them."""
    flat = F.interpolate(F.avg_pool2d(saturate(x, 1.4)[None], 8), size=x.shape[1:], mode="nearest")[0]
    ramp = torch.tensor([-0.40, 0.20, 0.10, 0.05, 0.05, 0.0, -0.08, -0.40])
    h, w = x.shape[1:]
    down, across = ramp.repeat(h // 8)[:, None], ramp.repeat(w // 8)[None]
    edge = torch.where(down.abs() >= across.abs(), down.expand(h, w), across.expand(h, w))
    return (0.08 + 0.92 * flat) * (1 + edge) + 0.2 * edge.clamp_min(0)


# name -> (filter, other words for it, kind)
STYLES = {
    "black and white": (black_and_white, ("monochrome", "grayscale"), "tone"),
    "sepia": (sepia, ("sepia photo",), "tone"),
    "night": (night, ("at night", "moonlight"), "tone"),
    "sunset light": (sunset_light, ("golden hour", "evening light"), "tone"),
    "fog": (fog, ("mist", "foggy"), "tone"),
    "vintage photo": (vintage_photo, ("old photo", "faded photo"), "tone"),
    "winter": (winter, ("cold winter light", "frosty"), "tone"),
    "autumn": (autumn, ("autumn colors", "fall colours"), "tone"),
    "oil painting": (oil_painting, ("painting", "oil on canvas"), "painterly"),
    "watercolor": (watercolor, ("watercolour", "watercolor painting"), "painterly"),
    "pencil sketch": (pencil_sketch, ("pencil drawing", "sketch"), "painterly"),
    "ink drawing": (ink_drawing, ("pen and ink", "line drawing"), "painterly"),
    "cartoon": (cartoon, ("cartoon drawing", "cartoon style"), "painterly"),
    "pixel art": (pixel_art, ("pixelated", "8-bit pixel art"), "painterly"),
    "comic halftone": (comic_halftone, ("halftone", "comic book"), "painterly"),
    "mosaic": (mosaic, ("tile mosaic", "mosaic tiles"), "painterly"),
}


def apply(name, x):
    y = STYLES[name][0](((x + 1) / 2).clamp(0, 1))
    return y.clamp(0, 1) * 2 - 1


def caption(name):
    """The style's name most of the time, else another word for it, with the templates users type."""
    words = name if random.random() < 0.7 else random.choice(STYLES[name][1])
    return random.choice((words, words, words, words + " style", "in the style of " + words, "a " + words))
