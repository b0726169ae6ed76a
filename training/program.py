# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the palimpsest program on pictures that are tensors here."""
import json
import os
import subprocess
import tempfile

import samples
import sheet


def run(palimpsest, command, folder, *options):
    """-> what `palimpsest COMMAND … --json` says."""
    line = [palimpsest, command, *options, "--json", "--quiet"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}: exit status {done.returncode}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def fill(palimpsest, model, picture, mask, prompt, folder, *options):
    """picture [3, H, W], mask [1, H, W]; the result is written to FOLDER/out.png."""
    sheet.to_image(picture).save(os.path.join(folder, "picture.png"))
    sheet.to_image((mask * 2 - 1).expand(3, -1, -1)).save(os.path.join(folder, "mask.png"))
    return run(palimpsest, "fill", folder, "picture.png", "--mask", "mask.png", "--prompt", prompt,
               "--model", os.path.abspath(model), "--output", "out.png", *options)


def seconds_of_fill(palimpsest, model, picture):
    """Of the second of two fills by one process on pocl: its kernels are built and its weights are loaded."""
    yy, xx = samples.coordinates(picture.shape[1])
    mask = (((yy / 256 - 0.55) / 0.3) ** 2 + ((xx / 256 - 0.5) / 0.3) ** 2 < 1).float()[None]
    with tempfile.TemporaryDirectory() as folder:
        told = fill(os.path.abspath(palimpsest), model, picture, mask, "green grass", folder, "--device", "pocl",
                    "--steps", "16", "--guidance", "3", "--variants", "2", "--seed", "1")
    return told["results"][1]["seconds"]
