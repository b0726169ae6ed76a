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


# what a case is about by the (end of the) name of a tensor -> the part of the model, its class there, the check
KINDS = (
    ("out", "unet", "_class_name", "UNet2DConditionModel", check_unet),
    (".decoded", "vae", "_class_name", "AutoencoderDC", check_dc),
    ("te1.cond.last_hidden_state", "text_encoder", "model_type", "clip_text_model", check_text),
)


def part_folder(model, part):
    """model/part, or the model itself where it is that part alone."""
    inner = os.path.join(model, part)
    return inner if os.path.isdir(inner) else model


def supported(config):
    """Options that modules.py does not build, by configurations among the reference cases."""
    return (config.get("addition_embed_type") is None and not config.get("use_linear_projection")
            and config.get("class_embed_type") in (None, "projection") and not config.get("encoder_hid_dim"))


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
        for name in sorted(os.listdir(os.path.join(args.goldens, "cases"))):
            check_case(checks, args.goldens, name)
        check_with_diffusers(checks)
    print(f"{checks.done - checks.failed} passed, {checks.failed} failed")
    sys.exit(bool(checks.failed) or not checks.done)


if __name__ == "__main__":
    main()
