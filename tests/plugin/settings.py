"""M10, M16: every parameter, the seed, the return values."""

import os
import pathlib

from gimptest import (EXTEND, FILL, GENERATE, MODEL, NAMES, OK, RESTYLE, SCRATCH, Gimp, add_layer,
                      call, case, new_image, pixels, run, soft_selection)

ALL = ("prompt", "negative-prompt", "steps", "guidance", "sampler", "schedule", "eta",
       "s-noise", "clip-skip", "seed", "random", "count", "model", "device", "strength",
       "region", "purpose", "prefill", "grow", "feather", "extend-left", "extend-right",
       "extend-top", "extend-bottom")
MORE = {EXTEND: {"extend_right": 40}}   # what a purpose can't do without


def picture():
    image = new_image()
    layer = add_layer(image)
    soft_selection(image, 40, 30, 70, 60)
    return image, layer


@case
def arguments():
    """M16: every parameter is an argument with a default, help and, if a number, a range"""
    for name in NAMES:
        procedure = Gimp.get_pdb().lookup_procedure(name)
        assert procedure.get_blurb() and procedure.get_help()
        for argument in ALL:
            spec = procedure.find_argument(argument)
            assert spec is not None, f"{name} lacks {argument}"
            assert len(spec.get_blurb()) > 15, f"{name}: {argument} has no help"
            if hasattr(spec, "minimum"):
                assert spec.minimum <= spec.default_value <= spec.maximum
        assert procedure.find_return_value("layer") and procedure.find_return_value("seed-used")


@case
def menu():
    """M1: the procedures stand under Filters > AI"""
    for name in NAMES:
        procedure = Gimp.get_pdb().lookup_procedure(name)
        paths = [path.rstrip("/") for path in procedure.get_menu_paths()]
        assert paths == ["<Image>/Filters/AI"], paths


@case
def same_seed():
    """M10: the same seed and settings give the same bytes, another seed others"""
    for name in NAMES:
        image, layer = picture()
        first, _ = run(name, image, layer, seed=11, **MORE.get(name, {}))
        if name == EXTEND:      # which has changed the canvas
            image, layer = picture()
        again, _ = run(name, image, layer, seed=11, **MORE.get(name, {}))
        if name == EXTEND:
            image, layer = picture()
        other, _ = run(name, image, layer, seed=12, **MORE.get(name, {}))
        assert pixels(first) == pixels(again), f"{name}: the same seed, other bytes"
        assert pixels(first) != pixels(other), f"{name}: another seed, the same bytes"


@case
def random_seed():
    """M10: a drawn seed is returned, shown in the layer's name, and gives the same bytes again"""
    image, layer = picture()
    drawn, seed = run(FILL, image, layer, seed=-1)
    assert seed >= 0 and f"{seed}" in drawn.get_name(), drawn.get_name()
    again, used = run(FILL, image, layer, seed=seed)
    assert used == seed and pixels(drawn) == pixels(again)
    _, second = run(FILL, image, layer, seed=-1)
    assert second != seed


@case
def count():
    """M10: several variants are single runs with consecutive seeds, in one go"""
    image, layer = picture()
    first, seed = run(FILL, image, layer, seed=100, count=3)
    layers = image.get_layers()
    assert seed == 100 and len(layers) == 4 and layers[2].get_id() == first.get_id()
    for number in range(3):
        single, _ = run(FILL, image, layer, seed=100 + number)
        assert pixels(single) == pixels(layers[2 - number]), f"variant {number}"


@case
def each_matters():
    """M10: every parameter changes the result"""
    image, layer = picture()
    base = {"steps": 4, "seed": 5, "strength": 0.8, "guidance": 6.0, "sampler": "ddim"}
    plain = pixels(run(RESTYLE, image, layer, **base)[0])
    for change in ({"prompt": "other words"}, {"negative_prompt": "blue"}, {"strength": 0.5},
                   {"steps": 6}, {"guidance": 2.0}, {"sampler": "euler-a"}, {"eta": 1.0},
                   {"seed": 6}, {"random": "philox"}, {"clip_skip": 2}):
        changed = pixels(run(RESTYLE, image, layer, **{**base, **change})[0])
        assert changed != plain, f"{change} changes nothing"
    base["sampler"] = "dpmpp-2m"
    plain = pixels(run(RESTYLE, image, layer, **base)[0])
    assert pixels(run(RESTYLE, image, layer, **base, schedule="karras")[0]) != plain
    base["sampler"] = "euler-a"
    plain = pixels(run(RESTYLE, image, layer, **base)[0])
    for change in ({"eta": 0.5}, {"s_noise": 1.1}):
        assert pixels(run(RESTYLE, image, layer, **base, **change)[0]) != plain, change


@case
def samplers():
    """M10: every sampler runs"""
    spec = Gimp.get_pdb().lookup_procedure(FILL).find_argument("sampler")
    names = Gimp.param_spec_choice_get_choice(spec).list_nicks()
    assert len(names) > 8, names
    image, layer = picture()
    for name in names:
        run(FILL, image, layer, sampler=name, steps=4)


@case
def prompt_in_name():
    """The new layer bears prompt and seed, cut to one line"""
    image, layer = picture()
    new, _ = run(FILL, image, layer, prompt="a lake\nat dawn", seed=3)
    assert new.get_name() == "a lake at dawn (seed 3)", new.get_name()
    new, _ = run(FILL, image, layer, prompt="long " * 100, seed=4)
    assert len(new.get_name()) < 90 and "(seed 4)" in new.get_name()
    status = call(FILL, image, [layer], prompt="", steps=1)[0]
    assert status == OK


@case
def recipe():
    """E9: the layer keeps how it was made"""
    image, layer = picture()
    new, _ = run(FILL, image, layer, prompt="a lake", seed=3)
    text = bytes(new.get_parasite("palimpsest-recipe").get_data()).rstrip(b"\0").decode()
    assert text.startswith("a lake\n") and "Seed: 3," in text, text
    assert new.get_parasite("palimpsest-recipe").is_persistent()


@case
def named_model_and_device():
    """M13: a model by path and by name, a device in words"""
    image, layer = picture()
    run(FILL, image, layer, model=str(MODEL))
    run(FILL, image, layer, model="default")
    run(FILL, image, layer, device="cpu")


@case
def chosen_folders():
    """M13: models in several folders of the user's choice, used where they are"""
    folders = [SCRATCH / "first", SCRATCH / "second"]
    for folder in folders:
        folder.mkdir()
        (folder / f"model-{folder.name}").symlink_to(MODEL)
    settings = pathlib.Path(os.environ["XDG_CONFIG_HOME"]) / "palimpsest/settings.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text("[models]\nfolders=" + "".join(f"{f};" for f in folders) + "\n",
                        encoding="utf-8")
    image, layer = picture()
    results = {pixels(run(FILL, image, layer, model=name)[0])
               for name in ("model-first", "model-second", "default")}
    assert len(results) == 1, "the same model gives different bytes"
    assert not any(path.is_file() for path in SCRATCH.rglob("*")), "something was copied"


@case
def last_values():
    """M1: running with the last values, where there are none, takes the defaults"""
    image, layer = picture()
    status, new, _, message = call(GENERATE, image, [layer], Gimp.RunMode.WITH_LAST_VALS,
                                   prompt="again", steps=2)
    assert status == OK, message
    assert "again" in new.get_name()
