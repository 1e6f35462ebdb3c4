"""Two answers are told apart object by object, and many answers to one question by how far their boxes spread."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.agreement import Agreement, Verdict, agree, stability
from grounding.geometry import iou
from grounding.types import Box, Detection, Point, SoftMask

SIZE = (64, 64)
A, B, FAR = Box(0, 0, 0.4, 0.4), Box(0.1, 0, 0.5, 0.4), Box(0.6, 0.6, 0.9, 0.9)  # A and B: IoU 0.6
FULL = np.ones((4, 4), np.float32)


def thing(label: str, box: Box | None = A, **parts: object) -> Detection:
    return Detection(label, box, **parts)  # type: ignore[arg-type]


@st.composite
def answers(draw: st.DrawFn, most: int = 6) -> list[Detection]:
    """Few labels on a coarse grid, so that boxes coincide, tie and cross."""
    found = []
    for _ in range(draw(st.integers(0, most))):
        x, y = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        box = Box(x / 8, y / 8, (x + draw(st.integers(1, 4))) / 8, (y + draw(st.integers(1, 4))) / 8)
        placed = draw(st.integers(0, 9)) > 0
        found.append(
            Detection(
                draw(st.sampled_from(["cat", "Cat ", "dog", ""])),
                box if placed else None,
                None if placed else Point(0.5, 0.5),
                mask=SoftMask(FULL, box) if placed and draw(st.booleans()) else None,
            )
        )
    return found


def told(found: Agreement) -> list[tuple[str, int | None, int | None]]:
    return [(row.verdict.value, row.first, row.second) for row in found.rows]


def test_disagreement_stands_first_and_each_kind_is_told():
    first = [
        thing("cat"),
        thing("mug", FAR),
        thing("bird", Box(0, 0.8, 0.1, 0.9)),
        thing("pen", None, point=Point(0, 0)),
    ]
    second = [thing("sun", Box(0.9, 0, 1, 0.1)), thing("cup", FAR), thing("CAT ", B)]
    found = agree(first, second, SIZE)
    assert told(found) == [
        ("relabelled", 1, 1),
        ("only_first", 2, None),
        ("only_second", None, 0),
        ("unplaced", 3, None),
        ("agreed", 0, 2),
    ]
    assert found.rows[0].iou == pytest.approx(1)
    assert found.mean_iou == pytest.approx(0.6)
    assert found.mean_mask_iou is None


def test_one_label_in_one_place_comes_before_a_better_overlap_with_another_label():
    found = agree([thing("cat", A)], [thing("dog", A), thing("cat", B)], SIZE)
    assert told(found) == [("only_second", None, 0), ("agreed", 0, 1)]


@pytest.mark.parametrize(
    ("first", "second", "least", "expected"),
    [
        pytest.param([], [], 0.5, [], id="two empty answers"),
        pytest.param([thing("cat")], [], 0.5, [("only_first", 0, None)], id="nothing in the second"),
        pytest.param([], [thing("cat")], 0.5, [("only_second", None, 0)], id="nothing in the first"),
        pytest.param(
            [thing("cat", A)], [thing("cat", B)], 0.7, [("only_first", 0, None), ("only_second", None, 0)], id="too far"
        ),
        pytest.param(
            [thing("cat"), thing("cat")], [thing("cat")], 0.5, [("only_first", 1, None), ("agreed", 0, 0)], id="a tie"
        ),
        pytest.param(
            [thing("cat")], [thing("cat"), thing("cat")], 0.5, [("only_second", None, 1), ("agreed", 0, 0)], id="tied"
        ),
        pytest.param(
            [thing("cat", None, point=Point(0, 0))],
            [thing("cat", None, point=Point(0, 0))],
            0.5,
            [("unplaced", 0, None), ("unplaced", None, 0)],
            id="points have no overlap",
        ),
    ],
)
def test_what_cannot_be_matched_stays_alone(first, second, least, expected):
    assert told(agree(first, second, SIZE, least_iou=least)) == expected


def test_masks_are_compared_where_both_have_one_whatever_the_label():
    half = FULL.copy()
    half[:, 2:] = 0
    first = [thing("cat", A, mask=SoftMask(FULL, A)), thing("mug", FAR, mask=SoftMask(FULL, FAR))]
    second = [thing("cat", A, mask=SoftMask(FULL, A)), thing("cup", FAR, mask=SoftMask(half, FAR))]
    crossed, same = agree(first, second, SIZE).rows
    assert same.mask_iou == 1
    assert crossed.mask_iou == pytest.approx(0.5, abs=0.15)
    assert agree(first, [thing("cat", A)], SIZE).rows[-1].mask_iou is None


@given(answers(), answers(), st.sampled_from([0.05, 0.3, 0.5, 0.75, 1.0]))
def test_every_object_stands_in_exactly_one_row_and_the_other_way_round_says_the_same(first, second, least):
    found = agree(first, second, SIZE, least_iou=least)
    assert sorted(row.first for row in found.rows if row.first is not None) == list(range(len(first)))
    assert sorted(row.second for row in found.rows if row.second is not None) == list(range(len(second)))
    for row in found.rows:
        paired = row.verdict in (Verdict.AGREED, Verdict.RELABELLED)
        assert paired == (row.first is not None and row.second is not None)
        assert (row.iou is not None) == paired
        if row.first is not None and row.second is not None and row.iou is not None:
            one, other = first[row.first], second[row.second]
            assert one.box
            assert other.box
            assert row.iou >= least
            assert row.iou == pytest.approx(iou(one.box, other.box))
            same = one.label.strip().casefold() == other.label.strip().casefold()
            assert same == (row.verdict is Verdict.AGREED)
    swapped = {"only_first": "only_second", "only_second": "only_first"}
    turned = {(swapped.get(v, v), j, i) for v, i, j in told(agree(second, first, SIZE, least_iou=least))}
    assert set(told(found)) == turned


@given(answers())
def test_an_answer_agrees_with_itself(found):
    rows = agree(found, found, SIZE).rows
    assert {row.verdict for row in rows} <= {Verdict.AGREED, Verdict.UNPLACED}
    assert all(row.iou == pytest.approx(1) for row in rows if row.verdict is Verdict.AGREED)


def test_a_thing_seen_every_time_is_one_cluster_with_the_spread_of_each_edge():
    runs = [[thing("cat", Box(0.1 + d, 0.2, 0.5, 0.6 - d))] for d in (0.0, 0.01, 0.05)]
    (cat,) = stability(runs).clusters
    assert cat.members == ((0, 0), (1, 0), (2, 0))
    assert cat.medoid == (1, 0)
    left, top, right, bottom = cat.spreads
    assert (left.low, left.high) == (0.1, pytest.approx(0.15))
    assert left.mean == pytest.approx(0.12)
    assert left.sd == pytest.approx(statistics.stdev([0.1, 0.11, 0.15]))
    assert (top.sd, right.sd) == (0, 0)
    assert bottom.sd == pytest.approx(left.sd)
    assert cat.worst_iou == pytest.approx(iou(runs[0][0].box, runs[2][0].box))
    assert not stability(runs).identical


def test_what_is_rare_stands_first_and_one_box_has_no_deviation():
    rare = stability([[thing("cat"), thing("dog", FAR)], [thing("cat")]])
    assert [(each.label, len(each.members)) for each in rare.clusters] == [("dog", 1), ("cat", 2)]
    assert rare.clusters[0].worst_iou is None
    assert {spread.sd for spread in rare.clusters[0].spreads} == {None}


def test_another_name_for_the_same_place_is_a_cluster_of_its_own_and_both_know_of_it():
    found = stability([[thing("mug")], [thing("cup", B)], [thing("Mug ")]]).clusters
    assert [(each.label, len(each.members), each.also) for each in found] == [
        ("cup", 1, ("mug",)),
        ("mug", 2, ("cup",)),
    ]


def test_two_things_of_one_answer_are_never_one_cluster():
    found = stability([[thing("cat", A), thing("cat", A)], [thing("cat", A)]]).clusters
    assert sorted(len(each.members) for each in found) == [1, 2]


def test_answers_are_the_same_only_where_masks_and_scores_are():
    one = thing("cat", score=0.5, mask=SoftMask(FULL, A))
    assert stability([[one], [thing("cat", score=0.5, mask=SoftMask(FULL.copy(), A))]]).identical
    assert not stability([[one], [thing("cat", score=0.5, mask=SoftMask(FULL * np.float32(0.5), A))]]).identical
    assert not stability([[one], [thing("cat", score=0.4, mask=SoftMask(FULL, A))]]).identical
    assert not stability([[one], []]).identical


def test_nothing_asked_or_found_is_no_cluster():
    assert stability([]).clusters == ()
    assert stability([[], []]).clusters == ()
    assert stability([[thing("pen", None, point=Point(0, 0))]]).unplaced == 1


@given(st.lists(answers(4), max_size=5), st.sampled_from([0.2, 0.5, 0.8]))
def test_clusters_share_out_all_boxes_and_any_two_of_one_overlap(runs, least):
    found = stability(runs, least_iou=least)
    spots = [spot for each in found.clusters for spot in each.members]
    placed = [(run, place) for run, one in enumerate(runs) for place, each in enumerate(one) if each.box]
    assert sorted(spots) == placed
    assert len(placed) + found.unplaced == sum(map(len, runs))
    for each in found.clusters:
        assert len({run for run, _ in each.members}) == len(each.members)
        assert each.medoid in each.members
        boxes = [runs[run][place].box for run, place in each.members]
        labels = {runs[run][place].label.strip().casefold() for run, place in each.members}
        assert len(labels) == 1
        assert all(iou(a, b) >= least for a in boxes for b in boxes)
        for spread in each.spreads:
            assert spread.low - 1e-12 <= spread.mean <= spread.high + 1e-12


@given(answers(), st.integers(2, 5))
def test_the_same_answer_again_and_again_does_not_spread(found, times):
    repeated = stability([found] * times)
    assert repeated.identical
    assert all(spread.sd == 0 for each in repeated.clusters if len(each.members) == times for spread in each.spreads)
    assert all(len(each.members) == times for each in repeated.clusters)
