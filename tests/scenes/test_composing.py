"""Scenes are reproducible, their truth fits their pixels, and all that is promised turns up."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.geometry import iou
from scenes import COLOURS, HELD_OUT_STYLE, LABELS, STYLES, TRAINING_STYLES, compose
from scenes.backgrounds import BACKGROUNDS
from scenes.composing import look_of

SEEDS = range(40)


@pytest.fixture(scope="module")
def some():
    return [compose(seed, size_px=96) for seed in SEEDS]


def test_the_same_seed_gives_the_same_scene_to_the_last_pixel():
    one, other = compose(11, size_px=128), compose(11, size_px=128)
    assert np.array_equal(one.image, other.image)
    assert [(o.label, o.colour, o.box) for o in one.objects] == [(o.label, o.colour, o.box) for o in other.objects]


def test_different_seeds_give_different_scenes(some):
    assert len({scene.image.tobytes() for scene in some}) == len(some)


@pytest.mark.parametrize("seed", [3, 14, 15, 92])
def test_the_same_seed_at_another_size_is_the_same_scene(seed):
    small, large = compose(seed, size_px=160), compose(seed, size_px=480)
    assert [(o.label, o.colour) for o in small.objects] == [(o.label, o.colour) for o in large.objects]
    assert all(iou(a.box, b.box) > 0.93 for a, b in zip(small.objects, large.objects, strict=True))
    shrunk = large.image.reshape(160, 3, 160, 3, 3).mean((1, 3))
    assert np.abs(shrunk - small.image).mean() < 4


@pytest.mark.parametrize("seed", [2, 7, 18])
def test_a_style_changes_how_a_scene_is_drawn_and_not_what_is_in_it(seed):
    plain, other = compose(seed, size_px=160, style="flat"), compose(seed, size_px=160, style=HELD_OUT_STYLE)
    assert [o.label for o in plain.objects] == [o.label for o in other.objects]
    assert not np.array_equal(plain.image, other.image)


def test_boxes_are_tight_to_the_visible_mask(some):
    for thing in (o for scene in some for o in scene.objects):
        solid = thing.mask.probs > 0.5
        assert thing.mask.frame == thing.box
        assert solid[0].any()
        assert solid[-1].any()
        assert solid[:, 0].any()
        assert solid[:, -1].any()


def test_masks_lie_where_the_thing_was_drawn():
    for seed in range(12):
        scene = compose(seed, size_px=200, style="flat", background="plain", labels=["apple"])
        thing = scene.objects[0]
        x1, y1, x2, y2 = (round(v * 200) for v in thing.box)
        inside = scene.image[y1:y2, x1:x2].astype(int)
        assert inside.std() > scene.image[:, : max(1, x1 - 2)].astype(int).std() * 0.2
        middle = scene.image[(y1 + y2) // 2, (x1 + x2) // 2].astype(int)
        assert np.abs(middle - np.array(COLOURS[thing.colour])).max() < 75


def test_visible_parts_do_not_overlap(some):
    for scene in some:
        total = np.zeros((192, 192))
        for thing in scene.objects:
            x, y = round(thing.box.x1 * 192), round(thing.box.y1 * 192)
            h, w = thing.mask.probs.shape
            total[y : y + h, x : x + w] += thing.mask.probs
        assert total.max() <= 1.02


def test_there_are_one_to_six_things_and_often_several_of_a_kind(some):
    counts = [len(scene.objects) for scene in some]
    assert min(counts) >= 1
    assert max(counts) <= 6
    assert len(set(counts)) >= 5
    assert sum(len({o.label for o in s.objects}) < len(s.objects) for s in some) > len(some) / 4


def test_every_class_can_be_drawn_in_every_style():
    for number, label in enumerate(LABELS):
        scene = compose(number, size_px=64, style=STYLES[number % len(STYLES)], labels=[label])
        assert [o.label for o in scene.objects] == [label]
    assert len(LABELS) >= 24
    assert len(COLOURS) == 8


def test_classes_colours_styles_and_backgrounds_all_turn_up_by_themselves():
    scenes = [compose(seed, size_px=32) for seed in range(150)]
    assert {o.label for s in scenes for o in s.objects} == set(LABELS)
    assert {o.colour for s in scenes for o in s.objects} == set(COLOURS)
    assert {s.style for s in scenes} == set(TRAINING_STYLES)
    assert {s.background for s in scenes} == set(BACKGROUNDS)
    assert [look_of(seed) for seed in range(150)] == [(s.style, s.background) for s in scenes]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"size_px": 8}, id="too small"),
        pytest.param({"style": "cubist"}, id="no such style"),
        pytest.param({"labels": ["unicorn"]}, id="no such thing"),
        pytest.param({"labels": ["cat", ""]}, id="an empty label"),
    ],
)
def test_what_cannot_be_composed_is_refused(arguments):
    with pytest.raises(ValueError, match="cannot compose"):
        compose(1, **arguments)
