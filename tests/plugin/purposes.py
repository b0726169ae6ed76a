"""E1, E2: what each purpose does to an image beyond filling."""

from gimptest import (EXTEND, FILL, GENERATE, NAMES, REMOVE, REPLACE, VARIANTS, Gimp, add_layer,
                      case, new_image, pixels, rect, refuse, run, soft_selection)


def picture():
    image = new_image()
    layer = add_layer(image)
    soft_selection(image, 40, 30, 70, 60)
    return image, layer


@case
def named():
    """A procedure is its purpose: the argument's default says so, and another value wins"""
    ids = ("fill", "restyle", "create", "remove", "replace", "extend", "refine", "variants")
    for name, purpose in zip(NAMES, ids):
        config = Gimp.get_pdb().lookup_procedure(name).create_config()
        assert config.get_property("purpose") == purpose, name
    image, layer = picture()
    filled, _ = run(FILL, image, layer, purpose="remove")
    removed, _ = run(REMOVE, image, layer)
    assert pixels(filled) == pixels(removed)


@case
def extend():
    """Extend: the canvas grows, what was there stays bit for bit, what is new is painted"""
    image = new_image()
    layer = add_layer(image)
    before = pixels(layer)
    new, _ = run(EXTEND, image, layer, extend_left=24, extend_bottom=40)
    assert (image.get_width(), image.get_height()) == (184, 160)
    assert layer.get_offsets()[1:] == (24, 0) and pixels(layer) == before
    assert (new.get_width(), new.get_height()) == (184, 160) and new.get_offsets()[1:] == (0, 0)
    mask = new.get_mask()
    assert set(pixels(mask, "Y u8", rect(0, 0, 24, 120))) == {255}, "new canvas is not painted"
    assert set(pixels(mask, "Y u8", rect(24, 120, 160, 40))) == {255}
    assert set(pixels(mask, "Y u8", rect(60, 0, 124, 90))) == {0}, "the old canvas is painted"


@case
def extend_transparent():
    """Extend: an image with transparency grows too, and its layer stays"""
    image = new_image()
    layer = add_layer(image, 100, 80, 20, 10, alpha=True)
    before = pixels(layer)
    new, _ = run(EXTEND, image, layer, extend_right=32)
    assert image.get_width() == 192 and pixels(layer) == before
    assert set(pixels(new, "A u8")) == {255}


@case
def extend_twice():
    """Extend: a second time goes on from where the first ended"""
    image = new_image()
    layer = add_layer(image)
    run(EXTEND, image, layer, extend_left=16)
    run(EXTEND, image, layer, extend_left=16)
    assert image.get_width() == 192 and layer.get_offsets()[1:] == (32, 0)


@case
def extend_by_nothing():
    """Extend: without a number of pixels it says which to give, and changes nothing"""
    image = new_image()
    layer = add_layer(image)
    refuse(EXTEND, image, [layer], "left", "bottom")
    assert (image.get_width(), image.get_height()) == (160, 120)


@case
def prefills():
    """Each pre-fill gives another picture below full strength, none of them at full strength"""
    image, layer = picture()
    kinds = ("none", "neutral", "blur", "spread", "noise")
    half = {pixels(run(FILL, image, layer, prefill=kind, strength=0.5)[0]) for kind in kinds}
    assert len(half) == len(kinds)
    plain = pixels(run(FILL, image, layer, strength=0.5)[0])
    assert plain == pixels(run(FILL, image, layer, strength=0.5, prefill="none")[0])


@case
def remove():
    """Remove: what is selected has no say in the result; filling below full strength looks at it"""
    removed, filled = set(), set()
    for fill in (Gimp.FillType.WHITE, Gimp.FillType.CIELAB_MIDDLE_GRAY):
        image = new_image()
        layer = add_layer(image)
        image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 64, 48)
        layer.edit_fill(fill)
        removed.add(pixels(run(REMOVE, image, layer)[0]))
        filled.add(pixels(run(FILL, image, layer, strength=0.7)[0]))
    assert len(filled) == 2 and len(removed) == 1


@case
def replace_ignores():
    """Replace and create: full strength, whatever was there"""
    image, layer = picture()
    assert pixels(run(REPLACE, image, layer)[0]) == pixels(
        run(FILL, image, layer, strength=1.0, prefill="neutral")[0])
    run(GENERATE, image, layer)


@case
def edge():
    """M6: the region grows and its edge softens by the pixels asked for, and no further"""
    image = new_image()
    layer = add_layer(image)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 64, 48)

    def row(**arguments):
        new, _ = run(FILL, image, layer, **arguments)
        _, x, y = new.get_offsets()
        line = pixels(new.get_mask(), "Y u8", rect(0, 54 - y, new.get_width(), 1))
        return {x + place: value for place, value in enumerate(line) if value}

    assert row() == {x: 255 for x in range(40, 104)}
    assert row(grow=6) == {x: 255 for x in range(34, 110)}
    soft = row(feather=8)
    values = [soft.get(x, 0) for x in range(30, 72)]
    assert values == sorted(values) and len(set(values)) > 8
    assert min(soft) >= 40 - 16 and soft[72] == 255


@case
def variants():
    """Variants: several results, none like another"""
    image, layer = picture()
    run(VARIANTS, image, layer, count=3)
    assert len({pixels(item) for item in image.get_layers()}) == 4
