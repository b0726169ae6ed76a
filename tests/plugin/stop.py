"""M14: stopped or killed at any moment, a run leaves the image as it was and GIMP alive."""

import os
import pathlib
import random
import signal
import threading
import time

from gimptest import (CANCEL, FILL, MODEL, OK, RESTYLE, Gimp, add_layer, call, case, new_image, run,
                      soft_selection, state)

LONG = {"prompt": "a test", "steps": 1000, "sampler": "ddim"}


def plug_in_processes():
    """The process ids of our plug-in, children of the GIMP that this runs in."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getppid() and words[0].endswith(b"/palimpsest/palimpsest"):
            found.add(int(entry.name))
    return found


def computing(process):
    """Whether the plug-in's worker thread is there: before, SIGTERM just ends a process."""
    try:
        names = [p.read_text() for p in pathlib.Path(f"/proc/{process}/task").glob("*/comm")]
    except OSError:
        return False
    return any(name.startswith("pool") for name in names)


def send_later(number, delay, sent):
    """Sends a signal to the plug-in some time after it was started (SIGKILL) or after its worker
    was (SIGTERM)."""
    leaving = plug_in_processes()       # of the call before, which may take a while to end

    def work():
        process = None
        while process is None or (number == signal.SIGTERM and not computing(process)):
            process = next(iter(plug_in_processes() - leaving), None)
            time.sleep(0.005)
        time.sleep(delay)
        try:
            os.kill(process, number)
            sent.append(time.monotonic())
        except ProcessLookupError:
            pass
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def picture():
    image = new_image()
    layer = add_layer(image)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    soft_selection(image, 30, 20, 90, 70)
    image.clean_all()
    return image, layer


def unharmed(image, before):
    assert state(image) == before, "the image changed"
    # A group left open would swallow this step or make GIMP complain, which the harness sees.
    assert image.undo_is_enabled()


@case
def stopped():
    """Stopped (SIGTERM) at random points: cancelled at once, image unchanged"""
    generator = random.Random(1)
    for attempt in range(8):
        image, layer = picture()
        before, sent = state(image), []
        thread = send_later(signal.SIGTERM, generator.random() * 1.5, sent)
        status, new, _, message = call((FILL, RESTYLE)[attempt % 2], image, [layer], **LONG,
                                       count=3)
        thread.join()
        assert sent, "the run ended before it could be stopped"
        assert status == CANCEL and new is None, (status, message)
        assert time.monotonic() - sent[0] < 10, "it went on"
        unharmed(image, before)
        image.delete()


@case
def killed():
    """Killed (SIGKILL) at random points: GIMP lives, image unchanged"""
    generator = random.Random(2)
    for attempt in range(8):
        image, layer = picture()
        before, sent = state(image), []
        thread = send_later(signal.SIGKILL, generator.random() * 1.5, sent)
        status, new, _, _ = call((FILL, RESTYLE)[attempt % 2], image, [layer], **LONG)
        thread.join()
        assert sent and status != OK and new is None, f"{status}"
        unharmed(image, before)
        image.delete()


@case
def cache_survives():
    """Killed while kernels are compiled for an empty cache: the next run is sound"""
    cache = pathlib.Path(os.environ["PALIMPSEST_CACHE_DIR"])
    image, layer = picture()
    good, _ = run(FILL, image, layer)
    for delay in (0.02, 0.1, 0.3):
        for path in cache.rglob("*"):
            if path.is_file():
                path.unlink()
        thread = send_later(signal.SIGKILL, delay, [])
        call(FILL, image, [layer], prompt="a test", steps=2, seed=7)
        thread.join()
    again, _ = run(FILL, image, layer)
    buffers = [l.get_buffer() for l in (good, again)]
    extent = buffers[0].get_extent()
    assert buffers[0].get(extent, 1.0, None, 0) == buffers[1].get(extent, 1.0, None, 0)


@case
def works_after():
    """After all that, a run succeeds and is one layer"""
    image, layer = picture()
    run(FILL, image, layer, model=str(MODEL))
    assert len(image.get_layers()) == 2
