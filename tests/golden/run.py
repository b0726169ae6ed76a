#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs palimpsest-golden as a test.

    run.py PROGRAM CHOICE DATA    this tree's cases
    run.py PROGRAM CHOICE         all built cases of the folder $PALIMPSEST_GOLDENS, if set

CHOICE is an OpenCL implementation. rusticl compiles for seconds what pocl does in one, and what
differs between the walks of one model is host code: it has every network, and one walk for each way
to work. A case of both folders is replayed there from the second alone.
"""
import fnmatch
import os
import subprocess
import sys

SKIPPED = 77
SELECTIONS = {
    "pocl": ("*",),
    "rusticl": ("trace-*", "vae-*", "taesd-*", "dcae-*", "sd15-img2img-ddim", "sd15-inpaint9-ddim",
                "sd15-inpaint4-euler-a-s1", "sd21-vpred-inpaint4-ddim", "sdxl-txt2img-euler-a"),
}
BUILT = ("sd15-*", "sd21-*", "sdxl-*", "trace-unet-*", "vae-*", "taesd-*", "rng", "tokenizers")


def folders(root, patterns):
    names = sorted(n for n in os.listdir(root) if any(fnmatch.fnmatch(n, p) for p in patterns))
    return [os.path.join(root, n) for n in names]


def chosen(choice, cases):
    return [c for c in cases if any(fnmatch.fnmatch(os.path.basename(c), p)
                                    for p in SELECTIONS[choice])]


def main():
    program, choice, *data = sys.argv[1:]
    goldens = os.environ.get("PALIMPSEST_GOLDENS")
    if data:
        cases = chosen(choice, folders(os.path.join(data[0], "cases"), ("*",)))
        if choice != "pocl" and goldens:
            again = set(os.listdir(os.path.join(goldens, "cases")))
            cases = [c for c in cases if os.path.basename(c) not in again]
        cases.append(os.path.join(data[0], "rng"))
    elif goldens:
        cases = chosen(choice, folders(os.path.join(goldens, "cases"), BUILT))
    else:
        print("PALIMPSEST_GOLDENS names no folder of reference cases")
        sys.exit(SKIPPED)

    status = subprocess.run([program, *cases], check=False).returncode
    # 2: the device is not there, which the program has said.
    sys.exit(SKIPPED if status == 2 else status)


main()
