"""Boxes and soft masks brought into pixels. Knows no file format and no drawing.

A mask is only ever turned into pixels inside its frame: nothing here allocates an array of the picture's size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from PIL import Image

from grounding.types import THRESHOLD, Box, Detection, SoftMask, clamp_unit


class CocoRle(TypedDict):
    """COCO's compressed run-length mask: `size` is [height, width], `counts` what pycocotools writes."""

    size: list[int]
    counts: str


def to_px(box: Box, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """`box` in pixels, unrounded: (x1, y1, x2, y2)."""
    width, height = size_wh
    return box.x1 * width, box.y1 * height, box.x2 * width, box.y2 * height


def from_px(box_px: Sequence[float], size_wh: tuple[int, int]) -> Box:
    """The box of these pixels, cut to the picture; ValueError where nothing of it lies inside."""
    width, height = size_wh
    x1, y1, x2, y2 = (clamp_unit(v / side) for v, side in zip(box_px, (width, height, width, height), strict=True))
    return Box(x1, y1, x2, y2)


def rect_px(box: Box, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole pixels of `box`: each edge at the nearest pixel border, never empty, inside the picture and over `box`.

    Neighbouring boxes that share an edge stay neighbours: an edge rounds the same way whichever side it is of. Only
    what both edges of would be at the same border is the pixel that its middle lies in.
    """
    x1, y1, x2, y2 = to_px(box, size_wh)
    left, right = _to_borders(x1, x2, size_wh[0])
    top, bottom = _to_borders(y1, y2, size_wh[1])
    return left, top, right, bottom


def _to_borders(start_px: float, end_px: float, side: int) -> tuple[int, int]:
    start, end = math.floor(start_px + 0.5), math.floor(end_px + 0.5)
    if start == end:
        start = min(math.floor((start_px + end_px) / 2), side - 1)
        end = start + 1
    return start, end


def iou_matrix(boxes: Sequence[Box], others: Sequence[Box]) -> np.ndarray:
    """float64[len(boxes), len(others)] in [0, 1]: intersection over union of every pair."""
    return _pairwise_iou(*(np.asarray(side, dtype=np.float64).reshape(-1, 4) for side in (boxes, others)))


def _pairwise_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    a, b = boxes[:, None], others[None]
    overlap = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(-1)
    union: np.ndarray = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    # Sides thinner than a float's step multiply to an area of 0; such boxes overlap nothing.
    shared: np.ndarray = np.divide(overlap, union, out=np.zeros_like(union), where=union > 0)
    return shared


def iou(box: Box, other: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    return float(iou_matrix([box], [other])[0, 0])


def nms(detections: Sequence[Detection], threshold: float = 0.5) -> tuple[Detection, ...]:
    """`detections` without those that overlap a better one of the same label by more than `threshold` IoU.

    Better is the higher score, and among equal or unknown scores (which come last) the earlier one. What has no box
    stays. The order is kept.
    """
    by_label: dict[str, list[int]] = {}
    for index, detection in enumerate(detections):
        if detection.box is not None:
            by_label.setdefault(detection.label.casefold(), []).append(index)
    dropped: set[int] = set()
    for indices in by_label.values():
        indices.sort(key=lambda i: -1.0 if (score := detections[i].score) is None else score, reverse=True)
        boxes = np.array([detections[i].box for i in indices], dtype=np.float64)
        alive = np.ones(len(indices), dtype=bool)
        for place in range(len(indices)):
            if alive[place]:
                later = alive[place + 1 :]
                later &= _pairwise_iou(boxes[place : place + 1], boxes[place + 1 :])[0] <= threshold
        dropped.update(index for index, keep in zip(indices, alive, strict=True) if not keep)
    return tuple(d for i, d in enumerate(detections) if i not in dropped)


def binary_mask(
    mask: SoftMask, size_wh: tuple[int, int], threshold: int = THRESHOLD
) -> tuple[np.ndarray, tuple[int, int]]:
    """(bool[h, w], (x, y)): the mask's pixels inside its frame and where the crop's corner lies in the picture.

    The probabilities are resized first and compared last, pixel centres to pixel centres. Pillow's bilinear filter is
    plain interpolation upwards; downwards it averages all source pixels under a target pixel, so thin parts fade.
    A threshold chosen for this mask alone comes before `threshold`.
    """
    threshold = threshold if mask.threshold is None else mask.threshold
    x1, y1, x2, y2 = rect_px(mask.frame, size_wh)
    probs = mask.probs
    if probs.shape != (y2 - y1, x2 - x1):
        picture = Image.fromarray(np.ascontiguousarray(probs))
        probs = np.asarray(picture.resize((x2 - x1, y2 - y1), Image.Resampling.BILINEAR))
    # 255 * p > t, with the division on t's side: a PNG's 127, stored as 127/255, must not come back as 127.00001.
    return probs > np.float32(threshold) / np.float32(255), (x1, y1)


def coco_rle(mask: SoftMask, size_wh: tuple[int, int], threshold: int = THRESHOLD) -> CocoRle:
    """The mask in the whole picture as COCO's compressed RLE, byte for byte what pycocotools gives."""
    return coco_rle_of(*binary_mask(mask, size_wh, threshold), size_wh)


def coco_rle_of(crop: np.ndarray, offset: tuple[int, int], size_wh: tuple[int, int]) -> CocoRle:
    """The same of pixels, bool[h, w], whose corner lies at `offset` in the picture."""
    return {"size": [size_wh[1], size_wh[0]], "counts": _coco_string(_column_runs(crop, offset, size_wh))}


def _column_runs(crop: np.ndarray, offset: tuple[int, int], size_wh: tuple[int, int]) -> np.ndarray:
    """int64[n]: runs of 0, 1, 0, 1 … down the columns of the whole picture, in which `crop` lies at `offset`."""
    width, height = size_wh
    rows, columns = crop.shape
    flat = np.zeros(1 + columns * (rows + 1), dtype=bool)  # something empty above the first column and below each
    flat[1:].reshape(columns, rows + 1)[:, :-1] = crop.T
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]), rows + 1)
    places = (offset[0] + column) * height + offset[1] + row
    starts, ends = places[::2], places[1::2]
    joined = starts[1:] == ends[:-1]  # a run to the bottom of the picture goes on at the top of the next column
    borders = np.stack([starts[np.r_[True, ~joined]], ends[np.r_[~joined, True]]], 1) if len(starts) else starts
    runs: np.ndarray = np.diff(np.concatenate([[0], borders.ravel(), [width * height]]))
    return runs[:-1] if runs[-1] == 0 else runs


def _coco_string(runs: np.ndarray) -> str:
    """COCO's text form: each run (from the fourth on: its difference from the run before last) in signed base 32.

    Five bits a character, lowest first, 32 marks that more follow, and the whole is moved to printable ASCII by 48.
    """
    rest = np.concatenate([runs[:3], runs[3:] - runs[1:-2]])
    going = np.ones(len(rest), dtype=bool)
    characters = []  # the first of every run, the second of those that have one …
    while going.any():
        five, rest = rest & 31, rest >> 5
        done = rest == np.where(five & 16, -1, 0)
        characters.append(np.where(going, 48 + five + 32 * ~done, 0).astype(np.uint8))
        going &= ~done
    text = np.stack(characters, 1).ravel()
    return text[text > 0].tobytes().decode("ascii")
