"""Pictures looked at in parts: a stand-in answers from the truth, so every merge has a right answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding.errors import RequestError
from grounding.geometry import iou
from grounding.images import Picture
from grounding.tiling import OVERLAP, answer_in_parts, parts, together
from grounding.types import FULL_FRAME, Box, Detection, Options, Outcome, Request, Result, SoftMask, Task, Usage

SIDE = 1000
BLANK = np.full((SIDE, SIDE, 3), 255, np.uint8)


def scene(*boxes: Box) -> Picture:
    """Each box a rectangle of its own grey: what a part shows of it can be measured in its pixels."""
    pixels = BLANK.copy()
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        pixels[round(y1 * SIDE) : round(y2 * SIDE), round(x1 * SIDE) : round(x2 * SIDE)] = number
    return Picture(Image.fromarray(pixels))


def sees(request: Request, smallest: float = 0.0) -> Result:
    """Names every rectangle it can see by "thing", if it is at least `smallest` of the picture's side."""
    pixels = np.asarray(request.images[0].image)[..., 0]
    height, width = pixels.shape
    found = []
    for value in np.unique(pixels[pixels < 255]):
        ys, xs = np.nonzero(pixels == value)
        box = Box(xs.min() / width, ys.min() / height, (xs.max() + 1) / width, (ys.max() + 1) / height)
        if max(box.width, box.height) >= smallest:
            mask = SoftMask(np.ones((64, 64), np.float32), box)
            found.append(Detection("thing", box, score=0.9, mask=mask, id=len(found)))
    return Result(Outcome.FOUND if found else Outcome.NONE, detections=tuple(found), usage=Usage(1.0, answer_tokens=5))


def each(answer: Callable[[Request], Result]) -> Callable[[Sequence[Request]], list[Result]]:
    return lambda requests: [answer(one) for one in requests]


def ask(picture: Picture, tiles: int | None, task: Task = Task.DETECT) -> Request:
    return Request(task, (picture,), labels=("thing",), options=Options(tiles=tiles))


def boxes(result: Result) -> list[Box]:
    return sorted(d.box for d in result.detections if d.box)


@pytest.mark.parametrize("each_side", [2, 3, 6])
def test_parts_cover_the_picture_and_overlap_by_a_fifth_of_their_side(each_side: int) -> None:
    whole, *tiles = parts(each_side)
    assert whole == FULL_FRAME
    assert len(tiles) == each_side**2
    row = tiles[:each_side]
    assert row[0].x1 == 0
    assert row[-1].x2 == pytest.approx(1)
    for left, right in pairwise(row):
        assert (left.x2 - right.x1) / left.width == pytest.approx(OVERLAP)


@pytest.mark.parametrize("each_side", [0, -1, 7])
def test_an_impossible_number_of_parts_is_refused(each_side: int) -> None:
    with pytest.raises(RequestError):
        parts(each_side)


def test_small_things_that_are_missed_in_the_whole_are_found_in_its_parts() -> None:
    small, large = Box(0.1, 0.1, 0.14, 0.14), Box(0.2, 0.2, 0.8, 0.8)
    request = ask(scene(small, large), 2)

    def shortsighted(one: Request) -> Result:
        return sees(one, smallest=0.06)

    assert boxes(shortsighted(request)) == [large]
    result = answer_in_parts(request, each(shortsighted))
    found = boxes(result)
    assert len(found) == 2
    assert iou(found[0], small) > 0.8
    assert iou(found[1], large) > 0.99
    assert [d.id for d in result.detections] == [0, 1]


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(Box(0.45, 0.1, 0.5, 0.15), id="whole in the overlap of two parts"),
        pytest.param(Box(0.3, 0.1, 0.7, 0.2), id="cut by both parts"),
        pytest.param(Box(0.1, 0.3, 0.2, 0.7), id="cut upright"),
        pytest.param(Box(0.3, 0.3, 0.7, 0.7), id="cut by all four"),
        pytest.param(FULL_FRAME, id="all of the picture"),
    ],
)
def test_a_thing_in_several_parts_comes_out_once_and_whole(thing: Box) -> None:
    result = answer_in_parts(ask(scene(thing), 2), each(sees))
    (found,) = boxes(result)
    assert iou(found, thing) > 0.98


@pytest.mark.parametrize(
    "thing",
    [pytest.param(Box(0.3, 0.1, 0.7, 0.2), id="across"), pytest.param(Box(0.1, 0.3, 0.2, 0.7), id="upright")],
)
def test_halves_are_joined_though_the_whole_look_missed_the_thing(thing: Box) -> None:
    picture = scene(thing)

    def blind_to_the_whole(one: Request) -> Result:
        return Result(Outcome.NONE) if one.images[0] is picture else sees(one)

    (found,) = answer_in_parts(ask(picture, 2), each(blind_to_the_whole)).detections
    assert found.box
    assert iou(found.box, thing) > 0.95
    assert found.mask
    assert found.mask.frame == found.box
    assert found.mask.probs.mean() > 0.95, "the joined mask has a gap"
    assert found.score == 0.9


def test_neighbours_of_one_label_are_not_joined() -> None:
    pair = Box(0.1, 0.1, 0.3, 0.3), Box(0.32, 0.1, 0.5, 0.3)
    assert len(answer_in_parts(ask(scene(*pair), 2), each(sees)).detections) == 2


def test_masks_and_points_move_with_their_part() -> None:
    frame = Box(0.5, 0.5, 1, 1)
    inside = Box(0.2, 0.2, 0.6, 0.4)
    there = Detection("a", inside, mask=SoftMask(np.ones((4, 4), np.float32), inside))
    result = together([Result(Outcome.NONE), Result(Outcome.FOUND, detections=(there,))], [FULL_FRAME, frame])
    (moved,) = result.detections
    assert moved.box == pytest.approx(Box(0.6, 0.6, 0.8, 0.7))
    assert moved.mask
    assert moved.mask.frame == moved.box
    assert result.outcome is Outcome.FOUND


def test_different_labels_never_merge() -> None:
    box = Box(0.1, 0.1, 0.3, 0.3)
    both = Result(Outcome.FOUND, detections=(Detection("cat", box), Detection("dog", box)))
    assert len(together([both], [FULL_FRAME]).detections) == 2


def test_a_part_that_failed_is_said_and_what_the_others_found_is_kept() -> None:
    thing = Box(0.1, 0.1, 0.2, 0.2)
    picture = scene(thing)

    def fails_in_parts(one: Request) -> Result:
        return sees(one) if one.images[0] is picture else Result(Outcome.FAILED, "Memory ran out.")

    result = answer_in_parts(ask(picture, 2), each(fails_in_parts))
    assert (result.outcome, result.text, boxes(result)) == (Outcome.FAILED, "Memory ran out.", [thing])


def test_usage_and_outcomes_add_up() -> None:
    results = [
        Result(Outcome.FOUND, usage=Usage(1.0, 10, 8, None, 3)),
        Result(Outcome.TRUNCATED, usage=Usage(2.0, 10, 8, None, 4)),
    ]
    result = together(results, [FULL_FRAME, FULL_FRAME])
    assert result.outcome is Outcome.TRUNCATED
    assert result.usage == Usage(3.0, 20, 16, None, 7)


@pytest.mark.parametrize("tiles", [None, 1])
@pytest.mark.parametrize("task", [Task.DETECT, Task.CAPTION])
def test_without_parts_the_request_is_asked_once_as_it_is(tiles: int | None, task: Task) -> None:
    asked: list[Request] = []

    def note(one: Request) -> Result:
        asked.append(one)
        return sees(one)

    picture = scene(FULL_FRAME)
    answer_in_parts(ask(picture, tiles, task), each(note))
    (one,) = asked
    assert one.images[0] is picture
    assert one.options == replace(one.options, tiles=None)


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(30, 400), st.integers(30, 400)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([2, 3]),
)
def test_every_thing_seen_in_the_whole_is_still_there(rects: list[tuple[int, int, int, int]], tiles: int) -> None:
    things = [Box(x / SIDE, y / SIDE, min(1, (x + w) / SIDE), min(1, (y + h) / SIDE)) for x, y, w, h in rects]
    picture = scene(*things)
    whole = sees(ask(picture, None))
    found = boxes(answer_in_parts(ask(picture, tiles), each(sees)))
    for box in boxes(whole):
        assert max(iou(box, one) for one in found) > 0.5
