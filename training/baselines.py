# SPDX-License-Identifier: GPL-3.0-or-later
"""Other ways to fill a hole, to compare with: Telea's fast marching as OpenCV has it, and G'MIC's patch matching.

    python3 baselines.py telea|gmic PICTURE MASK OUT      MASK is white where the picture is to be filled

Neither knows words. They are used where they are installed (Debian: python3-opencv, gmic); nothing else needs them.
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np
import torch
from PIL import Image

import sheet

TELEA_RADIUS = 5        # px


class Missing(Exception):
    """What a baseline needs is not installed."""


def to_tensor(image):
    return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1).float() / 127.5 - 1


def telea(picture, mask):
    """picture [3, H, W] in [-1, 1], mask [1, H, W], 1 = to be filled -> picture."""
    try:
        import cv2
    except ImportError:
        raise Missing("python3-opencv is not installed") from None
    hole = (mask[0].numpy() > 0.5).astype(np.uint8)
    filled = cv2.inpaint(np.asarray(sheet.to_image(picture)), hole, TELEA_RADIUS, cv2.INPAINT_TELEA)
    return to_tensor(Image.fromarray(filled))


def gmic(picture, mask):
    """The same by G'MIC's multi-scale patch matching, with its defaults."""
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("picture.png", "mask.png", "out.png")]
        sheet.to_image(picture).save(names[0])
        sheet.to_image((mask * 2 - 1).expand(3, -1, -1)).convert("L").save(names[1])
        line = ["gmic", "-verbose", "0", *names[:2], "-inpaint_matchpatch[0]", "[1]", "-keep[0]", "-output", names[2]]
        try:
            subprocess.run(line, check=True, capture_output=True)
        except FileNotFoundError:
            raise Missing("gmic is not installed") from None
        return to_tensor(Image.open(names[2]))


METHODS = {"telea": telea, "gmic": gmic}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("picture")
    parser.add_argument("mask")
    parser.add_argument("out")
    args = parser.parse_args()
    picture, mask = to_tensor(Image.open(args.picture)), to_tensor(Image.open(args.mask))[:1]
    if picture.shape[1:] != mask.shape[1:]:
        raise SystemExit(f"{args.mask}: must be of the size of {args.picture}")
    try:
        sheet.to_image(METHODS[args.method](picture, (mask > 0).float())).save(args.out)
    except Missing as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
