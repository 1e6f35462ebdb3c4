"""A mask's border as closed lines: exactly along the pixels' edges, or through their centres as OpenCV draws them.

Holes and parts apart are joined to one line by bridges that are walked there and back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from grounding.exports.shapes import Crop, tight

Ring = list[tuple[int, int]]
Vertex = tuple[int, int]


def edges(crop: Crop) -> list[list[Ring]]:
    """For each part (pixels that share a side) its rings along pixel edges: the outer one, then its holes' ones."""
    import cv2

    pixels, (left, top) = crop
    _, part_of = cv2.connectedComponents(pixels.astype(np.uint8), connectivity=4)
    parts: dict[int, list[Ring]] = defaultdict(list)
    for ring, seed in _walk(pixels):
        moved = [(x + left, y + top) for x, y in ring]
        rings = parts[int(part_of[seed])]
        rings.insert(0 if _area(ring) > 0 else len(rings), moved)
    return list(parts.values())


def centres(crop: Crop) -> list[Ring]:
    """Every border, outer or of a hole, through the centres of the mask's own border pixels, by their numbers."""
    import cv2

    pixels, (left, top) = crop
    found, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [[(int(x) + left, int(y) + top) for x, y in contour[:, 0]] for contour in found]


def fill_through(ring: Sequence[Vertex]) -> Crop:
    """What OpenCV fills of a line through pixel numbers, the line itself too: how YOLO's trainers read an outline."""
    import cv2

    points = np.asarray(ring, dtype=np.int32).reshape(-1, 2)
    left, top = points.min(0)
    width, height = points.max(0) - (left, top) + 1
    canvas = np.zeros((int(height), int(width)), dtype=np.uint8)
    cv2.fillPoly(canvas, [points - (left, top)], 1)
    return tight((canvas.astype(bool), (int(left), int(top))))


_COMPARED = 20_000
"""Corners compared when rings are joined: outlines of noise have far more, and any corner will do for them."""


def joined(rings: Sequence[Ring]) -> Ring:
    """One ring through all of `rings`: each is entered from the nearest corner of those before, and left there."""
    if len(rings) == 1:
        return list(rings[0])
    each = max(4, _COMPARED // len(rings))
    picked = [range(0, len(ring), -(-len(ring) // each)) for ring in rings]
    ring_of = np.repeat(np.arange(len(rings)), [len(corners) for corners in picked])
    corner_of = np.concatenate([np.asarray(corners) for corners in picked])
    at = np.concatenate([np.asarray(ring)[corners] for ring, corners in zip(rings, picked, strict=True)])
    distance = np.full(len(at), np.inf)
    nearest = np.zeros(len(at), dtype=int)
    waiting = np.ones(len(at), dtype=bool)
    branches: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)  # (ring, corner) -> entered there
    newest = 0
    while True:
        mine = ring_of == newest
        waiting &= ~mine
        left, here = np.flatnonzero(waiting), np.flatnonzero(mine)
        if not len(left):
            return _tour(rings, branches)
        _update(distance, nearest, at, left, here)
        there = left[distance[left].argmin()]
        newest = int(ring_of[there])
        start = nearest[there]
        branches[int(ring_of[start]), int(corner_of[start])].append((newest, int(corner_of[there])))


def _update(distance: np.ndarray, nearest: np.ndarray, at: np.ndarray, left: np.ndarray, here: np.ndarray) -> None:
    """Bring the squared distance, and the place, of the nearest corner so far up to date with the corners `here`."""
    for first in range(0, len(left), max(1, 2_000_000 // len(here))):  # in blocks: long outlines take no gigabyte
        block = left[first : first + max(1, 2_000_000 // len(here))]
        to_each = ((at[block][:, None] - at[here][None]) ** 2).sum(-1)
        best = to_each.argmin(1)
        closest = to_each[np.arange(len(block)), best]
        nearer = closest < distance[block]
        distance[block[nearer]] = closest[nearer]
        nearest[block[nearer]] = here[best[nearer]]


def _tour(rings: Sequence[Ring], branches: dict[tuple[int, int], list[tuple[int, int]]]) -> Ring:
    out: Ring = []
    # One entry: a corner to come to next, and whether what branches off there is still to be walked.
    path = [(0, corner, True) for corner in range(len(rings[0]) - 1, -1, -1)]
    while path:
        ring, corner, branch = path.pop()
        out.append(rings[ring][corner])
        if not branch:
            continue
        for other, start in branches.get((ring, corner), ()):
            path.append((ring, corner, False))
            count = len(rings[other])
            path.append((other, start, False))
            path += [(other, (start + step) % count, True) for step in range(count - 1, -1, -1)]
    return out


def _area(ring: Ring) -> int:
    """Twice the signed area: positive where the inside lies to the right of the way."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True))


def _walk(pixels: np.ndarray) -> list[tuple[Ring, tuple[int, int]]]:
    """Each closed way along pixel edges with the mask on its right, and the (row, column) of a mask pixel beside it."""
    padded = np.pad(pixels.astype(np.int8), 1)
    across = _runs(np.diff(padded, axis=0)[:, 1:-1])  # +1: the mask lies below, walked to the right
    down = _runs(-np.diff(padded, axis=1)[1:-1].T)  # +1: the mask lies to the left, walked down
    # Both: (corner along, line, direction) -> the corner at the run's end.
    ways = {(x, y, direction, 0): (end, y) for (x, y, direction), end in across.items()}
    ways |= {(x, y, 0, direction): (x, end) for (y, x, direction), end in down.items()}
    found = []
    while ways:
        start = next(way for way in ways if way[2])
        ring: Ring = []
        x, y, dx, dy = start
        seed = (y, x) if dx > 0 else (y - 1, x - 1)
        while True:
            ring.append((x, y))
            x, y = ways.pop((x, y, dx, dy))
            if (x, y, -dy, dx) in ways or (x, y, -dy, dx) == start:
                dx, dy = -dy, dx  # to the right: two pixels that touch at a corner stay apart
            else:
                dx, dy = dy, -dx
            if (x, y, dx, dy) == start:
                break
        found.append((ring, seed))
    return found


def _runs(step: np.ndarray) -> dict[tuple[int, int, int], int]:
    """Runs of equal non-zero `step` along each line: (start corner, line, direction) -> end corner."""
    lines, length = step.shape
    padded = np.zeros((lines, length + 2), dtype=np.int8)
    padded[:, 1:-1] = step
    breaks = padded[:, 1:] != padded[:, :-1]
    line, corner = breaks.nonzero()
    runs: dict[tuple[int, int, int], int] = {}
    for at in range(len(line) - 1):
        if line[at] == line[at + 1] and (direction := int(step[line[at], corner[at]]) if corner[at] < length else 0):
            first, last = int(corner[at]), int(corner[at + 1])
            start, end = (first, last) if direction > 0 else (last, first)
            runs[start, int(line[at]), direction] = end
    return runs
