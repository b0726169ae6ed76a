# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished training samples, kept for another use with other noise: drawing one costs a sixth of a training step."""
import random

import torch

import sampling


class Pool:
    """sampler: samples.Sampler; encode: pictures [N, 3, H, W] -> latents. Keeps up to `capacity` samples a size, of
    which a batch takes a share `fresh` newly drawn."""

    def __init__(self, sampler, encode, capacity, fresh):
        self.sampler, self.encode, self.capacity, self.fresh = sampler, encode, capacity, fresh
        self.kept = {}

    def draw(self, size, count):
        """-> rows (latent, latent mask, conditioning latent, caption)."""
        drawn = [self.sampler.draw(size) for _ in range(count)]
        z, c = self.encode(torch.stack([d[i] for d in drawn for i in (0, 1)])).unflatten(0, (-1, 2)).unbind(1)
        m = sampling.latent_mask(torch.stack([d[2] for d in drawn]))
        return list(zip(z, m, c, [d[3] for d in drawn]))

    def batch(self, size, count):
        """-> latents, masks, conditioning latents, captions."""
        kept = self.kept.setdefault(size, [])
        new = count if len(kept) < 4 * count else max(1, round(count * self.fresh))
        old = random.sample(kept, count - new) if new < count else []
        rows = self.draw(size, new)
        for row in rows:
            if len(kept) < self.capacity:
                kept.append(row)
            else:
                kept[random.randrange(self.capacity)] = row
        return stack(rows + old)


def stack(rows):
    return tuple(torch.stack([row[i] for row in rows]) for i in range(3)) + ([row[3] for row in rows],)
