# SPDX-License-Identifier: GPL-3.0-or-later
"""Exemplar memory: latents of a few pictures of each material, from whose patches a fill takes its detail.

A network of this size knows where a material goes, its colour and its light, long before it can draw it. What it
lacks is in the pictures it learned from: the denoiser that is optimal for the patches of one picture is known in
closed form, the mean of those patches, each weighted by how well it explains the noisy input (Kamb & Ganguli,
arXiv 2412.20292; GPNN, arXiv 2103.15545, does the same without noise). So the two are put together, as
retrieval-augmented diffusion (arXiv 2204.11824) does by training: large forms come from the network, everything
finer from patches of one exemplar.

    python3 exemplars.py --pack pack.tar --work WORK --out models/default/exemplars
"""
import os
import re

import torch
import torch.nn.functional as F

import common
import latents
import pack
import samples

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = {
    "_class_name": "PalimpsestExemplars",
    # The network decides the mean of these first channels, smoothed by a Gaussian of this deviation in cells; of
    # skies only the light as a whole, since clouds are as large as that.
    "form_channels": 3, "form_smooth": 4.0, "form_smooth_of": {label: 12.0 for label in samples.SKIES},
    # Cells around the area count as so many of its own, as far as their colour is one of the exemplars': a Gaussian of
    # this deviation. The network's colour goes this share of the way to the exemplar's own.
    "around_weight": 30.0, "around_alike": 1.2, "own_colour": 0.7,
    # From coarse to fine: above this noise level, patches of this many cells' side compared by the first channels.
    "stage_above": [0.66, 0.33, 0.0], "stage_side": [7, 5, 3], "stage_channels": [6, 12, 32],
    # Of two labels, one of these lies rather above the other: its squared distance falls by this from the area's middle
    # to half its height above.
    "above": list(samples.SKIES), "tilt": 40.0,
    # These hold what is larger than patches, clouds: above this noise level they are taken as they lie.
    "whole_above": 0.4,
    # An exemplar's cell is voted for by the 3x3 patches that hold it, weighted by a Gaussian of this deviation.
    "vote_smooth": 0.5,
    # One of this many exemplars whose mean comes nearest to the network's first guess; the seed says which.
    "nearest": 3,
}
SIDE = 320           # pixels of an exemplar
VOTE = 3             # cells
LABELS = 2           # most that one picture recalls: a ground and a sky
LEAST_NOISE = 0.02   # below, the nearest patch alone counts in any case


def gaussian(sigma, radius):
    k = torch.exp(-torch.arange(-radius, radius + 1).float().square() / (2 * sigma * sigma))
    return k / k.sum()


def smooth_inside(x, inside, sigma):
    """Gaussian mean of x [C, H, W] over cells that count as inside [1, H, W] says; 0 where none is near."""
    k = gaussian(sigma, int(3 * sigma))
    def blur(t):
        t = F.conv2d(t[:, None], k[None, None, :, None], padding=(len(k) // 2, 0))
        return F.conv2d(t, k[None, None, None], padding=(0, len(k) // 2))[:, 0]
    return blur(x * inside) / blur(inside).clamp_min(1e-6)


def neighbours(inside, side):
    """[T, side side]: for each cell inside [H, W], in reading order, the indices of its patch's cells.

    A neighbour that is not inside is replaced by the one opposite, else by the cell itself: what lies around the
    area is no example of what belongs there.
    """
    h, w = inside.shape
    yy, xx = inside.nonzero(as_tuple=True)
    reach = torch.arange(side) - side // 2
    dy, dx = (d.flatten() for d in torch.meshgrid(reach, reach, indexing="ij"))
    index, found = (yy * w + xx)[:, None].repeat(1, side * side), torch.zeros(len(yy), side * side, dtype=torch.bool)
    for sign in (1, -1):
        y, x = yy[:, None] + sign * dy, xx[:, None] + sign * dx
        ok = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        ok &= inside[y.clamp(0, h - 1), x.clamp(0, w - 1)] & ~found
        index, found = torch.where(ok, y * w + x, index), found | ok
    return index


class Patches:
    """One exemplar's patches for one stage: what they are compared by, and the middles that vote."""

    def __init__(self, exemplar, side, channels):
        edge = (side - VOTE) // 2
        middle = exemplar[:, edge:exemplar.shape[1] - edge, edge:exemplar.shape[2] - edge]
        self.keys = F.unfold(exemplar[None, :channels], side)[0].T
        self.values = F.unfold(middle[None], VOTE)[0].T
        self.energy = self.keys.square().sum(1)

    def explain(self, queries, signal, noise):
        """queries [T, K] = signal x patch + noise x n -> expected middles [T, C VOTE VOTE]."""
        noise = max(noise, LEAST_NOISE)
        logits = (signal * (queries @ self.keys.T) - 0.5 * signal ** 2 * self.energy) / noise ** 2
        return torch.softmax(logits, 1) @ self.values


class Recall:
    """Denoises one picture by an exemplar of each label; mask [1, H, W] is the share of each cell to be repainted,
    known [C, H, W] the picture's latents, true where the mask is 0.

    candidates: by label the exemplars [C, h, w] to choose from. With two labels, grass under a sky, a cell
    belongs to the one whose exemplars' mean is nearer to what the network makes of the cell's surroundings.
    """

    def __init__(self, candidates, mask, known, seed, config):
        self.labels, self.candidates = list(candidates), list(candidates.values())
        self.known, self.seed, self.config = known, seed, config
        self.means = torch.stack([torch.stack([self.mean(e) for e in kept]).mean(0) for kept in self.candidates])
        self.inside = mask[0] > 0
        self.around = [self.weigh_around(label, kept) for label, kept in candidates.items()]
        self.chosen, self.stages = {}, {}
        vote = gaussian(config["vote_smooth"], VOTE // 2)
        self.vote = (vote[:, None] * vote[None]).flatten()

    def mean(self, exemplar):
        return exemplar[: self.config["form_channels"]].mean((1, 2))

    def smooth(self, x, inside, sigma=None):
        """The first channels of x [C, H, W], smoothed over the cells inside."""
        sigma = sigma or self.config["form_smooth"]
        return smooth_inside(x[: self.config["form_channels"]], inside[None].float(), sigma)

    def sigma(self, label):
        return self.config["form_smooth_of"].get(label, self.config["form_smooth"])

    def weigh_around(self, label, kept):
        """[H, W]: how much a cell that is not repainted draws the form of a label."""
        outside = self.smooth(self.known, ~self.inside, self.sigma(label))
        colours = torch.stack([self.mean(e) for e in kept])
        distance = (outside - colours[:, :, None, None]).square().sum(1).amin(0)
        fits = (-distance / (2 * self.config["around_alike"] ** 2)).exp()
        return self.config["around_weight"] * fits * ~self.inside

    def form(self, i, guess, inside):
        """The network's part of a guess for label i: smooth, moved towards the exemplar's colour, and drawn to what
        lies around the area where that has a colour that the label can have. So a fill of what is there already meets
        it without a step, and brick in a meadow does not turn green."""
        n = self.config["form_channels"]
        guess = guess[:n]
        shift = self.mean(self.chosen[i]) - guess[:, inside].mean(1)
        guess = guess + self.config["own_colour"] * shift[:, None, None]
        values, weight = torch.where(self.inside, guess, self.known[:n]), (inside + self.around[i])[None]
        return smooth_inside(values, weight, self.sigma(self.labels[i]))

    def areas(self, guess):
        """-> for each label its cells [H, W]."""
        if len(self.candidates) == 1:
            return [self.inside]
        distance = (self.smooth(guess, self.inside) - self.means[:, :, None, None]).square().sum(1)
        rows = self.inside.any(1).nonzero()[:, 0]
        first, last = int(rows[0]), int(rows[-1])
        slope = (2 * torch.arange(len(guess[0])) - first - last) / (last - first + 1)
        for i, label in enumerate(self.labels):
            if label in self.config["above"]:
                distance[i] += self.config["tilt"] * slope[:, None]
        nearest = distance.argmin(0)
        return [self.inside & (nearest == i) for i in range(len(self.candidates))]

    def choose(self, i, guess, area):
        """The exemplar for label i: of those nearest in mean to the first guess at its cells, one by the seed."""
        if i not in self.chosen:
            mean = guess[: self.config["form_channels"], area].mean(1)
            order = torch.stack([(self.mean(e) - mean).square().sum() for e in self.candidates[i]]).argsort()
            order = order[: self.config["nearest"]]
            self.chosen[i] = self.candidates[i][order[self.seed % len(order)]]
        return self.chosen[i]

    def lie(self, exemplar, area):
        """What an exemplar has at the cells of an area less its mean there, as it lies: from a corner that
        the seed says, mirrored where it ends. [C, H, W]"""
        def along(axis, length, step):
            have = exemplar.shape[axis]
            spare = max(have - length + 1, 1)
            at = (torch.arange(length) + self.seed % spare * step % spare) % (2 * have)
            return torch.where(at < have, at, 2 * have - 1 - at)
        laid = exemplar[:, along(1, area.shape[0], 7)][:, :, along(2, area.shape[1], 13)]
        return laid - laid[:, area].mean(1)[:, None, None]

    def patches(self, i, exemplar, stage):
        if (i, stage) not in self.stages:
            side, channels = self.config["stage_side"][stage], self.config["stage_channels"][stage]
            self.stages[i, stage] = Patches(exemplar - exemplar.mean((1, 2), keepdim=True), side, channels)
        return self.stages[i, stage]

    def detail(self, i, x, guess, area, signal, noise):
        """x0 [C, H, W] at the cells of an area, by the exemplar of label i."""
        c, h, w = x.shape
        exemplar, form = self.choose(i, guess, area), torch.zeros_like(x)
        form[: self.config["form_channels"]] = self.form(i, guess, area)
        if self.labels[i] in self.config["above"] and noise > self.config["whole_above"]:
            return self.lie(exemplar, area) + form
        stage = next(k for k, above in enumerate(self.config["stage_above"]) if noise > above)
        patches = self.patches(i, exemplar, stage)
        cells = neighbours(area, self.config["stage_side"][stage])
        queries = (x - signal * form)[: self.config["stage_channels"][stage]].flatten(1)[:, cells]
        votes, weight = torch.zeros(h * w, c * VOTE * VOTE), self.vote.repeat(c)
        votes[area.flatten()] = patches.explain(queries.transpose(0, 1).flatten(1), signal, noise) * weight
        fold = lambda v: F.fold(v.T[None], (h + 2, w + 2), VOTE)[0][:, 1:-1, 1:-1]
        return fold(votes) / fold(area.flatten()[:, None] * weight).clamp_min(1e-6) + form

    def __call__(self, x, guess, signal, noise):
        """x = signal x0 + noise n, guess: the network's x0; [C, H, W] -> x0, the guess where nothing is repainted."""
        out = guess
        for i, area in enumerate(self.areas(guess)):
            if area.any():
                out = torch.where(area, self.detail(i, x, guess, area, signal, noise), out)
        return out


class Memory:
    """exemplars: label -> list of latents [C, h, w]; config["words"]: word -> label."""

    def __init__(self, exemplars, config):
        self.exemplars, self.config, self.words = exemplars, config, config["words"]

    def labels_of(self, caption):
        """The labels that a caption names, at most LABELS, else none."""
        hits = [word for word in self.words if re.search(rf"\b{re.escape(word)}\b", caption)]
        # a longer word counts for the shorter one in it: "night sky" is no sky
        labels = [self.words[w] for w in hits if not any(w != other and w in other for other in hits)]
        labels = list(dict.fromkeys(labels))
        return labels if len(labels) <= LABELS else []

    def recall(self, caption, mask, known, seed):
        """-> Recall of what the caption names, or None."""
        labels = self.labels_of(caption)
        return Recall({l: self.exemplars[l] for l in labels}, mask, known, seed, self.config) if labels else None


def selection(path=os.path.join(HERE, "exemplars.tsv")):
    """-> rows (label, file of the pack), picked by eye: even light, a usual scale, variety."""
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]


def words(labels):
    """Head word -> the label it stands for: the one that it leads, else the first that lists it."""
    out = {samples.HEADS[label][0]: label for label in labels}
    for label in labels:
        for head in samples.HEADS[label]:
            out.setdefault(head, label)
    return out


def build(items, linear, some=False):
    """The selected pictures of the pack's train split as a Memory; some: those that are among the items."""
    by_file = {i["file"]: i for i in items}
    out = {}
    for label, name in selection():
        if name not in by_file and some:
            continue
        if name not in by_file:
            raise SystemExit(f"exemplars.tsv names {name}, which the pack's train split does not have")
        pixels = by_file[name]["pixels"][:3, :SIDE, :SIDE].float() / 127.5 - 1
        height, width = (n // latents.PIXELS * latents.PIXELS for n in pixels.shape[1:])
        out.setdefault(label, []).append(linear(pixels[None, :, :height, :width])[0])
    return Memory(out, dict(CONFIG, words=words(out)))


def write(memory, folder):
    """folder/config.json, and latents [h, w, C] in 8 bits with one scale a channel for all."""
    os.makedirs(folder, exist_ok=True)
    cells = torch.cat([e.flatten(1) for kept in memory.exemplars.values() for e in kept], 1)
    scale = cells.abs().amax(1) / 127
    tensors = {f"{label}.{i}": (e / scale[:, None, None]).round().to(torch.int8).permute(1, 2, 0)
               for label, kept in memory.exemplars.items() for i, e in enumerate(kept)}
    common.save_safetensors(os.path.join(folder, common.PARTS["exemplars"]), {**tensors, "scale": scale})
    common.save_json(os.path.join(folder, "config.json"), memory.config)


def read(folder):
    tensors = common.load_safetensors(os.path.join(folder, common.PARTS["exemplars"]))
    scale, out = tensors.pop("scale"), {}
    for name in sorted(tensors, key=lambda n: (n.rsplit(".", 1)[0], int(n.rsplit(".", 1)[1]))):
        out.setdefault(name.rsplit(".", 1)[0], []).append(tensors[name].permute(2, 0, 1) * scale[:, None, None])
    return Memory(out, common.load_json(os.path.join(folder, "config.json")))


def main():
    parser = pack.arguments(__doc__, "with vae.pt, which has the latent transform")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--some", action="store_true", help="do with a part of the pack, to see that the stage runs")
    args = parser.parse_args()
    linear = latents.LinearLatents(**common.load_checkpoint(os.path.join(args.work, "vae.pt"))["latents"])
    write(build(pack.load(args.pack, args.allowlist, ("train",), args.work), linear, args.some), args.out)


if __name__ == "__main__":
    main()
