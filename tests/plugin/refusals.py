"""M1, M3, M13: every bad case gives a status and a message of its own, never a crash."""

import shutil

from gimptest import (GENERATE, MODEL, NAMES, FILL, RESTYLE, SCRATCH, Gegl, Gimp, add_layer, call,
                      case, new_image, refuse, run)


@case
def no_drawable():
    """No layer"""
    image = new_image()
    add_layer(image)
    for name in NAMES:
        refuse(name, image, [], "No layer")


@case
def several():
    """Several layers"""
    image = new_image()
    layers = [add_layer(image), add_layer(image), add_layer(image)]
    for name in NAMES:
        refuse(name, image, layers, "3 layers", "exactly one")


@case
def channel():
    """A channel"""
    image = new_image()
    add_layer(image)
    new = Gimp.Channel.new(image, "channel", 160, 120, 50, Gegl.Color.new("red"))
    image.insert_channel(new, None, 0)
    for name in NAMES:
        refuse(name, image, [new], "channel")


@case
def selection():
    """The selection itself"""
    image = new_image()
    add_layer(image)
    refuse(FILL, image, [image.get_selection()], "channel")


@case
def layer_mask():
    """A layer mask"""
    image = new_image()
    layer = add_layer(image)
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    for name in NAMES:
        refuse(name, image, [mask], "layer mask")


@case
def group():
    """A layer group"""
    image = new_image()
    new = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(new, None, 0)
    add_layer(image, parent=new)
    for name in NAMES:
        refuse(name, image, [new], "group")


@case
def floating_selection():
    """A floating selection"""
    image = new_image()
    layer = add_layer(image)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 40, 40)
    floating = Gimp.Selection.float(image, [layer], 0, 0)
    refuse(FILL, image, [floating], "floating selection", "Anchor")


@case
def indexed():
    """An indexed image: the message names the fix"""
    image = new_image()
    layer = add_layer(image)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16,
                          False, False, "")
    for name in NAMES:
        refuse(name, image, [layer], "Image > Mode > RGB")


@case
def empty_intersection():
    """A selection beside the layer"""
    image = new_image()
    layer = add_layer(image, 50, 50, 0, 0)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 90, 60, 40, 40)
    for name in (FILL, RESTYLE):
        refuse(name, image, [layer], "outside the active layer")


@case
def no_such_mask():
    """The layer's mask as the region where it has none, or a black one"""
    image = new_image()
    layer = add_layer(image)
    refuse(FILL, image, [layer], "has no mask", region="layer-mask")
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.BLACK))
    refuse(FILL, image, [layer], "black", region="layer-mask")


@case
def text_layer():
    """A text layer is taken, and not changed"""
    image = new_image()
    add_layer(image)
    layer = Gimp.TextLayer.new(image, "text", Gimp.context_get_font(), 20, Gimp.Unit.pixel())
    image.insert_layer(layer, None, 0)
    run(RESTYLE, image, layer)
    assert layer.is_text_layer() and layer.get_text() == "text"


@case
def unknown_model():
    """A model that is not there: by name, by path"""
    image = new_image()
    layer = add_layer(image)
    refuse(FILL, image, [layer], "no-such-model", "models", model="no-such-model")
    refuse(FILL, image, [layer], "/no/such/folder", model="/no/such/folder")


@case
def unknown_device():
    """A device that is not there"""
    image = new_image()
    layer = add_layer(image)
    refuse(GENERATE, image, [layer], "no-such-device", device="no-such-device")


def broken_model(change):
    """The message for a copy of the model that change has spoiled."""
    folder = SCRATCH / "broken"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(MODEL, folder)
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | 0o200)
    change(folder)
    image = new_image()
    layer = add_layer(image)
    message = refuse(FILL, image, [layer], model=str(folder))
    image.delete()
    return message


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


@case
def missing_parts():
    """Each missing or wrong file of a model gets its own message"""
    def weights(folder, part):
        return next((folder / part).glob("*.safetensors"))

    spoils = {
        "model_index.json": lambda f: (f / "model_index.json").unlink(),
        "unet": lambda f: shutil.rmtree(f / "unet"),
        "vae": lambda f: shutil.rmtree(f / "vae"),
        "text_encoder": lambda f: shutil.rmtree(f / "text_encoder"),
        "tokenizer": lambda f: shutil.rmtree(f / "tokenizer"),
        "scheduler": lambda f: shutil.rmtree(f / "scheduler"),
        "config.json": lambda f: (f / "unet/config.json").write_text("{"),
        ".safetensors": lambda f: cut(weights(f, "unet")),
        "vae/": lambda f: cut(weights(f, "vae")),
    }
    messages = {}
    for word, change in spoils.items():
        message = broken_model(change)
        assert word in message, f"{word!r} is not in {message!r}"
        assert message not in messages.values(), f"said twice: {message!r}"
        messages[word] = message


@case
def no_display():
    """M1: interactive, but GIMP has no window"""
    image = new_image()
    layer = add_layer(image)
    for name in NAMES:
        refuse(name, image, [layer], "no display", run_mode=Gimp.RunMode.INTERACTIVE)


@case
def still_there():
    """After all that, a run succeeds"""
    image = new_image()
    layer = add_layer(image)
    run(FILL, image, layer)
    assert len(image.get_layers()) == 2
    assert call(FILL, image, [])[0] != Gimp.PDBStatusType.SUCCESS
