"""Closed outlines as point lists: the few curves every drawn thing is built from.

Coordinates: a thing lives in about [-1, 1] x [-1, 1], x right, y down. Knows no colour, no canvas and no randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Points = np.ndarray  # float64[n, 2]
XY = Sequence[float]


@dataclass(frozen=True, eq=False)
class Part:
    """One filled outline; `paint` names a palette entry ("body" takes the thing's own colour)."""

    points: Points
    paint: str = "body"
    line: bool = True  # outlined in styles that draw outlines


def ellipse(cx: float, cy: float, rx: float, ry: float, turn: float = 0.0, n: int = 28) -> Points:
    """A closed ellipse, `turn` degrees clockwise."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.asarray(rotate(np.stack([rx * np.cos(t), ry * np.sin(t)], 1), turn) + np.array([cx, cy]))


def polygon(*points: XY) -> Points:
    return np.asarray(points, float)


def rounded(x1: float, y1: float, x2: float, y2: float, r: float, n: int = 6) -> Points:
    """A rectangle with corners of radius r (never more than half a side)."""
    r = min(r, abs(x2 - x1) / 2, abs(y2 - y1) / 2)
    t = np.linspace(0, np.pi / 2, n)
    corners = [(x2 - r, y2 - r, 0), (x1 + r, y2 - r, 1), (x1 + r, y1 + r, 2), (x2 - r, y1 + r, 3)]
    arcs = [np.stack([x + r * np.cos(t + k * np.pi / 2), y + r * np.sin(t + k * np.pi / 2)], 1) for x, y, k in corners]
    return np.concatenate(arcs)


def smooth(*points: XY, n: int = 6) -> Points:
    """A closed curve through every point (Catmull-Rom)."""
    p = np.asarray(points, float)
    a, b, c, d = (np.roll(p, k, 0)[:, None] for k in (1, 0, -1, -2))
    t = (np.arange(n) / n)[None, :, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.asarray(curve.reshape(-1, 2))


def curve(*points: XY, n: int = 8) -> Points:
    """An open curve through every point, for `stroke`."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    a, b, c, d = p[:-3, None], p[1:-2, None], p[2:-1, None], p[3:, None]
    t = (np.arange(n) / n)[None, :, None]
    mid = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([mid.reshape(-1, 2), p[-2:-1]])


def stroke(path: Points, width: float, end_width: float | None = None) -> Points:
    """The outline of a line with round ends, `width` thick, tapering to `end_width` where given."""
    p = np.asarray(path, float)
    ahead = np.gradient(p, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    side = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
    half = np.linspace(width, width if end_width is None else end_width, len(p))[:, None] / 2
    t = np.linspace(0, np.pi, 8)[1:-1, None]
    end = p[-1] + half[-1] * (np.cos(t) * side[-1] + np.sin(t) * ahead[-1])
    start = p[0] + half[0] * (-np.cos(t) * side[0] - np.sin(t) * ahead[0])
    return np.concatenate([p + half * side, end, (p - half * side)[::-1], start])


def rotate(points: Points, degrees: float) -> Points:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.asarray(points @ np.array([[c, s], [-s, c]]))
