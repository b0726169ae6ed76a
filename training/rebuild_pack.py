# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the image pack again from Debian packages, by the allow-list.

    python3 rebuild_pack.py --debs FOLDER --out pack.tar [--package NAME]... [--compare OLD.tar]

FOLDER holds the packages (*.deb) that allowlist.tsv names; those that are missing are downloaded into it with
`apt-get download`, in the listed version (some gigabytes for all of them, two of them from sid). Only the listed files
are taken out, each must have the listed SHA-256, and is cropped and scaled to the listed size. --package restricts the
pack to some packages. --compare tells how far the pictures are from those of another pack.
"""
import argparse
import collections
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy as np
from PIL import Image

import pack
import rcc

QUALITY, ALPHA_QUALITY = 85, 90
FAINT = 8           # alpha of 255 that still counts as nothing when a cut-out's borders are trimmed
# fields of the index in their order, and which of them are left out when empty
FIELDS = ("file", "label", "captions", "kind", "style", "tileable", "split", "width", "height", "licence", "package",
          "version", "member", "sha256", "crop")
OPTIONAL = ("style", "crop")


def fetch(package, version, folder):
    """Path of the package's file, downloaded where it is missing."""
    start = f"{package}_{version.replace(':', '%3a')}_"
    found = lambda: [n for n in os.listdir(folder) if n.startswith(start) and n.endswith(".deb")]
    if not found():
        line = ["apt-get", "download", f"{package}={version}"]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode or not found():
            raise SystemExit(f"{package} {version}: {done.stderr.strip()}\nPut {start}*.deb into {folder}; "
                             "old versions are on https://snapshot.debian.org")
    return os.path.join(folder, found()[0])


def archive_members(path, outer, wanted):
    """(member, bytes) of the wanted files of an archive inside a package: Qt resources, else any kind of zip."""
    if outer.endswith(".rcc"):
        with open(path, "rb") as f:
            inside = rcc.read(f.read())
        for name, data in inside.items():
            # the allow-list leaves out the program's own folder, which is the first
            member = f"{outer}!/{name.partition('/')[2]}"
            if member in wanted:
                yield member, data
    else:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if f"{outer}!/{name}" in wanted:
                    yield f"{outer}!/{name}", archive.read(name)


def members(deb, wanted):
    """(member, bytes) of the wanted files of a package; archives in it are unpacked to a temporary file."""
    archives = {m.split("!/")[0] for m in wanted if "!/" in m}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
            for info in tar:
                name = info.name.removeprefix("./")
                if name in wanted:
                    yield name, tar.extractfile(info).read()
                elif name in archives:
                    with tempfile.NamedTemporaryFile() as kept:
                        source = tar.extractfile(info)
                        while block := source.read(1 << 20):
                            kept.write(block)
                        kept.flush()
                        yield from archive_members(kept.name, name, wanted)


def cropped(image, rule):
    """rule: "top 47%" or "box left,top,right,bottom" in shares of the size; empty: all of it."""
    if not rule:
        return image
    kind, numbers = rule.split()
    if kind == "top":
        box = (0.0, 0.0, 1.0, float(numbers.rstrip("%")) / 100)
    else:
        box = tuple(float(n) for n in numbers.split(","))
    return image.crop(tuple(round(share * side) for share, side in zip(box, image.size * 2)))


def picture(data, row):
    """The original's bytes -> the pack's WebP."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    size = int(row["width"]), int(row["height"])
    if row["kind"] == "stamp":
        image = image.crop(image.getchannel("A").point(lambda a: 255 * (a > FAINT)).getbbox())
    else:
        # textures keep other maps in their alpha: it is dropped, not blended
        image = cropped(image.convert("RGB"), row["crop"])
    image = image if image.size == size else image.resize(size, Image.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=QUALITY, alpha_quality=ALPHA_QUALITY)
    return out.getvalue()


def index_line(row, data):
    values = {k: row[k] for k in FIELDS if row[k] or k not in OPTIONAL}
    values |= {"captions": row["captions"].split(" | "), "width": int(row["width"]), "height": int(row["height"])}
    return json.dumps(values | {"bytes": len(data)}, separators=(",", ":"), ensure_ascii=False)


def collect(rows, debs):
    """-> {file: WebP bytes}; stops at a file that is missing or has changed."""
    by_package, out = collections.defaultdict(dict), {}
    for row in rows:
        by_package[row["package"], row["version"]].setdefault(row["member"], []).append(row)
    for (package, version), wanted in sorted(by_package.items()):
        left = set(wanted)
        for member, data in members(fetch(package, version, debs), wanted):
            digest = hashlib.sha256(data).hexdigest()
            for row in wanted[member]:
                if digest != row["sha256"]:
                    raise SystemExit(f"{package}: {member} has SHA-256 {digest}, the allow-list says {row['sha256']}")
                out[row["file"]] = picture(data, row)
            left.discard(member)
        if left:
            raise SystemExit(f"{package} {version} lacks {sorted(left)[:3]}")
        print(f"{package} {version}: {len(wanted)} files", flush=True)
    return out


def write(path, rows, pictures):
    lines = "".join(index_line(row, pictures[row["file"]]) + "\n" for row in rows)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in [("index.jsonl", lines.encode())] + [(r["file"], pictures[r["file"]]) for r in rows]:
            info = tarfile.TarInfo("pack/" + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def compare(path, pictures):
    """Print how many pictures are the same bytes, and the worst and mean PSNR of the others against the old pack's."""
    same, decibels = 0, {}
    with tarfile.open(path) as tar:
        for name, data in pictures.items():
            old = tar.extractfile("pack/" + name).read()
            same += old == data
            if old != data:
                a, b = (np.asarray(Image.open(io.BytesIO(d)).convert("RGBA"), dtype=float) for d in (data, old))
                a, b = a * a[..., 3:] / 255, b * b[..., 3:] / 255
                decibels[name] = 10 * math.log10(255 ** 2 / max(((a - b) ** 2).mean(), 1e-9))
    print(f"{same} of {len(pictures)} are the same bytes")
    if decibels:
        worst = min(decibels, key=decibels.get)
        print(f"others: PSNR {sum(decibels.values()) / len(decibels):.1f} dB, least {decibels[worst]:.1f} dB ({worst})")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debs", required=True, help="folder with the packages, or to download them into")
    parser.add_argument("--out", required=True, help="pack to write (tar)")
    parser.add_argument("--allowlist", default=os.path.join(here, "allowlist.tsv"))
    parser.add_argument("--package", action="append", default=[], help="only this package's pictures; may be repeated")
    parser.add_argument("--compare", metavar="OLD.tar", help="tell the difference to this pack")
    args = parser.parse_args()
    rows = list(pack.read_allowlist(args.allowlist).values())
    unknown = set(args.package) - {row["package"] for row in rows}
    if unknown:
        sys.exit(f"--package: {', '.join(sorted(unknown))} not in {args.allowlist}")
    rows = [row for row in rows if not args.package or row["package"] in args.package]
    os.makedirs(args.debs, exist_ok=True)
    pictures = collect(rows, args.debs)
    write(args.out, rows, pictures)
    print(f"{args.out}: {len(rows)} pictures, {os.path.getsize(args.out) / 1e6:.1f} MB")
    if args.compare:
        compare(args.compare, pictures)


if __name__ == "__main__":
    main()
