"""Runs a file of cases inside a real GIMP with a profile of its own and prints TAP.

harness.py GIMP PLUGIN CASES [--window]

The profile holds the plug-in, the folder of translations where the build made one, and the test
model as the default one. PALIMPSEST_TEST_MODEL is that model. With --window GIMP shows its window
on a virtual display of its own and the cases press keys. What GIMP and the plug-ins print is part
of the result: a warning from ours is a failure.
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
    r"Procedure 'plug-in-palimpsest|catalog directory|"
    r"plug-in crashed|runtime error|AddressSanitizer|LeakSanitizer")

# A plug-in's farewell may find GIMP's end of the wire closed; so does GIMP's own python-eval.
HARMLESS = re.compile(r"gimp_flush\(\): error: Broken pipe")


def make_profile(folder, plugin, model):
    """A profile with our plug-in and the few of GIMP's that are needed."""
    profile = folder / "profile"
    ours = profile / "plug-ins/palimpsest"
    system = folder / "system"
    (ours / "models").mkdir(parents=True)
    system.mkdir()
    (ours / "palimpsest").symlink_to(plugin)
    (ours / "models/default").symlink_to(model)
    translations = plugin.parent.parent / "po"
    if any(translations.glob("*/LC_MESSAGES/*.mo")):
        (ours / "locale").symlink_to(translations)

    libdir = subprocess.run(["pkg-config", "--variable=gimplibdir", "gimp-3.0"],
                            capture_output=True, text=True, check=True).stdout.strip()
    for name in NEEDED:
        (system / name).symlink_to(pathlib.Path(libdir) / "plug-ins" / name)
    (profile / "gimprc").write_text(
        f'(plug-in-path "{profile}/plug-ins:{system}")\n'
        "(show-welcome-dialog no)\n(check-updates no)\n(show-tips no)\n", encoding="utf-8")
    return profile


def environment(folder, profile, model, results):
    """Nothing of the caller's settings."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "LC_", "LANG"))}
    for name in ("home", "config", "data", "cache", "runtime", "scratch"):
        (folder / name).mkdir(mode=0o700)
    env.update({
        "GIMP3_DIRECTORY": str(profile),
        "HOME": str(folder / "home"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
        "LANG": "C.UTF-8",
        "LANGUAGE": os.environ.get("LANGUAGE", "en"),
        "NO_AT_BRIDGE": "1",
        "PALIMPSEST_TEST_MODEL": str(model),
        "PALIMPSEST_TEST_RESULTS": str(results),
        "PALIMPSEST_TEST_SCRATCH": str(folder / "scratch"),
    })
    # Compiled kernels are kept from one GIMP to the next.
    env.setdefault("PALIMPSEST_CACHE_DIR", str(pathlib.Path(tempfile.gettempdir())
                                               / f"palimpsest-test-cache-{os.getuid()}"))
    return env


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
    window = "--window" in sys.argv
    gimp, plugin, cases = [a for a in sys.argv[1:] if a != "--window"]
    model = pathlib.Path(os.environ["PALIMPSEST_TEST_MODEL"]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="palimpsest-gimp-"))
    results = folder / "results.tap"
    try:
        profile = make_profile(folder, pathlib.Path(plugin).resolve(), model)
        with open(folder / "log", "w+b") as log:
            done = subprocess.run(command(gimp, cases, window), stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, check=False,
                                  env=environment(folder, profile, model, results))
            log.seek(0)
            text = log.read().decode(errors="replace")
        sys.stdout.write(report(results, text, done.returncode))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(results, log, status):
    """The cases' TAP with one more line, about what was printed."""
    tap = results.read_text(encoding="utf-8") if results.exists() else ""
    lines = tap.rstrip("\n").split("\n") if tap else []
    total = sum(1 for line in lines if line.startswith(("ok", "not ok")))
    complaints = [line for line in log.split("\n")
                  if COMPLAINTS.search(line) and not HARMLESS.search(line)]
    finished = "# finished" in lines

    lines.append(f"{'ok' if finished else 'not ok'} {total + 1} - GIMP ran all cases")
    lines.append(f"{'not ok' if complaints else 'ok'} {total + 2} - no warning because of us")
    lines.append(f"1..{total + 2}")
    if complaints or not finished or status != 0 or any(l.startswith("not ok") for l in lines):
        lines += ["# GIMP's exit status: " + str(status), *("# " + l for l in log.split("\n"))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
