"""Every #include follows the arrows of the design: down, never up or sideways.

A folder may include its own headers, those of the folders named in its row, base and the public
types. System headers that belong to one place are listed too.
"""

import re

import tree

# folder → the folders below it whose headers it may see, and generated headers
BELOW = {
    "engine/base": (),
    "engine/cl": ("kernels.h",),
    "engine/io": (),
    "engine/text": ("io", "clip-resources.h"),
    "engine/sample": ("io",),
    "engine/run": ("cl", "io"),
    "engine/op": ("run", "cl", "io"),
    "engine/model": ("op", "run", "io"),
    "engine/family": ("model", "sample", "text", "op", "run", "io", "cl"),
    "engine/drive": ("family", "sample", "text", "model", "op", "run", "io", "cl"),
    "engine/cli": (),
    "plugin": ("ui",),
    "ui": (),
}
PUBLIC = ("pal.h", "pal-types.h")

# system header → the only folders that may include it
OWNED = {
    r"CL/": ("engine/cl",),
    r"libgimp": ("plugin", "ui"),
    r"(gtk|gdk|gegl|babl)": ("plugin", "ui"),
    r"json-glib": ("engine/io", "engine/cli"),
    r"png\.h": ("engine/cli",),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    return "/".join(path.parts[:2]) if path.parts[0] == "engine" else path.parts[0]


def allowed(folder, name):
    """Whether `folder` may include the project's header `name` (relative to engine/ or itself)."""
    if "/" not in name:
        return name in PUBLIC + BELOW[folder] or any(
            (tree.ROOT / place / name).exists() for place in (folder, *BELOW[folder]))
    target = name.split("/")[0]
    own = folder.split("/")[-1]
    return target in (own, "base") or target in BELOW[folder]


def main():
    problems, paths = [], tree.files(".c", ".h")
    paths = [p for p in paths if folder_of(p) in BELOW]
    for path in paths:
        folder = folder_of(path)
        for bracket, name in INCLUDE.findall(tree.read(path)):
            if bracket == '"' and not allowed(folder, name):
                problems.append(f"{path}: {folder} may not include {name}")
            for header, owners in OWNED.items():
                if bracket == "<" and re.match(header, name) and folder not in owners:
                    problems.append(f"{path}: only {', '.join(owners)} may include <{name}>")
            if name == "CL/cl.h" and path.suffix == ".h" and not path.stem.endswith("private"):
                problems.append(f"{path}: CL/cl.h belongs in a .c or a private header")
    tree.report(problems, len(paths))


main()
