"""Objects of two answers are matched one to one, by label and place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.matching import compare, mask_iou, matched
from grounding.types import Box, Detection, Point, SoftMask

A, B, FAR = Box(0, 0, 0.4, 0.4), Box(0.1, 0, 0.5, 0.4), Box(0.6, 0.6, 0.9, 0.9)


def test_each_box_is_matched_once_to_its_best():
    pairs = matched([B, A, FAR], [A, FAR])
    assert {(i, j) for i, j, _ in pairs} == {(1, 0), (2, 1)}
    assert all(overlap == pytest.approx(1) for *_, overlap in pairs)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        pytest.param([], [A], id="nothing found"),
        pytest.param([A], [], id="nothing there"),
        pytest.param([FAR], [A], id="elsewhere"),
    ],
)
def test_no_match_where_there_is_none(found, truth):
    assert matched(found, truth) == []


def test_mask_iou_of_a_half_is_a_half():
    whole, half = np.ones((8, 8), np.float32), np.ones((8, 8), np.float32)
    half[:, 4:] = 0
    box = Box(0.25, 0.25, 0.75, 0.75)
    assert mask_iou(SoftMask(whole, box), SoftMask(whole, box), (64, 64)) == 1
    assert mask_iou(SoftMask(whole, box), SoftMask(half, box), (64, 64)) == pytest.approx(0.5, abs=0.07)
    assert mask_iou(SoftMask(whole, A), SoftMask(whole, FAR), (64, 64)) == 0


def test_masks_that_are_empty_at_the_threshold_share_nothing():
    faint = SoftMask(np.full((8, 8), 0.2, np.float32), A)
    assert mask_iou(faint, faint, (64, 64)) == 0
    assert mask_iou(faint, faint, (64, 64), threshold=40) == 1


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4), max_size=6))
def test_mask_iou_is_what_whole_pictures_of_pixels_say(corners):
    boxes = [Box(x / 44, y / 44, (x + w + 2) / 44, (y + h + 2) / 44) for x, y, w, h in corners]
    masks = [SoftMask(np.ones((3, 3), np.float32), box) for box in boxes]
    for a, b in pairwise(boxes):
        whole = np.zeros((2, 44, 44), bool)
        for plane, box in zip(whole, (a, b), strict=True):
            x1, y1, x2, y2 = (round(44 * v) for v in box)
            plane[y1:y2, x1:x2] = True
        expected = (whole[0] & whole[1]).sum() / (whole[0] | whole[1]).sum()
        assert mask_iou(masks[boxes.index(a)], masks[boxes.index(b)], (44, 44)) == pytest.approx(expected)


def test_two_answers_agree_on_what_has_the_same_label_and_place_whatever_the_case():
    mask = SoftMask(np.ones((4, 4), np.float32), A)
    first = [Detection("Cat", box=A, mask=mask), Detection("dog", box=A), Detection("car", box=FAR)]
    second = [Detection("bus", box=FAR), Detection("cat ", box=B, mask=mask), Detection("dog", box=FAR)]
    found = compare(first, second, (64, 64))
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1)]
    assert found.pairs[0].iou == pytest.approx(0.6)
    assert found.pairs[0].mask_iou == 1
    assert (found.only_first, found.only_second, found.unplaced) == ((1, 2), (0, 2), 0)


def test_a_pair_without_a_mask_on_one_side_has_no_mask_iou():
    mask = SoftMask(np.ones((4, 4), np.float32), A)
    assert compare([Detection("cat", box=A, mask=mask)], [Detection("cat", box=A)], (64, 64)).pairs[0].mask_iou is None


def test_points_are_counted_and_not_matched():
    found = compare([Detection("cat", point=Point(0.1, 0.1))], [Detection("cat", box=A)], (64, 64))
    assert (found.pairs, found.only_first, found.only_second, found.unplaced) == ((), (), (0,), 1)
