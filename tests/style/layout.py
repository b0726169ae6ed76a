"""Layout rules of GIMP's coding style that a line shows by itself, and the licence header.

clang-format with .clang-format formats a whole file, but undoes the aligned columns of headers
and tables; so it is a tool for new code and this is the rule.
"""

import re

import tree

COLUMNS = 100
LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"

CONFLICT = (re.compile(r"^(?:<{7}|>{7}) "), "a merge was not finished")
RULES = (
    CONFLICT,
    (re.compile(r"\t"), "tab"),
    (re.compile(r"[ \r]$"), "space at the end of the line"),
    (re.compile(rf"^.{{{COLUMNS + 1}}}"), f"more than {COLUMNS} columns"),
)
CODE_RULES = (
    (re.compile(r"^(?!\s*#\s*define)(?:.*[^\w.])?(?!defined|N?C?_\()[A-Za-z_]\w*\("),
     "no space before a parenthesis"),
    (re.compile(r"^\s*(?:if|for|while|switch|else|do)\b.*\{\s*$|^\s*\}\s*(?:else|while)\b"),
     "brace not on a line of its own"),
    (re.compile(r"\(\s+\S"), "space after an opening parenthesis"),
    (re.compile(r"\b(?:if|for|while|switch|return)\("), "no space after a keyword"),
)
MARK = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")


def lines_with(rules, lines):
    for number, line in enumerate(lines, 1):
        for rule, text in rules:
            if rule.search(line):
                yield number, text


def check(path):
    text = tree.read(path)
    found = list(lines_with(RULES, text.split("\n")))
    if path.suffix in (".c", ".h", ".cl"):
        found += lines_with(CODE_RULES, blank_macros(tree.code(text)).split("\n"))
        found += [(text[:m.start()].count("\n") + 1, "// comment")
                  for m in tree.LITERAL.finditer(text) if m[0].startswith("//")]
        found += lines_with(((MARK, "work left undone"),), text.split("\n"))
        if LICENCE not in text.split("\n")[0]:
            found.append((1, f"the first line is not /* {LICENCE} */"))
        if not re.match(r"/\* \S", (text.split("\n") + [""])[1]):
            found.append((2, "the second line does not say what the file owns"))
    if not text.endswith("\n") or text.endswith("\n\n"):
        found.append((text.count("\n"), "the file does not end with one newline"))
    if not re.fullmatch(r"[a-z0-9]+(?:[-.][a-z0-9]+)*", path.name):
        found.append((1, "the file name is not kebab-case"))
    return [f"{path}:{number}: {what}" for number, what in sorted(found)]


def blank_macros(text):
    """Blanks out preprocessor lines, continuation lines included: macros keep their own form."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), text,
                  flags=re.M)


def main():
    paths, texts = tree.files(".c", ".h", ".cl", ".py"), tree.files(".md", ".build", ".ini")
    problems = [problem for path in paths for problem in check(path)]
    problems += [f"{path}:{number}: {what}" for path in texts
                 for number, what in lines_with((CONFLICT,), tree.read(path).split("\n"))]
    tree.report(problems, len(paths) + len(texts))


main()
