"""Masks as files hold them: pixels, COCO's run lengths, outlines; and back. Knows no format's syntax.

A mask read from a file is 0 or 1 at the picture's own pixels, so that any threshold but 255 gives it back as it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from PIL import Image

from grounding.errors import RequestError
from grounding.exports import fields
from grounding.geometry import binary_mask, from_px
from grounding.types import Box, SoftMask

Crop = tuple[np.ndarray, tuple[int, int]]
"""bool[h, w] and the (x, y) of its corner in the picture."""

_MAX_PIXELS = 400_000_000  # of one mask that is unpacked; ten times the largest picture that is read


_room: ContextVar[list[int] | None] = ContextVar("room", default=None)
"""Pixels that masks may still take; None: as many as there are."""


@contextmanager
def at_most(pixels: int) -> Iterator[None]:
    """Inside, a mask that makes them more than `pixels` together is refused with a RequestError; smaller ones are not.

    A few bytes of run lengths can mean a whole picture, and a file thousands of those.
    """
    token = _room.set([pixels])
    try:
        yield
    finally:
        _room.reset(token)


def tight(crop: Crop) -> Crop:
    """The same pixels without empty rows and columns around them; one empty pixel where there are none at all."""
    pixels, (x, y) = crop
    columns, rows = np.flatnonzero(pixels.any(0)), np.flatnonzero(pixels.any(1))
    if not len(rows):
        return np.zeros((1, 1), dtype=bool), (x, y)
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    return pixels[top:bottom, left:right], (x + int(left), y + int(top))


def pixels_of(mask: SoftMask, size_wh: tuple[int, int], threshold: int) -> Crop:
    """The mask's pixels at `threshold`, cut to where they are."""
    return tight(binary_mask(mask, size_wh, threshold))


def mask_of(crop: Crop, size_wh: tuple[int, int]) -> SoftMask:
    """A mask of exactly these pixels; what lies outside the picture is cut off."""
    pixels, (x, y) = crop
    width, height = size_wh
    inside = pixels[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    pixels, (x, y) = tight((inside, (min(max(0, x), width - 1), min(max(0, y), height - 1))))
    frame = from_px((x, y, x + pixels.shape[1], y + pixels.shape[0]), size_wh)
    if (room := _room.get()) is not None:
        if pixels.size > room[0]:
            raise RequestError("The masks of this file are more than is read at once. Split it and try again.")
        room[0] -= pixels.size
    return SoftMask(pixels.astype(np.float32), frame)


def bounds(crop: Crop) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the crop in whole pixels."""
    pixels, (x, y) = crop
    return x, y, x + pixels.shape[1], y + pixels.shape[0]


def whole(crop: Crop, size_wh: tuple[int, int]) -> np.ndarray:
    """bool[height, width] of the whole picture."""
    x1, y1, x2, y2 = bounds(crop)
    canvas = np.zeros((size_wh[1], size_wh[0]), dtype=bool)
    canvas[y1:y2, x1:x2] = crop[0]
    return canvas


def box_of(mask: SoftMask, size_wh: tuple[int, int]) -> Box:
    """The smallest box around the pixels of a mask that was read from a file."""
    return from_px(bounds(pixels_of(mask, size_wh, 127)), size_wh)


def union(crops: Sequence[Crop]) -> Crop:
    if len(crops) == 1:
        return crops[0]
    corners = np.array([bounds(each) for each in crops])
    x, y = corners[:, 0].min(), corners[:, 1].min()
    canvas = np.zeros((corners[:, 3].max() - y, corners[:, 2].max() - x), dtype=bool)
    for each, (x1, y1, x2, y2) in zip(crops, corners, strict=True):
        canvas[y1 - y : y2 - y, x1 - x : x2 - x] |= each[0]
    return canvas, (int(x), int(y))


def row_runs(pixels: np.ndarray) -> list[int]:
    """Lengths of the runs of 0, 1, 0, 1 … along the rows; the first is 0 where the first pixel is set."""
    flat = np.concatenate([[False], pixels.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs: list[int] = np.diff(np.concatenate([[0], edges, [pixels.size]])).tolist()
    return runs


def from_row_runs(runs: Sequence[float], size_wh: tuple[int, int]) -> np.ndarray:
    """bool[height, width] of runs along the rows; RequestError where they do not fill it."""
    counts = _counts(runs, size_wh)
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size_wh[1], size_wh[0])


def from_png(content: bytes, size_wh: tuple[int, int]) -> Crop:
    """The pixels of a PNG that are not black; RequestError where it is none of the picture's size."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.size != size_wh:
                raise RequestError("Its mask is of another size than the picture.")
            return tight((np.asarray(image.convert("L")) > 0, (0, 0)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise RequestError("Its mask is not a PNG picture.") from None


def from_coco_rle(rle: dict[str, Any]) -> tuple[Crop, tuple[int, int]]:
    """(crop, size_wh) of COCO's run lengths down the columns, compressed or not; only the columns used are unpacked."""
    height, width = (int(each) for each in fields.numbers(rle.get("size"), 2, "A mask's size"))
    fields.size_of(width, height)
    packed = rle.get("counts")
    runs = coco_runs(packed) if isinstance(packed, str) else fields.numbers(packed, None, "A mask's run lengths")
    counts = _counts(runs, (width, height))
    set_runs = np.flatnonzero(counts[1::2]) * 2 + 1
    if not len(set_runs):
        return (np.zeros((1, 1), dtype=bool), (0, 0)), (width, height)
    first, last = set_runs[0], set_runs[-1]
    start, end = int(counts[:first].sum()), int(counts[: last + 1].sum())
    left, right = start // height, (end - 1) // height + 1
    used = np.concatenate([[start - left * height], counts[first : last + 1], [right * height - end]])
    pixels = np.repeat(np.arange(len(used)) % 2 == 1, used).reshape(right - left, height).T
    return tight((pixels, (left, 0))), (width, height)


_MOST_CHARACTERS = 12  # of one run length, 60 bits: more is no length of anything


def coco_runs(counts: str) -> np.ndarray:
    """int64[n]: run lengths out of COCO's text form; RequestError where it is none."""
    bits = np.frombuffer(counts.encode("utf-8", "surrogatepass"), dtype=np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(bits & 32 == 0)
    first = np.concatenate([[0], last + 1])
    if ((bits < 0) | (bits > 63)).any() or (np.diff(first, append=len(bits)) > _MOST_CHARACTERS).any():
        raise RequestError("A mask's run lengths are no COCO text.")
    if first[-1] < len(bits):
        raise RequestError("A mask's run lengths end in the middle of a number.")
    if not len(bits):
        return bits
    first, length = first[:-1], np.diff(first)
    place = np.arange(len(bits)) - np.repeat(first, length)
    runs: np.ndarray = np.add.reduceat((bits & 31) << (5 * place), first)
    runs -= (bits[last] >> 4 & 1) << (5 * length)
    for start in (1, 2):  # each from the fourth on is told as its difference from the one before last
        runs[start::2] = runs[start::2].cumsum()
    return runs


def fill(outline: Sequence[tuple[float, float]]) -> Crop:
    """Every pixel whose centre lies inside the outline (even-odd). The first pixel is [0, 1) x [0, 1).

    Lines that run there and back count for nothing: holes and parts joined by such lines come apart again.
    """
    points = np.asarray(outline, dtype=np.float64).reshape(-1, 2)
    points = np.clip(points, -1e6, 1e6)
    left, top = np.floor(points.min(0)).astype(int)
    right, bottom = np.ceil(points.max(0)).astype(int)
    width, height = max(1, right - left), max(1, bottom - top)
    if width * height > _MAX_PIXELS:
        raise RequestError("An outline is larger than any picture.")
    toggles = np.zeros((height, width + 1), dtype=np.uint8)
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        low, high = (y1, y2) if y1 < y2 else (y2, y1)
        rows = np.arange(int(np.ceil(low - 0.5)), int(np.ceil(high - 0.5)))  # centres in [low, high)
        crossing = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
        first = np.clip(np.ceil(crossing - 0.5).astype(int) - left, 0, width)
        toggles[rows - top, first] ^= 1
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :-1].astype(bool), (int(left), int(top))


def _counts(runs: Sequence[float] | np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    counts = np.asarray(runs, dtype=np.float64)
    if size_wh[0] * size_wh[1] > _MAX_PIXELS:
        raise RequestError("A mask is larger than any picture that is read here.")
    if (counts < 0).any() or counts.sum() != size_wh[0] * size_wh[1]:
        raise RequestError("A mask's run lengths do not add up to its picture.")
    return counts.astype(np.int64)
