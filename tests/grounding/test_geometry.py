"""Boxes and masks in pixels, checked against pycocotools, written-out sums and recorded pixel numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools import mask as coco

from grounding.geometry import binary_mask, coco_rle, from_px, iou, iou_matrix, nms, rect_px, to_px
from grounding.types import FULL_FRAME, Box, Detection, SoftMask
from tests.recorded import Case, params

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))
UNIT = st.floats(0, 1, allow_nan=False)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x1, x2 = sorted(draw(st.tuples(UNIT, UNIT).filter(lambda pair: pair[0] != pair[1])))
    y1, y2 = sorted(draw(st.tuples(UNIT, UNIT).filter(lambda pair: pair[0] != pair[1])))
    return Box(x1, y1, x2, y2)


@st.composite
def soft_masks(draw: st.DrawFn) -> SoftMask:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
    values = st.sampled_from([0, 0.3, 127 / 255, 0.5, 1])
    return SoftMask(draw(hnp.arrays(np.float32, shape, elements=values.map(np.float32))), draw(boxes()))


def placed(mask: SoftMask, size_wh: tuple[int, int], threshold: int = 127) -> np.ndarray:
    """The crop in an array of the picture's size: what the module itself never makes."""
    crop, (x, y) = binary_mask(mask, size_wh, threshold)
    whole = np.zeros(size_wh[::-1], dtype=bool)
    whole[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return whole


def area_px(mask: SoftMask, size_wh: tuple[int, int], threshold: int) -> int:
    return int(binary_mask(mask, size_wh, threshold)[0].sum())


@given(boxes(), SIZES)
def test_pixels_and_back_give_the_same_box(box: Box, size_wh: tuple[int, int]) -> None:
    px = to_px(box, size_wh)
    if px[0] < px[2] and px[1] < px[3]:
        assert from_px(px, size_wh) == pytest.approx(box)


@pytest.mark.parametrize(
    "box_px",
    [
        pytest.param((5, 5, 5, 9), id="no width"),
        pytest.param((9, 5, 5, 9), id="inverted"),
        pytest.param((100, 0, 120, 10), id="right of the picture"),
        pytest.param((-9, 0, -1, 10), id="left of the picture"),
        pytest.param((float("nan"), 0, 5, 5), id="NaN"),
        pytest.param((0, 0, 5), id="three numbers"),
    ],
)
def test_pixels_that_are_no_box_of_the_picture_are_refused(box_px: tuple[float, ...]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each reason has its own words
        from_px(box_px, (100, 50))


def test_pixels_that_reach_out_of_the_picture_are_cut_to_it() -> None:
    assert from_px((-5, 25, 250, 80), (100, 50)) == Box(0, 0.5, 1, 1)


@pytest.mark.parametrize(
    ("box", "size_wh", "expected"),
    [
        pytest.param((0, 0, 1, 1), (7, 5), (0, 0, 7, 5), id="whole picture"),
        pytest.param((0.25, 0.25, 0.75, 0.75), (10, 10), (3, 3, 8, 8), id="halves round up on both edges"),
        pytest.param((0.5, 0.5, 0.5001, 0.5001), (10, 10), (5, 5, 6, 6), id="thinner than a pixel"),
        pytest.param((0.999, 0.999, 1, 1), (10, 10), (9, 9, 10, 10), id="thin at the far corner"),
        pytest.param((0, 0, 1e-9, 1e-9), (10, 10), (0, 0, 1, 1), id="thin at the near corner"),
        pytest.param((0.27, 0.28, 0.29, 0.31), (10, 10), (2, 2, 3, 3), id="thin, before the nearest border"),
        pytest.param((0.2, 0.3, 0.4, 0.9), (1, 1), (0, 0, 1, 1), id="a picture of one pixel"),
    ],
)
def test_edges_go_to_the_nearest_pixel_border(
    box: tuple[float, ...], size_wh: tuple[int, int], expected: object
) -> None:
    assert rect_px(Box(*box), size_wh) == expected


@given(boxes(), SIZES)
@example(Box(0.9, 0.9, 1, 1), (1, 1))
@example(Box(0.24, 0.674, 0.741, 0.684), (5, 16))
def test_a_pixel_rectangle_is_never_empty_never_outside_and_over_its_box(box: Box, size_wh: tuple[int, int]) -> None:
    x1, y1, x2, y2 = rect_px(box, size_wh)
    assert 0 <= x1 < x2 <= size_wh[0]
    assert 0 <= y1 < y2 <= size_wh[1]
    left, top, right, bottom = to_px(box, size_wh)
    assert x1 <= right
    assert x2 >= left
    assert y1 <= bottom
    assert y2 >= top


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param((0, 0, 0.5, 0.5), 1, id="same"),
        pytest.param((0.5, 0, 1, 0.5), 0, id="touching"),
        pytest.param((0.6, 0.6, 1, 1), 0, id="apart in both"),
        pytest.param((0.25, 0, 0.75, 0.5), 1 / 3, id="half over"),
        pytest.param((0, 0, 1, 1), 1 / 4, id="inside"),
    ],
)
def test_iou_of_two_boxes(other: tuple[float, ...], expected: float) -> None:
    assert iou(Box(0, 0, 0.5, 0.5), Box(*other)) == pytest.approx(expected)


@given(st.lists(boxes(), max_size=4), st.lists(boxes(), max_size=4))
def test_the_iou_matrix_holds_every_pair(some: list[Box], others: list[Box]) -> None:
    matrix = iou_matrix(some, others)
    assert matrix.shape == (len(some), len(others))
    assert all(
        matrix[i, j] == iou(a, b) and 0 <= matrix[i, j] <= 1 for i, a in enumerate(some) for j, b in enumerate(others)
    )


def kept(*detections: Detection, threshold: float = 0.5) -> list[int]:
    return [d.id for d in nms(detections, threshold)]


A, NEAR_A, FAR = Box(0, 0, 0.5, 0.5), Box(0, 0, 0.5, 0.45), Box(0.6, 0.6, 1, 1)


@pytest.mark.parametrize(
    ("detections", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("cat", A, None), ("cat", NEAR_A, None)], [0], id="no scores: the earlier stays"),
        pytest.param([("cat", A, 0.2), ("cat", NEAR_A, 0.9)], [1], id="the higher score stays"),
        pytest.param([("cat", A, None), ("cat", NEAR_A, 0.1)], [1], id="an unknown score comes last"),
        pytest.param([("cat", A, 0.0), ("cat", NEAR_A, None)], [0], id="a score of 0 is a known score"),
        pytest.param([("cat", A, 0.2), ("dog", NEAR_A, 0.9)], [0, 1], id="another label"),
        pytest.param([("Cat", A, 0.2), ("cat", NEAR_A, 0.1)], [0], id="labels that differ in case only"),
        pytest.param([("cat", A, 0.2), ("cat", FAR, 0.9)], [0, 1], id="apart, order kept"),
        pytest.param([("cat", None, 0.2), ("cat", None, 0.9)], [0, 1], id="without boxes"),
    ],
)
def test_nms_keeps_the_best_of_each_heap(
    detections: list[tuple[str, Box | None, float | None]], expected: list[int]
) -> None:
    assert (
        kept(*(Detection(label, box, score=score, id=i) for i, (label, box, score) in enumerate(detections)))
        == expected
    )


def test_nms_keeps_what_only_a_dropped_box_overlapped() -> None:
    chain = [
        Detection("cat", Box(x, 0, x + 0.4, 1), score=s, id=i)
        for i, (x, s) in enumerate([(0, 0.9), (0.1, 0.8), (0.2, 0.7)])
    ]
    assert kept(*chain) == [0, 2]


def test_nms_of_a_long_answer_drops_exactly_the_repeats() -> None:
    grid = [
        Detection("cat", Box(x / 100, y / 100, (x + 1) / 100, (y + 1) / 100)) for x in range(100) for y in range(100)
    ]
    assert len(nms(grid[:2000] + grid[:500])) == 2000


def test_every_stored_level_is_compared_exactly() -> None:
    levels = SoftMask((np.arange(256, dtype=np.float32) / 255).reshape(16, 16), FULL_FRAME)
    assert [area_px(levels, (16, 16), t) for t in range(256)] == [255 - t for t in range(256)]


def bilinear_up(probs: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Interpolation between pixel centres, edges repeated, written out."""

    def sources(n: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        centre = (np.arange(side) + 0.5) * n / side - 0.5
        low = np.floor(centre).astype(int)
        return np.clip(low, 0, n - 1), np.clip(low + 1, 0, n - 1), centre - low

    (left, right, fx), (top, bottom, fy) = sources(probs.shape[1], size_wh[0]), sources(probs.shape[0], size_wh[1])
    rows = probs[top] * (1 - fy)[:, None] + probs[bottom] * fy[:, None]
    return rows[:, left] * (1 - fx) + rows[:, right] * fx


def test_a_mask_is_resized_softly_before_it_is_cut() -> None:
    probs = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    crop, (x, y) = binary_mask(SoftMask(probs, Box(0.1, 0.2, 0.9, 0.7)), (200, 100), 127)
    soft = bilinear_up(probs, (160, 50))
    clear = np.abs(soft - 127 / 255) > 1e-5
    assert (x, y, crop.shape) == (20, 20, (50, 160))
    assert clear.mean() > 0.99
    assert (crop == (soft > 127 / 255))[clear].all()


def test_a_mask_made_smaller_is_averaged() -> None:
    stripes = np.tile(np.float32([[1, 0, 0, 0]]), (8, 4))
    assert area_px(SoftMask(stripes, FULL_FRAME), (2, 2), 127) == 0
    assert area_px(SoftMask(stripes, FULL_FRAME), (2, 2), 50) == 4


@given(soft_masks(), SIZES, st.sampled_from([0, 90, 127, 200, 255]))
@example(SoftMask(np.ones((2, 2), np.float32), FULL_FRAME), (3, 4), 127)
@example(SoftMask(np.zeros((2, 2), np.float32), FULL_FRAME), (3, 4), 127)
def test_rle_is_what_pycocotools_writes_for_the_whole_picture(
    mask: SoftMask, size_wh: tuple[int, int], threshold: int
) -> None:
    whole = placed(mask, size_wh, threshold)
    official = coco.encode(np.asfortranarray(whole.astype(np.uint8)))
    assert coco_rle(mask, size_wh, threshold) == {"size": official["size"], "counts": official["counts"].decode()}
    assert area_px(mask, size_wh, threshold) == whole.sum()


def test_rle_of_a_large_picture_is_what_pycocotools_writes() -> None:
    mask = SoftMask(np.random.default_rng(1).random((64, 64)).astype(np.float32), Box(0.2, 0.1, 0.8, 1))
    official = coco.encode(np.asfortranarray(placed(mask, (1600, 1200)).astype(np.uint8)))
    assert coco_rle(mask, (1600, 1200))["counts"] == official["counts"].decode()


def test_nothing_of_the_pictures_size_is_allocated() -> None:
    import tracemalloc

    mask = SoftMask(np.ones((64, 64), np.float32), Box(0.5, 0.5, 0.51, 0.51))
    tracemalloc.start()
    try:
        coco_rle(mask, (20_000, 20_000))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("case", params("paligemma", lambda about: about["task"] == "decoded_mask"))
def test_a_mask_the_real_decoder_gave_lands_where_its_box_says(case: Case) -> None:
    grey = np.asarray(Image.open(case.folder / case.about["expected"]["mask64"]).convert("L"))
    box_px = case.about["expected"]["coordinates_xyxy_px_of_448"]
    mask = SoftMask(grey.astype(np.float32) / 255, from_px(box_px, (448, 448)))
    crop, (x, y) = binary_mask(mask, (448, 448))
    assert [x, y, x + crop.shape[1], y + crop.shape[0]] == box_px
    assert crop.mean() == pytest.approx((grey > 127).mean(), abs=0.01)
