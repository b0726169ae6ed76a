# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte-pair vocabulary in CLIP's file format (vocab.json, merges.txt), learned from the captions.

Format and splitting rule: openai/CLIP:clip/simple_tokenizer.py (MIT), which transformers' CLIPTokenizer follows:
lower case, bytes mapped to printable characters, `</w>` ends a word, vocabulary = 256 characters, the same with
`</w>`, the merges in order, start and end of text. The end token also pads.
"""
import collections
import os
import re

import common

PATTERN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def byte_characters():
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table = {b: chr(b) for b in printable}
    rest = [b for b in range(256) if b not in table]
    table.update({b: chr(256 + i) for i, b in enumerate(rest)})
    return {b: table[b] for b in printable + rest}


BYTES = byte_characters()


def spell(word):
    symbols = [BYTES[b] for b in word.encode()]
    symbols[-1] += "</w>"
    return symbols


def merge_pair(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


def train(texts, size, folder):
    """Greedy merges by frequency, ties broken by spelling so that the result is the same everywhere."""
    counts = collections.Counter(w for text in texts for w in PATTERN.findall(text.lower()))
    words = {w: spell(w) for w in counts}
    base = list(BYTES.values())
    vocab, merges = base + [c + "</w>" for c in base], []
    while len(vocab) < size - 2:
        pairs = collections.Counter()
        for word, symbols in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        vocab.append("".join(best))
        words = {w: merge_pair(s, best) if best[0] in s else s for w, s in words.items()}
    vocab += [BOS, EOS]
    os.makedirs(folder, exist_ok=True)
    common.save_json(os.path.join(folder, "vocab.json"), {t: i for i, t in enumerate(vocab)})
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": EOS}
    common.save_json(os.path.join(folder, "special_tokens_map.json"), special)
    common.save_json(os.path.join(folder, "tokenizer_config.json"), {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": common.POSITIONS, **special,
        "do_lower_case": True, "errors": "replace", "add_prefix_space": False})


class Tokenizer:
    def __init__(self, folder):
        self.vocab = common.load_json(os.path.join(folder, "vocab.json"))
        with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as f:
            lines = f.read().split("\n")[1:]
        self.rank = {tuple(line.split(" ")): i for i, line in enumerate(lines) if line.strip()}
        self.bos, self.eos = self.vocab[BOS], self.vocab[EOS]
        self.length = common.POSITIONS
        self.cache = {}

    def word(self, word):
        if word not in self.cache:
            symbols = spell(word)
            while len(symbols) > 1:
                best = min(zip(symbols, symbols[1:]), key=lambda p: self.rank.get(p, len(self.rank)))
                if best not in self.rank:
                    break
                symbols = merge_pair(symbols, best)
            self.cache[word] = [self.vocab[s] for s in symbols]
        return self.cache[word]

    def __call__(self, text):
        """-> `length` ids: start, the words' pieces (cut to fit), end, padding by the end token."""
        ids = [i for w in PATTERN.findall(text.lower()) for i in self.word(w)][: self.length - 2]
        ids = [self.bos] + ids + [self.eos]
        return ids + [self.eos] * (self.length - len(ids))
