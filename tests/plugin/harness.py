"""Runs a file of cases inside a real GIMP with a profile of its own and prints TAP.

harness.py GIMP PLUGIN CASES [--window] [--silent] [--untranslated]

The profile holds the plug-in, the translations of the build, and the test model as the default
one. PALIMPSEST_TEST_MODEL is that model. What GIMP and the plug-ins print is part of the result: a
warning from ours is a failure.

--window        GIMP shows its window on a virtual display of its own, and the cases press keys
--silent        nothing at all may be printed about the plug-in
--untranslated  the profile has no folder of translations
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

# The plug-ins that the cases need, out of GIMP's hundred: starting them all takes long.
NEEDED = ("python-eval", "file-png")

# What GIMP must never have to say because of us.
COMPLAINTS = re.compile(
    r"inconsistent state|palimpsest.*(CRITICAL|WARNING)|(CRITICAL|WARNING).*palimpsest|"
    r"Procedure 'plug-in-palimpsest-\w+': |catalog directory|"
    r"plug-in crashed|runtime error|AddressSanitizer")

# A plug-in's farewell may find GIMP's end of the wire closed; so does GIMP's own python-eval.
HARMLESS = re.compile(r"gimp_flush\(\): error: Broken pipe")


def make_profile(folder, gimp, plugin, model, translated):
    """A profile with our plug-in and the few of GIMP's that are needed."""
    version = subprocess.run([gimp, "--version"], capture_output=True, text=True,
                             check=True).stdout.split()[-1]
    profile = folder / "profile"
    ours = profile / "plug-ins/palimpsest"
    system = folder / "system"
    (ours / "models").mkdir(parents=True)
    system.mkdir()
    (ours / "palimpsest").symlink_to(plugin)
    (ours / "models/default").symlink_to(model)
    if translated:
        (ours / "locale").symlink_to(plugin.parent.parent / "po")

    libdir = subprocess.run(["pkg-config", "--variable=gimplibdir", "gimp-3.0"],
                            capture_output=True, text=True, check=True).stdout.strip()
    for name in NEEDED:
        (system / name).symlink_to(pathlib.Path(libdir) / "plug-ins" / name)
    (profile / "gimprc").write_text(
        f'(plug-in-path "{profile}/plug-ins:{system}")\n'
        f'(config-version "{version}")\n(check-updates no)\n', encoding="utf-8")
    return profile


def environment(folder, profile, model, results):
    """Nothing of the caller's settings."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("XDG_", "LC_", "LANG")) and not k.endswith("DISPLAY")}
    for name in ("home", "config", "data", "cache", "runtime", "scratch"):
        (folder / name).mkdir(mode=0o700)
    env.update({
        "GIMP3_DIRECTORY": str(profile),
        "HOME": str(folder / "home"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
        **language(folder, os.environ.get("LANGUAGE", "en")),
        "NO_AT_BRIDGE": "1",
        # libgimp keeps a few blocks to the end, and only slow stack traces tell them from ours.
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PALIMPSEST_TEST_MODEL": str(model),
        "PALIMPSEST_TEST_RESULTS": str(results),
        "PALIMPSEST_TEST_SCRATCH": str(folder / "scratch"),
    })
    return env


def language(folder, name):
    """Variables that choose a language. gettext translates nothing in C.UTF-8, and the machine
    may have no other locale: a copy of it under another name will do."""
    if name == "en":
        return {"LANG": "C.UTF-8", "LANGUAGE": name}
    locale = folder / "locales" / f"{name}.UTF-8"
    shutil.copytree("/usr/lib/locale/C.utf8", locale)
    return {"LOCPATH": str(locale.parent), "LANG": locale.name, "LANGUAGE": name}


def lend_kernels(folder):
    """A folder of compiled kernels of this run's own, filled from those of earlier runs."""
    own, shared = folder / "kernels", kept_kernels()
    if shared.exists():
        shutil.copytree(shared, own)
    own.mkdir(exist_ok=True)
    return own


def keep_kernels(own):
    """For the next GIMP; whoever comes first, if several run at once."""
    if own.exists():
        try:
            own.rename(kept_kernels())
        except OSError:
            pass


def kept_kernels():
    return pathlib.Path(os.environ.get("MESON_BUILD_ROOT", tempfile.gettempdir())) / "test-kernels"


def command(gimp, cases, window):
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import gimptest; " \
           f"gimptest.main({str(cases)!r})"
    options = ["--new-instance", "--no-splash", "--batch-interpreter=python-fu-eval",
               "--batch", code, "--quit"]
    if not window:
        return [gimp, "--no-interface", "--no-data", *options]
    return ["dbus-run-session", "--", "xvfb-run", "-a", "-s",
            "-screen 0 1280x720x24 -nolisten tcp", gimp, "--no-data", *options]


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    window, silent, untranslated = (f"--{option}" in sys.argv
                                    for option in ("window", "silent", "untranslated"))
    gimp, plugin, cases = words
    model = pathlib.Path(os.environ["PALIMPSEST_TEST_MODEL"]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="palimpsest-gimp-"))
    results = folder / "results.tap"
    try:
        profile = make_profile(folder, gimp, pathlib.Path(plugin).resolve(), model,
                               not untranslated)
        env = environment(folder, profile, model, results)
        env["PALIMPSEST_CACHE_DIR"] = str(lend_kernels(folder))
        env["POCL_CACHE_DIR"] = str(folder / "kernels")
        with open(folder / "log", "w+b") as log:
            done = subprocess.run(command(gimp, cases, window), stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, check=False, env=env)
            log.seek(0)
            text = log.read().decode(errors="replace")
        keep_kernels(folder / "kernels")
        sys.stdout.write(report(results, text, done.returncode, silent))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def complaints(log, silent):
    """The lines of the log that are a failure."""
    wrong = re.compile("palimpsest") if silent else COMPLAINTS
    return [line for line in log.split("\n")
            if wrong.search(line) and not HARMLESS.search(line)]


def report(results, log, status, silent):
    """The cases' TAP with two more lines, about the end and about what was printed."""
    tap = results.read_text(encoding="utf-8") if results.exists() else ""
    lines = tap.rstrip("\n").split("\n") if tap else []
    total = sum(1 for line in lines if line.startswith(("ok", "not ok")))
    finished = "# finished" in lines and status == 0
    wrong = complaints(log, silent)

    lines.append(f"{'ok' if finished else 'not ok'} {total + 1} - GIMP ran all cases")
    lines.append(f"{'not ok' if wrong else 'ok'} {total + 2} - no warning because of us")
    lines.append(f"1..{total + 2}")
    if any(line.startswith("not ok") for line in lines):
        lines += ["# complaint: " + line for line in wrong]
        lines += ["# GIMP's exit status: " + str(status), *("# " + l for l in log.split("\n"))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
