"""Which object read back from a file is which object that was written. Knows no format and judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.geometry import iou_matrix
from grounding.types import Box, Detection

_LEAST = 0.05  # likeness below which two objects are not the same
_NOWHERE, _NOWHERE_ELSE = Box(0, 0, 1e-9, 1e-9), Box(0.5, 0.5, 0.5 + 1e-9, 0.5 + 1e-9)
"""Where what is missing lies: nothing missing on one side is like anything missing on the other."""


def paired(before: Sequence[Detection], after: Sequence[Detection]) -> tuple[list[list[int]], list[int]]:
    """For each of `before` the places in `after` of what came back of it, and the places that belong to none.

    Objects meet one to one where they lie alike, in order as far as that goes, those of the same name rather. What is
    left over is a part split off the object of that name it lies in.
    """
    found: list[list[int]] = [[] for _ in before]
    free_before, free_after = set(range(len(before))), set(range(len(after)))
    if before and after:
        alike = _likeness(before, after)
        near = np.argwhere(alike > _LEAST)
        best_first = near[np.argsort(-alike[near[:, 0], near[:, 1]], kind="stable")]
        for i, j in [*_in_order(alike), *best_first.tolist()]:
            if i in free_before and j in free_after:
                found[i].append(j)
                free_before.discard(i)
                free_after.discard(j)
        inside = _containment(before, after)
        for j in sorted(free_after):
            i = int(inside[:, j].argmax())
            if inside[i, j] > 0.5:
                found[i].append(j)
                free_after.discard(j)
    return found, sorted(free_after)


def _in_order(alike: np.ndarray) -> list[tuple[int, int]]:
    """The pairs, in the order of both sides, that are most alike in all: files keep the order they are written in."""
    rows, columns = alike.shape
    worth = np.where(alike > _LEAST, alike, -np.inf)
    best = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], best[i, :-1] + worth[i]))
    pairs = []
    i, j = rows, columns
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _likeness(before: Sequence[Detection], after: Sequence[Detection]) -> np.ndarray:
    """float[before, after]: the best IoU of any two of their places, more for the same name, a little for the same row.

    A name alone counts for little, and only in the same row: a box may be all that was lost.
    """
    place = np.zeros((len(before), len(after)))
    for mine in _places(before, _NOWHERE):
        for theirs in _places(after, _NOWHERE_ELSE):
            place = np.maximum(place, iou_matrix(mine, theirs))
    named = _same_name(before, after)
    row = np.arange(len(before))[:, None] == np.arange(len(after))[None]
    whole = len(before) == len(after)  # else rows have shifted, and say nothing
    likeness: np.ndarray = place * (1 + named) + 0.1 * (named & row) * whole + 1e-6 * row
    return likeness


def _containment(before: Sequence[Detection], after: Sequence[Detection]) -> np.ndarray:
    """float[before, after] in [0, 1]: how much of the latter's frame lies in the former's, 0 for other names."""
    a = np.array(_frames(before), dtype=np.float64)[:, None]
    b = np.array(_frames(after), dtype=np.float64)[None]
    shared = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(-1)
    part: np.ndarray = shared / (b[..., 2:] - b[..., :2]).prod(-1) * _same_name(before, after)
    return part


def _same_name(before: Sequence[Detection], after: Sequence[Detection]) -> np.ndarray:
    mine, theirs = ([" ".join(each.label.casefold().split()) for each in side] for side in (before, after))
    same: np.ndarray = np.array(mine, dtype=object)[:, None] == np.array(theirs, dtype=object)[None]
    return same


def _places(detections: Sequence[Detection], nowhere: Box) -> list[list[Box]]:
    return [
        [each.box or nowhere for each in detections],
        [each.mask.frame if each.mask else nowhere for each in detections],
        [_around(each) or nowhere for each in detections],
    ]


def _frames(detections: Sequence[Detection]) -> list[Box]:
    return [(each.mask.frame if each.mask else None) or each.box or _around(each) or _NOWHERE for each in detections]


def _around(detection: Detection) -> Box | None:
    """A small box about a point, so that points that nearly agree overlap."""
    if detection.point is None:
        return None
    x, y = (min(max(side, 0.01), 0.99) for side in detection.point)
    return Box(x - 0.01, y - 0.01, x + 0.01, y + 0.01)
