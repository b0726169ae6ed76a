"""kernels.py ROWS CLANG: every row of the kernel catalogue passes clang's OpenCL C 1.2 front end.

ROWS is the program that prints the catalogue. A file that reads weights is checked once for each
weight format. The resource list holds exactly the files of kernels/.
"""

import re
import subprocess
import sys

import tree

KERNELS = tree.ROOT / "kernels"
WEIGHTS = ("-DWEIGHT_F32", "-DWEIGHT_F16", "-DWEIGHT_BF16", "-DWEIGHT_I8")


def syntax(clang, name, defines):
    command = [clang, "-x", "cl", "-cl-std=CL1.2", "--target=spir64-unknown-unknown",
               "-Xclang", "-finclude-default-header", "-fsyntax-only", "-Wall", "-Werror",
               "-Wno-unused-function", f"-I{KERNELS}", *defines, str(KERNELS / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"{name} {' '.join(defines)}:", done.stderr.strip()] if done.returncode else []


def main():
    rows, clang = sys.argv[1:]
    table = subprocess.run([rows], capture_output=True, text=True, check=True).stdout
    problems, checked = [], set()
    for line in table.splitlines():
        name, entry, defines = line.split("\t")
        source = (KERNELS / name).read_text(encoding="utf-8")
        if not re.search(rf"\b{entry}\s*\(", source):
            problems.append(f"{name} has no kernel {entry}")
        for weights in WEIGHTS if '"load.h"' in source else ("",):
            checked.add((name, (*defines.split(), *weights.split())))
    for name, defines in sorted(checked):
        problems += syntax(clang, name, defines)

    listed = set(re.findall(r">([\w.-]+)</file>", (KERNELS / "kernels.gresource.xml").read_text()))
    present = {p.name for p in KERNELS.iterdir() if p.suffix in (".cl", ".h", ".ini")}
    problems += [f"kernels.gresource.xml lacks {name}" for name in sorted(present - listed)]
    problems += [f"{p} is in no row of the catalogue" for p in
                 sorted({n for n in present if n.endswith(".cl")} - {n for n, _ in checked})]
    tree.report(problems, len(checked))


main()
