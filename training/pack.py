# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the image pack (a tar of WebP files and `pack/index.jsonl`) and checks it against the allow-list.

    python3 pack.py --pack pack.tar                        check and print the counts
    python3 pack.py --pack pack.tar --decode WORK --every 5     and decode every fifth image into WORK
"""
import argparse
import collections
import csv
import hashlib
import io
import json
import os
import tarfile

import numpy as np
import torch
from PIL import Image

import common

KINDS = ("texture", "sky", "photo", "illustration", "stamp")


def read_allowlist(path):
    csv.field_size_limit(1 << 24)
    with open(path, encoding="utf-8", newline="") as f:
        return {row["file"]: row for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)}


def check_entry(entry, row):
    """An image may be used only if the allow-list has it, from the same original, in the same split."""
    if row is None:
        raise SystemExit(f"{entry['file']}: not in the allow-list")
    for key in ("kind", "label", "split", "licence", "package", "version", "member", "sha256"):
        if str(entry.get(key, "")) != row[key]:
            raise SystemExit(f"{entry['file']}: {key} is '{entry.get(key)}' in the pack, "
                             f"'{row[key]}' in the allow-list")
    if " | ".join(entry["captions"]) != row["captions"]:
        raise SystemExit(f"{entry['file']}: captions differ from the allow-list")


def read_index(tar, allowlist):
    entries = [json.loads(line) for line in tar.extractfile("pack/index.jsonl").read().decode().splitlines() if line]
    for entry in entries:
        check_entry(entry, allowlist.get(entry["file"]))
    return entries


def decode(data, kind, short_side):
    """-> uint8 [3 or 4, H, W]; larger photographs are brought down so that a crop shows a scene, not a leaf."""
    image = Image.open(io.BytesIO(data)).convert("RGBA" if kind == "stamp" else "RGB")
    w, h = image.size
    if min(w, h) > short_side:
        scale = short_side / min(w, h)
        image = image.resize((round(w * scale), round(h * scale)), Image.LANCZOS)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).contiguous()


def load(pack, allowlist, splits, cache=None, short_side=384, every=1):
    """Decoded images of the splits as dicts: pixels (uint8 C,H,W), kind, label, captions, style, tileable, file. The
    folder `cache` keeps them for the next call; `every` N-th alone is enough to try things out."""
    name = os.path.join(cache, "pack-" + "-".join(sorted(splits)) + ".pt") if cache else None
    if name and os.path.exists(name):
        return torch.load(name, weights_only=False)
    out = []
    with tarfile.open(pack) as tar:
        entries = [e for e in read_index(tar, read_allowlist(allowlist)) if e["split"] in splits]
        for entry in entries[::every]:
            data = tar.extractfile("pack/" + entry["file"]).read()
            item = {k: entry.get(k) for k in ("file", "kind", "label", "captions", "style", "tileable", "split")}
            out.append(dict(item, pixels=decode(data, entry["kind"], short_side)))
    if name:
        common.save_checkpoint(name, out)
    return out


def check(args):
    with tarfile.open(args.pack) as tar:
        entries = read_index(tar, read_allowlist(args.allowlist))
        names = {m.name for m in tar.getmembers() if m.isfile()}
        for entry in entries:
            data = tar.extractfile("pack/" + entry["file"]).read()
            if len(data) != entry["bytes"]:
                raise SystemExit(f"{entry['file']}: {len(data)} bytes, the index says {entry['bytes']}")
    extra = names - {"pack/" + e["file"] for e in entries} - {"pack/index.jsonl"}
    if extra:
        raise SystemExit(f"files outside the index: {sorted(extra)[:5]}")
    counts = collections.Counter((e["kind"], e["split"]) for e in entries)
    for kind in KINDS:
        print(f"{kind:13}" + "".join(f"{split} {counts[kind, split]:5}  " for split in ("train", "val", "test")))
    print(len(entries), "images, all in the allow-list; index sha256",
          hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest())


def arguments(description, work=None):
    """What every script that reads the pack is told; work: what its folder WORK holds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--pack", required=True, help="pack.tar")
    parser.add_argument("--allowlist", default=os.path.join(here, "allowlist.tsv"))
    if work:
        parser.add_argument("--work", required=True, help="folder " + work)
    return parser


def main():
    parser = arguments(__doc__)
    parser.add_argument("--decode", metavar="WORK", help="folder for decoded images, as the trainers look for them")
    parser.add_argument("--every", type=int, default=1, help="decode every N-th image of a split only")
    args = parser.parse_args()
    check(args)
    if args.decode:
        os.makedirs(args.decode, exist_ok=True)
        for splits in (("train",), ("val", "test")):
            load(args.pack, args.allowlist, splits, args.decode, every=args.every)


if __name__ == "__main__":
    main()
