# SPDX-License-Identifier: GPL-3.0-or-later
"""Every stage of the training once, on a fifth of the pictures, in two minutes on one CPU core.

    python3 smoke.py PACK.tar FOLDER

Checks that each stage runs and goes on from its checkpoint, that the export loads and that every measure can be taken;
not that anything was learned. One process, since starting PyTorch takes longer than most stages.
"""
import importlib
import os
import sys

import common

SECONDS = "1"


def stages(pack, work):
    """(module, its command line) in the order of a real run."""
    usual = ["--pack", pack, "--work", work, "--seconds", SECONDS]
    vae = ["train_vae", *usual, "--held", "4", "--smoke"]
    denoiser = ["train_denoiser", *usual, "--probe", "8", "--smoke"]
    classifier = ["train_classifier", *usual, "--each", "1"]
    model = os.path.join(work, "model")
    return (
        ["pack", "--pack", pack, "--decode", work, "--every", "5"],
        vae + ["--fit", "64"],
        ["train_text", *usual, "--examples", "30"],
        denoiser, classifier,
        vae, denoiser + ["--workers", "2"], classifier,
        ["export", "--work", work, "--out", model],
        ["exemplars", "--pack", pack, "--work", work, "--out", os.path.join(model, "exemplars"), "--some"],
        ["evaluate", "--model", model, "--pack", pack, "--work", work, "--out", os.path.join(work, "sheets"),
         "--size", "1", "--steps", "1"],
    )


def run(name, options):
    print("==", name, *options, flush=True)
    sys.argv = [name + ".py", *options]
    importlib.import_module(name).main()


def went_on(work):
    """Steps of each trainer after its first and its second run: the second has to be the greater."""
    for name in ("vae", "denoiser", "classifier"):
        yield name, common.load_checkpoint(os.path.join(work, name + ".pt"))["step"]


def check(work, before):
    for name, steps in went_on(work):
        if not 0 < before[name] < steps:
            raise SystemExit(f"train_{name}.py did not go on: {before[name]} steps, then {steps}")
    measures = common.load_json(os.path.join(work, "sheets", "metrics.json"))["measures"]
    for name, row in measures.items():
        if (row["value"] is None) == (row["left_out"] is None):
            raise SystemExit(f"evaluate.py: '{name}' has neither a value nor a reason, or both")
    taken = sum(row["value"] is not None for row in measures.values())
    # without OpenCV and the program two of them are left out
    if taken < len(measures) - 2:
        raise SystemExit(f"evaluate.py took {taken} of {len(measures)} measures")


def main():
    if len(sys.argv) != 3 or not os.path.isfile(sys.argv[1]):
        raise SystemExit("usage: smoke.py PACK.tar FOLDER")
    pack, work = sys.argv[1:]
    before = None
    for name, *options in stages(pack, work):
        if name == "train_vae" and os.path.exists(os.path.join(work, "classifier.pt")):
            before = dict(went_on(work))
        run(name, options)
    check(work, before)
    print("smoke test passed")


if __name__ == "__main__":
    main()
