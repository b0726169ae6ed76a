"""M1, M5, M14 in GIMP's window: the dialog, its keys, Stop, last values, undo."""

import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

from gimptest import (CANCEL, EXTEND, FILL, GENERATE, MODEL, OK, REPLACE, RESTYLE, SCRATCH,
                      VARIANTS, Gimp, add_layer, call, case, new_image, pixels, projection,
                      soft_selection, state)

PATIENCE = 300  # seconds that something may take on a busy machine


def xdotool(*words):
    return subprocess.run(["xdotool", *words], capture_output=True, text=True,
                          check=False).stdout.strip()


def wait(condition, what):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"no {what} within {PATIENCE} s"
        time.sleep(0.02)
    return found


class Dialog:
    """The plug-in's window, as a user's hands and eyes have it."""

    def __init__(self):
        self.window = wait(lambda: xdotool("search", "--onlyvisible", "--classname",
                                           "^palimpsest$"), "dialog").split("\n")[0]
        time.sleep(0.5)
        xdotool("windowfocus", self.window)
        time.sleep(0.5)

    def title(self):
        return xdotool("getwindowname", self.window)

    def keys(self, *keys):
        for key in keys:
            xdotool("key", key)
            time.sleep(0.1)

    def type(self, text):
        """Into the prompt, instead of what it held."""
        self.keys("alt+p", "ctrl+a")
        xdotool("type", text)
        time.sleep(0.3)

    def running(self):
        return "%" in self.title()

    def start(self):
        self.keys("ctrl+Return")
        wait(self.running, "progress in the title")

    def finish(self):
        wait(lambda: not self.running(), "end of the run")
        time.sleep(0.3)

    def generate(self):
        self.start()
        self.finish()

    def to_strip(self, *keys):
        """Moves the focus from the prompt, which has it, back to the results, and presses keys."""
        self.keys("alt+p", "shift+Tab", *keys)

    def press(self, key):
        """A button by its mnemonic: it acts a quarter of a second later."""
        self.keys(key)
        time.sleep(1)

    def apply(self):
        self.press("alt+a")


def interactive(name, image, layer, hands, **arguments):
    """Runs a procedure with its dialog while hands (dialog) works it in a thread of its own."""
    errors = []

    def work():
        try:
            hands(Dialog())
        except Exception as error:  # told in the main thread
            errors.append(error)
            for window in xdotool("search", "--onlyvisible", "--classname",
                                  "^palimpsest$").split():
                xdotool("windowfocus", window, "key", "Escape", "sleep", "3", "key", "Escape")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    result = call(name, image, [layer], Gimp.RunMode.INTERACTIVE, **arguments)
    thread.join()
    if errors:
        raise errors[0]
    return result


def picture():
    image = new_image(320, 240)
    layer = add_layer(image)
    soft_selection(image, 100, 80, 120, 90)
    image.clean_all()
    return image, layer


@case
def error_inside():
    """A model that is spoiled: the dialog stays, does not run, and can be closed"""
    # First of all, as the last values of a run that succeeded would replace the arguments.
    folder = SCRATCH / "spoiled"
    shutil.copytree(MODEL, folder)
    index = pathlib.Path(folder / "model_index.json")
    index.chmod(0o600)
    index.write_text("{}", encoding="utf-8")
    image, layer = picture()
    before = state(image)

    def hands(dialog):
        dialog.keys("ctrl+Return")
        time.sleep(1)
        assert not dialog.running()
        dialog.keys("Escape")

    status, _, _, _ = interactive(GENERATE, image, layer, hands, model=str(folder))
    assert status == CANCEL
    assert state(image) == before


@case
def stop():
    """Stop by Escape and by its button: image unchanged, the dialog stays, then closes"""
    for key in ("Escape", "space", "alt+s"):
        image, layer = picture()
        before = state(image)

        def hands(dialog, key=key):
            dialog.type("to be stopped")
            dialog.start()
            time.sleep(0.5)
            dialog.keys(key)
            dialog.finish()
            assert dialog.title() == "Fill the selection", dialog.title()
            dialog.keys("Escape")

        status, new, _, _ = interactive(FILL, image, layer, hands, steps=1000,
                                        sampler="ddim")
        assert status == CANCEL and new is None
        assert state(image) == before, "the image changed"


@case
def run_and_apply():
    """Ctrl+Enter runs with the typed prompt, Apply adds the result, and the dialog stays"""
    image, layer = picture()

    def hands(dialog):
        dialog.type("first words")
        dialog.generate()
        dialog.apply()
        dialog.type("other words")
        dialog.generate()
        dialog.apply()
        dialog.keys("Escape")

    status, new, seed, _ = interactive(RESTYLE, image, layer, hands, steps=30)
    names = [item.get_name() for item in image.get_layers()]
    assert status == OK and new.get_name() == names[0], (status, names)
    assert names[0] == f"other words (seed {seed})", names
    assert names[1].startswith("first words (seed ") and len(names) == 3


@case
def not_applied():
    """Closed without Apply: the image is as it was, and the results are there the next time"""
    image, layer = picture()
    before = state(image)

    def hands(dialog):
        dialog.type("to be kept")
        dialog.generate()
        dialog.keys("Escape")

    status, _, _, _ = interactive(FILL, image, layer, hands, steps=30, seed=5)
    assert status == CANCEL, status
    assert state(image) == before, "the image changed"

    def hands_again(dialog):
        dialog.to_strip("Home", "Return")
        dialog.keys("Escape")

    status, new, _, message = interactive(FILL, image, layer, hands_again)
    assert status == OK, message
    assert new.get_name() == "to be kept (seed 5)", new.get_name()
    assert not any(pixels(new.get_mask(), "Y u8")[:100]), "the mask was lost"


def kept_seeds():
    """Those of all results in the history, the oldest first."""
    folder = pathlib.Path(os.environ["XDG_DATA_HOME"]) / "palimpsest/history"
    return [int(path.stem.split("-")[1]) for path in sorted(folder.rglob("*.png"),
                                                            key=lambda path: path.name)]


@case
def second_of_three():
    """Three variants, and the second applied: one layer, its seed"""
    image, layer = picture()

    def hands(dialog):
        dialog.type("choose")
        dialog.generate()
        dialog.to_strip("End", "Left")
        dialog.keys("Return")
        time.sleep(1)
        dialog.keys("Escape")

    status, new, seed, message = interactive(VARIANTS, image, layer, hands, steps=30)
    assert status == OK, message
    seeds = kept_seeds()[-3:]
    assert seeds == [seed - 1, seed, seed + 1], (seeds, seed)
    assert new.get_name() == f"choose (seed {seed})", new.get_name()
    assert len(image.get_layers()) == 2


@case
def group():
    """Several results applied are a group that is named by their seeds"""
    image, layer = picture()

    def hands(dialog):
        dialog.type("all")
        dialog.generate()
        dialog.to_strip("ctrl+a")
        dialog.apply()
        dialog.keys("Escape")

    status, _, seed, message = interactive(VARIANTS, image, layer, hands, steps=30)
    assert status == OK, message
    new, source = image.get_layers()
    assert source.get_id() == layer.get_id() and new.is_group()
    assert new.get_name() == f"Variants of this (seeds {seed}, {seed + 1}, {seed + 2})"
    assert [item.get_visible() for item in new.get_children()] == [True, False, False]


@case
def keep_seed():
    """The seed is kept and the prompt changed: the same seed, other words"""
    image, layer = picture()

    def hands(dialog):
        dialog.type("one thing")
        dialog.generate()
        dialog.press("alt+k")
        xdotool("type", "another thing")
        dialog.generate()
        dialog.to_strip("ctrl+a")
        dialog.apply()
        dialog.keys("Escape")

    status, _, _, message = interactive(FILL, image, layer, hands, steps=30)
    assert status == OK, message
    names = [item.get_name() for item in image.get_layers()[0].get_children()]
    seeds = {name.rsplit("(", 1)[1] for name in names}
    assert len(seeds) == 1 and {name.split(" (")[0] for name in names} == {
        "one thing", "another thing"}, names


@case
def stop_after_success():
    """A run that is stopped after another one succeeded adds nothing"""
    image, layer = picture()

    def hands(dialog):
        dialog.type("kept")
        dialog.generate()
        dialog.apply()
        dialog.start()
        dialog.keys("Escape")
        dialog.finish()
        dialog.keys("Escape")

    status, _, _, _ = interactive(GENERATE, image, layer, hands, steps=300)
    assert status == OK and len(image.get_layers()) == 2


@case
def known_words():
    """A model with a closed vocabulary: a word is chosen from its list by keys alone"""
    folder = SCRATCH / "closed"
    shutil.copytree(MODEL, folder)
    path = folder / "model_index.json"
    path.chmod(0o600)
    index = json.loads(path.read_text(encoding="utf-8"))
    index["palimpsest"] = {"vocabulary": ["grass", "sand", "night sky"], "styles": ["sepia"],
                           "backdrops": ["night sky"]}
    path.write_text(json.dumps(index), encoding="utf-8")
    image, layer = picture()

    # A procedure of its own: the last values of one that succeeded would replace the model.
    def hands(dialog):
        dialog.type("a unicorn")
        # Out of the text to the list, which opens; into it, and to its second word, which takes
        # the prompt's place as it is not understood; the third joins it; another word does not.
        dialog.keys("Tab", "Return", "Tab", "Right", "Return")
        dialog.keys("Right", "Return", "Left", "Left", "space", "Right", "Right", "Return")
        dialog.generate()
        dialog.apply()
        dialog.keys("Escape")

    status, new, _, message = interactive(REPLACE, image, layer, hands, steps=30,
                                         model=str(folder))
    assert status == OK, message
    assert new.get_name().startswith("grass, night sky (seed "), new.get_name()


@case
def last_values():
    """Filters > Repeat: the last values of the dialog are used"""
    image, layer = picture()

    def hands(dialog):
        dialog.type("words to remember")
        dialog.generate()
        dialog.apply()
        dialog.keys("Escape")

    status, _, _, message = interactive(FILL, image, layer, hands, steps=30, seed=9)
    assert status == OK, message
    status, new, _, message = call(FILL, image, [layer], Gimp.RunMode.WITH_LAST_VALS)
    assert status == OK, message
    assert new.get_name().startswith("words to remember"), new.get_name()


@case
def undo():
    """One undo takes the whole result back: of one layer, of several, of a grown canvas"""
    for name, count, more in ((FILL, 1, {}), (FILL, 3, {}), (EXTEND, 1, {"extend_left": 40})):
        image, layer = picture()
        before = projection(image)
        display = Gimp.Display.new(image)
        status, _, _, message = call(name, image, [layer], prompt="x", steps=2, count=count,
                                     **more)
        assert status == OK, message
        assert len(image.get_layers()) == 1 + count and projection(image) != before
        window = wait(lambda: xdotool("search", "--onlyvisible", "--name", "GIMP$"), "window")
        xdotool("windowfocus", window.split("\n")[0])
        time.sleep(1)
        xdotool("key", "ctrl+z")
        # The key is GIMP's, which handles it only while it waits for us.
        wait(lambda im=image: len(im.get_layers()) == 1, "undo")
        assert projection(image) == before and image.get_width() == 320
        display.delete()
