# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of an exported model, computed in fp32 on its stored weights, for an engine to reproduce.

    python3 reference.py --model models/default --photo PHOTO --out FOLDER

Writes case.json and goldens.safetensors in the layout of the engine's other reference cases: text encoder, VAE,
one U-Net call with given inputs, and a guided 4-step fill with every intermediate.
"""
import argparse
import os

import torch
from PIL import Image
import numpy as np

import common
import export
import sampling
import samples

PROMPTS = ("green grass", "sand under a blue sky")
SIZE = 128
STEPS = 4
GUIDANCE = 3.0
SEED = 20


def photo(path, width, height):
    image = Image.open(path).convert("RGB")
    scale = max(width / image.width, height / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.LANCZOS)
    image = image.crop((0, 0, width, height))
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1


def text_tensors(out, painter):
    for i, prompt in enumerate(PROMPTS):
        out[f"text.{i}.ids"] = torch.tensor([painter.tokenizer(prompt)])
        out[f"text.{i}.last_hidden_state"], out[f"text.{i}.pooler_output"] = painter.read([prompt])


def vae_tensors(out, vae, path):
    x = photo(path, 64, 48)
    z = vae.encode(x)
    out["vae.64x48.image"], out["vae.64x48.latents"], out["vae.64x48.decoded"] = x, z, vae.decode(z)


def unet_tensors(out, painter):
    generator = torch.Generator().manual_seed(SEED)
    out["unet.sample"] = torch.randn(2, common.UNET_CONFIG["in_channels"], 16, 16, generator=generator)
    out["unet.timestep"] = torch.tensor([937.5, 125.0])
    out["unet.encoder_hidden_states"], out["unet.class_labels"] = painter.read(PROMPTS)
    out["unet.out"] = painter.unet(*(out["unet." + name] for name in ("sample", "timestep", "encoder_hidden_states",
                                                                     "class_labels")))


def fill_tensors(out, painter, vae, path):
    """The fill as an inpainting pipeline traces it: uncond first in the doubled batch."""
    picture = photo(path, SIZE, SIZE)
    yy, xx = samples.coordinates(SIZE)
    # an ellipse whose edge cuts cells, so that the area mean of the mask matters
    mask = ((((yy - 76) / 43) ** 2 + ((xx - 60) / 51) ** 2) < 1).float()[None, None]
    for name, prompt in (("cond", PROMPTS[1]), ("uncond", "")):
        out[f"te1.{name}.ids"] = torch.tensor([painter.tokenizer(prompt)])
        out[f"te1.{name}.last_hidden_state"], out[f"te1.{name}.pooler_output"] = painter.read([prompt])
    words = [torch.cat([out[f"te1.{name}.{what}"] for name in ("uncond", "cond")])
             for what in ("last_hidden_state", "pooler_output")]
    out["image_preprocessed"], out["mask_preprocessed"] = picture, mask
    out["vae.encode.in.0"] = picture * (1 - mask)
    latent, small = vae.encode(out["vae.encode.in.0"]), sampling.latent_mask(mask)
    out["vae.encode.mean.0"] = latent
    out["mask_latents"], out["masked_image_latents"] = small.repeat(2, 1, 1, 1), latent.repeat(2, 1, 1, 1)
    z = torch.randn(latent.shape, generator=torch.Generator().manual_seed(SEED))
    out["noise.init.0"] = z
    sigmas, recall = torch.linspace(1, 0, STEPS + 1), painter.memory.recall(PROMPTS[1], small[0], latent[0], SEED)
    out["sigmas"], out["timesteps"] = sigmas, sigmas[:-1] * 1000
    for i in range(STEPS):
        x = torch.cat([z.repeat(2, 1, 1, 1), out["mask_latents"], out["masked_image_latents"]], 1)
        t = out["timesteps"][i]
        out[f"den.{i}.sample"], out[f"den.{i}.timestep"] = x, t
        out[f"den.{i}.out"] = both = painter.unet(x, t.repeat(2), *words)
        guess = both[:1] + GUIDANCE * (both[1:] - both[:1])
        level = float(sigmas[i])
        out[f"recalled.{i}"] = clean = recall(z[0], guess[0], 1 - level, level)[None]
        z = clean + (z - clean) * (sigmas[i + 1] / sigmas[i])
        out[f"latents.{i}"] = z
    out["vae.decode.in.0"] = z
    out["vae.decode.out.0"] = vae.decode(z)


def case(tensors, model):
    names = {torch.float32: "float32", torch.int64: "int64"}
    return {
        "case": "default-fill", "model": model, "pipeline": "PalimpsestInpaintPipeline",
        "denoiser": "UNet2DConditionModel", "vae": "AutoencoderDC", "scheduler": "FlowMatchEulerDiscreteScheduler",
        "what": "bundled model, fp32 on its stored weights: text.N.*, vae.64x48.*, unet.* (one call with given inputs) "
                "and a guided fill; the mask reaches latent size by area means; class labels are the pooled text",
        "scheduler_config": {k: v for k, v in common.SCHEDULER_CONFIG.items() if not k.startswith("_")},
        "call": {"prompt": PROMPTS[1], "negative_prompt": "", "width": SIZE, "height": SIZE, "strength": 1.0,
                 "num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "seed": SEED, "recall": PROMPTS[1]},
        "text_prompts": list(PROMPTS), "posterior": "mode", "steps_executed": STEPS, "width": SIZE, "height": SIZE,
        "tensors": {k: [names[v.dtype], list(v.shape)] for k, v in sorted(tensors.items())}, "same_as": {},
        "provenance": {"computed by": "training/reference.py", "torch": torch.__version__},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="exported model folder")
    parser.add_argument("--photo", required=True, help="a picture to fill")
    parser.add_argument("--out", required=True, help="case folder to write")
    parser.add_argument("--name", default="../../../models/default",
                        help="the model as case.json names it, seen from tests/data/models")
    args = parser.parse_args()
    painter, vae = export.load(args.model)
    tensors = {}
    with torch.no_grad():
        text_tensors(tensors, painter)
        vae_tensors(tensors, vae, args.photo)
        unet_tensors(tensors, painter)
        fill_tensors(tensors, painter, vae, args.photo)
    os.makedirs(args.out, exist_ok=True)
    common.save_safetensors(os.path.join(args.out, "goldens.safetensors"), tensors)
    common.save_json(os.path.join(args.out, "case.json"), case(tensors, args.name))
    print(args.out, len(tensors), "tensors")


if __name__ == "__main__":
    main()
