#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether palimpsest-golden fails when it should: detect.py PROGRAM DATA

Copies a case with one number changed, one that names another model, one of a class that is not
built, and one without its tensors; each must be a FAIL row and exit status 1.
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

CASE = "taesd-tiny4"
SKIPPED, CANNOT_START = 77, 2


def change_number(folder):
    """Adds 0.01 to one value of a tensor that is a result."""
    path = os.path.join(folder, "goldens.safetensors")
    with open(path, "r+b") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        begin = json.loads(file.read(size))["64x64.decoded"]["data_offsets"][0]
        file.seek(8 + size + begin + 400)
        value = struct.unpack("<f", file.read(4))[0]
        file.seek(8 + size + begin + 400)
        file.write(struct.pack("<f", value + 0.01))


def set_member(name, value):
    def change(folder):
        path = os.path.join(folder, "case.json")
        with open(path, encoding="utf-8") as file:
            case = json.load(file)
        case[name] = value
        with open(path, "w", encoding="utf-8") as file:
            json.dump(case, file)
    return change


CHANGES = {
    "number": (change_number, "64x64.decoded"),
    "model": (set_member("model", "no-such-model"), "no-such-model"),
    "class": (set_member("class", "VQModel"), "VQModel is not built yet"),
    "tensors": (lambda folder: os.remove(os.path.join(folder, "goldens.safetensors")),
                "goldens.safetensors"),
}


def main():
    program, data = sys.argv[1:]
    wrong = 0
    with tempfile.TemporaryDirectory() as root:
        os.symlink(os.path.join(data, "models"), os.path.join(root, "models"))
        for name, (change, text) in CHANGES.items():
            folder = os.path.join(root, "cases", name)
            shutil.copytree(os.path.join(data, "cases", CASE), folder)
            change(folder)
            run = subprocess.run([program, folder], capture_output=True, text=True, check=False)
            if run.returncode == CANNOT_START:
                sys.exit(SKIPPED)
            ok = run.returncode == 1 and text in run.stdout and "FAIL" in run.stdout
            print(f"{name}: {'ok' if ok else 'not noticed: ' + run.stdout}")
            wrong += not ok
    sys.exit(wrong > 0)


main()
