# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the text encoder a head start: from its hidden states a linear map must tell what a caption looks like.

Targets are the mean and deviation of each latent channel of a picture with that caption, and its class or style.
Every position from the first word on has to answer, so that cross-attention, which starts as a plain average over all
positions, hands the U-Net something useful from its first step. Without this words took effect only after
some twenty thousand samples. Two minutes; writes WORK/text.pt, which train_denoiser.py starts from.
"""
import os
import random
import time

import torch
import torch.nn.functional as F

import common
import latents
import modules
import pack
import samples
import styles
import train_denoiser


def describe(z):
    """Latents [B, C, H, W] -> [B, 2 C]: mean and deviation of each channel."""
    return torch.cat([z.mean((2, 3)), z.std((2, 3))], 1)


def examples(sampler, linear, count):
    """-> descriptions [count, 2 C], class indices, captions."""
    names = sampler.labels + list(styles.STYLES)
    rows = []
    for i in range(count):
        if i % 5 == 0:
            name = random.choice(list(styles.STYLES))
            picture, caption = styles.apply(name, sampler.base(64)[0]), styles.caption(name)
        else:
            name = sampler.label()
            picture, caption = sampler.material(name, 64)
        rows.append((describe(linear(picture[None])), names.index(name), caption))
    return torch.cat([r[0] for r in rows]), torch.tensor([r[1] for r in rows]), [r[2] for r in rows], len(names)


def train(text, tokens, data, seconds, batch, rate):
    described, classes, captions, n = data
    ids = torch.tensor([tokens(c) for c in captions])
    head = torch.nn.Linear(text.config["hidden_size"], described.shape[1] + n)
    params = list(text.parameters()) + list(head.parameters())
    optimiser = torch.optim.AdamW(params, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    begun, step, running = time.time(), 0, None
    while (spent := time.time() - begun) < seconds:
        pick = torch.randint(len(ids), (batch,))
        out = head(text(ids[pick])[:, 1:])
        look, logits = out[..., : described.shape[1]], out[..., described.shape[1]:]
        regression = (look - described[pick][:, None]).square().mean()
        entropy = F.cross_entropy(logits.flatten(0, 1), classes[pick].repeat_interleave(out.shape[1]))
        for group in optimiser.param_groups:
            group["lr"] = common.learning_rate(rate, step, spent / seconds, warmup=50, decay=0.5)
        optimiser.zero_grad()
        (regression + 0.2 * entropy).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimiser.step()
        hit = (logits[:, -1].argmax(1) == classes[pick]).float().mean().item()
        running = hit if running is None else 0.98 * running + 0.02 * hit
        if step % 100 == 0:
            print(f"step {step}: regression {regression.item():.3f}, entropy {entropy.item():.3f}, "
                  f"class from the last position {running:.2f}", flush=True)
        step += 1


def main():
    parser = pack.arguments(__doc__, "with vae.pt; text.pt is written here")
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--examples", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    items = pack.load(args.pack, args.allowlist, ("train",), args.work)
    tokens = train_denoiser.caption_tokenizer(items, args.work)
    linear = latents.LinearLatents(**common.load_checkpoint(os.path.join(args.work, "vae.pt"))["latents"])
    common.seed_everything(args.seed)
    text = modules.CLIPTextModel(common.text_config(tokens))
    train(text, tokens, examples(samples.Sampler(items), linear, args.examples), args.seconds, args.batch, args.lr)
    common.save_checkpoint(os.path.join(args.work, "text.pt"), text.state_dict())


if __name__ == "__main__":
    main()
