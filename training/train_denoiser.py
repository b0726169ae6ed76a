# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the U-Net by flow matching on latents of synthesised samples.

x_t = (1 - t) x0 + t n, output = x0, timestep input 1000 t; input channels [x_t 32, mask 1, conditioning 32];
the caption reaches the U-Net twice, by cross-attention and, pooled, as its class label.
Needs the latent transform of `train_vae.py` (its checkpoint's first save is enough; its decoder is used for the
sheets) and starts from the text encoder of `train_text.py` where there is one. Stops by time and goes on from its
checkpoint: weights, averages, optimiser and step, from which the random state is seeded. `--workers 2` trains on two
cores (workers.py).
"""
import argparse
import os
import random
import shutil
import signal
import time

import torch
import torch.nn.functional as F

import common
import crops
import latents
import modules
import pack
import pool
import samples
import sampling
import sheet
import styles
import tokenizer
import workers

OUTSIDE = 0.1        # weight of cells that are not repainted
NEARLY_CLEAN = 0.2   # square of the time below which errors stop counting more
DROPOUT = 0.12       # share of empty captions
WORDS = ("grass", "sky", "sand", "water", "rock", "snow")


def caption_corpus(items):
    """Texts for the byte-pair merges: pack captions, and every word of the vocabulary often enough to stay whole."""
    texts = [c for item in items for c in item["captions"]]
    texts += [w for w in samples.words() for _ in range(40)]
    for name, (_, others, _) in styles.STYLES.items():
        texts += [name] * 40 + [o for o in others for _ in range(20)] + ["in the style of " + name] * 10
    return texts


def caption_tokenizer(items, work):
    folder = os.path.join(work, "tokenizer")
    if not os.path.exists(os.path.join(folder, "vocab.json")):
        tokenizer.train(caption_corpus(items), common.VOCABULARY, folder)
    return tokenizer.Tokenizer(folder)


class DenoiserTrainer:
    def __init__(self, args, team):
        self.args, self.team = args, team
        self.bf16 = common.bf16_pays(args.device) if args.bf16 is None else args.bf16
        train = pack.load(args.pack, args.allowlist, ("train",), args.work)
        held = pack.load(args.pack, args.allowlist, ("val", "test"), args.work)
        state = common.load_checkpoint(os.path.join(args.work, "vae.pt"))
        if state is None:
            raise SystemExit(f"{args.work}/vae.pt is missing: start train_vae.py first, it fixes the latent space")
        self.linear = latents.LinearLatents(**state["latents"])
        if args.initial:
            shutil.copytree(os.path.join(args.initial, "tokenizer"), os.path.join(args.work, "tokenizer"),
                            dirs_exist_ok=True)
        self.tokenizer = caption_tokenizer(train, args.work)
        common.seed_everything(args.seed)
        self.device = torch.device(args.device)
        self.unet = modules.UNet2DConditionModel(common.UNET_CONFIG).to(self.device, memory_format=torch.channels_last)
        self.text = modules.CLIPTextModel(common.text_config(self.tokenizer)).to(self.device)
        head_start = common.load_checkpoint(os.path.join(args.work, "text.pt"))
        if head_start:
            self.text.load_state_dict(head_start)
        with torch.no_grad():
            self.unet.conv_out.weight.mul_(0.1)
            self.unet.conv_out.bias.zero_()
        if args.initial:
            common.load_part(self.unet, args.initial, "unet")
            common.load_part(self.text, args.initial, "text_encoder")
        self.build_optimiser()
        self.probe = self.make_probe(samples.Sampler(held))
        self.held = held
        sampler = samples.Sampler(train)
        drawers = args.drawers and pool.Drawers(args.drawers, sampler, self.linear, args.sizes, args.seed + team.rank)
        self.pool = pool.Pool(sampler, self.linear, args.pool, args.fresh, drawers)
        # Every channel counts relative to what it can vary: weighed by their variance the fine ones, which are the
        # texture, would be left out. The first three alone carry the mean colour of a cell and count more.
        self.channel_weight = 1 / self.linear.deviation
        self.channel_weight[:3] *= args.colour
        self.channel_weight = (self.channel_weight / self.channel_weight.mean())[:, None, None].to(self.device)
        self.states = {}
        self.step = self.seen = 0
        self.seconds, self.running = 0.0, None
        self.log = []
        self.path = os.path.join(args.work, "denoiser.pt")
        state = common.load_checkpoint(self.path)
        if state:
            self.restore(state)
        common.seed_everything(args.seed + 1000 * (self.step + 1) + team.rank)

    def build_optimiser(self):
        """Cross-attention learns faster; the text encoder rests on its head start.

        Trained along from the beginning it forgets: while captions do not matter yet, all words drift together
        (the distance of grass to rock fell from 17 to 1.5), and what is lost does not come back.
        """
        named = list(self.unet.named_parameters())
        rest = [p for n, p in named if "attn2" not in n]
        cross = [p for n, p in named if "attn2" in n]
        text = list(self.text.parameters())
        self.params = rest + cross + text
        groups = [{"params": p, "factor": f} for p, f in ((rest, 1.0), (cross, self.args.cross), (text, self.args.text))]
        self.text_rests = self.args.text == 0
        self.optimiser = torch.optim.AdamW(groups, lr=self.args.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.average = common.Average(self.params, self.args.average)

    def make_probe(self, sampler):
        state = common.rng_state()
        common.seed_everything(99)
        drawn = [sampler.draw(128) for _ in range(self.args.probe)]
        noise = torch.randn(len(drawn), common.LATENT_CHANNELS, 16, 16)
        common.set_rng_state(state)
        z, c = self.linear(torch.stack([d[i] for d in drawn for i in (0, 1)])).unflatten(0, (-1, 2)).unbind(1)
        m = sampling.latent_mask(torch.stack([d[2] for d in drawn]))
        half = len(drawn) // 2
        t = torch.cat([torch.linspace(0.02, 0.98, len(drawn) - half), 1 - 0.1 * torch.linspace(0, 1, half).square()])
        z, m, c, noise, t = (x.to(self.device) for x in (z, m, c, noise, t))
        return z, m, c, [d[3] for d in drawn], noise, t

    def restore(self, state):
        self.unet.load_state_dict(state["unet"])
        self.text.load_state_dict(state["text"])
        self.optimiser.load_state_dict(state["optimiser"])
        for group, factor in zip(self.optimiser.param_groups, (1.0, self.args.cross, self.args.text)):
            group["factor"] = factor       # the command line's, not the checkpoint's
        self.average.load_state_dict(state["average"])
        self.step, self.seen, self.seconds, self.log = (state[k] for k in ("step", "seen", "seconds", "log"))

    def save(self):
        common.save_checkpoint(self.path, {
            "unet": self.unet.state_dict(), "text": self.text.state_dict(), "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict(), "step": self.step, "seen": self.seen, "seconds": self.seconds,
            "log": self.log})

    def read(self, captions):
        """-> hidden states [B, T, C] and pooled states [B, C]; computed once a caption while the encoder rests."""
        if not self.text_rests:
            ids = torch.tensor([self.tokenizer(s) for s in captions], device=self.device)
            states = self.text(ids)
            return states, self.text.pooled(ids, states)
        for caption in set(captions) - self.states.keys():
            ids = torch.tensor([self.tokenizer(caption)], device=self.device)
            with torch.no_grad():
                states = self.text(ids)
                self.states[caption] = states[0], self.text.pooled(ids, states)[0]
        return tuple(torch.stack(column) for column in zip(*(self.states[c] for c in captions)))

    def predict(self, z, m, c, captions, noise, t):
        states, pooled = self.read(captions)
        x = (1 - t[:, None, None, None]) * z + t[:, None, None, None] * noise
        x = torch.cat([x, m, c], 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            output = self.unet(x, t * 1000, states, pooled)
        return output.float()

    def times(self, count):
        """Logit-normal (arXiv 2403.03206), and a share very near to 1.

        The mean colour of an area shows through the noise of its many cells below t = 0.95 already, so what a prompt
        means can be learned only above.
        """
        t = torch.sigmoid(torch.randn(count) * 1.2 + self.args.noisier)
        return torch.where(torch.rand(count) < self.args.near_one, 1 - 0.1 * torch.rand(count).square(), t)

    def loss(self, z, m, c, captions):
        captions = ["" if random.random() < DROPOUT else s for s in captions]
        z, m, c = (x.to(self.device, non_blocking=True) for x in (z, m, c))
        t = self.times(len(z)).to(self.device)
        weight = OUTSIDE + (1 - OUTSIDE) * m
        error = (self.predict(z, m, c, captions, torch.randn_like(z), t) - z) * weight.sqrt()
        # the velocity's error is this one over t; near t = 0 that would leave nothing for the rest
        error = error * (NEARLY_CLEAN / (t.square() + NEARLY_CLEAN)).sqrt()[:, None, None, None]
        loss = (error.square() * self.channel_weight).sum() / (weight.sum() * z.shape[1])
        plain = (error.detach().square().sum() / (weight.sum() * z.shape[1])).item()
        if self.args.low_pass:
            # means of 4x4 cells: errors of large areas count again, until words and colours agree
            coarse = F.avg_pool2d(error, 4).square() * self.channel_weight
            loss = loss + self.args.low_pass * coarse.mean() / F.avg_pool2d(weight, 4).mean()
        return loss, plain

    def train_step(self, rate):
        size = random.choices(*zip(*self.args.sizes))[0]
        count = max(2, round(self.args.batch * (128 / size) ** 2))
        if self.args.smoke:
            size, count = 64, 2
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        loss, plain = self.loss(*self.pool.batch(size, count))
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.optimiser.step()
        self.average.update()
        self.step += 1
        self.seen += count
        self.running = plain if self.running is None else 0.99 * self.running + 0.01 * plain

    @torch.no_grad()
    def evaluate(self):
        z, m, c, captions, noise, t = self.probe
        row = {"seconds": round(self.seconds), "step": self.step, "samples": self.seen,
               "running": round(self.running or 0, 4)}
        self.average.swap()
        for name, words in (("held", captions), ("held_wrong_words", captions[1:] + captions[:1])):
            off = self.predict(z, m, c, words, noise, t) - z
            error = (off.square() * m).sum() / (m.sum() * z.shape[1])
            coarse = (F.avg_pool2d(off[:, :4] * m, 4).square()).mean() * 16
            row[name], row[name + "_coarse"] = round(error.item(), 4), round(coarse.item(), 4)
        self.average.swap()
        self.log.append(row)
        print(row, f"{self.seen / max(self.seconds, 1):.1f} samples/s", flush=True)

    def painter(self):
        vae = modules.AutoencoderDC(common.VAE_CONFIG)
        state = common.load_checkpoint(os.path.join(self.args.work, "vae.pt"))
        vae.load_state_dict(state["vae"])
        common.copy_into(vae.decoder.parameters(), state["average"]["shadow"])
        return sampling.Painter(self.unet, self.text, self.tokenizer, self.linear, vae.decode, bf16=self.bf16,
                                device=self.args.device)

    @torch.no_grad()
    def sheets(self):
        """Held-out pictures: six fills of one hole, all styles, and words alone."""
        self.average.swap()
        painter, steps = self.painter(), 1 if self.args.smoke else 12
        rng = random.Random(4)
        choose = lambda kinds, n: rng.sample([i for i in self.held if i["kind"] in kinds], n)
        chosen = choose(("photo",), 4) + choose(("texture",), 2) + choose(("sky",), 1)
        pictures = torch.stack([crops.centre(i, 128, whole=i["kind"] != "texture") for i in chosen])
        yy, xx = samples.coordinates(128)
        hole = ((((yy - 74) / 44) ** 2 + ((xx - 64) / 46) ** 2) < 1).float()[None, None]
        rows = []
        for i, picture in enumerate(pictures):
            x = picture[None].expand(len(WORDS), -1, -1, -1)
            filled = painter.fill(x, hole.expand(len(x), -1, -1, -1), list(WORDS), steps=steps, seed=i)
            rows += [picture] + list(filled)
        sheet.save(os.path.join(self.args.work, "fills.png"), torch.stack(rows), len(WORDS) + 1, ("",) + WORDS)
        names = list(styles.STYLES)
        rows = []
        for i, picture in enumerate(pictures[:5]):
            x = picture[None].expand(len(names), -1, -1, -1)
            rows += [picture] + list(painter.restyle(x, names, steps=min(steps, 8), guidance=1.5, seed=i))
        sheet.save(os.path.join(self.args.work, "restyles.png"), torch.stack(rows), len(names) + 1, [""] + names)
        words = WORDS + ("brick wall", "wood planks", "foliage", "night sky", "sunset", "stone wall", "gravel", "lava")
        made = painter.generate(list(words) * 2, steps=steps)
        sheet.save(os.path.join(self.args.work, "words.png"), made, len(words), words)
        self.average.swap()

    def run(self):
        """Trains until the time is over or SIGTERM comes; rank 0 saves, reports and draws."""
        args, begun, start = self.args, time.time(), self.seconds
        told, counted, stop = [], self.seen, False
        last = dict.fromkeys(("save", "report", "sheet"), begun)
        signal.signal(signal.SIGTERM, lambda *_: told.append(True))   # finish the step, save, leave
        while not stop:
            spent = time.time() - begun
            self.train_step(common.learning_rate(args.lr, self.step, spent / args.seconds, decay=args.decay))
            if self.team.due():
                stop, new = self.team.meet(self.params, bool(told) or spent > args.seconds, self.seen - counted)
                self.seen = counted = counted + new
            self.seconds = start + time.time() - begun
            if self.team.rank == 0:
                self.look_after(last)
        if self.team.rank == 0:
            self.evaluate()
            self.save()
            if not told:
                self.sheets()

    def look_after(self, last):
        for name, every, act in (("save", self.args.save_every, self.save),
                                 ("report", self.args.report_every, self.evaluate),
                                 ("sheet", self.args.sheet_every, self.sheets)):
            if time.time() - last[name] > every:
                act()
                last[name] = time.time()


def size_shares(text):
    """"96:0.7,128:0.3" -> pairs of crop size and share of the steps."""
    pairs = [part.split(":") for part in text.split(",")]
    return [(int(size), float(share)) for size, share in pairs]


def work(args, rank):
    torch.set_num_threads(args.threads)
    DenoiserTrainer(args, workers.Team(rank, args.workers, args.work, args.meet_every)).run()


def main():
    parser = pack.arguments(__doc__, "for checkpoints, logs and sheets")
    parser.add_argument("--initial", help="exported model folder to start from when WORK has no checkpoint")
    parser.add_argument("--seconds", type=float, default=3600, help="how long to train now")
    parser.add_argument("--decay", type=float, default=0.3, help="last share of the time over which the rate falls")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--cross", type=float, default=2.0, help="rate of cross-attention against the rest")
    parser.add_argument("--text", type=float, default=0.0, help="rate of the text encoder against the rest")
    parser.add_argument("--batch", type=int, default=32, help="samples a step at 128 px")
    parser.add_argument("--sizes", type=size_shares, default="128:0.7,96:0.15,192:0.15", metavar="PX:SHARE,...",
                        help="crop sizes (multiples of 32) and their shares; small ones learn words soonest")
    parser.add_argument("--average", type=float, default=0.998, help="decay of the averaged weights")
    parser.add_argument("--noisier", type=float, default=0.3, help="shift of the logit-normal time towards noise")
    parser.add_argument("--colour", type=float, default=2.0, help="extra weight of the three colour components")
    parser.add_argument("--near-one", type=float, default=0.2, help="share of times drawn between 0.9 and 1")
    parser.add_argument("--low-pass", type=float, default=0.5, help="weight of the coarse error; 0 once words work")
    parser.add_argument("--pool", type=int, default=8000, help="finished samples kept for another use")
    parser.add_argument("--fresh", type=float, default=0.3, help="share of a batch that is newly drawn")
    parser.add_argument("--probe", type=int, default=96, help="held-out samples for the curve")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--save-every", type=float, default=60)
    parser.add_argument("--report-every", type=float, default=120)
    parser.add_argument("--sheet-every", type=float, default=600)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--drawers", type=int, default=0, help="processes that draw samples for a fast device")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes whose parameters are averaged")
    parser.add_argument("--meet-every", type=float, default=15, help="seconds between two averagings")
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction,
                        help="products in bf16; by itself where the device is faster with it")
    parser.add_argument("--smoke", action="store_true", help="tiny batches, to see that the stage runs")
    workers.launch(work, parser.parse_args())


if __name__ == "__main__":
    main()
