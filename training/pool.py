# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished training samples, kept for another use with other noise: drawing one costs a sixth of a training step on a
CPU core, and far more than one on a GPU, for which other processes draw (`Drawers`)."""
import queue
import random

import torch
import torch.multiprocessing as mp

import common
import sampling


def draw(sampler, encode, size, count):
    """-> rows (latent, latent mask, conditioning latent, caption)."""
    drawn = [sampler.draw(size) for _ in range(count)]
    z, c = encode(torch.stack([d[i] for d in drawn for i in (0, 1)])).unflatten(0, (-1, 2)).unbind(1)
    m = sampling.latent_mask(torch.stack([d[2] for d in drawn]))
    return list(zip(z, m, c, [d[3] for d in drawn]))


class Pool:
    """sampler: samples.Sampler; encode: pictures [N, 3, H, W] -> latents. Keeps up to `capacity` samples a size, of
    which a batch takes a share `fresh` newly drawn; with drawers, whatever they have drawn since."""

    def __init__(self, sampler, encode, capacity, fresh, drawers=None):
        self.sampler, self.encode, self.capacity, self.fresh, self.drawers = sampler, encode, capacity, fresh, drawers
        self.kept = {}

    def batch(self, size, count):
        """-> latents, masks, conditioning latents, captions."""
        kept = self.kept.setdefault(size, [])
        if self.drawers:
            while len(kept) < count or self.drawers.waiting():
                self.keep(*self.drawers.take())
            return stack(random.sample(kept, count))
        new = count if len(kept) < 4 * count else max(1, round(count * self.fresh))
        old = random.sample(kept, count - new) if new < count else []
        rows = draw(self.sampler, self.encode, size, new)
        self.keep(size, rows)
        return stack(rows + old)

    def keep(self, size, rows):
        kept = self.kept.setdefault(size, [])
        for row in rows:
            if len(kept) < self.capacity:
                kept.append(row)
            else:
                kept[random.randrange(self.capacity)] = row


class Drawers:
    """`count` processes that draw all the time; sizes: pairs of pixels and share. They end with the trainer."""

    ROWS = 32

    def __init__(self, count, sampler, encode, sizes, seed):
        context = mp.get_context("spawn")
        self.queue = context.Queue(4 * count)
        for i in range(count):
            context.Process(target=self.work, args=(sampler, encode, sizes, seed + i, self.queue), daemon=True).start()

    @classmethod
    def work(cls, sampler, encode, sizes, seed, out):
        torch.set_num_threads(1)
        common.seed_everything(seed)
        while True:
            size = random.choices(*zip(*sizes))[0]
            out.put((size, draw(sampler, encode, size, cls.ROWS)))

    def waiting(self):
        return not self.queue.empty()

    def take(self):
        """-> size, rows; waits for them."""
        try:
            return self.queue.get(timeout=120)
        except queue.Empty as error:
            raise SystemExit("the processes that draw samples have stopped: see their messages above") from error


def stack(rows):
    return tuple(torch.stack([row[i] for row in rows]) for i in range(3)) + ([row[3] for row in rows],)
