"""What the cases share; imported inside GIMP, in the process of python-fu-eval.

A case is a function marked @case; it fails by raising. Pixels are compared as the bytes of the
drawable's own format.
"""

import os
import pathlib
import runpy
import sys
import traceback

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, Gio  # noqa: E402  (the versions come first)

MODEL = pathlib.Path(os.environ["PALIMPSEST_TEST_MODEL"])
SCRATCH = pathlib.Path(os.environ["PALIMPSEST_TEST_SCRATCH"])
NAMES = tuple(f"plug-in-palimpsest-{n}" for n in (
    "fill", "restyle", "generate", "remove", "replace", "extend", "refine", "variants"))
FILL, RESTYLE, GENERATE, REMOVE, REPLACE, EXTEND, REFINE, VARIANTS = NAMES
OK = Gimp.PDBStatusType.SUCCESS
CANCEL = Gimp.PDBStatusType.CANCEL

_cases = []


def case(function):
    _cases.append(function)
    return function


def main(path):
    """Runs the cases of a file, then writes that all have been run."""
    sys.modules.setdefault("gimptest", sys.modules[__name__])
    runpy.run_path(path)
    with open(os.environ["PALIMPSEST_TEST_RESULTS"], "w", encoding="utf-8") as out:
        for number, function in enumerate(_cases, 1):
            title = (function.__doc__ or function.__name__).split("\n")[0]
            try:
                function()
                out.write(f"ok {number} - {title}\n")
            except Exception:  # the next cases still run
                out.write(f"not ok {number} - {title}\n")
                out.writelines(f"# {line}\n" for line in traceback.format_exc().split("\n"))
            out.flush()
            for image in Gimp.get_images():
                image.delete()
        out.write("# finished\n")


# Images


def new_image(width=160, height=120, base=Gimp.ImageBaseType.RGB,
              precision=Gimp.Precision.U8_NON_LINEAR):
    return Gimp.Image.new_with_precision(width, height, base, precision)


def add_layer(image, width=None, height=None, x=0, y=0, alpha=False, parent=None):
    """A layer with a pattern in every channel, so that no two places look alike."""
    width, height = width or image.get_width(), height or image.get_height()
    gray = image.get_base_type() == Gimp.ImageBaseType.GRAY
    kind = {(False, False): Gimp.ImageType.RGB_IMAGE, (False, True): Gimp.ImageType.RGBA_IMAGE,
            (True, False): Gimp.ImageType.GRAY_IMAGE,
            (True, True): Gimp.ImageType.GRAYA_IMAGE}[gray, alpha]
    layer = Gimp.Layer.new(image, "source", width, height, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(x, y)
    data = bytearray()
    for row in range(height):
        for column in range(width):
            a = (column * 7 + row * 13) % 256 if alpha and column % 3 else 255
            data += bytes(((column * 5 + row) % 256, (row * 3 + column) % 256,
                           (column * row) % 256, a))
    buffer = layer.get_buffer()
    buffer.set(rect(0, 0, width, height), "R'G'B'A u8", bytes(data))
    buffer.flush()
    layer.update(0, 0, width, height)
    return layer


def rect(x, y, width, height):
    return Gegl.Rectangle.new(x, y, width, height)


def pixels(drawable, fmt=None, area=None):
    """Bytes of a drawable, in its own format unless another is named."""
    buffer = drawable.get_buffer()
    area = area or rect(0, 0, drawable.get_width(), drawable.get_height())
    return buffer.get(area, 1.0, fmt, Gegl.AbyssPolicy.NONE)


def visible(image):
    """What is seen, as a layer with alpha of a copy, and the copy, which is to be deleted."""
    copy = image.duplicate()
    layer = copy.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)
    layer.resize_to_image_size()
    if not layer.has_alpha():
        layer.add_alpha()
    return layer, copy


def projection(image):
    """Bytes of what is seen, with alpha, in the image's own precision."""
    layer, copy = visible(image)
    data = pixels(layer)
    copy.delete()
    return data


def soft_selection(image, x, y, width, height, feather=8):
    image.select_ellipse(Gimp.ChannelOps.REPLACE, x, y, width, height)
    Gimp.Selection.feather(image, feather)


# Runs


def call(name, image, drawables, run_mode=Gimp.RunMode.NONINTERACTIVE, **arguments):
    """Returns (status, layer, seed, message)."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", run_mode)
    config.set_property("image", image)
    if drawables:
        config.set_core_object_array("drawables", drawables)
    for argument, value in arguments.items():
        config.set_property(argument.replace("_", "-"), value)
    result = procedure.run(config)
    status = result.index(0)
    if status != OK:
        return status, None, None, Gimp.get_pdb().get_last_error()
    return status, result.index(1), result.index(2), ""


def run(name, image, layer, **arguments):
    """A run that must succeed, short unless told otherwise. Returns (layer, seed)."""
    arguments = {"prompt": "a test", "steps": 2, "seed": 7, **arguments}
    status, new, seed, message = call(name, image, [layer], **arguments)
    assert status == OK, f"{name}: {status}: {message}"
    return new, seed


def refuse(name, image, drawables, *words, **arguments):
    """A run that must be refused, with a message that holds all words. Returns it."""
    before = [layer.get_id() for layer in image.get_layers()]
    status, _, _, message = call(name, image, drawables,
                                 **{"prompt": "a test", "steps": 1, **arguments})
    assert status in (Gimp.PDBStatusType.CALLING_ERROR, Gimp.PDBStatusType.EXECUTION_ERROR), \
        f"{name}: {status}"
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"
    assert before == [layer.get_id() for layer in image.get_layers()], "the layers changed"
    return message


def state(image):
    """Everything a run that did not succeed must leave alone."""
    items = []
    for layer in image.get_layers():
        mask = layer.get_mask()
        items.append((layer.get_id(), layer.get_name(), pixels(layer),
                      mask and pixels(mask)))
    return (items, pixels(image.get_selection()), image.is_dirty(),
            [layer.get_id() for layer in image.get_selected_layers()],
            [channel.get_id() for channel in image.get_channels()])
