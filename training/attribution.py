# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a model's ATTRIBUTION.md: whose pictures trained it, from allowlist.tsv and LICENCES.md, and whose words it
takes for its own (WORDNET.md).

    python3 attribution.py --out models/default/ATTRIBUTION.md

Counts only what training reads: split train, all kinds but stamps.
"""
import argparse
import collections
import os
import re

import pack

HEAD = """# Attribution

The weights in this folder were trained on pictures from packages of the Debian main archive, listed here with their
authors and licences as the packages' copyright files give them. Every one of them is named with its path and SHA-256
in `training/allowlist.tsv`. The pictures themselves are not included, but for those in the last table: of these the
folder `exemplars` holds latents, from which the autoencoder makes the picture again, and fills take their detail. Whether weights are a derived work of what
they were trained on is unsettled; they are offered as if they were: under the GNU General Public License, version 3,
which all of the licences below permit for a combined work, with this attribution kept.

Licence texts: GPL-3.0 in `COPYING` at the top of the source tree; the others at
https://creativecommons.org/licenses/by-sa/3.0/, https://creativecommons.org/licenses/by-sa/4.0/,
https://creativecommons.org/licenses/by/3.0/, https://creativecommons.org/licenses/by/4.0/,
https://creativecommons.org/publicdomain/zero/1.0/, https://www.gnu.org/licenses/ and, for Expat and Zlib,
https://spdx.org/licenses/.
"""


def sections(path):
    """LICENCES.md -> {package: (title, upstream line, {licence: copyright})}."""
    out, package = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("## "):
                package = line.split()[1]
                out[package] = [line[3:].strip(), "", {}, []]
            elif package and line.startswith("Upstream:"):
                out[package][1] = re.sub(r" Images: \d+\.$", "", line.strip())
            elif package and (m := re.match(r"\* (.+?): \d+ image\(s\)\. (Copyright: .*)", line)):
                out[package][2][m[1]] = m[2].strip()
            elif package and line.startswith("* Note:"):
                out[package][3].append(line.strip())
    return out


def exemplar_table(rows, path):
    """Lines for the pictures whose latents are in the folder `exemplars`, under their names there."""
    text = ["", "## Exemplars", "", "Owners as above, by package and licence.", "",
            "| exemplar | package | file | licence |", "|---|---|---|---|"]
    seen = collections.Counter()
    with open(path, encoding="utf-8") as f:
        for label, name in (line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")):
            row = rows[name]
            text.append(f"| {label}.{seen[label]} | {row['package']} | {row['member']} | {row['licence']} |")
            seen[label] += 1
    return text


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--allowlist", default=os.path.join(here, "allowlist.tsv"))
    parser.add_argument("--licences", default=os.path.join(here, "LICENCES.md"))
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    used = [r for r in pack.read_allowlist(args.allowlist).values() if r["split"] == "train" and r["kind"] != "stamp"]
    count = collections.Counter((r["package"], r["licence"]) for r in used)
    total = collections.Counter(r["licence"] for r in used)
    known, text = sections(args.licences), [HEAD, "| licence | pictures |", "|---|---|"]
    text += [f"| {licence} | {n} |" for licence, n in total.most_common()] + [f"| all | {len(used)} |"]
    for package in sorted({p for p, _ in count}):
        title, upstream, owners, notes = known[package]
        text += ["", f"## {title}", "", upstream, ""]
        for (_, licence), n in sorted((k, v) for k, v in count.items() if k[0] == package):
            text.append(f"* {licence}, {n} pictures. {owners[licence]}")
        text += notes
    text += exemplar_table({r["file"]: r for r in used}, os.path.join(here, "exemplars.tsv"))
    with open(os.path.join(here, "WORDNET.md"), encoding="utf-8") as f:
        text += ["", "#" + f.read().rstrip("\n")]
    with open(args.out, "w", encoding="utf-8") as f:
        f.write("\n".join(text) + "\n")
    print(args.out, len(used), "pictures")


if __name__ == "__main__":
    main()
