# SPDX-License-Identifier: GPL-3.0-or-later
"""Held-out pictures with holes: the same for the model, for the baselines and for every model that is compared."""
import dataclasses
import random

import torch
import torch.nn.functional as F

import classifier
import crops
import samples

SIZE = 128


def ellipse(size):
    yy, xx = samples.coordinates(size)
    return (((yy / size - 0.52) / 0.40) ** 2 + ((xx / size - 0.49) / 0.42) ** 2 < 1).float()


def square(size):
    yy, xx = samples.coordinates(size)
    inside = lambda t, low: (t > low * size) & (t < (low + 0.66) * size)
    return (inside(yy, 0.18) & inside(xx, 0.15)).float()


def lower(size):
    yy, xx = samples.coordinates(size)
    return (yy > (0.42 + 0.04 * torch.sin(xx / size * 9)) * size).float()


def upper(size):
    return lower(size).flip(0)


SHAPES = (ellipse, square, lower)
SKY_SHAPES = (ellipse, square, upper)


@dataclasses.dataclass
class Hole:
    """picture [3, H, W] whole; mask [1, H, W], 1 = to be filled; prompt; material: index into classifier.MATERIALS."""

    picture: torch.Tensor
    mask: torch.Tensor
    prompt: str
    material: int


def differing(held, count, seed=33):
    """Holes with words for what is not around them, as many of every material; contexts by turns photographs and
    whatever else is held out."""
    rng = random.Random(seed)
    random.seed(seed)
    photos = [i for i in held if i["kind"] == "photo"]
    others = [i for i in held if i["kind"] in ("texture", "sky")]
    rng.shuffle(photos)
    rng.shuffle(others)
    out = []
    for k in range(count):
        material = k % len(classifier.MATERIALS)
        context = photos[k // 2 % len(photos)] if k % 2 and photos else \
            others[next(j for j in range(k, k + len(others))
                        if classifier.MATERIAL_OF.get(others[j % len(others)]["label"]) != material) % len(others)]
        low, high = (1.5, 3.0) if context["kind"] == "photo" else (0.7, 2.2)
        name = classifier.MATERIALS[material]
        shapes = SKY_SHAPES if name in samples.SKIES else SHAPES
        mask = shapes[k // len(classifier.MATERIALS) % len(shapes)](SIZE)
        out.append(Hole(crops.crop(context, SIZE, low, high, jittered=False), mask[None], name, material))
    return out


def agreeing(held, count):
    """Holes in pictures of one material, with the material's word."""
    chosen = [i for i in held if i["kind"] in ("texture", "sky") and i["label"] in classifier.MATERIAL_OF]
    random.Random(34).shuffle(chosen)
    out = []
    for k, item in enumerate(chosen[:count]):
        mask = SHAPES[k % len(SHAPES)](SIZE)
        prompt = samples.HEADS[item["label"]][0]
        out.append(Hole(crops.centre(item, SIZE), mask[None], prompt, classifier.MATERIAL_OF[item["label"]]))
    return out


def window(mask):
    """Corner (row, column) of the classifier's window that lies wholly in the hole, as near its middle as may be."""
    side = classifier.WINDOW
    fits = (F.avg_pool2d(mask[None], side, 1)[0, 0] > 0.9999).nonzero()
    middle = fits.float().mean(0)
    return fits[(fits - middle).square().sum(1).argmin()].tolist()


def look(pictures, holes):
    """What fills the holes, as the classifier sees it: [B, 3, 64, 64]."""
    out = []
    for picture, hole in zip(pictures, holes):
        top, left = window(hole.mask)
        out.append(picture[:, top:top + classifier.WINDOW, left:left + classifier.WINDOW])
    return torch.stack(out)
