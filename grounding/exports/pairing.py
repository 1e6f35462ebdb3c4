"""Which object read back from a file is which object that was written. Knows no format and judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.geometry import iou_matrix
from grounding.types import Box, Detection

_NOWHERE = Box(0, 0, 1e-9, 1e-9)


def paired(before: Sequence[Detection], after: Sequence[Detection]) -> tuple[list[list[int]], list[int]]:
    """For each of `before` the places in `after` of what came back of it, and the places that belong to none.

    Objects meet one to one where they lie alike, those of the same name first, and among equals in order. What is left
    over is a part split off the object of that name it lies in.
    """
    found: list[list[int]] = [[] for _ in before]
    free_before, free_after = set(range(len(before))), set(range(len(after)))
    if before and after:
        alike = _likeness(before, after)
        for flat in np.argsort(-alike, axis=None, kind="stable"):
            i, j = divmod(int(flat), len(after))
            if alike[i, j] <= 0.05:
                break
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


def _likeness(before: Sequence[Detection], after: Sequence[Detection]) -> np.ndarray:
    """float[before, after]: the best IoU of any two of their places, more for the same name, a little for the same row.

    A name alone counts for little, and only in the same row: a box may be all that was lost.
    """
    place = np.zeros((len(before), len(after)))
    for mine in _places(before):
        for theirs in _places(after):
            place = np.maximum(place, iou_matrix(mine, theirs))
    named = _same_name(before, after)
    row = np.arange(len(before))[:, None] == np.arange(len(after))[None]
    likeness: np.ndarray = place * (1 + named) + 0.1 * (named & row) + 1e-6 * row
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


def _places(detections: Sequence[Detection]) -> list[list[Box]]:
    return [
        [each.box or _NOWHERE for each in detections],
        [each.mask.frame if each.mask else _NOWHERE for each in detections],
        [_around(each) for each in detections],
    ]


def _frames(detections: Sequence[Detection]) -> list[Box]:
    return [each.mask.frame if each.mask else each.box if each.box else _around(each) for each in detections]


def _around(detection: Detection) -> Box:
    """A small box about a point, so that points that nearly agree overlap."""
    if detection.point is None:
        return _NOWHERE
    x, y = (min(max(side, 0.01), 0.99) for side in detection.point)
    return Box(x - 0.01, y - 0.01, x + 0.01, y + 0.01)
