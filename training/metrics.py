"""What the checkpoint is measured by, as plain functions of answers and truth. Knows no model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from grounding.geometry import binary_mask, iou_matrix
from grounding.types import Box, SoftMask
from scenes.language import NUMBERS
from scenes.palette import COLOURS
from scenes.things import KINDS

_WORDS = {kind.name: kind.name for kind in KINDS.values()} | {kind.plural: kind.name for kind in KINDS.values()}


def matched(found: Sequence[Box], truth: Sequence[Box], least_iou: float = 0.5) -> list[tuple[int, int, float]]:
    """Pairs (found, truth, IoU) of at least `least_iou`, best first, each box in one pair at most."""
    if not found or not truth:
        return []
    overlap = iou_matrix(found, truth)
    pairs = []
    for flat in np.argsort(-overlap, axis=None):
        i, j = divmod(int(flat), len(truth))
        if overlap[i, j] < least_iou:
            break
        if all(i != a and j != b for a, b, _ in pairs):
            pairs.append((i, j, float(overlap[i, j])))
    return pairs


def mask_iou(a: SoftMask, b: SoftMask, size_px: int, threshold: int = 127) -> float:
    """IoU of two masks cut at `threshold` in a square picture of `size_px`."""
    canvas = []
    for mask in (a, b):
        crop, (x, y) = binary_mask(mask, (size_px, size_px), threshold)
        whole = np.zeros((size_px, size_px), bool)
        whole[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        canvas.append(whole)
    union = np.count_nonzero(canvas[0] | canvas[1])
    return np.count_nonzero(canvas[0] & canvas[1]) / union if union else 0.0


def named(text: str) -> Counter[str]:
    """How many of each class a caption names: "two red cats and a car" is cat 2, car 1."""
    counts: Counter[str] = Counter()
    number = 1
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in NUMBERS[1:]:
            number = NUMBERS.index(word)
        elif word in ("a", "an"):
            number = 1
        elif word in _WORDS:
            counts[_WORDS[word]] += number
            number = 1
        elif word not in COLOURS:
            number = 1
    return counts


def f1(said: Counter[str], true: Counter[str]) -> float:
    """Harmonic mean of how much of what was said is true and how much of what is true was said."""
    if not said and not true:
        return 1.0
    right = sum((said & true).values())
    return 2 * right / (sum(said.values()) + sum(true.values()))
