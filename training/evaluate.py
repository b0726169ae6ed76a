# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure an exported model on held-out families and photographs, and print the table of gates and aims.

    python3 evaluate.py --model models/default --pack pack.tar --work WORK --out FOLDER [--palimpsest PROGRAM]

WORK has classifier.pt (train_classifier.py) and, for the row on int8, the checkpoints that the model was exported
from. A fill is laid over its picture through a selection with a hard edge, as the program does it; one with a soft edge
could only hide a seam. A measure that cannot be taken is left out, with the reason.
"""
import os
import random

import torch

import baselines
import classifier
import common
import crops
import export
import heldout
import holes
import measures
import pack
import program
import sheet
import styles

# name -> what it says, whether more is better, gate, aim
MEASURES = {
    "vae_psnr": ("VAE reconstruction at 256 px, PSNR in dB", True, 26.5, 29.0),
    "prompt_accuracy": ("prompt accuracy of fills, share of that of real crops", True, 0.80, 0.95),
    "frechet": ("Frechet distance of fills, share of Telea's", False, 0.50, 0.25),
    "seam": ("seam: gradient across the border over gradient inside", False, 1.3, 1.1),
    "rim": ("colour error in a rim of 8 px, prompt agrees, dE", False, 6.0, 3.0),
    "style_accuracy": ("style accuracy of restyles, 16 styles", True, 0.80, 0.95),
    "restyle_tone": ("restyle against the filter, tone, PSNR in dB", True, 20.0, 24.0),
    "restyle_painterly": ("restyle against the filter, painterly, PSNR in dB", True, 17.0, 20.0),
    "gradients": ("gradient correlation of a restyle with its source", True, 0.60, 0.75),
    "int8": ("stored against fp32 weights, PSNR of results in dB", True, 35.0, 40.0),
    "seconds": ("256 px fill, 16 steps, guided, 2 cores of pocl, warm, s", False, 8.0, 3.0),
}


class Findings:
    """values: {measure: number}; details: what is worth knowing beside; missing: {measure: why}."""

    def __init__(self):
        self.values, self.details, self.missing = {}, {}, {}

    def table(self):
        lines = [f"{'measure':58} {'value':>8} {'gate':>7} {'aim':>7}"]
        for name, (title, more, gate, aim) in MEASURES.items():
            if name in self.values:
                value = self.values[name]
                reached = lambda limit: value >= limit if more else value <= limit
                verdict = "aim met" if reached(aim) else "met" if reached(gate) else "NOT met"
                lines.append(f"{title:58} {value:8.3f} {gate:7.2f} {aim:7.2f}  {verdict}")
            else:
                lines.append(f"{title:58} {'-':>8} {gate:7.2f} {aim:7.2f}  left out: {self.missing[name]}")
        return "\n".join(lines)

    def save(self, path):
        rows = {name: {"title": title, "value": self.values.get(name), "gate": gate, "aim": aim,
                       "better": "more" if more else "less", "left_out": self.missing.get(name)}
                for name, (title, more, gate, aim) in MEASURES.items()}
        common.save_json(path, {"measures": rows, "details": self.details})


def mean(values):
    return sum(values) / len(values)


def median_seam(pictures, asked):
    return float(torch.tensor([measures.seam_score(p, hole.mask) for p, hole in zip(pictures, asked)]).median())


class Evaluation:
    """size: how many fills a material, restyles a style, agreeing fills and reconstructions."""

    def __init__(self, args, held, size):
        self.args, self.held, self.size, self.found = args, held, size, Findings()
        self.painter, self.vae = export.load(args.model)
        self.net = classifier.load(os.path.join(args.work, "classifier.pt"))
        defaults = common.load_json(os.path.join(args.model, "model_index.json"))["palimpsest"]["defaults"]
        if args.steps:
            defaults["steps"] = args.steps
        self.fill_options, self.restyle_options = export.options(defaults)

    def sheet(self, name, pictures, columns, titles=None):
        sheet.save(os.path.join(self.args.out, name), torch.stack(pictures), columns, titles)

    def vae_rows(self):
        chosen = random.Random(8).sample(self.held, min(len(self.held), 4 * self.size))
        x = torch.stack([crops.centre(i, 256) for i in chosen])
        with torch.no_grad():
            y = torch.cat([self.vae.decode(self.vae.encode(p)) for p in x.split(4)])
        self.found.values["vae_psnr"] = common.psnr(y, x)
        self.sheet("vae.png", list(torch.stack([x[:12], y[:12]], 1).flatten(0, 1)), 6)

    def fills(self, painter, asked, composite=True):
        """-> what the model makes of the holes, laid over the pictures or as painted: a list of pictures."""
        out = []
        for start in range(0, len(asked), 16):
            part = asked[start:start + 16]
            x, mask = torch.stack([h.picture for h in part]), torch.stack([h.mask for h in part])
            words = [h.prompt for h in part]
            if composite:
                out += painter.fill(x, mask, words, seed=start, **self.fill_options)
            else:
                out += painter.paint(x * (1 - mask), mask, words, seed=start, **self.fill_options)
        return out

    def fill_rows(self):
        asked = holes.differing(self.held, self.size * len(classifier.MATERIALS))
        filled = self.fills(self.painter, asked)
        wanted = torch.tensor([h.material for h in asked])
        guesses, features = classifier.materials(self.net, holes.look(filled, asked))
        real, truth = heldout.material_windows(self.held, max(self.size, 24))
        real_guesses, real_features = classifier.materials(self.net, real)
        known = sorted(set(truth.tolist()))
        share = lambda found, want: {classifier.MATERIALS[m]: (found[want == m] == m).float().mean().item()
                                     for m in known}
        fills, ceiling = share(guesses, wanted), share(real_guesses, truth)
        self.found.values["prompt_accuracy"] = mean(fills.values()) / mean(ceiling.values())
        self.found.details |= {"fills recognised": fills, "real crops recognised": ceiling}
        self.found.values["seam"] = median_seam(filled, asked)
        self.sheet("fills.png", filled[:192], 16, classifier.MATERIALS)
        self.frechet_row(asked, features, real_features)

    def frechet_row(self, asked, features, real):
        try:
            telea = [baselines.telea(hole.picture, hole.mask) for hole in asked]
        except baselines.Missing as error:
            self.found.missing["frechet"] = str(error)
            return
        other = classifier.materials(self.net, holes.look(telea, asked))[1]
        ours, theirs = measures.frechet(features, real), measures.frechet(other, real)
        self.found.values["frechet"] = ours / theirs
        self.found.details |= {"Frechet distance of fills": ours, "Frechet distance of Telea's": theirs}

    def agreeing_rows(self):
        asked = holes.agreeing(self.held, 4 * self.size)
        filled = self.fills(self.painter, asked)
        self.found.values["rim"] = mean([measures.rim_error(p, h.mask) for p, h in zip(filled, asked)])
        for of, pictures in (("fills", filled), ("the pictures themselves", [h.picture for h in asked])):
            self.found.details["seam where the prompt agrees, of " + of] = median_seam(pictures, asked)
        self.sheet("agreeing.png", filled[:64], 16)

    def restyle_rows(self):
        names, sources = list(styles.STYLES), heldout.restyle_sources(self.held, self.size)
        scores, kept, pictures, wanted = {n: [] for n in names}, [], [], []
        common.seed_everything(35)
        for i, x in enumerate(sources):
            made = self.painter.restyle(x[None].expand(len(names), -1, -1, -1), names, seed=i, **self.restyle_options)
            for k, (name, picture) in enumerate(zip(names, made)):
                scores[name].append(common.psnr(picture[None], styles.apply(name, x)[None]))
                kept.append(measures.gradient_correlation(picture, x))
                wanted.append(k + 1)
            pictures += [x, *made]
        seen = torch.stack([p for k, p in enumerate(pictures) if k % (len(names) + 1)])
        hits = (classifier.find_styles(self.net, seen) == torch.tensor(wanted)).float().reshape(-1, len(names))
        means = {n: mean(v) for n, v in scores.items()}
        self.found.values["style_accuracy"] = hits.mean().item()
        for kind in ("tone", "painterly"):
            self.found.values["restyle_" + kind] = mean([means[n] for n in names if styles.STYLES[n][2] == kind])
        self.found.values["gradients"] = mean(kept)
        self.found.details |= {"restyle against the filter, dB": means,
                               "restyles recognised": dict(zip(names, hits.mean(0).tolist()))}
        self.sheet("restyles.png", pictures[: 8 * (len(names) + 1)], len(names) + 1, [""] + names)

    def int8_row(self):
        if not os.path.exists(os.path.join(self.args.work, "denoiser.pt")):
            self.found.missing["int8"] = f"{self.args.work} has no denoiser.pt, the weights before they were stored"
            return
        vae, unet, text, tokens, _ = export.trained(self.args.work)
        exact = export.painter(vae, unet, text, tokens)
        asked = holes.differing(self.held, 2 * self.size)
        names = list(styles.STYLES)[: 2 * self.size]
        x = heldout.restyle_sources(self.held, 1).expand(len(names), -1, -1, -1)
        stored, exact = ([torch.stack(self.fills(p, asked, composite=False)),
                          p.restyle(x, names, **self.restyle_options)] for p in (self.painter, exact))
        self.found.values["int8"] = mean([common.psnr(*pair) for pair in zip(stored, exact)])

    def speed_row(self):
        if not self.args.palimpsest:
            self.found.missing["seconds"] = "no --palimpsest PROGRAM"
            return
        photo = next(i for i in self.held if i["kind"] == "photo")
        self.found.values["seconds"] = program.seconds_of_fill(self.args.palimpsest, self.args.model,
                                                               crops.centre(photo, 256, whole=True))

    def run(self):
        for rows in (self.vae_rows, self.fill_rows, self.agreeing_rows, self.restyle_rows, self.int8_row,
                     self.speed_row):
            rows()
        self.found.save(os.path.join(self.args.out, "metrics.json"))
        print(self.found.table())


def main():
    parser = pack.arguments(__doc__, "with the decoded pack, classifier.pt and checkpoints")
    parser.add_argument("--model", required=True, help="exported model folder")
    parser.add_argument("--out", required=True, help="folder for metrics.json and sheets")
    parser.add_argument("--palimpsest", metavar="PROGRAM", help="the program whose time is taken")
    parser.add_argument("--quick", action="store_true", help="a quarter of the pictures and half of the steps")
    parser.add_argument("--size", type=int, help="fills a material, restyles a style (default: 16, quick: 4)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's, quick: 8)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.quick:
        args.steps = args.steps or 8
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(args.threads)
    held = pack.load(args.pack, args.allowlist, ("val", "test"), args.work)
    held = [i for i in held if i["kind"] != "stamp"]
    Evaluation(args, held, args.size or (4 if args.quick else 16)).run()


if __name__ == "__main__":
    main()
