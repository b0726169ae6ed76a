# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sheets of docs/, made by an exported model: twelve fills beside other methods' and twelve restyles.

    python3 showcase.py --model ../models/default --pack pack.tar --work WORK --docs ../docs

All pictures are photographs that were held out. The other methods are those of baselines.py and have to be installed.
"""
import os

import torch

import baselines
import common
import crops
import export
import pack
import samples
import sheet
import styles

SIZE = 256
LIMIT_BYTES = 1_500_000
HOLE = 0.15         # grey of a hole in the sheet
FEATHER = 3         # px, of the selection's edge, as people feather it
LEAST = 1 / 64      # selected less than this is not painted, as in the program

# photograph, where its square part lies from left (0) to right (1), hole (left, top, right, bottom in shares; ellipse
# or box), prompt
FILLS = (
    ("photo/meadow/66268e7b48.webp", 0.5, ("box", 0.06, 0.66, 0.94, 0.97), "water"),
    ("photo/mountain/85881b53de.webp", 0.5, ("box", 0.06, 0.03, 0.94, 0.30), "cloudy sky"),
    ("photo/desert/beed5bc6a2.webp", 0.5, ("ellipse", 0.20, 0.60, 0.85, 0.97), "grass"),
    ("photo/building/f4a6bf48b9.webp", 0.5, ("box", 0.28, 0.03, 0.78, 0.34), "stormy sky"),
    ("photo/building/f8427c0957.webp", 0.5, ("ellipse", 0.28, 0.40, 0.72, 0.88), "brick wall"),
    ("photo/building/fc0d45ec5a.webp", 0.0, ("box", 0.03, 0.03, 0.60, 0.34), "night sky"),
    ("photo/building/546e2483d1.webp", 1.0, ("ellipse", 0.40, 0.55, 0.97, 0.96), "snow"),
    ("photo/meadow/1d7377e990.webp", 0.5, ("ellipse", 0.18, 0.50, 0.82, 0.95), "sand"),
    ("photo/mountain/414d0072b2.webp", 0.0, ("ellipse", 0.10, 0.58, 0.75, 0.97), "grass"),
    ("photo/mountain/2148fe45a5.webp", 0.4, ("ellipse", 0.25, 0.52, 0.92, 0.95), "water"),
    ("photo/animal/1576ed3332.webp", 0.3, ("ellipse", 0.15, 0.55, 0.75, 0.96), "rock"),
    ("photo/meadow/ce260a26b7.webp", 0.5, ("box", 0.03, 0.70, 0.97, 0.97), "lava"),
)
RESTYLES = (
    ("photo/meadow/1d7377e990.webp", 0.5, "autumn"), ("photo/mountain/85881b53de.webp", 0.5, "night"),
    ("photo/building/546e2483d1.webp", 0.5, "winter"), ("photo/building/fc0d45ec5a.webp", 0.5, "sepia"),
    ("photo/mountain/2148fe45a5.webp", 0.5, "sunset light"), ("photo/meadow/a5634d1ab5.webp", 0.2, "watercolor"),
    ("photo/mountain/414d0072b2.webp", 0.5, "oil painting"), ("photo/animal/5268033ecc.webp", 0.3, "cartoon"),
    ("photo/animal/c39106edc7.webp", 0.7, "pencil sketch"), ("photo/building/f4a6bf48b9.webp", 0.5, "ink drawing"),
    ("photo/animal/9d54ae706b.webp", 0.5, "comic halftone"), ("photo/animal/076622230f.webp", 1.0, "mosaic"),
)


def square(items, file, across):
    """-> the square part of a held-out photograph, [3, SIZE, SIZE]."""
    if file not in items:
        raise SystemExit(f"{file} is not among the held-out pictures of the pack")
    x = items[file]["pixels"][:3]
    side = min(x.shape[1:])
    left = round((x.shape[2] - side) * across)
    return crops.resize(x[:, :side, left:left + side], SIZE) / 127.5 - 1


def hole(shape, left, top, right, bottom):
    yy, xx = (c / SIZE for c in samples.coordinates(SIZE))
    dy = ((yy - (top + bottom) / 2) / (bottom - top) * 2).abs()
    dx = ((xx - (left + right) / 2) / (right - left) * 2).abs()
    inside = dy.square() + dx.square() < 1 if shape == "ellipse" else torch.maximum(dy, dx) < 1
    return inside.float()[None]


def fills(items, painter, options, seed):
    """-> groups of sheet.gallery: with the hole, other methods, ours, all laid over through the same soft selection."""
    out = []
    for file, across, (shape, *box), prompt in FILLS:
        x, selection = square(items, file, across), styles.blur(hole(shape, *box), FEATHER)
        mask = (selection >= LEAST).float()
        ours = painter.fill(x[None], mask[None], [prompt], seed=seed, **options)[0]
        made = [*(method(x, mask) for method in baselines.METHODS.values()), ours]
        joined = [y * selection + x * (1 - selection) for y in made]
        out.append((f"“{prompt}”", [x * (1 - mask) + HOLE * mask, *joined]))
    return out


def restyles(items, painter, options, seed):
    out = []
    for file, across, style in RESTYLES:
        x = square(items, file, across)
        out.append((style, [x, painter.restyle(x[None], [style], seed=seed, **options)[0]]))
    return out


def save(path, groups, **layout):
    sheet.gallery(path, groups, **layout)
    size = os.path.getsize(path)
    if size > LIMIT_BYTES:
        raise SystemExit(f"{path}: {size} bytes, more than {LIMIT_BYTES}; make the tiles smaller")
    print(path, size, "bytes")


def main():
    parser = pack.arguments(__doc__, "for the decoded pack")
    parser.add_argument("--model", required=True, help="exported model folder")
    parser.add_argument("--docs", required=True, help="folder for fills.png and restyles.png")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    held = pack.load(args.pack, args.allowlist, ("val", "test"), args.work)
    items = {item["file"]: item for item in held}
    painter, _ = export.load(args.model)
    defaults = common.load_json(os.path.join(args.model, "model_index.json"))["palimpsest"]["defaults"]
    fill, restyle = export.options(defaults)
    try:
        save(os.path.join(args.docs, "fills.png"), fills(items, painter, fill, args.seed), across=2, tile=160,
             heads=("to be filled", "Telea", "G’MIC patches", "Palimpsest"))
    except baselines.Missing as error:
        raise SystemExit(str(error)) from None
    save(os.path.join(args.docs, "restyles.png"), restyles(items, painter, restyle, args.seed), across=4, tile=160)


if __name__ == "__main__":
    main()
