"""Two answers side by side, and one question asked many times over: what agrees, what differs, how far boxes spread.

Neither answer is the truth, so nothing here is called right or wrong. How ties are settled: decision 17. Knows no
model, no page and no file.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from grounding.geometry import iou_matrix
from grounding.matching import LEAST_IOU, compare, mask_iou, matched
from grounding.types import THRESHOLD, Box, Detection

EDGES = ("left", "top", "right", "bottom")
"""The edges of a box in the order of its numbers."""


class Verdict(StrEnum):
    """What became of one object, or of two in one place. In the order they are told: disagreement first."""

    RELABELLED = "relabelled"  # one place, two labels
    ONLY_FIRST = "only_first"
    ONLY_SECOND = "only_second"
    UNPLACED = "unplaced"  # no box, so nothing to match it by
    AGREED = "agreed"  # one label, one place


@dataclass(frozen=True)
class Row:
    """Places in the two answers, None where only the other has it. mask_iou: None where either has no mask."""

    verdict: Verdict
    first: int | None
    second: int | None
    iou: float | None = None
    mask_iou: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Every object of both answers in exactly one row, disagreement first."""

    rows: tuple[Row, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(row.verdict is verdict for row in self.rows)

    @property
    def mean_iou(self) -> float | None:
        """Of the boxes both agree on; None where there are none."""
        return _mean([row.iou for row in self.rows if row.verdict is Verdict.AGREED])

    @property
    def mean_mask_iou(self) -> float | None:
        return _mean([row.mask_iou for row in self.rows if row.verdict is Verdict.AGREED])


def agree(
    first: Sequence[Detection],
    second: Sequence[Detection],
    size_wh: tuple[int, int],
    *,
    threshold: int = THRESHOLD,
    least_iou: float = LEAST_IOU,
) -> Agreement:
    """Objects of one label (case aside) are matched first, the best IoU first; then, of what is left, any labels."""
    same = compare(first, second, size_wh, threshold=threshold, least_iou=least_iou)
    rows = [Row(Verdict.AGREED, pair.first, pair.second, pair.iou, pair.mask_iou) for pair in same.pairs]
    boxes, others = (
        [side[k].box for k in places] for side, places in ((first, same.only_first), (second, same.only_second))
    )
    crossed = matched([box for box in boxes if box], [box for box in others if box], least_iou)
    for i, j, iou in crossed:
        one, other = same.only_first[i], same.only_second[j]
        a, b = first[one].mask, second[other].mask
        rows.append(Row(Verdict.RELABELLED, one, other, iou, mask_iou(a, b, size_wh, threshold) if a and b else None))
    in_pairs = {i for i, _, _ in crossed}, {j for _, j, _ in crossed}
    rows += [Row(Verdict.ONLY_FIRST, k, None) for i, k in enumerate(same.only_first) if i not in in_pairs[0]]
    rows += [Row(Verdict.ONLY_SECOND, None, k) for j, k in enumerate(same.only_second) if j not in in_pairs[1]]
    rows += [Row(Verdict.UNPLACED, k, None) for k, each in enumerate(first) if each.box is None]
    rows += [Row(Verdict.UNPLACED, None, k) for k, each in enumerate(second) if each.box is None]
    order = list(Verdict)
    rows.sort(key=lambda row: (order.index(row.verdict), _last(row.first), _last(row.second)))
    return Agreement(tuple(rows))


def _last(place: int | None) -> float:
    return float("inf") if place is None else place


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


@dataclass(frozen=True)
class Spread:
    """Where one edge lay, in [0, 1] of the picture. sd: the sample's standard deviation, None of a single box."""

    mean: float
    sd: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Cluster:
    """One thing as several answers saw it: any two of its boxes overlap by the least IoU or more.

    members: (answer, place in it), at most one of each answer, in order. medoid: the member closest to all others.
    spreads: of the left, top, right and bottom edge. worst_iou: of its two boxes that overlap least, None of a single
    one. also: what the same place is called in other answers.
    """

    label: str
    members: tuple[tuple[int, int], ...]
    medoid: tuple[int, int]
    spreads: tuple[Spread, Spread, Spread, Spread]
    worst_iou: float | None
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stability:
    """What came of asking `answers` times. unplaced: objects without a box. identical: all answers were the same."""

    answers: int
    clusters: tuple[Cluster, ...]
    unplaced: int
    identical: bool


def stability(answers: Sequence[Sequence[Detection]], *, least_iou: float = LEAST_IOU) -> Stability:
    """The objects of many answers to one question, gathered by label (case aside) and place; the rarest first."""
    by_label: dict[str, list[tuple[int, int]]] = {}
    for run, found in enumerate(answers):
        for place, each in enumerate(found):
            if each.box is not None:
                by_label.setdefault(each.label.strip().casefold(), []).append((run, place))
    groups = [group for spots in by_label.values() for group in _gathered(spots, answers, least_iou)]
    clusters = _with_others([_cluster(group, answers) for group in groups], answers, least_iou)
    clusters.sort(key=lambda each: (len(each.members), each.members))
    unplaced = sum(each.box is None for found in answers for each in found)
    return Stability(len(answers), tuple(clusters), unplaced, _identical(answers))


def _gathered(
    spots: Sequence[tuple[int, int]], answers: Sequence[Sequence[Detection]], least_iou: float
) -> Iterator[list[tuple[int, int]]]:
    """`spots` in groups: pairs that overlap best are joined first, and two groups only where all of both overlap."""
    overlap = iou_matrix(boxes := [_box(answers, spot) for spot in spots], boxes)
    run = np.array([spot[0] for spot in spots])
    apart = (run[:, None] == run[None]) | (overlap < least_iou)  # two that may not be one thing
    group = np.arange(len(spots))
    i, j = np.nonzero(np.triu(~apart, 1))
    for best in np.argsort(-overlap[i, j], kind="stable"):
        mine, theirs = group[i[best]], group[j[best]]
        if mine != theirs and not apart[np.ix_(group == mine, group == theirs)].any():
            group[group == theirs] = mine
    for name in np.unique(group):
        yield [spots[int(k)] for k in np.flatnonzero(group == name)]


def _cluster(members: list[tuple[int, int]], answers: Sequence[Sequence[Detection]]) -> Cluster:
    boxes = [_box(answers, spot) for spot in members]
    overlap = iou_matrix(boxes, boxes)
    medoid = members[int(np.argmax(overlap.sum(1)))]
    left, top, right, bottom = (_spread(edge) for edge in zip(*boxes, strict=True))
    worst = float(overlap.min()) if len(members) > 1 else None
    label = answers[medoid[0]][medoid[1]].label
    return Cluster(label, tuple(members), medoid, (left, top, right, bottom), worst)


def _spread(values: Sequence[float]) -> Spread:
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), sd, min(values), max(values))


def _with_others(clusters: list[Cluster], answers: Sequence[Sequence[Detection]], least_iou: float) -> list[Cluster]:
    """`clusters`, each with the labels of those that share its place, seen from the box closest to all of its own."""
    if not clusters:
        return []
    boxes = [_box(answers, each.medoid) for each in clusters]
    near = iou_matrix(boxes, boxes) >= least_iou

    def also(k: int) -> tuple[str, ...]:
        own = clusters[k].label.strip().casefold()
        names = [clusters[n].label for n in np.flatnonzero(near[k])]
        return tuple(dict.fromkeys(name for name in names if name.strip().casefold() != own))

    return [replace(each, also=also(k)) for k, each in enumerate(clusters)]


def _box(answers: Sequence[Sequence[Detection]], spot: tuple[int, int]) -> Box:
    box = answers[spot[0]][spot[1]].box
    assert box is not None, "only what has a box is gathered"
    return box


def _identical(answers: Sequence[Sequence[Detection]]) -> bool:
    """Whether every answer names the same things in the same places, masks and scores included, in the same order."""
    said = [[_said(each) for each in found] for found in answers]
    return all(each == said[0] for each in said)


def _said(detection: Detection) -> tuple[object, ...]:
    mask = detection.mask
    seen = None if mask is None else (mask.frame, mask.probs.shape, mask.probs.tobytes())
    return detection.label, detection.box, detection.point, detection.score, detection.mask_tokens, seen
