# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure an exported model on held-out images only (splits val and test) and draw sheets.

    python3 evaluate.py --model models/default --pack pack.tar --work WORK --out FOLDER

Material measures use a nearest-centroid classifier on the mean CIELAB colour and the fine and coarse contrast of an
area; the centroids come from the train split, the ceiling is the same classifier on real held-out crops.
"""
import argparse
import os
import random

import torch
import torch.nn.functional as F

import common
import crops
import export
import pack
import samples
import sheet
import styles

WORDS = ("grass", "sky", "sand", "water", "rock", "snow")
HEAD = {label: heads[0] for label, heads in samples.HEADS.items()}

# Restyles are measured from pure noise, where all that is kept of the picture came through the conditioning; the
# model's own defaults start from the noised picture and guide more.
FROM_NOISE_GUIDANCE = 1.5


def lab(x):
    """[..., 3, H, W] in [-1, 1], sRGB, D65 -> CIELAB."""
    c = ((x + 1) / 2).clamp(0, 1)
    c = torch.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    matrix = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = torch.einsum("ij,...jhw->...ihw", matrix / matrix.sum(1, keepdim=True), c)
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    fx, fy, fz = f.unbind(-3)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], -3)


def features(x, mask):
    """Mean Lab of the masked area, its contrast between neighbours and between 8 px means, on a Lab-like scale."""
    c = lab(x)
    mean = (c * mask).sum((1, 2)) / mask.sum()
    light = c[:1]
    both = mask[:, :, 1:] * mask[:, :, :-1]
    fine = ((light[:, :, 1:] - light[:, :, :-1]).abs() * both).sum() / both.sum().clamp_min(1)
    cells, inside = F.avg_pool2d(c, 8), F.avg_pool2d(mask, 8) > 0.99
    coarse = cells[:, inside[0]].std(1).mean() if inside.sum() > 2 else torch.zeros(())
    return torch.cat([mean, 2.0 * fine[None], 1.0 * coarse[None]])


class Materials:
    def __init__(self, train, labels, count):
        sampler = samples.Sampler(train)
        self.labels = labels
        full = torch.ones(1, 128, 128)
        self.centroids = torch.stack([torch.stack([features(sampler.material(l, 128)[0], full)
                                                   for _ in range(count)]).mean(0) for l in labels])

    def nearest(self, f):
        return self.labels[int((self.centroids - f).norm(dim=1).argmin())]


def holes(size):
    yy, xx = samples.coordinates(size)
    r = lambda cy, cx, ry, rx: ((((yy - cy * size) / (ry * size)) ** 2 + ((xx - cx * size) / (rx * size)) ** 2) < 1)
    square = (yy > 0.3 * size) & (yy < 0.85 * size) & (xx > 0.2 * size) & (xx < 0.75 * size)
    return [r(0.55, 0.5, 0.33, 0.36).float(), square.float(), (yy > 0.55 * size).float()]


def rim(mask, width=8):
    """Rings of `width` pixels inside and outside the border."""
    wide = F.max_pool2d(mask[None], 2 * width + 1, 1, width)[0]
    narrow = 1 - F.max_pool2d(1 - mask[None], 2 * width + 1, 1, width)[0]
    return mask - narrow, wide - mask


def seam_score(x, mask):
    """Mean step of lightness across the mask's border over the mean step inside."""
    light = lab(x)[:1]
    across = inside = cross_n = inside_n = 0.0
    for dim in (1, 2):
        n = light.shape[dim] - 1
        step = (light.narrow(dim, 1, n) - light.narrow(dim, 0, n)).abs()
        a, b = mask.narrow(dim, 1, n), mask.narrow(dim, 0, n)
        across, cross_n = across + (step * (a - b).abs()).sum(), cross_n + (a - b).abs().sum()
        inside, inside_n = inside + (step * a * b).sum(), inside_n + (a * b).sum()
    return float(across / cross_n / (inside / inside_n).clamp_min(0.3))


def measure_vae(vae, held, count):
    x = torch.stack([crops.centre(i, 256) for i in held[:count]])
    with torch.no_grad():
        y = torch.cat([vae.decode(vae.encode(p)[0]) for p in x.split(4)])
    return {"vae psnr, 256 px": common.psnr(y, x)}, torch.stack([x[:12], y[:12]], 1).flatten(0, 1)


def measure_fills(painter, materials, contexts, defaults, out):
    """Words that do not fit their surroundings: is the fill what was asked for, and does it follow the word?"""
    masks, hits, seams, swaps, rows = holes(128), {}, [], [], []
    for i, item in enumerate(contexts):
        x = crops.centre(item, 128, whole=item["kind"] != "texture")
        mask = masks[i % len(masks)][None]
        batch = x[None].expand(len(WORDS), -1, -1, -1)
        y = painter.fill(batch, mask[None].expand(len(WORDS), -1, -1, -1), list(WORDS), seed=i,
                         steps=defaults["steps"], guidance=defaults["guidance"])
        found = torch.stack([features(p, mask) for p in y])
        for word, f, picture in zip(WORDS, found, y):
            hits.setdefault(word, []).append(materials.nearest(f) == word)
            seams.append(seam_score(picture, mask))
        swaps.append(float(torch.pdist(found[:, :3]).mean()))
        rows += [x] + list(y)
    sheet.save(os.path.join(out, "fills.png"), torch.stack(rows[: 7 * 12]), 7, ("",) + WORDS)
    all_hits = [h for v in hits.values() for h in v]
    return {"fills recognised, share": sum(all_hits) / len(all_hits),
            **{f"  {w}": sum(v) / len(v) for w, v in hits.items()},
            "colour distance between words, dE": sum(swaps) / len(swaps),
            "seam score, median": sorted(seams)[len(seams) // 2]}


def measure_agreeing(painter, held, count, defaults, out):
    """The prompt is what surrounds the hole: does the fill take up its colour?"""
    chosen = [i for i in held if i["kind"] in ("texture", "sky") and i["label"] in samples.HEADS][:count]
    x = torch.stack([crops.centre(i, 128) for i in chosen])
    mask = holes(128)[1][None, None].expand(len(x), -1, -1, -1)
    y = painter.fill(x, mask, [HEAD[i["label"]] for i in chosen], steps=defaults["steps"],
                     guidance=defaults["guidance"])
    inner, outer = rim(mask[0])
    error = []
    for picture in y:
        c = lab(picture)
        mean = lambda ring: (c * ring).sum((1, 2)) / ring.sum()
        error.append(float((mean(inner) - mean(outer)).norm()))
    sheet.save(os.path.join(out, "agreeing.png"), torch.stack([x, y], 1).flatten(0, 1)[:48], 12)
    return {"rim colour error when the prompt agrees, dE": sum(error) / len(error)}


def gradient_correlation(y, x):
    def edges(p):
        g = styles.luma(p)
        return torch.cat([(g[:, :, 1:] - g[:, :, :-1]).flatten(), (g[:, 1:] - g[:, :-1]).flatten()])
    return float(torch.corrcoef(torch.stack([edges(y), edges(x)]))[0, 1])


def measure_styles(painter, contexts, defaults, out):
    names, rows = list(styles.STYLES), []
    scores, keep = {n: [] for n in names}, []
    for i, item in enumerate(contexts):
        x = crops.centre(item, 128, whole=True)
        y = painter.restyle(x[None].expand(len(names), -1, -1, -1), names, seed=i,
                            steps=defaults["steps"], guidance=FROM_NOISE_GUIDANCE)
        for name, picture in zip(names, y):
            scores[name].append(common.psnr(picture[None], styles.apply(name, x)[None]))
            keep.append(gradient_correlation(picture, x))
        rows += [x] + list(y)
    sheet.save(os.path.join(out, "restyles.png"), torch.stack(rows[: 15 * 8]), len(names) + 1, [""] + names)
    mean = {n: sum(v) / len(v) for n, v in scores.items()}
    group = lambda kind: [mean[n] for n in names if styles.STYLES[n][2] == kind]
    return {"restyle psnr to the filter, tone": sum(group("tone")) / len(group("tone")),
            "restyle psnr to the filter, painterly": sum(group("painterly")) / len(group("painterly")),
            **{f"  {n}": v for n, v in mean.items()}, "gradient correlation with the source": sum(keep) / len(keep)}


def ceiling(materials, held):
    hits = []
    for item in held:
        if item["kind"] in ("texture", "sky") and item["label"] in materials.labels:
            f = features(crops.centre(item, 128), torch.ones(1, 128, 128))
            hits.append(materials.nearest(f) == item["label"])
    return {"the same classifier on real held-out crops": sum(hits) / len(hits)}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="exported model folder")
    parser.add_argument("--pack", required=True, help="pack.tar")
    parser.add_argument("--allowlist", default=os.path.join(here, "allowlist.tsv"))
    parser.add_argument("--work", required=True, help="folder for the decoded pack")
    parser.add_argument("--out", required=True, help="folder for metrics.json and sheets")
    parser.add_argument("--contexts", type=int, default=18, help="held-out pictures to fill and restyle")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(args.threads)
    common.seed_everything(5)
    painter, vae = export.load(args.model)
    defaults = common.load_json(os.path.join(args.model, "model_index.json"))["palimpsest"]["defaults"]
    train = pack.load(args.pack, args.allowlist, ("train",), args.work)
    held = [i for i in pack.load(args.pack, args.allowlist, ("val", "test"), args.work) if i["kind"] != "stamp"]
    random.Random(8).shuffle(held)
    photos = [i for i in held if i["kind"] == "photo"]
    contexts = (photos + [i for i in held if i["kind"] != "photo"])[: args.contexts]
    materials = Materials(train, WORDS, max(8, 4 * args.contexts))
    table, rows = measure_vae(vae, held, 2 * args.contexts)
    sheet.save(os.path.join(args.out, "vae.png"), rows, 6)
    table.update(measure_fills(painter, materials, contexts, defaults, args.out))
    table.update(ceiling(materials, held))
    table.update(measure_agreeing(painter, held, 2 * args.contexts, defaults, args.out))
    table.update(measure_styles(painter, contexts[: max(2, args.contexts // 2)], defaults, args.out))
    words = [heads[0] for heads in samples.HEADS.values()]
    sheet.save(os.path.join(args.out, "words.png"), painter.generate(words, guidance=defaults["guidance"]), 7)
    for name, value in table.items():
        print(f"{name:48} {value:8.2f}")
    common.save_json(os.path.join(args.out, "metrics.json"), {k.strip(): round(v, 3) for k, v in table.items()})


if __name__ == "__main__":
    main()
