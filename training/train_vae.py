# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the autoencoder's decoder; encoder and decoder start as a linear transform and its inverse (latents.py).

What is left to learn is to forgive a denoiser's errors: the latents get noise of up to NOISE of each channel's
deviation. Loss: L1 + 0.5 x L1 of a Laplacian pyramid + low-pass colour (8x8 means), crops of 96 to 192 px.
Stops by time, goes on from its checkpoint.
"""
import argparse
import os
import random
import signal
import time

import torch
import torch.nn.functional as F

import common
import crops
import latents
import modules
import pack
import sheet

SIZES = ((96, 6), (128, 4), (128, 4), (192, 2))
NOISE = 0.3


def laplacian(y, x, levels=3):
    """Sum over octaves of the L1 difference of band-pass images, and of what remains."""
    loss = 0
    for _ in range(levels):
        y2, x2 = F.avg_pool2d(y, 2), F.avg_pool2d(x, 2)
        up = lambda t: F.interpolate(t, scale_factor=2.0, mode="nearest")
        loss = loss + ((y - up(y2)) - (x - up(x2))).abs().mean()
        y, x = y2, x2
    return loss + (y - x).abs().mean()


def reconstruction_loss(y, x):
    return (y - x).abs().mean() + 0.5 * laplacian(y, x) + 0.5 * (F.avg_pool2d(y, 8) - F.avg_pool2d(x, 8)).abs().mean()


def fit_latents(items, weights, count):
    images = torch.stack([crops.crop(i, 128, jittered=False) for i in random.choices(items, weights, k=count)])
    return latents.LinearLatents.fit(images)


class VaeTrainer:
    def __init__(self, args):
        self.args = args
        self.bf16 = common.bf16_pays(args.device) if args.bf16 is None else args.bf16
        self.items = [i for i in pack.load(args.pack, args.allowlist, ("train",), args.work) if i["kind"] != "stamp"]
        held = [i for i in pack.load(args.pack, args.allowlist, ("val", "test"), args.work) if i["kind"] != "stamp"]
        random.Random(3).shuffle(held)
        self.held = torch.stack([crops.centre(i, 128) for i in held[: args.held]])
        self.weights = crops.image_weights(self.items)
        self.path = os.path.join(args.work, "vae.pt")
        self.vae = modules.AutoencoderDC(common.VAE_CONFIG).to(args.device, memory_format=torch.channels_last)
        self.params = list(self.vae.decoder.parameters())
        self.optimiser = torch.optim.AdamW(self.params, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0, foreach=True)
        self.step = self.seen = 0
        self.seconds = 0.0
        self.log = []
        state = common.load_checkpoint(self.path)
        common.seed_everything(args.seed)
        if not state and args.initial:
            common.load_part(self.vae, args.initial, "vae")
            self.linear = latents.LinearLatents.read(self.vae)
        elif not state:
            self.linear = fit_latents(self.items, self.weights, args.fit)
            self.linear.write(self.vae)
        self.average = common.Average(self.params, 0.998)
        if state:
            self.restore(state)
        else:
            self.save()

    def restore(self, state):
        self.vae.load_state_dict(state["vae"])
        self.linear = latents.LinearLatents(**state["latents"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.load_state_dict(state["average"])
        self.step, self.seen, self.seconds, self.log = (state[k] for k in ("step", "seen", "seconds", "log"))
        common.set_rng_state(state["rng"])

    def save(self):
        common.save_checkpoint(self.path, {
            "vae": self.vae.state_dict(), "latents": self.linear.state(), "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict(), "step": self.step, "seen": self.seen, "seconds": self.seconds,
            "log": self.log, "rng": common.rng_state()})

    def evaluate(self):
        self.average.swap()
        with torch.no_grad():
            y = torch.cat([self.vae.decode(self.linear(x).to(self.args.device)).cpu() for x in self.held.split(8)])
        self.average.swap()
        row = {"seconds": round(self.seconds), "crops": self.seen, "psnr": round(common.psnr(y, self.held), 2)}
        self.log.append(row)
        print(row, flush=True)
        pairs = torch.stack([self.held[:24], y[:24]], 1).flatten(0, 1)
        sheet.save(os.path.join(self.args.work, "vae.png"), pairs, 8)

    def train_step(self, rate):
        size, batch = random.choice(SIZES) if not self.args.smoke else (64, 2)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        x = torch.stack([crops.crop(i, size, turn=random.random() < 0.3)
                         for i in random.choices(self.items, self.weights, k=batch)])
        z = self.linear(x)
        z = z + random.uniform(0, NOISE) * self.linear.deviation[:, None, None] * torch.randn_like(z)
        x, z = x.to(self.args.device), z.to(self.args.device)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            y = self.vae.decode(z)
        loss = reconstruction_loss(y.float(), x)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.optimiser.step()
        self.average.update()
        self.step += 1
        self.seen += batch

    def run(self):
        args, begun, start = self.args, time.time(), self.seconds
        reported = saved = begun
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(True))   # finish the step, save, leave
        while (spent := time.time() - begun) < args.seconds and not stop:
            self.train_step(common.learning_rate(args.lr, self.step, spent / args.seconds, decay=args.decay))
            self.seconds = start + time.time() - begun
            if time.time() - saved > args.save_every:
                self.save()
                saved = time.time()
            if time.time() - reported > args.report_every:
                self.evaluate()
                reported = time.time()
        self.save()
        if not stop:
            self.evaluate()
            self.save()


def main():
    parser = pack.arguments(__doc__, "for checkpoints, logs and sheets")
    parser.add_argument("--seconds", type=float, default=1800, help="how long to train now")
    parser.add_argument("--decay", type=float, default=0.3, help="last share of the time over which the rate falls")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--initial", help="exported model folder to start from when WORK has no checkpoint")
    parser.add_argument("--fit", type=int, default=800, help="crops from which the latent transform is computed")
    parser.add_argument("--held", type=int, default=48, help="held-out crops for the curve")
    parser.add_argument("--save-every", type=float, default=60)
    parser.add_argument("--report-every", type=float, default=180)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction,
                        help="convolutions in bf16; by itself where the device is faster with it")
    parser.add_argument("--smoke", action="store_true", help="tiny batches, to see that the stage runs")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    torch.set_num_threads(args.threads)
    VaeTrainer(args).run()


if __name__ == "__main__":
    main()
