"""The message catalogues are valid, and each holds every message of the sources.

po/POTFILES.in must name exactly the files that mark messages.
"""

import re
import subprocess
import tempfile

import tree

MARKED = re.compile(r'\b(?:N?C?_|ngettext|g_dngettext|g_dgettext)\s*\(\s*(?:\w+,\s*)?"')
KEYWORDS = ("_", "N_", "C_:1c,2", "NC_:1c,2", "ngettext:1,2", "g_dngettext:2,3", "g_dgettext:2")


def lines(name):
    text = (tree.ROOT / "po" / name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def run(*command):
    done = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=False)
    return done.stderr.split("\n")[:10] if done.returncode else []


def main():
    marking = {str(p) for p in tree.files(".c", ".h") if MARKED.search(tree.read(p))}
    listed = set(lines("POTFILES.in"))
    problems = [f"po/POTFILES.in lacks {name}" for name in sorted(marking - listed)]
    problems += [f"po/POTFILES.in names {name}, which marks no message"
                 for name in sorted(listed - marking)]
    with tempfile.TemporaryDirectory() as folder:
        template = f"{folder}/palimpsest.pot"
        problems += run("xgettext", "--from-code=UTF-8", "--add-comments", "-o", template,
                        *[f"--keyword={k}" for k in KEYWORDS], *sorted(marking))
        for language in lines("LINGUAS"):
            catalogue = f"po/{language}.po"
            problems += run("msgfmt", "--check", "-o", f"{folder}/out.mo", catalogue)
            problems += run("msgcmp", catalogue, template)
    tree.report(problems, len(marking))


main()
