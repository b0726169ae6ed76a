# SPDX-License-Identifier: GPL-3.0-or-later
"""Random crops of pack images: scale, flip, colour jitter. Images leave as float [3, size, size] in [-1, 1]."""
import collections
import math
import random

import torch
import torch.nn.functional as F

# share of the picks each kind gets
KIND_SHARE = {"texture": 0.68, "sky": 0.12, "photo": 0.15, "illustration": 0.05}


def image_weights(items):
    """Square root of the class size, so that a thin class (water, roof) is not drowned by rock and grass."""
    count = collections.Counter((i["kind"], i["label"]) for i in items)
    raw = [1 / math.sqrt(count[i["kind"], i["label"]]) for i in items]
    total = collections.Counter()
    for item, w in zip(items, raw):
        total[item["kind"]] += w
    return [w * KIND_SHARE[i["kind"]] / total[i["kind"]] for i, w in zip(items, raw)]


def resize(x, size):
    """uint8 or float [3, H, W] -> float [3, size, size] in the input's range."""
    if x.shape[1] == size and x.shape[2] == size:
        return x.float()
    return F.interpolate(x[None].float(), size=(size, size), mode="bilinear", antialias=x.shape[1] > size,
                         align_corners=False)[0]


def jitter(x, strength=1.0):
    """Small exposure, gamma and white-balance changes that do not change what a material is called."""
    y = ((x + 1) / 2).clamp(1e-4, 1)
    y = y ** math.exp(random.gauss(0, 0.12 * strength)) * math.exp(random.gauss(0, 0.08 * strength))
    balance = torch.tensor([random.gauss(0, 0.03 * strength) for _ in range(3)]).exp()[:, None, None]
    return (y * balance * 2 - 1).clamp(-1, 1)


def crop(item, size, low=0.7, high=2.2, jittered=True, turn=False):
    """A square window of `size` times a random factor in [low, high], within the image; tileable ones wrap round."""
    x = item["pixels"][:3]
    height, width = x.shape[1:]
    side = min(height, width)
    window = int(size * math.exp(random.uniform(math.log(low), math.log(high))))
    if item["kind"] == "texture" and item["tileable"] == "xy" and random.random() < 0.3:
        x = torch.roll(x, (random.randrange(height), random.randrange(width)), (1, 2))
    window = max(48, min(side, window))
    top, left = random.randint(0, height - window), random.randint(0, width - window)
    y = resize(x[:, top:top + window, left:left + window], size) / 127.5 - 1
    if random.random() < 0.5:
        y = y.flip(2)
    if turn:
        y = torch.rot90(y, random.randint(0, 3), (1, 2))
    return jitter(y) if jittered else y


def centre(item, size, whole=False):
    """The middle of an image, for evaluation: at its own scale, or the whole short side (`whole`)."""
    x = item["pixels"][:3]
    height, width = x.shape[1:]
    window = min(height, width) if whole else min(height, width, size)
    top, left = (height - window) // 2, (width - window) // 2
    return resize(x[:, top:top + window, left:left + window], size) / 127.5 - 1
