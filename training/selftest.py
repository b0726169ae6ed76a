# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare modules.py with diffusers and transformers.

    python3 selftest.py --goldens FOLDER      FOLDER holds models/ and cases/ of the engine's reference cases

Every case of FOLDER that is about one network of a kind that modules.py builds is computed anew. Where diffusers
can be imported, the two networks in the bundled model's own configuration are compared with its classes as well, with
random weights. Prints a row a check and exits with 1 if one of them is off or there was nothing to check.
"""
import argparse
import os
import sys

import torch

import common
import modules
import quantise
import seamless


class Checks:
    def __init__(self):
        self.done = self.failed = 0

    def close(self, name, got, want, limit):
        ok = got.shape == want.shape and (worst := (got - want).abs().max().item()) <= limit
        self.done += 1
        self.failed += not ok
        what = f"worst difference {worst:.2e}, limit {limit:.0e}" if got.shape == want.shape else \
            f"shape {list(got.shape)}, not {list(want.shape)}"
        print(f"{'ok  ' if ok else 'FAIL'} {name}: {what}")


def build(cls, folder, weights="diffusion_pytorch_model.safetensors"):
    module = cls(common.load_json(os.path.join(folder, "config.json")))
    state = {k: v.float() for k, v in common.load_safetensors(os.path.join(folder, weights)).items()
             if v.is_floating_point()}
    module.load_state_dict(state)
    return module.eval()


def traced(module, tensors):
    """Keep the outputs of the sub-modules that the case has: {name: tensor}, filled by the next call."""
    got = {}
    for name, part in module.named_modules():
        if "trace." + name in tensors:
            part.register_forward_hook(lambda m, i, o, name=name: got.__setitem__(name, o))
    return got


def check_unet(checks, name, folder, t):
    unet = build(modules.UNet2DConditionModel, folder)
    got = traced(unet, t)
    out = unet(t["sample"], t["timestep"], t["encoder_hidden_states"], t.get("class_labels"))
    for part, value in got.items():
        checks.close(f"{name} {part}", value, t["trace." + part], 1e-4)
    checks.close(name, out, t["out"], 1e-4)


def check_dc(checks, name, folder, t):
    vae = build(modules.AutoencoderDC, folder)
    for size in sorted(key.removesuffix(".image") for key in t if key.endswith(".image")):
        checks.close(f"{name} {size} latents", vae.encode(t[size + ".image"]), t[size + ".latents"], 1e-4)
        checks.close(f"{name} {size} decoded", vae.decode(t[size + ".latents"]), t[size + ".decoded"], 1e-4)


def check_text(checks, name, folder, t):
    text = build(modules.CLIPTextModel, folder, "model.safetensors")
    for which in ("cond", "uncond"):
        ids = t[f"te1.{which}.ids"]
        states = text(ids)
        checks.close(f"{name} {which}", states, t[f"te1.{which}.last_hidden_state"], 2e-5)
        if f"te1.{which}.pooler_output" in t:
            if text.config["eos_token_id"] == 2:
                # old configurations say 2 and mean the highest id, which is the end token
                text.config["eos_token_id"] = int(ids.max())
            pooled = text.pooled(ids, states)
            checks.close(f"{name} {which} pooled", pooled, t[f"te1.{which}.pooler_output"], 2e-5)


def check_quantise(checks):
    """Every value is met within half a step of its channel."""
    torch.manual_seed(1)
    weight = torch.randn(6, 40, 3, 3)
    weight[1, 0, 0, 0], weight[2] = 20, 0
    data, scale = quantise.quantise(weight)
    shapes = torch.tensor(data.shape + scale.shape)
    steps = (quantise.dequantise(data, scale) - weight) / scale
    checks.close("quantise shapes", shapes, torch.tensor((6, 40, 3, 3, 6, 1, 1, 1)), 0)
    checks.close("quantise steps", steps, torch.zeros_like(steps), 0.5001)
    checks.close("quantise largest", data[1, 0, 0, 0].float(), torch.tensor(127.0), 0)
    names = sorted(quantise.quantised({"a": weight, "b": weight[:1], "c": weight}, keep=lambda name: name == "c"))
    right = torch.tensor(float(names == ["a._data", "a._scale", "b", "c"]))
    checks.close("quantised names", right, torch.tensor(1.0), 0)


# what a case is about by the (end of the) name of a tensor -> the part of the model, its class there, the check
KINDS = (
    ("out", "unet", "_class_name", "UNet2DConditionModel", check_unet),
    (".decoded", "vae", "_class_name", "AutoencoderDC", check_dc),
    ("te1.cond.last_hidden_state", "text_encoder", "model_type", "clip_text_model", check_text),
)


# option -> the values that modules.py builds
USUAL = {
    "addition_embed_type": (None,), "use_linear_projection": (False,), "class_embed_type": (None, "projection"),
    "encoder_hid_dim": (None,), "downsample_block_type": ("pixel_unshuffle",),
    "upsample_block_type": ("pixel_shuffle",), "encoder_out_shortcut": (False,), "decoder_in_shortcut": (False,),
    "encoder_block_types": ("ResBlock",), "decoder_block_types": ("ResBlock",), "decoder_norm_types": ("rms_norm",),
}


def part_folder(model, part):
    """model/part, or the model itself where it is that part alone."""
    inner = os.path.join(model, part)
    return inner if os.path.isdir(inner) else model


def supported(config):
    """Whether modules.py builds it: options of configurations among the reference cases alone are looked at."""
    return all(config.get(option, usual[0]) in usual for option, usual in USUAL.items())


def check_case(checks, goldens, name):
    folder = os.path.join(goldens, "cases", name)
    if not os.path.exists(os.path.join(folder, "goldens.safetensors")):
        return
    about = common.load_json(os.path.join(folder, "case.json"))
    model = os.path.join(goldens, "models", about.get("model", ""))
    for tensor, part, field, cls, check in KINDS:
        config = os.path.join(part_folder(model, part), "config.json")
        found = any(key == tensor or tensor[0] == "." and key.endswith(tensor) for key in about.get("tensors", {}))
        if not found or not os.path.isfile(config):
            continue
        config = common.load_json(config)
        if config.get(field) == cls and supported(config):
            tensors = common.load_safetensors(os.path.join(folder, "goldens.safetensors"))
            check(checks, f"{name} {part}", part_folder(model, part), tensors)


def check_seamless(checks):
    """The correction solves its equations: written out once more, a pixel and a neighbour at a time."""
    torch.manual_seed(2)
    painted, source = torch.rand(2, 2, 3, 12, 17)
    mask, reach = (torch.rand(2, 1, 12, 17) < 0.7).float(), 5.0
    u = seamless.correction(painted, source, mask, reach)
    left = u / reach ** 2
    for axis, step in ((2, 1), (2, -1), (3, 1), (3, -1)):
        beyond = torch.ones_like(mask)
        beyond.select(axis, -1 if step < 0 else 0).zero_()
        other = torch.where(mask.roll(step, axis) > 0, u.roll(step, axis), source.roll(step, axis) - painted)
        left = left + beyond * (u - other)
    checks.close("seamless", left * mask, torch.zeros_like(left), 2e-3)
    checks.close("seamless outside", u * (1 - mask), torch.zeros_like(u), 0.0)


def check_with_diffusers(checks):
    try:
        import diffusers
    except ImportError as error:
        print(f"left out: comparison with diffusers itself ({error})")
        return
    torch.manual_seed(1)
    for cls, config in (("AutoencoderDC", common.VAE_CONFIG), ("UNet2DConditionModel", common.UNET_CONFIG)):
        ours, theirs = getattr(modules, cls)(config).eval(), getattr(diffusers, cls).from_config(config).eval()
        for p in ours.parameters():
            torch.nn.init.normal_(p, std=0.1 if p.dim() == 1 else p[0].numel() ** -0.5)
        theirs.load_state_dict(ours.state_dict())
        if cls == "AutoencoderDC":
            x, z = torch.randn(2, 3, 40, 24), torch.randn(2, common.LATENT_CHANNELS, 5, 3)
            checks.close("diffusers AutoencoderDC encode", ours.encode(x), theirs.encode(x).latent, 1e-4)
            checks.close("diffusers AutoencoderDC decode", ours.decode(z), theirs.decode(z).sample, 1e-4)
        else:
            x, t = torch.randn(2, config["in_channels"], 12, 16), torch.tensor([937.5, 125.0])
            context, labels = torch.randn(2, common.POSITIONS, 128), torch.randn(2, 128)
            want = theirs(x, t, context, class_labels=labels).sample
            checks.close("diffusers UNet2DConditionModel", ours(x, t, context, labels), want, 1e-4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goldens", required=True, help="folder with models/ and cases/")
    args = parser.parse_args()
    torch.set_num_threads(1)
    checks = Checks()
    with torch.no_grad():
        check_quantise(checks)
        check_seamless(checks)
        for name in sorted(os.listdir(os.path.join(args.goldens, "cases"))):
            check_case(checks, args.goldens, name)
        check_with_diffusers(checks)
    print(f"{checks.done - checks.failed} passed, {checks.failed} failed")
    sys.exit(bool(checks.failed) or not checks.done)


if __name__ == "__main__":
    main()
