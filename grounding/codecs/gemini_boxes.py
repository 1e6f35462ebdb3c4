"""Turns the numbers of an answer into boxes and points in thousandths of the picture, y first, or says why not."""

from __future__ import annotations

import math

from grounding.codecs.gemini_masks import YxyxBox
from grounding.types import Box, Point

FRACTIONS = "coordinates in fractions of the picture, not thousandths"
SWAPPED = "corners in the wrong order were swapped"
CLAMPED = "a box that reaches outside the picture was clamped to it"


class PlaceError(ValueError):
    """Why numbers are no box or point in the picture."""


def box_1000(values: list[float]) -> tuple[YxyxBox, list[str]]:
    """[y1, x1, y2, x2] in thousandths with its corners in order, which may still reach outside, and what was mended.

    Raises PlaceError where the numbers are no box, or one that shows nothing of the picture.
    """
    if len(values) != 4:
        raise PlaceError(f"the box has {len(values)} number{'s' * (len(values) != 1)} instead of 4")
    (a, b, c, d), mends = _thousandths(values, "box")
    y1, y2, x1, x2 = min(a, c), max(a, c), min(b, d), max(b, d)
    if (a, b) != (y1, x1):
        mends.append(SWAPPED)
    if y1 == y2 or x1 == x2:
        raise PlaceError("the box has no area")
    if y2 <= 0 or x2 <= 0 or y1 >= 1000 or x1 >= 1000:
        raise PlaceError("the box lies outside the picture")
    if min(y1, x1) < 0 or max(y2, x2) > 1000:
        mends.append(CLAMPED)
    if not _area(y1, x1, y2, x2):
        raise PlaceError("the box has no area")
    return (y1, x1, y2, x2), mends


def clamped(yxyx_1000: YxyxBox) -> Box:
    """The part of the box that lies in the picture."""
    y1, x1, y2, x2 = (min(1000.0, max(0.0, value)) / 1000 for value in yxyx_1000)
    return Box(x1, y1, x2, y2)


def point_in_picture(values: list[float]) -> tuple[Point, list[str]]:
    """Point of [y, x], and what was mended. Raises PlaceError where it is none, or outside the picture."""
    if len(values) != 2:
        raise PlaceError(f"the point has {len(values)} number{'s' * (len(values) != 1)} instead of 2")
    (y, x), mends = _thousandths(values, "point")
    if not (0 <= y <= 1000 and 0 <= x <= 1000):
        raise PlaceError("the point lies outside the picture")
    return Point(x / 1000, y / 1000), mends


def _area(y1: float, x1: float, y2: float, x2: float) -> bool:
    """False for what vanishes once clamped and divided: a box between two neighbouring floats."""
    y1, x1, y2, x2 = (min(1000.0, max(0.0, value)) / 1000 for value in (y1, x1, y2, x2))
    return y1 < y2 and x1 < x2


def _thousandths(values: list[float], what: str) -> tuple[list[float], list[str]]:
    """A box of at most a thousandth would show nothing, so numbers up to 1 with decimals can only be fractions."""
    if not all(math.isfinite(value) for value in values):
        raise PlaceError(f"the {what} holds something that is no finite number")
    if all(0 <= value <= 1 for value in values) and any(isinstance(value, float) for value in values):
        return [value * 1000 for value in values], [FRACTIONS]
    return list(values), []
