#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a model folder as one checkpoint file, in the original key naming.

    checkpoint.py MODEL OUT [--type T] [--parts PART,..] [--beside] [--decoded FILE]

OUT       a name that ends in .safetensors, .gguf or .ckpt
--type    of the matrices and convolutions, see blocks.py; F16 unless told. Vectors stay F16, and
          so do those whose values do not make whole blocks
--parts   unet,vae,text_encoder,text_encoder_2; all that there are unless told
--beside  also makes the folder of OUT's name with configurations and tokenizers, which tiny
          models need because their shapes tell too little
--decoded writes the same as F16 safetensors, with the values that OUT's blocks stand for
"""
import argparse
import json
import os
import pickle
import re
import shutil
import struct
import sys
import types
import zipfile

import blocks

PREFIX = {"unet": "model.diffusion_model.", "vae": "first_stage_model."}
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
          "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v",
                 "to_out.0": "proj_out"}
OPEN_CLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj",
             "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


def read_folder(path):
    """name -> (shape, values) of the safetensors file of a part."""
    name = next(n for n in sorted(os.listdir(path)) if n.endswith(".safetensors"))
    with open(os.path.join(path, name), "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        start, end = (8 + length + at for at in entry["data_offsets"])
        code = {"F16": "e", "F32": "f"}.get(entry["dtype"])
        if code:
            n = (end - start) // struct.calcsize(code)
            tensors[key] = entry["shape"], list(struct.unpack(f"<{n}{code}", data[start:end]))
    return tensors


def replace(table, name):
    for ours, theirs in table.items():
        if name.startswith(ours + "."):
            return theirs + name[len(ours):]
    return name


def unet_name(name, layers, attending):
    m = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|\w+samplers)\.(\d+)\.(.*)", name)
    if m:
        side, level, kind, i, rest = m[1], int(m[2]), m[3], int(m[4]), m[5]
        block = level * (layers + 1) + (1 if side == "down" else 0)
        root = "input_blocks" if side == "down" else "output_blocks"
        if kind == "resnets":
            return f"{root}.{block + i}.0.{replace(RESNET, rest)}"
        if kind == "attentions":
            return f"{root}.{block + i}.1.{rest}"
        if side == "down":
            return f"{root}.{block + layers}.0.op.{rest.removeprefix('conv.')}"
        return f"{root}.{block + layers}.{2 if level in attending else 1}.{rest}"
    m = re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name)
    if m:
        return f"middle_block.{2 * int(m[2])}.{replace(RESNET, m[3])}" if m[1] == "resnets" \
            else f"middle_block.1.{m[3]}"
    return replace(UNET, name)


def vae_name(name, levels):
    m = re.match(r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(resnets|\w+samplers)\.(\d)\.(.*)",
                 name)
    if m:
        level = int(m[3]) if m[2] == "down" else levels - 1 - int(m[3])
        part = f"block.{m[5]}" if m[4] == "resnets" else m[4].removesuffix("rs")
        return f"{m[1]}.{m[2]}.{level}.{part}.{m[6].replace('conv_shortcut', 'nin_shortcut')}"
    m = re.match(r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.(\d)\.(.*)", name)
    if m:
        rest = f"block_{int(m[3]) + 1}.{m[4]}" if m[2] == "resnets" \
            else f"attn_1.{replace(VAE_ATTENTION, m[4])}"
        return f"{m[1]}.mid.{rest}"
    return name.replace("conv_norm_out", "norm_out")


def rename_unet(tensors):
    layers = 1 + max(int(m[1]) for n in tensors
                     if (m := re.match(r"down_blocks\.0\.resnets\.(\d+)\.", n)))
    attending = {int(m[1]) for n in tensors if (m := re.match(r"up_blocks\.(\d+)\.attentions", n))}
    return {unet_name(n, layers, attending): t for n, t in tensors.items()}


def rename_vae(tensors):
    levels = 1 + max(int(m[1]) for n in tensors
                     if (m := re.match(r"decoder\.up_blocks\.(\d+)\.", n)))
    renamed = {vae_name(n, levels): t for n, t in tensors.items()}
    for name, (shape, values) in renamed.items():
        if re.search(r"attn_1\.(q|k|v|proj_out)\.weight$", name) and len(shape) == 2:
            renamed[name] = shape + [1, 1], values
    return renamed


def rename_tiny(tensors):
    """As the tiny autoencoder's own lists number it: the decoder's begins with a clamp."""
    def name(old):
        m = re.match(r"(encoder|decoder)\.layers\.(\d+)\.(.*)", old)
        return f"{m[1]}.{int(m[2]) + (m[1] == 'decoder')}.{m[3]}"
    return {name(n): t for n, t in tensors.items()}


def rename_clip(tensors):
    return {n if n.startswith(("text_model.", "text_projection")) else "text_model." + n: t
            for n, t in tensors.items()}


def rename_open_clip(tensors, extra_layer):
    """Joins queries, keys and values; extra_layer: adds one more that nothing reads."""
    out, found = {}, {}
    for name, (shape, values) in rename_clip(tensors).items():
        name = name.removeprefix("text_model.")
        m = re.match(r"encoder\.layers\.(\d+)\.(.*)", name)
        joined = m and re.match(r"self_attn\.(q|k|v)_proj\.(weight|bias)", m[2])
        if joined:
            found.setdefault((m[1], joined[2]), {})[joined[1]] = shape, values
        elif m:
            out[f"transformer.resblocks.{m[1]}.{replace(OPEN_CLIP, m[2])}"] = shape, values
        elif name == "text_projection.weight":
            rows, columns = shape
            turned = [values[r * columns + c] for c in range(columns) for r in range(rows)]
            out["text_projection"] = [columns, rows], turned
        else:
            name = name.replace("embeddings.position_embedding.weight", "positional_embedding")
            name = name.replace("embeddings.", "").replace("final_layer_norm", "ln_final")
            out[name] = shape, values
    for (layer, kind), parts in found.items():
        shape = parts["q"][0]
        out[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = \
            [3 * shape[0]] + shape[1:], sum((parts[c][1] for c in "qkv"), [])
    if extra_layer:
        last = max(int(layer) for layer, _ in found)
        out.update({n.replace(f".{last}.", f".{last + 1}.", 1): t for n, t in list(out.items())
                    if n.startswith(f"transformer.resblocks.{last}.")})
    return out


def is_open_clip(model):
    with open(os.path.join(model, "text_encoder", "config.json"), encoding="utf-8") as file:
        return json.load(file)["hidden_act"] == "gelu"


def collect(model, parts):
    """All tensors under their names in the file."""
    xl = os.path.isdir(os.path.join(model, "text_encoder_2"))
    out = {}
    for part in parts:
        tensors = read_folder(os.path.join(model, part))
        if part == "unet":
            renamed, prefix = rename_unet(tensors), PREFIX[part]
        elif part == "vae":
            renamed, prefix = rename_vae(tensors), PREFIX[part]
        elif part == "text_encoder_2":
            renamed, prefix = rename_open_clip(tensors, False), "conditioner.embedders.1.model."
        elif is_open_clip(model):
            renamed, prefix = rename_open_clip(tensors, True), "cond_stage_model.model."
        else:
            prefix = "conditioner.embedders.0" if xl else "cond_stage_model"
            renamed, prefix = rename_clip(tensors), prefix + ".transformer."
        out.update({prefix + name: tensor for name, tensor in renamed.items()})
    return out


def encode_all(tensors, kind):
    """name -> (type, shape, bytes, exact values)"""
    out = {}
    for name, (shape, values) in tensors.items():
        whole = len(shape) > 1 and len(values) % blocks.TYPES[kind][0] == 0
        used = kind if whole else "F16"
        data, exact = blocks.encode(used, values)
        out[name] = used, shape, data, exact
    return out


def write_safetensors(path, encoded):
    header, at = {}, 0
    for name, (kind, shape, data, _) in encoded.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(data for _, _, data, _ in encoded.values())


def text_of(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def write_gguf(path, encoded):
    """Tensors whose rows are no whole blocks are stored as rows of one block."""
    keys, infos, body = [], [], bytearray()
    for name, (kind, shape, data, _) in encoded.items():
        block, stored = blocks.TYPES[kind][0], shape
        if shape and shape[-1] % block:
            count = 1
            for d in shape:
                count *= d
            stored = [count // block, block]
            keys.append(text_of("comfy.gguf.orig_shape." + name) +
                        struct.pack(f"<IIQ{len(shape)}i", 9, 5, len(shape), *shape))
        infos.append(text_of(name) + struct.pack(f"<I{len(stored)}QIQ", len(stored), *stored[::-1],
                                                 blocks.TYPES[kind][2], len(body)))
        body += data + bytes(-len(data) % 32)
    keys.append(text_of("general.architecture") + struct.pack("<I", 8) + text_of("sd1"))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(keys)) + b"".join(keys + infos)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32) + body)


class Stored:
    """Stands for a storage, which the pickle names by a persistent id."""

    def __init__(self, kind, key, count):
        self.id = "storage", kind, key, "cpu", count


class Tensor:
    def __init__(self, stored, shape):
        self.stored, self.shape = stored, shape

    def __reduce__(self):
        strides, step = [], 1
        for d in reversed(self.shape):
            strides.insert(0, step)
            step *= d
        return sys.modules["torch._utils"]._rebuild_tensor_v2, \
            (self.stored, 0, tuple(self.shape), tuple(strides), False, {})


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.id if isinstance(obj, Stored) else None


def write_ckpt(path, encoded):
    """As torch.save writes it, without PyTorch."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    sys.modules.update({"torch": torch, "torch._utils": utils})
    for name in ("HalfStorage", "FloatStorage", "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def rebuild():
        """Never called: only its name is written."""

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    kinds = {"F16": torch.HalfStorage, "F32": torch.FloatStorage, "BF16": torch.BFloat16Storage}

    state, stem = {}, os.path.splitext(os.path.basename(path))[0]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for i, (name, (kind, shape, data, exact)) in enumerate(encoded.items()):
            state[name] = Tensor(Stored(kinds[kind], str(i), len(exact)), shape)
            archive.writestr(f"{stem}/data/{i}", data)
        with archive.open(f"{stem}/data.pkl", "w") as file:
            Pickler(file, protocol=2).dump({"epoch": 3, "state_dict": state})
        archive.writestr(f"{stem}/byteorder", "little")


WRITERS = {".safetensors": write_safetensors, ".gguf": write_gguf, ".ckpt": write_ckpt}


def copy_beside(model, folder):
    for part in os.listdir(model):
        path = os.path.join(model, part)
        for name in os.listdir(path) if os.path.isdir(path) else ():
            if not name.endswith(".safetensors"):
                os.makedirs(os.path.join(folder, part), exist_ok=True)
                shutil.copy(os.path.join(path, name), os.path.join(folder, part, name))


def write(model, out, kind="F16", parts=None, beside=False, decoded=None):
    everything = [p for p in ("unet", "vae", "text_encoder", "text_encoder_2")
                  if os.path.isdir(os.path.join(model, p))]
    encoded = encode_all(collect(model, parts or everything), kind)
    stem, ending = os.path.splitext(out)
    WRITERS[ending](out, encoded)
    if beside:
        copy_beside(model, stem)
    if decoded:
        write_safetensors(decoded, {n: ("F16", shape, blocks.encode("F16", exact)[0], exact)
                                    for n, (_, shape, _, exact) in encoded.items()})
        if beside:
            copy_beside(model, os.path.splitext(decoded)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--type", default="F16", choices=blocks.TYPES)
    parser.add_argument("--parts", type=lambda text: text.split(","))
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--decoded")
    args = parser.parse_args()
    write(args.model, args.out, args.type, args.parts, args.beside, args.decoded)


if __name__ == "__main__":
    main()
