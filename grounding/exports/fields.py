"""Values out of files that anybody may have written: each is what it should be, or a RequestError says what it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from grounding.errors import RequestError
from grounding.geometry import from_px
from grounding.types import Box, Point

MAX_SIDE = 100_000


def number(value: object, what: str = "A number") -> float:
    """A finite float; text that spells one counts."""
    try:
        if (
            isinstance(value, (int, float, str))
            and not isinstance(value, bool)
            and math.isfinite(found := float(value))
        ):
            return found
    except (ValueError, OverflowError):
        pass
    raise RequestError(f"{what} is not a number: {short(value)}.")


def numbers(value: object, count: int | None = None, what: str = "A box") -> list[float]:
    """`count` finite floats (None: however many)."""
    if not isinstance(value, (list, tuple)) or (count is not None and len(value) != count):
        raise RequestError(f"{what} is not {count or 'a list of'} numbers: {short(value)}.")
    return [number(each, what) for each in value]


def text(value: object) -> str:
    """A string as it is; a number as it is written; nothing where there is nothing."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise RequestError(f"A name is not text: {short(value)}.")


def record(value: object, what: str = "An entry") -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise RequestError(f"{what} is not a list of named values: {short(value)}.")


def rows(value: object, what: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise RequestError(f"{what} is not a list: {short(value)}.")


def score_of(value: object) -> float | None:
    """[0, 1], or None where there is none; anything else is a RequestError, never a guess."""
    if value is None or value == "":
        return None
    score = number(value, "A score")
    if not 0 <= score <= 1:
        raise RequestError(f"A score is not between 0 and 1: {short(value)}.")
    return score


def size_of(width: object, height: object) -> tuple[int, int]:
    found = number(width, "A width"), number(height, "A height")
    if not all(1 <= side <= MAX_SIDE and side == int(side) for side in found):
        raise RequestError(f"A picture's size is not possible: {short(width)} x {short(height)}.")
    return int(found[0]), int(found[1])


def box_of(box_px: Sequence[float], size_wh: tuple[int, int]) -> Box:
    """The part of these pixels that lies in the picture; corners in any order."""
    x1, y1, x2, y2 = box_px
    try:
        return from_px((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), size_wh)
    except ValueError:
        corners = ", ".join(f"{each:g}" for each in box_px)
        raise RequestError(f"A box is empty or outside its picture: {corners}.") from None


def point_of(x: float, y: float, size_wh: tuple[int, int]) -> Point:
    at = Point(x / size_wh[0], y / size_wh[1])
    if not (0 <= at.x <= 1 and 0 <= at.y <= 1):
        raise RequestError(f"A point is outside its picture: {x:g}, {y:g}.")
    return at


def pairs(flat: Sequence[float], what: str = "An outline") -> list[tuple[float, float]]:
    """x, y, x, y … as points."""
    if len(flat) % 2:
        raise RequestError(f"{what} has an odd number of coordinates.")
    return list(zip(flat[::2], flat[1::2], strict=True))


def short(value: object) -> str:
    """A value as people may be shown it: on one line, 40 characters at most."""
    shown = "".join(each if each.isprintable() else "?" for each in f"{value}"[:60])
    return "nothing" if value is None else shown if len(shown) <= 40 else shown[:39] + "…"


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> list[tuple[float, float]]:
    """64 points on the rim, clockwise from the right."""
    angles = [step / 32 * math.pi for step in range(64)]
    return [(x + radius_x * math.cos(angle), y + radius_y * math.sin(angle)) for angle in angles]
