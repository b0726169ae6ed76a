# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the averaged weights as a diffusers-layout model folder: the U-Net as int8 (quantise.py), the rest as fp16.

    python3 export.py --work WORK --out models/default

The folder's README.md and ATTRIBUTION.md are not touched. `reference.py` computes numbers to check an engine with.
"""
import argparse
import os
import shutil

import torch

import common
import exemplars
import modules
import nearest
import quantise
import samples
import sampling
import styles
import tokenizer


def trained(work):
    """-> vae, unet, text, tokenizer with averaged weights, and how far each was trained."""
    tokens = tokenizer.Tokenizer(os.path.join(work, "tokenizer"))
    vae_state = common.load_checkpoint(os.path.join(work, "vae.pt"))
    vae = modules.AutoencoderDC(common.VAE_CONFIG)
    vae.load_state_dict(vae_state["vae"])
    common.copy_into(vae.decoder.parameters(), vae_state["average"]["shadow"])
    state = common.load_checkpoint(os.path.join(work, "denoiser.pt"))
    unet = modules.UNet2DConditionModel(common.UNET_CONFIG)
    text = modules.CLIPTextModel(common.text_config(tokens))
    # the order of train_denoiser.build_optimiser
    named = list(unet.named_parameters())
    common.copy_into([p for n, p in named if "attn2" not in n] + [p for n, p in named if "attn2" in n]
                     + list(text.parameters()), state["average"]["shadow"])
    seen = {"vae_crops": vae_state["seen"], "denoiser_samples": state["seen"]}
    return vae.eval(), unet.eval(), text.eval(), tokens, seen


def model_index():
    return {
        "_class_name": "PalimpsestInpaintPipeline", "_diffusers_version": "0.30.0",
        "palimpsest": {
            "title": "Palimpsest default (materials, skies and styles)",
            "conditioning": "inpaint-latent", "class_labels": "pooled-text", "restyle": "source", "mask": "area",
            "trained_size": common.TRAINED_SIZE, "window": {"size": 256, "overlap": 64},
            "defaults": {"steps": 16, "guidance": 1.5, "restyle_guidance": 1.5, "restyle_strength": 1.0,
                         "sampler": "euler"},
            "vocabulary": samples.words(),
            "backdrops": sorted({h for label in samples.SKIES for h in samples.HEADS[label]}),
            "styles": list(styles.STYLES),
            "style_words": {name: list(others) for name, (_, others, _) in styles.STYLES.items()},
        },
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderDC"],
    }


# of the U-Net what stays fp16: what every result goes through and is small. The blocks of the largest planes are 6 % of
# the weights and made five sixths of the error of int8 (34.8 dB with them in int8, 42.7 without).
PRECISE = ("conv_in.", "conv_out.", "time_embedding.", "class_embedding.", "down_blocks.0.", "up_blocks.2.")


def write_part(out, name, module, config, int8=False):
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    tensors = quantise.quantised(module.state_dict(), lambda key: not int8 or key.startswith(PRECISE))
    bad = [k for k, v in tensors.items() if not torch.isfinite(v).all()]
    if bad:
        raise SystemExit(f"{name}: not representable in fp16: {bad[:3]}")
    common.save_safetensors(os.path.join(folder, common.PARTS[name]), tensors, {"format": "pt"})
    common.save_json(os.path.join(folder, "config.json"), config)


def painter(vae, unet, text, tokens, memory=None):
    return sampling.Painter(unet, text, tokens, vae.encode, vae.decode, memory)


def load(folder):
    """The exported folder as a Painter computing in fp32 on the stored weights, and its autoencoder."""
    parts = {}
    for name, build in (("vae", modules.AutoencoderDC), ("unet", modules.UNet2DConditionModel),
                        ("text_encoder", modules.CLIPTextModel)):
        module = build(common.load_json(os.path.join(folder, name, "config.json")))
        common.load_part(module, folder, name)
        parts[name] = module.eval()
    tokens = tokenizer.Tokenizer(os.path.join(folder, "tokenizer"))
    memory = os.path.join(folder, "exemplars")
    memory = exemplars.read(memory) if os.path.isdir(memory) else None
    return painter(parts["vae"], parts["unet"], parts["text_encoder"], tokens, memory), parts["vae"]


def options(defaults):
    """A model's defaults as options of Painter.fill and Painter.restyle."""
    return ({"steps": defaults["steps"], "guidance": defaults["guidance"]},
            {"steps": defaults["steps"], "guidance": defaults["restyle_guidance"],
             "strength": defaults["restyle_strength"]})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="folder with vae.pt, denoiser.pt and tokenizer/")
    parser.add_argument("--out", required=True, help="model folder to write")
    parser.add_argument("--precision", choices=("int8", "fp16"), default="int8", help="of the U-Net's weights")
    args = parser.parse_args()
    vae, unet, text, tokens, seen = trained(args.work)
    write_part(args.out, "vae", vae, common.VAE_CONFIG)
    write_part(args.out, "unet", unet, common.UNET_CONFIG, args.precision == "int8")
    write_part(args.out, "text_encoder", text, dict(common.text_config(tokens), torch_dtype="float16"))
    shutil.copytree(os.path.join(args.work, "tokenizer"), os.path.join(args.out, "tokenizer"), dirs_exist_ok=True)
    os.makedirs(os.path.join(args.out, "scheduler"), exist_ok=True)
    common.save_json(os.path.join(args.out, "scheduler", "scheduler_config.json"), common.SCHEDULER_CONFIG)
    index = model_index()
    common.save_json(os.path.join(args.out, "model_index.json"), index)
    nearest.save(args.out, index["palimpsest"])
    load(args.out)
    size = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(args.out) for f in files)
    print(f"{args.out}: {size / 1e6:.1f} MB, {seen}")


if __name__ == "__main__":
    main()
