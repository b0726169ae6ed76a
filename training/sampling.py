# SPDX-License-Identifier: GPL-3.0-or-later
"""Use of the trained parts: pictures from conditioning, mask and words by guided Euler flow matching."""
import math

import torch
import torch.nn.functional as F

import common
import seamless


def latent_mask(mask):
    """Pixel mask [B, 1, H, W] of zeros and ones -> share of each 8x8 cell that is to be repainted."""
    return F.avg_pool2d(mask, 8)


class Painter:
    """encode: picture -> latent; decode: latent -> picture; parts in evaluation state. memory: exemplars.Memory, whose
    patches give detail to what is painted with a word that it knows, or None. The U-Net and the text encoder are on
    `device`, everything else on the CPU."""

    def __init__(self, unet, text, tokenizer, encode, decode, memory=None, bf16=False, device="cpu"):
        self.unet, self.text, self.tokenizer, self.encode, self.decode = unet, text, tokenizer, encode, decode
        self.memory, self.bf16, self.device = memory, bf16, torch.device(device)

    def read(self, captions):
        """-> hidden states [B, T, C], pooled states [B, C]."""
        ids = torch.tensor([self.tokenizer(c) for c in captions], device=self.device)
        states = self.text(ids)
        return states, self.text.pooled(ids, states)

    def guess(self, z, t, condition, words, empty, guidance):
        """Guided clean latent at time t in (0, 1]: uncond + guidance (cond - uncond); words, empty: of `read`."""
        x = torch.cat([z, condition], 1).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            if guidance == 1:
                return self.unet(x, torch.full((len(x),), 1000.0 * t, device=self.device), *words).float().cpu()
            times = torch.full((2 * len(x),), 1000.0 * t, device=self.device)
            both = [torch.cat(pair) for pair in zip(empty, words)]
            without, given = self.unet(torch.cat([x, x]), times, *both).float().cpu().chunk(2)
        return without + guidance * (given - without)

    @torch.no_grad()
    def paint(self, source, mask, captions, steps=16, guidance=3.0, strength=1.0, seed=0, batch=16, recall=True):
        """source [B, 3, H, W] with the hole (if any) still in it is greyed by the caller; mask [B, 1, H, W]. A strength
        below 1 starts from the noised source and leaves out the first of the steps.

        -> pictures [B, 3, H, W] as decoded, not yet blended with the source. All of them start from the same noise,
        so that what differs between words comes from the words.
        """
        out = []
        for i in range(0, len(source), batch):
            part = slice(i, i + batch)
            latent = self.encode(source[part])
            condition = torch.cat([latent_mask(mask[part]), latent], 1)
            words, empty = self.read(captions[part]), self.read([""] * len(latent))
            z = torch.randn(latent.shape[1:], generator=torch.Generator().manual_seed(seed)).expand_as(latent)
            recalls = [recall and self.memory and self.memory.recall(*row, seed)
                       for row in zip(captions[part], condition[:, :1], condition[:, 1:])]
            first = steps - math.ceil(steps * strength)
            z = latent + (1 - first / steps) * (z - latent)
            for k in range(first, steps):
                t = 1 - k / steps
                clean = self.guess(z, t, condition, words, empty, guidance)
                clean = torch.stack([r(x, guess, 1 - t, t) if r else guess
                                     for r, x, guess in zip(recalls, z, clean)])
                z = clean + (z - clean) * (1 - 1 / (steps * t))
            out.append(self.decode(z))
        return torch.cat(out).clamp(-1, 1)

    def fill(self, picture, mask, captions, **options):
        """Inpaint: the hole goes to mid-grey first; outside the mask the picture stays, and the colours of what is
        painted meet it."""
        painted = self.paint(picture * (1 - mask), mask, captions, **options)
        return seamless.match(painted, picture, mask, common.TRAINED_SIZE) * mask + picture * (1 - mask)

    def restyle(self, picture, captions, **options):
        return self.paint(picture, torch.ones_like(picture[:, :1]), captions, recall=False, **options)

    def generate(self, captions, size=128, **options):
        empty = torch.zeros(len(captions), 3, size, size)
        return self.paint(empty, empty[:, :1] + 1, captions, **options)
