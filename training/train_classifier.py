# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the classifier that evaluate.py measures with, on the train split alone: materials and styles by turns.

Materials: crops at the scales of the denoiser's samples, all sixteen equally often, some blurred or noisy so that
sharpness is no clue. Styles: the filters on any training picture, and pictures left alone. Stops by time, goes on from
WORK/classifier.pt, prints what it gets right on held-out families.
"""
import collections
import os
import random
import time

import torch
import torch.nn.functional as F

import classifier
import common
import crops
import heldout
import pack
import samples
import styles

MATERIALS_A_STEP = 32
PICTURES_A_STEP = 12        # styled pictures of 128 px, each seen through four windows
UNTOUCHED = 1.0             # weight of "no style" against each of the styles
KEPT = 4000                 # finished examples of a kind that wait for another use
FRESH = 0.25                # share of a step's examples that is newly made


def weaken(x):
    """Blur or noise now and then: x [3, H, W]."""
    if random.random() < 0.3:
        x = styles.blur(x, random.uniform(0.3, 1.2))
    if random.random() < 0.3:
        x = x + random.uniform(0.01, 0.08) * torch.randn_like(x)
    return x.clamp(-1, 1)


def flipped(x):
    """Half of a batch the other way round."""
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x, x.flip(3))


class Examples:
    def __init__(self, items):
        self.sampler = samples.Sampler(items)
        self.kept = {self.material: [], self.style: []}
        self.by_material = collections.defaultdict(list)
        for item in items:
            if item["kind"] in ("texture", "sky") and item["label"] in classifier.MATERIAL_OF:
                self.by_material[classifier.MATERIAL_OF[item["label"]]].append(item)

    def material(self):
        """-> crop, index of its material."""
        index = random.randrange(len(classifier.MATERIALS))
        name = classifier.MATERIALS[index]
        if name == "water" and random.random() < 0.4:
            picture = crops.jitter(samples.procedural_water(classifier.WINDOW))
        else:
            turn = name not in samples.SKIES and random.random() < 0.3
            picture = crops.crop(random.choice(self.by_material[index]), classifier.WINDOW, turn=turn)
        return weaken(picture), index

    def style(self):
        """-> four windows of a picture, index of its style."""
        weights = [UNTOUCHED] + [1.0] * len(styles.STYLES)
        index = random.choices(range(len(weights)), weights)[0]
        picture, _ = self.sampler.base(2 * classifier.WINDOW)
        if index:
            picture = styles.apply(classifier.STYLES[index], picture)
        return classifier.quarters(weaken(picture)[None]), index

    def some(self, make, count):
        """`count` examples, most of them used before: making one costs more than training on it."""
        kept = self.kept[make]
        new = count if len(kept) < 4 * count else max(1, round(count * FRESH))
        out = [make() for _ in range(new)] + random.sample(kept, count - new)
        kept += out[:new]
        while len(kept) > KEPT:
            kept[random.randrange(len(kept))] = kept.pop()
        return zip(*out)

    def batch(self):
        crops_seen, which = self.some(self.material, MATERIALS_A_STEP)
        windows, style = self.some(self.style, PICTURES_A_STEP)
        x = torch.cat([torch.stack(crops_seen), *windows])
        return flipped(x), torch.tensor(which), torch.tensor(style).repeat_interleave(4)


class ClassifierTrainer:
    def __init__(self, args):
        self.args, self.path = args, os.path.join(args.work, "classifier.pt")
        items = pack.load(args.pack, args.allowlist, ("train",), args.work)
        self.examples = Examples([i for i in items if i["kind"] != "stamp"])
        common.seed_everything(args.seed)
        self.net = classifier.Classifier().to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=args.lr, weight_decay=0.05, foreach=True)
        self.step, self.seconds = 0, 0.0
        state = common.load_checkpoint(self.path)
        if state:
            self.net.load_state_dict(state["net"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds = state["step"], state["seconds"]
            common.set_rng_state(state["rng"])

    def save(self):
        common.save_checkpoint(self.path, {
            "net": self.net.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step,
            "seconds": self.seconds, "rng": common.rng_state()})

    def train_step(self, rate):
        x, material, style = self.examples.batch()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        features = F.dropout(self.net(x.contiguous(memory_format=torch.channels_last)), 0.1)
        first, rest = features.split([len(material), len(style)])
        guesses = self.net.material(first), self.net.style(rest)
        losses = [F.cross_entropy(g, want, label_smoothing=0.1) for g, want in zip(guesses, (material, style))]
        self.optimiser.zero_grad()
        sum(losses).backward()
        self.optimiser.step()
        self.step += 1
        return [loss.item() for loss in losses]

    def run(self):
        args, begun, start = self.args, time.time(), self.seconds
        saved = begun
        self.net.train()
        while (spent := time.time() - begun) < args.seconds:
            losses = self.train_step(common.learning_rate(args.lr, self.step, spent / args.seconds, decay=args.decay))
            if self.step % 50 == 0:
                print(f"step {self.step}: material {losses[0]:.3f}, style {losses[1]:.3f}", flush=True)
            if time.time() - saved > args.save_every:
                self.seconds = start + time.time() - begun
                self.save()
                saved = time.time()
        self.seconds = start + time.time() - begun
        self.save()


def report(net, held, each):
    """Print top-1 on held-out crops by material and style, with what each is taken for otherwise."""
    windows, truth = heldout.material_windows(held, each)
    table(classifier.MATERIALS, truth, classifier.materials(net, windows)[0])
    pictures, truth = heldout.styled_pictures(held, max(2, each // 4))
    table(classifier.STYLES, truth, classifier.find_styles(net, pictures))


def table(names, truth, guesses):
    shares = []
    for i in sorted(set(truth.tolist())):
        found = guesses[truth == i]
        shares.append((found == i).float().mean().item())
        others = collections.Counter(names[g] for g in found.tolist() if g != i).most_common(3)
        print(f"{names[i]:16} {shares[-1]:5.2f}  " + ", ".join(f"{name} {n / len(found):.2f}" for name, n in others))
    print(f"{'mean':16} {sum(shares) / len(shares):5.2f}")


def main():
    parser = pack.arguments(__doc__, "for the decoded pack and classifier.pt")
    parser.add_argument("--seconds", type=float, default=1200, help="how long to train now; 0 only reports")
    parser.add_argument("--decay", type=float, default=0.6, help="last share of the time over which the rate falls")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--each", type=int, default=40, help="held-out crops a material in the report")
    parser.add_argument("--save-every", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    torch.set_num_threads(args.threads)
    trainer = ClassifierTrainer(args)
    trainer.run()
    held = pack.load(args.pack, args.allowlist, ("val", "test"), args.work)
    report(trainer.net.eval(), [i for i in held if i["kind"] != "stamp"], args.each)


if __name__ == "__main__":
    main()
