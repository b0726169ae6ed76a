"""What the style tests share: the project's files and the lines of a C file without its words."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ("engine", "kernels", "plugin", "ui", "tests")

LITERAL = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*suffixes):
    """Paths, relative to ROOT, that git tracks or would track; without git, all."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    command = [*git, "ls-files", "-co", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names = listing.split("\n")
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
    paths = (pathlib.Path(n) for n in sorted(set(names)) if n.endswith(suffixes))
    return [p for p in paths if p.parts[0] in OURS and (ROOT / p).is_file()]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def code(text):
    """The text with comments and literals blanked out, so that line and column stay."""
    return LITERAL.sub(lambda m: re.sub(r"[^\n]", " " if m[0][0] == "/" else "_", m[0]), text)


def report(problems, checked):
    for problem in problems:
        print(problem)
    print(f"{checked} files, {len(problems)} problems")
    sys.exit(bool(problems) or checked == 0)
