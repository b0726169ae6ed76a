# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare modules.py with tensors computed by diffusers and transformers.

    python3 selftest.py --goldens FOLDER      FOLDER holds models/ and cases/ with the SD 1.5-shaped tiny model

Prints a row a check and exits with 1 if one of them is off.
"""
import argparse
import os
import sys

import torch

import common
import modules
import quantise


class Checks:
    def __init__(self):
        self.failed = 0

    def close(self, name, got, want, limit):
        worst = (got - want).abs().max().item()
        ok = got.shape == want.shape and worst <= limit
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {name}: worst difference {worst:.2e}, limit {limit:.0e}")


def build(cls, folder, weights):
    module = cls(common.load_json(os.path.join(folder, "config.json")))
    state = {k: v.float() for k, v in common.load_safetensors(os.path.join(folder, weights)).items()
             if v.is_floating_point()}
    module.load_state_dict(state)
    return module.eval()


def check_unet(checks, model, case):
    t = common.load_safetensors(os.path.join(case, "goldens.safetensors"))
    unet = build(modules.UNet2DConditionModel, os.path.join(model, "unet"), "diffusion_pytorch_model.safetensors")
    got = {}
    for name, module in unet.named_modules():
        if "trace." + name in t:
            module.register_forward_hook(lambda m, i, o, name=name: got.__setitem__(name, o))
    out = unet(t["sample"], t["timestep"], t["encoder_hidden_states"])
    for name, value in got.items():
        checks.close("unet " + name, value, t["trace." + name], 1e-4)
    checks.close("unet", out, t["out"], 1e-4)


def check_vae(checks, model, case):
    t = common.load_safetensors(os.path.join(case, "goldens.safetensors"))
    vae = build(modules.AutoencoderKL, os.path.join(model, "vae"), "diffusion_pytorch_model.safetensors")
    for size in ("40x24", "72x56"):
        mean, logvar = vae.encode(t[size + ".image"])
        checks.close(f"vae {size} mean", mean, t[size + ".mean"], 2e-3)
        checks.close(f"vae {size} logvar", logvar, t[size + ".logvar"], 2e-3)
        checks.close(f"vae {size} decode", vae.decode(t[size + ".mean"]), t[size + ".decoded_of_mean"], 5e-4)


def check_text(checks, model, case):
    t = common.load_safetensors(os.path.join(case, "goldens.safetensors"))
    text = build(modules.CLIPTextModel, os.path.join(model, "text_encoder"), "model.safetensors")
    for which in ("cond", "uncond"):
        states = text(t[f"te1.{which}.ids"])
        checks.close("text " + which, states, t[f"te1.{which}.last_hidden_state"], 2e-5)


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
    checks.close("quantised names", torch.tensor(float(names == ["a._data", "a._scale", "b", "c"])), torch.tensor(1.0), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goldens", required=True)
    args = parser.parse_args()
    model, case = os.path.join(args.goldens, "models", "sd15-tiny"), lambda n: os.path.join(args.goldens, "cases", n)
    checks = Checks()
    with torch.no_grad():
        check_quantise(checks)
        check_unet(checks, model, case("trace-unet-sd15-tiny"))
        check_vae(checks, model, case("vae-sd15-tiny"))
        check_text(checks, os.path.join(args.goldens, "models", "sd15-inpaint9-tiny"), case("sd15-inpaint9-ddim"))
    print("passed" if not checks.failed else f"{checks.failed} failed")
    sys.exit(bool(checks.failed))


if __name__ == "__main__":
    main()
