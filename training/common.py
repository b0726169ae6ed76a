# SPDX-License-Identifier: GPL-3.0-or-later
"""What every stage shares: the networks' configurations, safetensors files, checkpoints, averages, pictures."""
import json
import os
import random
import struct

import numpy as np
import torch

from quantise import dequantise

LATENT_CHANNELS = 32
POSITIONS = 24
VOCABULARY = 1024
TRAINED_SIZE = 128      # px

VAE_CONFIG = {
    "_class_name": "AutoencoderDC", "_diffusers_version": "0.33.0", "attention_head_dim": 32,
    "decoder_act_fns": "silu", "decoder_block_out_channels": [24, 48, 96, 128], "decoder_block_types": "ResBlock",
    "decoder_conv_act_fn": "relu", "decoder_in_shortcut": False, "decoder_layers_per_block": [1, 2, 2, 1],
    "decoder_norm_types": "rms_norm", "decoder_qkv_multiscales": [[], [], [], []],
    "downsample_block_type": "pixel_unshuffle", "encoder_block_out_channels": [4, 16, 64, 256],
    "encoder_block_types": "ResBlock", "encoder_layers_per_block": [1, 1, 1, 0], "encoder_out_shortcut": False,
    "encoder_qkv_multiscales": [[], [], [], []], "in_channels": 3, "latent_channels": LATENT_CHANNELS,
    "scaling_factor": 1.0, "upsample_block_type": "pixel_shuffle",
}

UNET_CONFIG = {
    "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.30.0", "act_fn": "silu",
    "addition_embed_type": None, "attention_head_dim": [2, 3, 5], "block_out_channels": [64, 96, 160],
    "center_input_sample": False, "class_embed_type": "projection", "class_embeddings_concat": False,
    "conv_in_kernel": 3, "conv_out_kernel": 3, "cross_attention_dim": 128,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "downsample_padding": 1, "dual_cross_attention": False, "encoder_hid_dim": None, "flip_sin_to_cos": True,
    "freq_shift": 0, "in_channels": 2 * LATENT_CHANNELS + 1, "layers_per_block": 1, "mid_block_scale_factor": 1,
    "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-5, "norm_num_groups": 8,
    "num_attention_heads": None, "only_cross_attention": False, "out_channels": LATENT_CHANNELS,
    "projection_class_embeddings_input_dim": 128, "resnet_time_scale_shift": "scale_shift", "sample_size": 16,
    "time_embedding_type": "positional", "transformer_layers_per_block": 1,
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "upcast_attention": False, "use_linear_projection": False,
}

SCHEDULER_CONFIG = {
    "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.30.0",
    "base_image_seq_len": 256, "base_shift": 0.5, "invert_sigmas": False, "max_image_seq_len": 4096,
    "max_shift": 1.15, "num_train_timesteps": 1000, "prediction_type": "sample", "shift": 1.0, "shift_terminal": None,
    "stochastic_sampling": False, "time_shift_type": "exponential", "use_beta_sigmas": False,
    "use_dynamic_shifting": False, "use_exponential_sigmas": False, "use_karras_sigmas": False,
}


def text_config(tokenizer):
    return {
        "architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": tokenizer.bos,
        "eos_token_id": tokenizer.eos, "hidden_act": "quick_gelu", "hidden_size": 128, "initializer_factor": 1.0,
        "initializer_range": 0.02, "intermediate_size": 512, "layer_norm_eps": 1e-5,
        "max_position_embeddings": POSITIONS, "model_type": "clip_text_model", "num_attention_heads": 4,
        "num_hidden_layers": 2, "pad_token_id": tokenizer.eos, "projection_dim": 128,
        "vocab_size": len(tokenizer.vocab),
    }


DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I8": np.int8, "U8": np.uint8}


def save_safetensors(path, tensors, metadata=None):
    """Little-endian u64 header length, JSON header, data; the header is padded so that data start 8-aligned."""
    header, offset, blobs = {}, 0, []
    if metadata:
        header["__metadata__"] = metadata
    names = {np.dtype(v): k for k, v in DTYPES.items()}
    for key in sorted(tensors):
        a = np.ascontiguousarray(tensors[key].detach().cpu().numpy() if torch.is_tensor(tensors[key]) else tensors[key])
        header[key] = {"dtype": names[a.dtype], "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
        blobs.append(a.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(blobs)


def load_safetensors(path):
    """name -> tensor as stored; those in the layout of quantise.py are joined to fp32."""
    with open(path, "rb") as f:
        data = f.read()
    (n,) = struct.unpack_from("<Q", data)
    out = {}
    for key, info in json.loads(data[8:8 + n]).items():
        if key != "__metadata__":
            begin, end = info["data_offsets"]
            a = np.frombuffer(data[8 + n + begin:8 + n + end], DTYPES[info["dtype"]]).reshape(info["shape"])
            out[key] = torch.from_numpy(a.copy())
    for key in [k for k in out if k.endswith("._data")]:
        name = key.removesuffix("._data")
        out[name] = dequantise(out.pop(key), out.pop(name + "._scale"))
    return out


PARTS = {"vae": "diffusion_pytorch_model.safetensors", "unet": "diffusion_pytorch_model.safetensors",
         "text_encoder": "model.safetensors", "exemplars": "exemplars.safetensors"}


def load_part(module, folder, name):
    """Weights of one part of an exported model folder, widened to fp32."""
    weights = load_safetensors(os.path.join(folder, name, PARTS[name]))
    module.load_state_dict({k: v.float() for k, v in weights.items()})


def load_json(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def save_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, ensure_ascii=False)
        f.write("\n")


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def rng_state():
    return {"python": random.getstate(), "torch": torch.get_rng_state()}


def set_rng_state(state):
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])


def save_checkpoint(path, state):
    """Written beside and renamed: a stop at any moment leaves the previous checkpoint whole."""
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


def load_checkpoint(path):
    return torch.load(path, map_location="cpu", weights_only=False) if os.path.exists(path) else None


def bf16_pays(device):
    """Whether products in bf16 are faster: on a GPU, and on a CPU with AVX512-BF16; PyTorch emulates it on others, at a
    tenth of the speed of fp32 and less."""
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported()


@torch.no_grad()
def copy_into(params, values):
    for p, v in zip(params, values):
        p.copy_(v)


class Average:
    """Exponential moving average of parameters; `warmup` keeps the start from weighing."""

    def __init__(self, params, decay, warmup=20):
        self.params, self.decay, self.warmup, self.steps = list(params), decay, warmup, 0
        self.shadow = [p.detach().clone() for p in self.params]

    def update(self):
        self.steps += 1
        d = min(self.decay, self.steps / (self.steps + self.warmup))
        torch._foreach_mul_(self.shadow, d)
        torch._foreach_add_(self.shadow, [p.detach() for p in self.params], alpha=1 - d)

    def swap(self):
        """Exchange live and averaged values; call again to go back."""
        with torch.no_grad():
            for p, s in zip(self.params, self.shadow):
                live = p.detach().clone()
                p.copy_(s)
                s.copy_(live)

    def state_dict(self):
        return {"shadow": self.shadow, "steps": self.steps}

    def load_state_dict(self, state):
        self.shadow = [s.to(p.device, copy=True) for s, p in zip(state["shadow"], self.params)]
        self.steps = state["steps"]


def learning_rate(peak, step, fraction, warmup=200, decay=0.3, floor=0.03):
    """Constant with a linear warm-up in steps and a linear fall over the last `decay` of the time."""
    fall = 1.0 if decay <= 0 else min(1.0, (1.0 - fraction) / decay)
    return peak * min(1.0, (step + 1) / warmup) * max(floor, fall)


def psnr(y, x):
    """Mean over images of the peak signal to noise ratio, images in [-1, 1]."""
    error = ((y.clamp(-1, 1) - x) / 2).square().mean((1, 2, 3)).clamp_min(1e-10)
    return float((-10 * error.log10()).mean())
