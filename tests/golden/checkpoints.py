#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoint files against the model folders that they are written from.

    checkpoints.py PROGRAM DATA

PROGRAM  compare-models
DATA     tests/data; models of $PALIMPSEST_GOLDENS are compared too when it names a folder

Weights must be those of the folder, or within half a step of their type; a run on the file must
give the pixels of a run on the folder, or, for values in blocks, of a run on the exact values
that the blocks stand for.
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import checkpoint  # noqa: E402

SKIPPED = 77
EXACT = ((".safetensors", "F16"), (".ckpt", "F16"), (".gguf", "F16"))
ROUNDED = ((".gguf", "BF16"), (".gguf", "Q8_0"), (".gguf", "Q4_0"), (".gguf", "Q4_1"),
           (".gguf", "Q5_0"), (".gguf", "Q5_1"), (".gguf", "Q4_K"), (".gguf", "Q5_K"),
           (".gguf", "Q6_K"), (".safetensors", "F8_E4M3"), (".safetensors", "F8_E5M2"))
# Their shapes and names are those of families that the small models in DATA don't show.
GOLDENS = {"sd15-tiny": ("weights", "configs"), "sd21-vpred-tiny": ("weights", "configs"),
           "sdxl-tiny": ("weights", "configs")}


class Comparison:
    def __init__(self, program):
        self.program, self.failed, self.count = program, 0, 0

    def run(self, mode, a, b):
        result = subprocess.run([self.program, mode, a, b], capture_output=True, text=True,
                                check=False)
        if result.returncode == 2:
            print(result.stdout)
            sys.exit(SKIPPED)
        return result

    def check(self, mode, a, b, what):
        result = self.run(mode, a, b)
        self.count += 1
        if result.returncode:
            self.failed += 1
            print(f"FAIL {what}, {mode}:\n{result.stdout[-2000:]}{result.stderr[-1000:]}")

    def refused(self, path, parts):
        result = self.run("run", path, path)
        self.count += 1
        if result.returncode != 1 or not all(part in result.stdout for part in parts):
            self.failed += 1
            print(f"FAIL {path}: not refused with {parts}:\n{result.stdout}")


def compare_all(comparison, model, folder):
    for ending, kind in EXACT:
        path = os.path.join(folder, f"exact{ending[1:]}{ending}")
        checkpoint.write(model, path, kind, beside=True)
        comparison.check("weights", model, path, path)
        comparison.check("run", model, path, path)
    for ending, kind in ROUNDED:
        path = os.path.join(folder, f"{kind.lower()}{ending}")
        decoded = os.path.join(folder, f"{kind.lower()}-decoded.safetensors")
        checkpoint.write(model, path, kind, beside=True, decoded=decoded)
        comparison.check("weights", model, path, path)
        if kind != "BF16":
            comparison.check("run", decoded, path, path)


def compare_parts(comparison, model, folder):
    """The parts in files of their own, named after that of the denoiser."""
    stem = os.path.join(folder, "apart")
    checkpoint.write(model, stem + ".gguf", parts=["unet"], beside=True)
    comparison.refused(stem + ".gguf", ["lacks the image codec", "the text encoder"])
    checkpoint.write(model, stem + ".vae.safetensors", parts=["unet"])
    comparison.refused(stem + ".gguf", ["apart.vae.safetensors does not hold the image codec"])
    checkpoint.write(model, stem + ".vae.safetensors", parts=["vae"])
    comparison.refused(stem + ".gguf", ["lacks the text encoder"])
    checkpoint.write(model, stem + ".text_encoder.ckpt", parts=["text_encoder"])
    comparison.check("run", model, stem + ".gguf", "parts in files of their own")


def compare_tiny_codec(comparison, models, folder):
    """The tiny autoencoder in a file of its own, under both namings, in place of the file's."""
    tiny = os.path.join(models, "taesd-tiny4")
    reference = os.path.join(folder, "with-tiny")
    shutil.copytree(os.path.join(models, "sd15-tiny"), reference)
    shutil.rmtree(os.path.join(reference, "vae"))
    shutil.copytree(tiny, os.path.join(reference, "vae"))
    plain = checkpoint.read_folder(tiny)
    for name, tensors in (("plain", plain), ("original", checkpoint.rename_tiny(plain))):
        stem = os.path.join(folder, "tiny-" + name)
        checkpoint.write(os.path.join(models, "sd15-tiny"), stem + ".safetensors", beside=True)
        shutil.rmtree(os.path.join(stem, "vae"))
        checkpoint.write_safetensors(stem + ".vae.safetensors",
                                     checkpoint.encode_all(tensors, "F16"))
        for mode in ("weights", "configs", "run"):
            comparison.check(mode, reference, stem + ".safetensors", f"tiny codec, {name} names")


def compare_configs(comparison, models, folder):
    for name in ("sd15-tiny", "sd15-inpaint9-tiny", "sd21-vpred-tiny", "sdxl-tiny"):
        path = os.path.join(folder, name + "-alone.safetensors")
        checkpoint.write(os.path.join(models, name), path)
        comparison.check("configs", os.path.join(models, name), path, path)


def compare_goldens(comparison, goldens, folder):
    for name, modes in GOLDENS.items():
        model = os.path.join(goldens, "models", name)
        path = os.path.join(folder, name + ".safetensors")
        checkpoint.write(model, path)
        for mode in modes:
            comparison.check(mode, model, path, path)
        published = model + ".fp16.safetensors"
        if os.path.exists(published):
            comparison.check("weights", model, published, published)


def main():
    comparison = Comparison(sys.argv[1])
    model = os.path.join(sys.argv[2], "models", "sd15-tiny")
    goldens = os.environ.get("PALIMPSEST_GOLDENS")
    with tempfile.TemporaryDirectory() as folder:
        compare_all(comparison, model, folder)
        compare_parts(comparison, model, folder)
        compare_tiny_codec(comparison, os.path.join(sys.argv[2], "models"), folder)
        compare_configs(comparison, os.path.join(sys.argv[2], "models"), folder)
        if goldens:
            compare_goldens(comparison, goldens, folder)
    print(f"{comparison.count} comparisons, {comparison.failed} failed")
    sys.exit(comparison.failed > 0)


main()
