"""M2 to M5, M8, M9: the selection is the mask, the result lands where it belongs, and nothing of
the user's is touched."""

import numpy

from gimptest import (FILL, GENERATE, RESTYLE, Gimp, add_layer, case, new_image,
                      pixels, projection, rect, run, soft_selection, visible)

PRECISIONS = [getattr(Gimp.Precision, name) for name in (
    "U8_LINEAR", "U8_NON_LINEAR", "U8_PERCEPTUAL", "U16_LINEAR", "U16_NON_LINEAR",
    "U16_PERCEPTUAL", "U32_LINEAR", "U32_NON_LINEAR", "U32_PERCEPTUAL", "HALF_LINEAR",
    "HALF_NON_LINEAR", "HALF_PERCEPTUAL", "FLOAT_LINEAR", "FLOAT_NON_LINEAR",
    "FLOAT_PERCEPTUAL", "DOUBLE_LINEAR", "DOUBLE_NON_LINEAR", "DOUBLE_PERCEPTUAL")]


def area(layer):
    """(x, y, width, height) in the image."""
    _, x, y = layer.get_offsets()
    return x, y, layer.get_width(), layer.get_height()


def overlap(a, b):
    x, y = max(a[0], b[0]), max(a[1], b[1])
    right, bottom = min(a[0] + a[2], b[0] + b[2]), min(a[1] + a[3], b[1] + b[3])
    return (x, y, right - x, bottom - y) if right > x and bottom > y else None


def part(drawable, place, fmt=None):
    """Bytes of a rectangle in image coordinates."""
    x, y, _, _ = area(drawable) if isinstance(drawable, Gimp.Layer) else (0, 0, 0, 0)
    return pixels(drawable, fmt, rect(place[0] - x, place[1] - y, place[2], place[3]))


def check_mask(image, new):
    """The new layer's mask is the selection, byte for byte, at its place."""
    mask, place = new.get_mask(), area(new)
    assert mask is not None and new.get_apply_mask(), "no live mask"
    assert not new.get_edit_mask(), "the mask, not the layer, would be painted on"
    expected = part(image.get_selection(), place)
    assert pixels(mask) == expected, "the mask is not the selection"


def check_geometry(source, new):
    place = area(new)
    assert overlap(area(source), place) == place, f"{place} is not inside {area(source)}"


@case
def selection_is_mask():
    """M2: a soft selection becomes the mask; selection and source keep their bytes"""
    for precision in (Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U16_NON_LINEAR,
                      Gimp.Precision.FLOAT_LINEAR, Gimp.Precision.DOUBLE_LINEAR):
        image = new_image(precision=precision)
        layer = add_layer(image)
        soft_selection(image, 30, 20, 90, 70)
        before = pixels(image.get_selection()), pixels(layer)
        assert len(set(before[0])) > 10, "the selection is not soft"
        new, _ = run(FILL, image, layer)
        assert (pixels(image.get_selection()), pixels(layer)) == before
        check_mask(image, new)


@case
def no_selection():
    """M2: without a selection the whole layer, under a white mask"""
    for name in (FILL, RESTYLE):
        image = new_image()
        layer = add_layer(image, 100, 80, 20, 30)
        new, _ = run(name, image, layer)
        assert area(new) == area(layer)
        assert set(pixels(new.get_mask())) == {255}
        assert Gimp.Selection.is_empty(image)


@case
def layer_mask_as_region():
    """M2: the layer's own mask goes before the selection when asked for, and is not modified"""
    image = new_image()
    layer = add_layer(image)
    soft_selection(image, 80, 60, 60, 50)
    mask = layer.create_mask(Gimp.AddMaskType.SELECTION)
    layer.add_mask(mask)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 20, 20)
    before = pixels(mask), pixels(image.get_selection()), layer.get_edit_mask()
    new, _ = run(FILL, image, layer, region="layer-mask")
    assert (pixels(mask), pixels(image.get_selection()), layer.get_edit_mask()) == before
    assert pixels(new.get_mask()) == part_of_mask(mask, layer, area(new))


def part_of_mask(mask, layer, place):
    x, y, _, _ = area(layer)
    return pixels(mask, None, rect(place[0] - x, place[1] - y, place[2], place[3]))


@case
def hidden_stays_hidden():
    """M2: what the layer's own mask hides is not painted over"""
    image = new_image()
    layer = add_layer(image, alpha=True)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 80, 120)
    mask = layer.create_mask(Gimp.AddMaskType.SELECTION)
    layer.add_mask(mask)
    Gimp.Selection.none(image)
    before = projection(image)
    run(FILL, image, layer)
    after = projection(image)
    width = image.get_width() * 4
    for row in range(image.get_height()):
        assert before[row * width + 320:(row + 1) * width] == \
            after[row * width + 320:(row + 1) * width], "the hidden half changed"
    assert before != after


OFFSETS = {"smaller": (60, 50, 40, 30), "larger": (220, 180, -30, -25),
           "beyond the right": (100, 90, 90, 60), "beyond the left": (100, 90, -40, -30)}


@case
def offsets():
    """M3: layers smaller, larger and shifted against the image; 0 px shift"""
    for what, (width, height, x, y) in OFFSETS.items():
        for name in (FILL, RESTYLE):
            image = new_image()
            layer = add_layer(image, width, height, x, y, alpha=True)
            soft_selection(image, 50, 40, 50, 40, 6)
            source = pixels(layer)
            new, _ = run(name, image, layer)
            check_geometry(layer, new)
            check_mask(image, new)
            # The pattern in the alpha plane shows any shift.
            assert pixels(new, "A u8") == part(layer, area(new), "A u8"), f"{name}, {what}: shifted"
            assert pixels(layer) == source
            selected = Gimp.Selection.bounds(image)
            bounds = (selected.x1, selected.y1, selected.x2 - selected.x1,
                      selected.y2 - selected.y1)
            wanted = overlap(bounds, area(layer))
            assert overlap(wanted, area(new)) == wanted, f"{name}, {what}: a part is missing"


@case
def generate_on_canvas():
    """M3: to generate, the canvas or the selection on it counts, not the layer"""
    image = new_image()
    layer = add_layer(image, 30, 30, 5, 5)
    new, _ = run(GENERATE, image, layer)
    assert area(new) == (0, 0, 160, 120)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 30, 64, 48)
    new, _ = run(GENERATE, image, layer)
    assert area(new) == (40, 30, 64, 48)


@case
def above_the_active():
    """M5: directly above the active layer, inside its group too"""
    image = new_image()
    bottom = add_layer(image)
    middle = add_layer(image)
    top = add_layer(image)
    new, _ = run(FILL, image, middle)
    order = [layer.get_id() for layer in image.get_layers()]
    assert order == [top.get_id(), new.get_id(), middle.get_id(), bottom.get_id()]
    assert [layer.get_id() for layer in image.get_selected_layers()] == [new.get_id()]

    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    inner = add_layer(image, parent=group)
    new, _ = run(FILL, image, inner)
    assert [layer.get_id() for layer in group.get_children()] == [new.get_id(), inner.get_id()]


def changed(image, before, after):
    """Which pixels of the projection differ: [height, width]."""
    assert len(before) == len(after), "the projection's format changed"
    shape = image.get_height(), image.get_width(), -1
    # GIMP composites in 32 bit float, which can't hold 32 bit integers.
    if image.get_precision() in PRECISIONS[6:9]:
        a, b = (numpy.frombuffer(data, numpy.uint32).astype(float) for data in (before, after))
        return (abs(a - b) > 2.0 ** 32 * 2 ** -21).reshape(shape).any(axis=2)
    a, b = (numpy.frombuffer(data, numpy.uint8).reshape(shape) for data in (before, after))
    return (a != b).any(axis=2)


@case
def outside_is_equal():
    """M5: outside the mask the projection is bit-equal, in every precision"""
    for precision in PRECISIONS:
        image = new_image(64, 48, precision=precision)
        layer = add_layer(image)
        soft_selection(image, 20, 12, 24, 20, 4)
        before = projection(image)
        run(FILL, image, layer)
        difference = changed(image, before, projection(image))
        selection = numpy.frombuffer(pixels(image.get_selection(), "Y float"), numpy.float32)
        outside = selection.reshape(48, 64) == 0
        assert outside.any() and not difference[outside].any(), f"{precision}: changed outside"
        assert difference[~outside].any(), f"{precision}: nothing changed inside"
        image.delete()


@case
def precisions_and_gray():
    """M8: all precisions, color and gray, with and without alpha, keep their format"""
    for number, precision in enumerate(PRECISIONS):
        for base in (Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY):
            image = new_image(48, 40, base, precision)
            layer = add_layer(image, alpha=(number + base) % 2 == 0)
            new, _ = run(RESTYLE, image, layer, steps=1)
            assert new.is_gray() == layer.is_gray() and image.get_precision() == precision
            values = numpy.frombuffer(pixels(new, "R'G'B'A float"), numpy.float32)
            assert numpy.isfinite(values).all() and values.std() > 0.001
            image.delete()


def alpha_plane(layer):
    """The last component, in the layer's own format."""
    bytes_per_pixel = layer.get_bpp()
    size = bytes_per_pixel // 4
    data = numpy.frombuffer(pixels(layer), numpy.uint8).reshape(-1, bytes_per_pixel)
    return data[:, -size:].copy()


def same_alpha(precision, a, b):
    if precision in PRECISIONS[6:9]:  # see changed ()
        a, b = (x.view(numpy.uint32).astype(float) for x in (a, b))
        return abs(a - b).max() < 2.0 ** 32 * 2 ** -21
    return (a == b).all()


@case
def alpha_kept():
    """M9: the alpha plane of the layer and of what is seen stay equal, in every precision"""
    for precision in PRECISIONS:
        image = new_image(64, 48, precision=precision)
        layer = add_layer(image, alpha=True)
        layer.set_lock_alpha(True)
        source = pixels(layer)
        seen, copy = visible(image)
        seen_before = alpha_plane(seen)
        copy.delete()
        assert len(numpy.unique(seen_before, axis=0)) > 20
        new, _ = run(RESTYLE, image, layer)
        seen, copy = visible(image)
        assert (alpha_plane(new) == alpha_plane(layer)).all(), f"{precision}: the new layer's"
        assert same_alpha(precision, alpha_plane(seen), seen_before), f"{precision}: the visible"
        copy.delete()
        assert pixels(layer) == source and layer.get_lock_alpha()
        image.delete()


@case
def fully_transparent():
    """M9: a layer with no visible pixel still gives a picture, not NaN"""
    image = new_image()
    layer = Gimp.Layer.new(image, "empty", 160, 120, Gimp.ImageType.RGBA_IMAGE, 100,
                           Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    new, _ = run(FILL, image, layer)
    values = numpy.frombuffer(pixels(new, "R'G'B'A float"), numpy.float32)
    assert numpy.isfinite(values).all()
    assert set(pixels(new, "A u8")) == {0}


@case
def profile_kept():
    """M8: an image with a profile of its own keeps it, and its bytes outside the mask"""
    image = new_image()
    image.set_color_profile(Gimp.ColorProfile.new_rgb_adobe())
    layer = add_layer(image)
    soft_selection(image, 40, 30, 60, 50)
    before = projection(image)
    run(FILL, image, layer)
    difference = changed(image, before, projection(image))
    selection = numpy.frombuffer(pixels(image.get_selection()), numpy.uint8).reshape(120, 160)
    assert not difference[selection == 0].any()
    assert image.get_color_profile().is_equal(Gimp.ColorProfile.new_rgb_adobe())


@case
def native_size():
    """M4: a 100x100 selection in a large image is given context, not the whole image"""
    image = new_image(900, 700)
    layer = add_layer(image)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 400, 300, 100, 100)
    new, _ = run(FILL, image, layer)
    x, y, width, height = area(new)
    assert width > 100 and height > 100, "no context"
    assert width * height < 900 * 700, "the whole image"
    assert x <= 400 and y <= 300 and x + width >= 500 and y + height >= 400
    check_mask(image, new)
