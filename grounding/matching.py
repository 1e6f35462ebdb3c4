"""Two answers about one picture, or an answer and the truth, matched object by object. Knows no model and no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.geometry import binary_mask, iou_matrix
from grounding.types import THRESHOLD, Box, Detection, SoftMask

LEAST_IOU = 0.5
"""Two boxes that overlap less are not of one object: PASCAL VOC's criterion."""


def matched(boxes: Sequence[Box], others: Sequence[Box], least_iou: float = LEAST_IOU) -> list[tuple[int, int, float]]:
    """Pairs (box, other, IoU) of at least `least_iou`, best first, each box in one pair at most."""
    if not boxes or not others:
        return []
    overlap = iou_matrix(boxes, others)
    pairs: list[tuple[int, int, float]] = []
    for flat in np.argsort(-overlap, axis=None, kind="stable"):
        i, j = divmod(int(flat), len(others))
        if overlap[i, j] < least_iou:
            break
        if all(i != a and j != b for a, b, _ in pairs):
            pairs.append((i, j, float(overlap[i, j])))
    return pairs


def mask_iou(a: SoftMask, b: SoftMask, size_wh: tuple[int, int], threshold: int = THRESHOLD) -> float:
    """IoU of two masks cut at `threshold`, counted in the pixels of a picture of `size_wh`; 0 where both are empty."""
    (one, (x, y)), (other, (u, v)) = (binary_mask(mask, size_wh, threshold) for mask in (a, b))
    left, top = max(x, u), max(y, v)
    right = min(x + one.shape[1], u + other.shape[1])
    bottom = min(y + one.shape[0], v + other.shape[0])
    both = 0
    if left < right and top < bottom:
        shared = one[top - y : bottom - y, left - x : right - x] & other[top - v : bottom - v, left - u : right - u]
        both = int(np.count_nonzero(shared))
    union = int(np.count_nonzero(one)) + int(np.count_nonzero(other)) - both
    return both / union if union else 0.0


@dataclass(frozen=True)
class Pair:
    """Two detections of one object, by their places in the two answers. `mask_iou`: None where either has no mask."""

    first: int
    second: int
    iou: float
    mask_iou: float | None


@dataclass(frozen=True)
class Comparison:
    """What two answers agree on, and what only one of them has. `unplaced`: how many have no box to match by."""

    pairs: tuple[Pair, ...]
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]
    unplaced: int


def compare(
    first: Sequence[Detection],
    second: Sequence[Detection],
    size_wh: tuple[int, int],
    *,
    threshold: int = THRESHOLD,
    least_iou: float = LEAST_IOU,
) -> Comparison:
    """Match objects of the same label (case aside) by the IoU of their boxes, the best pairs first."""
    places = [_by_label(side) for side in (first, second)]
    pairs: list[Pair] = []
    for label in places[0].keys() & places[1].keys():
        ours, theirs = places[0][label], places[1][label]
        for i, j, overlap in matched([box for _, box in ours], [box for _, box in theirs], least_iou):
            one, other = ours[i][0], theirs[j][0]
            a, b = first[one].mask, second[other].mask
            pairs.append(Pair(one, other, overlap, mask_iou(a, b, size_wh, threshold) if a and b else None))
    in_pairs = {pair.first for pair in pairs}, {pair.second for pair in pairs}
    lonely = [
        tuple(sorted(k for found in by_label.values() for k, _ in found if k not in known))
        for by_label, known in zip(places, in_pairs, strict=True)
    ]
    placed = sum(len(found) for by_label in places for found in by_label.values())
    ordered = tuple(sorted(pairs, key=lambda pair: pair.first))
    return Comparison(ordered, lonely[0], lonely[1], len(first) + len(second) - placed)


def _by_label(detections: Sequence[Detection]) -> dict[str, list[tuple[int, Box]]]:
    found: dict[str, list[tuple[int, Box]]] = {}
    for k, detection in enumerate(detections):
        if detection.box is not None:
            found.setdefault(detection.label.strip().casefold(), []).append((k, detection.box))
    return found
