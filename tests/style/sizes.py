"""Lists files and functions over their limits; names the largest in any case."""

import tree

LIMITS = {".c": 600, ".h": 600, ".cl": 400, ".py": 600}
FUNCTION = 60


def functions(lines):
    """(first line, lines) of each body between a { and a } in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            # "};" closes a table, which may be as long as its rows are many
            if line.rstrip() == "}":
                yield start, number - start - 1
            start = None


def main():
    problems, sizes = [], []
    paths = tree.files(*LIMITS)
    for path in paths:
        lines = tree.code(tree.read(path)).split("\n")
        sizes.append((len(lines), path))
        if len(lines) > LIMITS[path.suffix]:
            problems.append(f"{path}: {len(lines)} lines, the limit is {LIMITS[path.suffix]}")
        if path.suffix in (".c", ".cl"):
            problems += [f"{path}:{start}: a function of {length} lines, the limit is {FUNCTION}"
                         for start, length in functions(lines) if length > FUNCTION]
    for length, path in sorted(sizes, reverse=True)[:5]:
        print(f"{path}: {length} lines")
    tree.report(problems, len(paths))


main()
