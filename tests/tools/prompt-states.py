# SPDX-License-Identifier: GPL-3.0-or-later
"""Records what a text encoder makes of weighted and long prompts, computed with NumPy alone.

    python3 prompt-states.py --model ../data/models/sd15-tiny --out ../data/prompts.json

The network is written out here (CLIP's text transformer, arXiv 2103.00020), as is the tokenizer for
plain lower-case words. Each case lists pieces of text with their weights; "BREAK" ends a chunk.
"""
import argparse
import json
import os
import re
import struct

import numpy as np

LENGTH = 77
ROWS = (0, 1, 2, 3, 7, 76)
CHANNELS = 6

LONG = ", ".join(["a wooden bench", "green grass", "an old stone wall", "a red car", "a lake"] * 6)

CASES = {
    "a wooden bench": [("a wooden bench", 1)],
    "a (wooden:1.5) bench": [("a ", 1), ("wooden", 1.5), (" bench", 1)],
    "[a] ((wooden)) bench": [("a", 1 / 1.1), (" ", 1), ("wooden", 1.1 * 1.1), (" bench", 1)],
    "a bench BREAK (grass:0.6)": [("a bench ", 1), "BREAK", (" ", 1), ("grass", 0.6)],
    LONG: [(LONG, 1)],
    f"{LONG} (lake:1.3)": [(LONG + " ", 1), ("lake", 1.3)],
}


def tensors(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    kinds = {"F32": np.float32, "F16": np.float16}
    return {name.removeprefix("text_model."): np.frombuffer(
                data[slice(*entry["data_offsets"])], kinds[entry["dtype"]]
            ).reshape(entry["shape"]).astype(np.float64)
            for name, entry in header.items() if name != "__metadata__"}


class Tokenizer:
    def __init__(self, folder):
        with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as file:
            self.ids = json.load(file)
        with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as file:
            lines = [line.split() for line in file if not line.startswith("#version")]
        self.rank = {tuple(pair): i for i, pair in enumerate(lines) if len(pair) == 2}

    def word(self, word):
        pieces = [*word[:-1], word[-1] + "</w>"]
        while True:
            pairs = [(self.rank.get(pair, 1e9), i)
                     for i, pair in enumerate(zip(pieces, pieces[1:]))]
            if not pairs or min(pairs)[0] == 1e9:
                return [self.ids[piece] for piece in pieces]
            at = min(pairs)[1]
            pieces[at:at + 2] = [pieces[at] + pieces[at + 1]]

    def text(self, text):
        return [i for word in re.findall(r"[a-z]+|[^\sa-z]+", text) for i in self.word(word)]


def chunks(tokenizer, pieces):
    start, end = tokenizer.ids["<|startoftext|>"], tokenizer.ids["<|endoftext|>"]
    found = [[]]
    for piece in pieces:
        if piece == "BREAK":
            found.append([])
            continue
        for token in tokenizer.text(piece[0]):
            if len(found[-1]) == LENGTH - 2:
                found.append([])
            found[-1].append((token, piece[1]))
    for chunk in found:
        rest = LENGTH - 1 - len(chunk)
        yield ([start] + [token for token, _ in chunk] + [end] * rest,
               [1] + [weight for _, weight in chunk] + [1] * rest)


def norm(x, w, name, eps):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * w[name + ".weight"] + w[name + ".bias"]


def linear(x, w, name):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def encode(ids, w, config):
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
    x = w["embeddings.token_embedding.weight"][ids]
    x = x + w["embeddings.position_embedding.weight"][:len(ids)]
    hidden = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layers.{i}."
        h = norm(x, w, layer + "layer_norm1", eps)
        q, k, v = (linear(h, w, f"{layer}self_attn.{n}_proj").reshape(len(ids), heads, -1)
                   for n in "qkv")
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1]) + hidden
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        h = np.einsum("hqk,khd->qhd", scores, v).reshape(len(ids), -1)
        x = x + linear(h, w, layer + "self_attn.out_proj")
        h = linear(norm(x, w, layer + "layer_norm2", eps), w, layer + "mlp.fc1")
        assert config["hidden_act"] == "quick_gelu"
        x = x + linear(h / (1 + np.exp(-1.702 * h)), w, layer + "mlp.fc2")
    return norm(x, w, "final_layer_norm", eps)


def emphasised(states, weights):
    weighted = states * np.array(weights)[:, None]
    return weighted * (states.mean() / weighted.mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a model")
    parser.add_argument("--out", required=True, help="JSON file to write")
    args = parser.parse_args()
    encoder = os.path.join(args.model, "text_encoder")
    with open(os.path.join(encoder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    w = tensors(os.path.join(encoder, "model.safetensors"))
    tokenizer = Tokenizer(os.path.join(args.model, "tokenizer"))
    record = {"prompts": list(CASES), "rows": ROWS, "channels": CHANNELS}
    for i, pieces in enumerate(CASES.values()):
        states = [emphasised(encode(ids, w, config), weights)
                  for ids, weights in chunks(tokenizer, pieces)]
        record[f"chunks.{i}"] = len(states)
        record[f"states.{i}"] = [round(float(v), 7) for chunk in states for row in ROWS
                                 for v in chunk[row, :CHANNELS]]
    with open(args.out, "w", encoding="utf-8") as file:
        json.dump(record, file)
        file.write("\n")


if __name__ == "__main__":
    main()
