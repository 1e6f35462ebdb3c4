"""What is said about a scene is true of it, in a grammar the decoder reads back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.codecs.paligemma import decode
from grounding.geometry import iou
from grounding.types import Box
from scenes import LABELS, compose
from scenes.language import (
    absent,
    as_true,
    beside,
    caption,
    colour,
    count,
    detect,
    having,
    phrases,
    presence,
    refer,
    segment,
    segment_each,
    tasks,
)


class Thing(NamedTuple):
    label: str
    colour: str
    box: Box


CAT_LEFT = Thing("cat", "red", Box(0.05, 0.5, 0.25, 0.7))
CAT_RIGHT = Thing("cat", "blue", Box(0.6, 0.1, 0.9, 0.4))
CAR = Thing("car", "red", Box(0.4, 0.55, 0.6, 0.75))
SCENE = (CAT_LEFT, CAT_RIGHT, CAR)


def codes(k: int) -> tuple[int, ...]:
    return tuple(range(k, k + 16))


def test_detect_answers_from_the_top_down_and_only_what_is_there():
    found = detect(SCENE, ["cat", "boat", "car"])
    assert found.prefix == "detect cat ; boat ; car"
    assert found.suffix == (
        "<loc0102><loc0614><loc0410><loc0922> cat ; <loc0512><loc0051><loc0717><loc0256> cat"
        " ; <loc0563><loc0410><loc0768><loc0614> car"
    )
    assert found.things == (1, 0, 2)


def test_an_absent_class_is_answered_with_nothing():
    assert detect(SCENE, ["boat"]).suffix == ""


def test_several_classes_are_segmented_in_the_order_asked_for_each_with_all_its_things():
    labels = sorted({thing.label for thing in SCENE}, reverse=True)
    found = segment_each(SCENE, labels, codes)
    assert found.prefix == f"segment {' ; '.join(labels)}"
    assert [SCENE[k].label for k in found.things] == sorted((thing.label for thing in SCENE), reverse=True)
    assert found.suffix == " ; ".join(segment(SCENE, each, having(SCENE, each), codes).suffix for each in labels)


def test_segment_puts_sixteen_codes_between_the_box_and_the_label():
    found = segment(SCENE, "car", (2,), codes)
    locs, segs, label = found.suffix.split(" ")
    assert (locs.count("<loc"), segs.count("<seg"), label) == (4, 16, "car")
    assert segs.startswith("<seg002><seg003>")


@pytest.mark.parametrize(
    ("phrase", "meant"),
    [
        pytest.param("red cat", (0,), id="a colour"),
        pytest.param("red car", (2,), id="a colour of the only one"),
        pytest.param("largest cat", (1,), id="the largest"),
        pytest.param("smallest cat", (0,), id="the smallest"),
        pytest.param("cat on the left", (0,), id="left"),
        pytest.param("cat on the right", (1,), id="right"),
    ],
)
def test_referring_expressions_mean_the_right_thing(phrase, meant):
    assert phrases(SCENE)[phrase] == meant
    assert refer(SCENE, phrase, meant).suffix.endswith(f" {phrase}")


@pytest.mark.parametrize(
    "phrase",
    [
        pytest.param("largest car", id="only one"),
        pytest.param("car on the left", id="left of nothing"),
        pytest.param("green cat", id="no such colour"),
        pytest.param("largest dog", id="no such class"),
    ],
)
def test_expressions_without_a_plain_meaning_are_not_used(phrase):
    assert phrase not in phrases(SCENE)


def test_near_ties_have_no_largest_and_no_left():
    twins = (Thing("cat", "red", Box(0.1, 0.1, 0.3, 0.3)), Thing("cat", "red", Box(0.12, 0.5, 0.32, 0.71)))
    assert set(phrases(twins)) == {"red cat"}


@pytest.mark.parametrize(
    ("exchange", "prompt", "answer"),
    [
        pytest.param(count(SCENE, "cat"), "answer en how many cats are there?", "2", id="count"),
        pytest.param(count(SCENE, "fish"), "answer en how many fish are there?", "0", id="count none"),
        pytest.param(presence(SCENE, "car"), "answer en is there a car?", "yes", id="there"),
        pytest.param(presence(SCENE, "umbrella"), "answer en is there an umbrella?", "no", id="not there"),
        pytest.param(presence(SCENE, "cat", "green"), "answer en is there a green cat?", "no", id="other colour"),
        pytest.param(colour(SCENE, "car"), "answer en what colour is the car?", "red", id="colour"),
        pytest.param(beside(SCENE, "car", "left"), "answer en what is left of the car?", "cat", id="left"),
        pytest.param(beside(SCENE, "car", "below"), "answer en what is below the car?", None, id="level: not plain"),
    ],
)
def test_questions_are_answered_truly(exchange, prompt, answer):
    assert (exchange.prefix, exchange.suffix) == (prompt, answer) if answer is not None else exchange is None


def test_nothing_beside_is_said_as_nothing():
    assert beside((CAR, CAT_RIGHT), "cat", "right").suffix == "nothing"


def test_a_question_about_the_one_is_not_asked_where_there_are_two():
    assert colour(SCENE, "cat") is None
    assert beside(SCENE, "cat", "left") is None


def test_a_caption_names_all_things_by_number_and_class():
    assert caption(SCENE, "room").suffix == "two cats and one car in a room"
    assert caption(SCENE, "room", ["car", "cat"]).suffix == "one car and two cats in a room"
    assert caption((CAR,), "water").suffix == "one car on the water"
    assert caption((), "meadow").suffix == "nothing in a meadow"


@pytest.mark.parametrize(
    ("said", "others"),
    [
        pytest.param("one car in a room", {}, id="one thing"),
        pytest.param("nothing in a room", {}, id="nothing"),
        pytest.param("one car and one cat in a room", {0: ["one"], 1: ["cat"]}, id="two alike in number"),
        pytest.param("one car and two cats in a room", {0: ["two"]}, id="numbers that differ"),
        pytest.param(
            "two cats and one car and two dogs and one apple on the water",
            {0: ["one", "two", "one"], 1: ["dogs"], 3: ["two", "one"], 4: ["apple"], 6: ["one"]},
            id="only what is still to be named",
        ),
    ],
)
def test_whatever_is_still_to_be_named_is_as_true_in_a_caption(said, others):
    assert as_true(said) == [[word, *others.get(at, [])] for at, word in enumerate(said.split())]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_every_drawn_answer_decodes_to_the_things_it_means(seed):
    scene, rng = compose(seed % 50, size_px=48), np.random.default_rng(seed)
    for exchange in tasks(scene.objects, scene.background, codes, rng):
        assert exchange.prefix.split()[0] in {"detect", "segment", "answer", "caption"}
        if exchange.kind not in ("detect", "refer", "segment"):
            assert exchange.suffix
            continue
        found = decode(exchange.suffix, prompt=exchange.prefix).detections
        assert len(found) == len(exchange.things)
        for detection, k in zip(found, exchange.things, strict=True):
            assert iou(detection.box, scene.objects[k].box) > 0.95
            assert scene.objects[k].label in detection.label
            assert detection.mask_tokens == (codes(k) if exchange.kind == "segment" else None)


def test_absent_names_a_class_that_is_not_there():
    rng = np.random.default_rng(0)
    assert all(absent(LABELS[:-1], rng) == LABELS[-1] for _ in range(5))
