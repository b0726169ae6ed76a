#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies reference cases and their tiny models into tests/data.

    import-goldens.py GOLDENS OUT

GOLDENS  folder with models/ and cases/ as the reference data comes
OUT      tests/data; OUT/tokenizers/clip-merges.txt.gz is CLIP's table of merges (README beside it)

The tokenizer folders are made from that table alone: its first merges, and the vocabulary
that follows from them. The script checks that they equal those of GOLDENS. Weights are stored
as F16, which holds their values exactly (checked value by value).
"""
import gzip
import json
import os
import shutil
import struct
import sys

# model -> number of merges of its tokenizers
MODELS = {"sd15-tiny": 1500, "sd15-inpaint9-tiny": 700, "sd21-vpred-tiny": 800, "sdxl-tiny": 600,
          "taesd-tiny4": 0}
CASES = [
    "taesd-tiny4", "trace-unet-sd15-tiny", "vae-sd15-tiny", "sd15-img2img-ddim",
    "sd15-img2img-ddim-eta", "sd15-img2img-ddim-sample-96x80", "sd15-img2img-dpmpp-2m",
    "sd15-img2img-dpmpp-2m-karras", "sd15-img2img-euler", "sd15-img2img-euler-a",
    "sd15-img2img-lcm", "sd15-img2img-pndm", "sd15-img2img-unipc", "sd15-inpaint4-ddim",
    "sd15-inpaint4-euler-a-s1", "sd15-inpaint9-ddim", "sd15-inpaint9-dpmpp-80x96",
    "sd15-txt2img-euler-96x64", "sd21-vpred-img2img-ddim", "sd21-vpred-img2img-dpmpp-2m",
    "sd21-vpred-inpaint4-ddim", "trace-unet-sdxl-tiny", "sdxl-img2img-dpmpp-2m-karras",
    "sdxl-img2img-euler-noneg-96x80", "sdxl-inpaint4-euler", "sdxl-txt2img-euler-a",
]
START, END = "<|startoftext|>", "<|endoftext|>"


def read_merges(path):
    """The lines of the table, without its version line."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().split("\n")[1:-1]


def byte_letters():
    """The letter of each byte, in the order of CLIP's vocabulary; printable ones are their own."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.write("\n")


def write_tokenizer(folder, merges, pad):
    letters = byte_letters()
    pieces = ["".join(m.split()) for m in merges]
    entries = letters + [c + "</w>" for c in letters] + pieces + [START, END]
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    os.makedirs(folder)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as file:
        json.dump({entry: i for i, entry in enumerate(entries)}, file, ensure_ascii=False,
                  separators=(",", ":"))
    write_json(os.path.join(folder, "special_tokens_map.json"), special)
    write_json(os.path.join(folder, "tokenizer_config.json"),
               {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special})


def check_tokenizer(made, reference):
    def parts(folder):
        with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as file:
            merges = [m for m in file.read().split("\n") if m and not m.startswith("#version")]
        with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as file:
            return merges, json.load(file)

    if parts(made) != parts(reference):
        sys.exit(f"{made} differs from {reference}")


def halve(source, target):
    """A safetensors file with its F32 tensors as F16."""
    with open(source, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    out, offset = b"", 0
    for name, entry in sorted(header.items()):
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        content = data[begin:end]
        if entry["dtype"] == "F32":
            values = struct.unpack(f"<{len(content) // 4}f", content)
            content = struct.pack(f"<{len(values)}e", *values)
            if struct.unpack(f"<{len(values)}e", content) != values:
                sys.exit(f"{source}: {name} is not exact in F16")
            entry["dtype"] = "F16"
        entry["data_offsets"] = [offset, offset + len(content)]
        out, offset = out + content, offset + len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(target, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + out)


def copy_tokenizer(source, target, merges):
    with open(os.path.join(source, "tokenizer_config.json"), encoding="utf-8") as file:
        write_tokenizer(target, merges, json.load(file)["pad_token"])
    check_tokenizer(target, source)


def copy_model(source, target, merges):
    for folder, _, files in os.walk(source):
        if os.path.basename(folder).startswith("tokenizer"):
            copy_tokenizer(folder, os.path.join(target, os.path.basename(folder)), merges)
            continue
        made = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(made, exist_ok=True)
        for name in files:
            if name.endswith(".safetensors"):
                halve(os.path.join(folder, name), os.path.join(made, name))
            elif name.endswith(".json"):
                shutil.copyfile(os.path.join(folder, name), os.path.join(made, name))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    goldens, out = sys.argv[1:]
    table = read_merges(os.path.join(out, "tokenizers", "clip-merges.txt.gz"))
    for model, n_merges in MODELS.items():
        shutil.rmtree(os.path.join(out, "models", model), ignore_errors=True)
        copy_model(os.path.join(goldens, "models", model), os.path.join(out, "models", model),
                   table[:n_merges])
    for case in CASES:
        target = os.path.join(out, "cases", case)
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        for name in os.listdir(os.path.join(goldens, "cases", case)):
            shutil.copyfile(os.path.join(goldens, "cases", case, name), os.path.join(target, name))


if __name__ == "__main__":
    main()
