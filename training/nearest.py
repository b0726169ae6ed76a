# SPDX-License-Identifier: GPL-3.0-or-later
"""Other words for what the model knows, so that a prompt may say "brook" or "Wiese" where training said "river" or
"meadow".

    python3 nearest.py --wordnet /usr/share/wordnet       make wordnet.tsv again (Debian's package wordnet-base)
    python3 nearest.py --model models/default             make synonyms.json of a model again, as export.py does

Two tables of rows: a word of the model, a language, other words for it. synonyms.tsv is written by hand and goes
first; wordnet.tsv is made from WordNet 3.0: each noun is given to the known word whose sense (senses.tsv) is nearest,
counted in steps along the relations below. A noun counts only in its commonest sense: a bank stays one with money.
"""
import argparse
import collections
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
MATERIAL, STYLE = "material", "style"

# Relations from a sense to what it may stand for, each one step: kinds of it, examples of it, its members. The parts of
# a thing are no likeness of it: islands are parts of the sea.
STEPS = ("~", "~i", "%m")
FARTHEST = 5
SHORTEST = 3            # letters
PLANT = "20"            # the lexicographers' file of plants, full of Latin: single words alone


def read_rows(name):
    """The rows of a table beside this file, split at tabs."""
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]


def other_words(facts):
    """{word of the model: other words for it}. An entry stands once among materials and once among styles.

    facts: the object "palimpsest" of the model's model_index.json."""
    styles = facts["styles"] + [word for words in facts["style_words"].values() for word in words]
    known = {**{word: STYLE for word in styles}, **{word: MATERIAL for word in facts["vocabulary"]}}
    taken = {(kind, word) for word, kind in known.items()}
    out = collections.defaultdict(list)
    for name in ("synonyms.tsv", "wordnet.tsv"):
        for word, _, others in read_rows(name):
            for other in others.split(", ") if word in known else ():
                if (known[word], other.lower()) not in taken:
                    taken.add((known[word], other.lower()))
                    out[word].append(other)
    return dict(sorted(out.items()))


def save(folder, facts):
    """Write synonyms.json of a model folder, a line for each word of the model."""
    rows = (f"  {json.dumps(word, ensure_ascii=False)}: {json.dumps(others, ensure_ascii=False)}"
            for word, others in other_words(facts).items())
    with open(os.path.join(folder, "synonyms.json"), "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(rows) + "\n}\n")


class Nouns:
    """WordNet's nouns: synsets by offset, senses by lemma (formats: wndb(5WN))."""

    def __init__(self, folder):
        self.words, self.file, self.steps, self.senses = {}, {}, {}, {}
        with open(os.path.join(folder, "data.noun"), encoding="latin-1") as f:
            for fields in (line.split(" | ")[0].split() for line in f if not line.startswith(" ")):
                n = int(fields[3], 16)
                self.file[fields[0]] = fields[1]
                self.words[fields[0]] = fields[4:4 + 2 * n:2]
                pointers = fields[5 + 2 * n:]
                self.steps[fields[0]] = [(pointers[i], pointers[i + 1]) for i in range(0, 4 * int(fields[4 + 2 * n]), 4)]
        with open(os.path.join(folder, "index.noun"), encoding="latin-1") as f:
            for fields in (line.split() for line in f if not line.startswith(" ")):
                self.senses[fields[0]] = fields[-int(fields[2]):]

    def sense(self, name):
        lemma, number = name.rsplit(".", 1)
        return self.senses[lemma][int(number) - 1]

    def below(self, start):
        """{synset: steps} of what lies below a synset, and of itself."""
        out, border = {start: 0}, [start]
        for synset in border:                   # grows while it is walked
            for kind, target in self.steps[synset]:
                if kind in STEPS and target not in out and out[synset] < FARTHEST:
                    out[target] = out[synset] + 1
                    border.append(target)
        return out

    def common(self, synset):
        """The words whose commonest sense this is, as typed."""
        for word in self.words[synset]:
            lemma, parts = word.lower(), word.count("_") + 1
            if self.senses[lemma][0] == synset and len(word) >= SHORTEST and lemma.replace("_", "").isalpha() \
                    and parts <= (1 if self.file[synset] == PLANT else 2):
                yield lemma.replace("_", " ")


def from_wordnet(folder):
    """-> {known word: other words}, each given to the nearest sense."""
    nouns, nearest, senses = Nouns(folder), {}, dict(read_rows("senses.tsv"))
    uncommon = set(senses.pop("-").split())
    for known, names in senses.items():
        left_out = {s for n in names.split() if n[0] == "-" for s in nouns.below(nouns.sense(n[1:]))}
        for name in (n for n in names.split() if n[0] != "-"):
            for synset, distance in nouns.below(nouns.sense(name)).items():
                if synset not in left_out and distance < nearest.get(synset, (FARTHEST + 1,))[0]:
                    nearest[synset] = distance, known
    out = collections.defaultdict(set)
    for synset, (_, known) in nearest.items():
        out[known].update(nouns.common(synset))
    return {known: sorted(words - uncommon - {known}) for known, words in sorted(out.items())}


def make_wordnet_table(folder):
    table = from_wordnet(folder)
    path = os.path.join(HERE, "wordnet.tsv")
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Made by nearest.py from WordNet 3.0, Copyright 2006 by Princeton University; see WORDNET.md.\n")
        f.writelines(f"{known}\ten\t{', '.join(words)}\n" for known, words in table.items() if words)
    print(path, sum(map(len, table.values())), "words,", os.path.getsize(path), "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", help="folder with data.noun and index.noun of WordNet 3.0")
    parser.add_argument("--model", help="model folder whose model_index.json names its words")
    args = parser.parse_args()
    if args.wordnet:
        make_wordnet_table(args.wordnet)
    if args.model:
        with open(os.path.join(args.model, "model_index.json"), encoding="utf-8") as f:
            save(args.model, json.load(f)["palimpsest"])


if __name__ == "__main__":
    main()
