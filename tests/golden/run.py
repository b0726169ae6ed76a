#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs palimpsest-golden as a test.

    run.py PROGRAM DATA CHOICE    this tree's cases; the selection of CHOICE. Not of those that
                                  $PALIMPSEST_GOLDENS has too on rusticl: the other form's
    run.py PROGRAM                all built cases of the folder $PALIMPSEST_GOLDENS, if set
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


def main():
    if len(sys.argv) == 4:
        data = sys.argv[2]
        cases = folders(os.path.join(data, "cases"), SELECTIONS[sys.argv[3]])
        if sys.argv[3] != "pocl" and os.environ.get("PALIMPSEST_GOLDENS"):
            again = set(os.listdir(os.path.join(os.environ["PALIMPSEST_GOLDENS"], "cases")))
            cases = [c for c in cases if os.path.basename(c) not in again]
        cases.append(os.path.join(data, "rng"))
    elif os.environ.get("PALIMPSEST_GOLDENS"):
        cases = folders(os.path.join(os.environ["PALIMPSEST_GOLDENS"], "cases"), BUILT)
    else:
        print("PALIMPSEST_GOLDENS names no folder of reference cases")
        sys.exit(SKIPPED)

    status = subprocess.run([sys.argv[1], *cases], check=False).returncode
    # 2: the device is not there, which the program has said.
    sys.exit(SKIPPED if status == 2 else status)


main()
