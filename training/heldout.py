# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures to measure on, all of them held out: families and photographs of the splits val and test.

`regions.tsv` names parts of held-out photographs that show one material, where the pack's labels speak of the whole
picture; water is held out nowhere else.
"""
import csv
import os
import random

import torch

import classifier
import crops
import styles

HERE = os.path.dirname(os.path.abspath(__file__))


def read_regions(path=os.path.join(HERE, "regions.tsv")):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t"))


def part(item, row):
    """The region of a held-out picture as a picture of its own."""
    height, width = item["pixels"].shape[1:]
    left, right = (round(float(row[k]) * width) for k in ("left", "right"))
    top, bottom = (round(float(row[k]) * height) for k in ("top", "bottom"))
    return dict(item, pixels=item["pixels"][:, top:bottom, left:right], tileable="no")


def by_material(held):
    """-> for each of classifier.MATERIALS the held-out pictures that show nothing else."""
    found = [[] for _ in classifier.MATERIALS]
    for item in held:
        if item["kind"] in ("texture", "sky") and item["label"] in classifier.MATERIAL_OF:
            found[classifier.MATERIAL_OF[item["label"]]].append(item)
    named = {item["file"]: item for item in held}
    for row in read_regions():
        if row["file"] in named:
            found[classifier.MATERIALS.index(row["material"])].append(part(named[row["file"]], row))
    return found


def material_windows(held, each, seed=31):
    """-> real crops [B, 3, 64, 64], as many of every material that is held out, and their materials' indices."""
    random.seed(seed)
    windows, truth = [], []
    for index, items in enumerate(by_material(held)):
        for item in (items[k % len(items)] for k in range(each if items else 0)):
            windows.append(crops.crop(item, classifier.WINDOW, jittered=False))
            truth.append(index)
    return torch.stack(windows), torch.tensor(truth)


def restyle_sources(held, count):
    """-> pictures [count, 3, 128, 128]: photographs first, whole, then whatever else is held out."""
    chosen = sorted(held, key=lambda i: i["kind"] != "photo")
    return torch.stack([crops.centre(chosen[k % len(chosen)], 128, whole=True) for k in range(count)])


def styled_pictures(held, each, seed=32):
    """-> what the filters make of held-out pictures [B, 3, 128, 128], and the styles' indices; 0 is untouched."""
    random.seed(seed)
    torch.manual_seed(seed)
    pictures, truth = [], []
    for x in restyle_sources(held, each):
        for index, name in enumerate(classifier.STYLES):
            pictures.append(styles.apply(name, x) if index else x)
            truth.append(index)
    return torch.stack(pictures), torch.tensor(truth)
