# SPDX-License-Identifier: GPL-3.0-or-later
"""Records short walks of the reference schedulers over many configurations.

    python3 sampler-vectors.py --diffusers CHECKOUT --out ../data/samplers

CHECKOUT is a copy of huggingface/diffusers; of it only src/diffusers/schedulers is read, with
small stand-ins for the rest of the package. Needs PyTorch and NumPy. Each walk goes into one JSON
file: the configuration, the schedule, the start, and, joined over all calls, made-up model
outputs, the noises drawn and the latents after each step.
"""
import argparse
import importlib
import inspect
import json
import os
import sys
import types

import numpy as np
import torch

N = 5       # latents in a walk

BASE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
            beta_schedule="scaled_linear")
V = dict(prediction_type="v_prediction")
SAMPLE = dict(prediction_type="sample")
ZERO_SNR = dict(rescale_betas_zero_snr=True, timestep_spacing="trailing", **V)
FLOW = dict(prediction_type="flow_prediction", use_flow_sigmas=True)

DDIM, DDPM, PNDM, LCM = "DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LCMScheduler"
EULER, EULER_A = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
HEUN, UNIPC = "HeunDiscreteScheduler", "UniPCMultistepScheduler"
DPM, FLOW_EULER = "DPMSolverMultistepScheduler", "FlowMatchEulerDiscreteScheduler"
DPM2, DPM2_A = "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"
LMS, DEIS, TCD = "LMSDiscreteScheduler", "DEISMultistepScheduler", "TCDScheduler"
DPM_SDE = "DPMSolverSDEScheduler"

# class, steps, strength, eta, configuration beyond BASE
WALKS = [
    (DDIM, 5, 1.0, 0.0, dict(clip_sample=False, timestep_spacing="trailing")),
    (DDIM, 7, 0.6, 0.5, dict(clip_sample=True, clip_sample_range=0.7, set_alpha_to_one=False)),
    (DDIM, 6, 1.0, 1.0,
     dict(clip_sample=False, timestep_spacing="linspace", beta_schedule="squaredcos_cap_v2")),
    (DDIM, 5, 1.0, 0.0, dict(clip_sample=False, **ZERO_SNR)),
    (DDIM, 5, 1.0, 0.0, dict(clip_sample=False, beta_schedule="linear", **SAMPLE)),
    (DDPM, 6, 1.0, 0.0, dict(clip_sample=False, steps_offset=1)),
    (DDPM, 6, 0.7, 0.0,
     dict(clip_sample=True, variance_type="fixed_large", timestep_spacing="trailing")),
    (DDPM, 5, 1.0, 0.0,
     dict(clip_sample=False, variance_type="fixed_small_log", timestep_spacing="linspace", **V)),
    (PNDM, 8, 1.0, 0.0,
     dict(skip_prk_steps=True, set_alpha_to_one=True, timestep_spacing="trailing")),
    (PNDM, 7, 0.5, 0.0, dict(skip_prk_steps=True, timestep_spacing="linspace", **V)),
    (PNDM, 6, 1.0, 0.0, dict(skip_prk_steps=False, steps_offset=1)),
    (PNDM, 9, 1.0, 0.0, dict(skip_prk_steps=False, **V)),
    (LCM, 3, 1.0, 0.0, dict(original_inference_steps=40, timestep_scaling=8.0)),
    (LCM, 6, 0.5, 0.0, dict(clip_sample=True, clip_sample_range=1.2, **V)),
    (EULER, 6, 1.0, 0.0, dict(timestep_spacing="linspace")),
    (EULER, 7, 0.6, 0.0, dict(timestep_spacing="trailing", **SAMPLE)),
    (EULER, 6, 1.0, 0.0, dict(timestep_spacing="leading", use_karras_sigmas=True)),
    (EULER, 6, 1.0, 0.0, dict(use_exponential_sigmas=True, final_sigmas_type="sigma_min")),
    (EULER, 6, 1.0, 0.0, dict(use_karras_sigmas=True, sigma_min=0.05, sigma_max=10.0)),
    (EULER, 6, 1.0, 0.0, dict(interpolation_type="log_linear")),
    (EULER, 6, 1.0, 0.0, dict(timestep_type="continuous", **V)),
    (EULER, 5, 1.0, 0.0, ZERO_SNR),
    (EULER_A, 6, 1.0, 0.0, dict(timestep_spacing="linspace")),
    (EULER_A, 6, 0.7, 0.0, dict(timestep_spacing="trailing", **V)),
    (EULER_A, 5, 1.0, 0.0, ZERO_SNR),
    (HEUN, 6, 1.0, 0.0, dict(timestep_spacing="leading", steps_offset=1)),
    (HEUN, 7, 0.6, 0.0, dict(use_karras_sigmas=True, **V)),
    (HEUN, 5, 1.0, 0.0, dict(use_exponential_sigmas=True, clip_sample=True, clip_sample_range=0.8)),
    (DPM, 6, 1.0, 0.0, dict(solver_order=1)),
    (DPM, 8, 1.0, 0.0, dict(solver_order=3)),
    (DPM, 17, 1.0, 0.0, dict(solver_order=3, timestep_spacing="trailing", **V)),
    (DPM, 17, 0.5, 0.0, dict(solver_order=2, solver_type="heun", lower_order_final=False)),
    (DPM, 16, 1.0, 0.0,
     dict(euler_at_final=True, final_sigmas_type="sigma_min", use_exponential_sigmas=True)),
    (DPM, 6, 1.0, 0.0, dict(algorithm_type="sde-dpmsolver++", use_karras_sigmas=True)),
    (DPM, 8, 1.0, 0.0, dict(algorithm_type="sde-dpmsolver++", solver_order=3, **V)),
    (DPM, 6, 1.0, 0.0, dict(algorithm_type="sde-dpmsolver++", solver_type="heun", **SAMPLE)),
    (DPM, 8, 1.0, 0.0,
     dict(algorithm_type="dpmsolver", solver_order=3, final_sigmas_type="sigma_min")),
    (DPM, 7, 1.0, 0.0,
     dict(algorithm_type="dpmsolver", solver_type="heun", final_sigmas_type="sigma_min", **V)),
    (DPM, 7, 1.0, 0.0, dict(algorithm_type="sde-dpmsolver", final_sigmas_type="sigma_min")),
    (DPM, 7, 1.0, 0.0,
     dict(algorithm_type="sde-dpmsolver", solver_type="heun", final_sigmas_type="sigma_min")),
    (DPM, 6, 1.0, 0.0,
     dict(use_karras_sigmas=True, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1)),
    (DPM, 6, 1.0, 0.0,
     dict(lambda_min_clipped=-5.1, beta_schedule="squaredcos_cap_v2", timestep_spacing="leading")),
    (DPM, 5, 1.0, 0.0, ZERO_SNR),
    (DPM, 6, 1.0, 0.0, dict(flow_shift=3.0, **FLOW)),
    (UNIPC, 6, 1.0, 0.0, dict(solver_order=1)),
    (UNIPC, 8, 1.0, 0.0, dict(solver_order=3)),
    (UNIPC, 7, 0.7, 0.0,
     dict(solver_type="bh1", timestep_spacing="trailing", final_sigmas_type="sigma_min", **V)),
    (UNIPC, 8, 1.0, 0.0,
     dict(solver_type="bh1", solver_order=3, use_karras_sigmas=True,
          final_sigmas_type="sigma_min")),
    (UNIPC, 7, 1.0, 0.0, dict(predict_x0=False, final_sigmas_type="sigma_min")),
    (UNIPC, 7, 1.0, 0.0,
     dict(disable_corrector=[0, 2], use_exponential_sigmas=True, final_sigmas_type="sigma_min")),
    (UNIPC, 7, 1.0, 0.0,
     dict(solver_order=3, lower_order_final=False, final_sigmas_type="sigma_min", **SAMPLE)),
    (UNIPC, 5, 1.0, 0.0, ZERO_SNR),
    (UNIPC, 6, 1.0, 0.0, dict(flow_shift=2.0, **FLOW)),
    (FLOW_EULER, 6, 1.0, 0.0, dict(shift=3.0)),
    (FLOW_EULER, 6, 0.5, 0.0, dict(shift=1.0, use_karras_sigmas=True)),
    (FLOW_EULER, 5, 1.0, 0.0, dict(shift=1.0, stochastic_sampling=True)),
    (FLOW_EULER, 5, 1.0, 0.0, dict(shift=2.0, shift_terminal=0.02)),
    (DPM2, 6, 1.0, 0.0, dict(timestep_spacing="trailing")),
    (DPM2, 5, 0.6, 0.0, dict(use_exponential_sigmas=True, **V)),
    (DPM2_A, 6, 1.0, 0.0, dict(timestep_spacing="leading", steps_offset=1)),
    (DPM2_A, 7, 0.6, 0.0, V),
    (LMS, 7, 1.0, 0.0, {}),
    (LMS, 6, 1.0, 0.0, dict(use_karras_sigmas=True, timestep_spacing="trailing", **V)),
    (DEIS, 7, 1.0, 0.0, {}),
    (DEIS, 17, 1.0, 0.0, dict(solver_order=3, timestep_spacing="trailing", **V)),
    (DEIS, 8, 0.6, 0.0, dict(solver_order=3, use_karras_sigmas=True)),
    (DEIS, 6, 1.0, 0.0, dict(flow_shift=2.0, **FLOW)),
    (TCD, 4, 1.0, 0.3, {}),
    (TCD, 6, 0.5, 1.0, dict(original_inference_steps=40, **V)),
    (DPM_SDE, 6, 1.0, 0.0, dict(timestep_spacing="trailing")),
    (DPM_SDE, 7, 0.6, 0.0, dict(use_karras_sigmas=True, **V)),
]


class ConfigMixin:
    def register_to_config(self, **values):
        self._config.__dict__.update(values)

    @property
    def config(self):
        return self._config


def register_to_config(init):
    def wrapped(self, **values):
        parameters = inspect.signature(init).parameters
        full = {name: p.default for name, p in parameters.items() if name != "self"}
        full.update(values)
        self._config = types.SimpleNamespace(**full)
        init(self, **full)
    return wrapped


class Output(dict):
    def __init__(self, **values):
        super().__init__(values)
        self.__dict__.update(values)


class BrownianInterval:
    """A path asked for pieces in turn: one, or one and then a longer one from its noisy end.
    Pieces that go down are negated by the caller."""
    def __init__(self, t1, size, **unused):
        self.end, self.size, self.first = t1, size, None

    def __call__(self, low, high):
        low, high = float(low), float(high)
        if self.first and self.first[1] == high:
            start, value = self.first[0], self.first[2]
        else:
            start, value = high, torch.zeros(self.size)
        stand_ins.noises.append(torch.randn(self.size, generator=stand_ins.generator))
        value = value + stand_ins.noises[-1] * (start - low) ** 0.5
        self.first = None if start < high else (low, high, value)
        return -value


def integrate(function, low, high, **unused):
    x, w = np.polynomial.legendre.leggauss(8)
    half = (high - low) / 2
    return (sum(w * [function(low + half * (p + 1)) for p in x]) * half,)


def stand_ins(checkout, noises):
    """The package `reference`, whose folder schedulers is the checkout's."""
    def randn(shape, **unused):
        noises.append(torch.randn(shape, generator=stand_ins.generator))
        return noises[-1]

    def ignore(*unused, **more):
        return None

    stand_ins.noises = noises
    logging = types.SimpleNamespace(
        get_logger=lambda name: types.SimpleNamespace(warning=ignore, info=ignore))
    mixin = type("SchedulerMixin", (), {})
    modules = {
        "torchsde": dict(BrownianInterval=BrownianInterval),
        "scipy": dict(integrate=types.SimpleNamespace(quad=integrate)),
        "scipy.integrate": {}, "scipy.stats": {},
        "reference": {}, "reference.schedulers": {},
        "reference.configuration_utils": dict(ConfigMixin=ConfigMixin,
                                              register_to_config=register_to_config),
        "reference.utils": dict(BaseOutput=Output, deprecate=ignore, logging=logging,
                                is_scipy_available=lambda: True),
        "reference.utils.torch_utils": dict(randn_tensor=randn),
        "reference.schedulers.scheduling_utils": dict(
            KarrasDiffusionSchedulers=[], SchedulerMixin=mixin, SchedulerOutput=Output),
    }
    for name, content in modules.items():
        sys.modules[name] = module = types.ModuleType(name)
        module.__dict__.update(content)
        module.__path__ = []
    folder = os.path.join(checkout, "src", "diffusers", "schedulers")
    sys.modules["reference.schedulers"].__path__ = [folder]


def scheduler_class(name):
    special = {EULER: "euler_discrete", EULER_A: "euler_ancestral_discrete",
               HEUN: "heun_discrete", DPM: "dpmsolver_multistep", UNIPC: "unipc_multistep",
               FLOW_EULER: "flow_match_euler_discrete", DPM2: "k_dpm_2_discrete",
               DPM2_A: "k_dpm_2_ancestral_discrete", LMS: "lms_discrete",
               DEIS: "deis_multistep", DPM_SDE: "dpmsolver_sde"}
    file = special.get(name, name.replace("Scheduler", "").lower())
    return getattr(importlib.import_module("reference.schedulers.scheduling_" + file), name)


def known(scheduler, values):
    names = inspect.signature(type(scheduler).step).parameters
    return {k: v for k, v in values.items() if k in names}


def visited(name, scheduler):
    """The sigma of each call, and the last."""
    if name not in (DPM2, DPM2_A, DPM_SDE):
        return scheduler.sigmas
    steps = torch.cat([scheduler.sigmas[0:-1:2], torch.zeros(1)])
    if name == DPM2:
        middles = scheduler.sigmas_interpol[1::2]
    elif name == DPM2_A:
        middles = scheduler.sigmas_interpol[0::2]
    else:
        middles = (steps[:-1] * steps[1:]).sqrt()
    n = scheduler.num_inference_steps
    pairs = torch.stack([steps[:n], middles[:n]], dim=1).flatten()
    return torch.cat([pairs[:2 * n - 1], torch.zeros(1)])


def numbers(tensor):
    return [float(v) for v in tensor.flatten()]


def begin(scheduler, steps, strength, flow):
    """Index of the first call, as the image-to-image pipelines cut the schedule."""
    if flow:
        skipped = int(max(steps - min(steps * strength, steps), 0))
    else:
        skipped = max(steps - min(int(steps * strength), steps), 0)
    first = skipped * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    return first


def add_noise(scheduler, image, noise, timestep):
    add = scheduler.scale_noise if hasattr(scheduler, "scale_noise") else scheduler.add_noise
    if hasattr(scheduler, "scale_noise"):
        return add(image, timestep.reshape(1), noise)
    return add(image, noise, timestep.reshape(1))


def walk(name, steps, strength, eta, options, noises):
    generator = torch.Generator().manual_seed(17)
    stand_ins.generator = generator
    base = {"num_train_timesteps": 1000} if name == FLOW_EULER else BASE
    config = {**base, **options}
    scheduler = scheduler_class(name)(**config)
    scheduler.set_timesteps(steps)
    flow = name == FLOW_EULER or "use_flow_sigmas" in options
    first = begin(scheduler, steps, strength, flow)
    shape = (1, 1, 1, N)
    image = torch.randn(shape, generator=generator)
    noise = torch.randn(shape, generator=generator)
    if name == DEIS:    # its integrals cancel in float32
        scheduler.sigmas = scheduler.sigmas.double()
        image, noise = image.double(), noise.double()
    timesteps = scheduler.timesteps[first:]
    record = {"class": name, "config": config, "steps": steps, "strength": strength,
              "eta": eta,
              "inputs": [], "outputs": [], "noises": [], "after": [],
              "timesteps": numbers(scheduler.timesteps), "image": numbers(image),
              "noise": numbers(noise)}
    if name not in (DDIM, DDPM, PNDM, LCM, TCD):
        record["sigmas"] = numbers(visited(name, scheduler))
    if strength == 1:
        x = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    else:
        x = add_noise(scheduler, image, noise, timesteps[0])
    record["start"] = numbers(x)
    for t in timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        output = torch.randn(shape, generator=generator)
        noises.clear()
        more = known(scheduler, {"eta": eta, "generator": generator})
        x = scheduler.step(output, t, x, **more).prev_sample
        record["inputs"] += numbers(scaled)
        record["outputs"] += numbers(output)
        record["noises"] += numbers(noises[0]) if noises else []
        record["after"] += numbers(x)
    assert np.isfinite(record["after"]).all(), (name, options)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--diffusers", required=True, help="checkout of huggingface/diffusers")
    parser.add_argument("--out", required=True, help="folder to write")
    args = parser.parse_args()
    noises = []
    stand_ins(args.diffusers, noises)
    os.makedirs(args.out, exist_ok=True)
    for i, (name, steps, strength, eta, options) in enumerate(WALKS):
        short = name
        for word in ("Scheduler", "Discrete", "Multistep"):
            short = short.replace(word, "")
        short = short.lower()
        with open(os.path.join(args.out, f"{i:02d}-{short}.json"), "w") as file:
            json.dump(walk(name, steps, strength, eta, options, noises), file)
            file.write("\n")
    print(len(WALKS), "walks")


if __name__ == "__main__":
    main()
