"""What each image patch should know, computed from ground truth: the tower's dense targets.

The language part answers from single patches, so every patch of a thing learns what is true of the whole thing. Here:
which thing a patch shows, the thing's place among its likes (rank from the top, leftmost, largest ...) and their
number. Class, colour, box and shape are the shard's own, and `training.tower` adds them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.render import Shard
from training.settings import IMAGE_PX, PATCH_PX

GRID = IMAGE_PX // PATCH_PX
FLAGS = ("leftmost", "rightmost", "largest", "smallest")
_LEAST_COVER = 0.12  # of a patch's pixels, for the patch to speak for a thing


@dataclass(frozen=True, eq=False)
class Targets:
    """Per scene and patch the object it shows (row of the shard, or -1); per object its rank, number and flags."""

    owner: np.ndarray  # int32[n, GRID * GRID]
    rank: np.ndarray  # int64[m], 0 = topmost of its class
    number: np.ndarray  # int64[m], how many of its class, less one
    flags: np.ndarray  # float32[m, 4]


def patch_owners(boxes: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The object (0 ...) most visible in each patch, -1 where none covers enough; int32[GRID * GRID]."""
    cover = np.zeros((len(boxes) + 1, GRID, GRID), np.float32)
    cover[0] = _LEAST_COVER
    for k, (box, mask) in enumerate(zip(boxes, masks, strict=True)):
        x1, y1, x2, y2 = np.round(box * IMAGE_PX).astype(int)
        frame = np.zeros((IMAGE_PX, IMAGE_PX), np.uint8)
        size = max(1, x2 - x1), max(1, y2 - y1)
        part = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        view = frame[y1 : y1 + size[1], x1 : x1 + size[0]]
        view[:] = part[: view.shape[0], : view.shape[1]]
        cover[k + 1] = cv2.resize(frame, (GRID, GRID), interpolation=cv2.INTER_AREA) / 255
    return (cover.argmax(0) - 1).reshape(-1).astype(np.int32)


def places(label: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank from the top, number less one, and FLAGS of each object of one scene among those of its class."""
    rank, number = np.zeros(len(label), np.int64), np.zeros(len(label), np.int64)
    flags = np.zeros((len(label), len(FLAGS)), np.float32)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    middle = (box[:, 0] + box[:, 2]) / 2
    for name in np.unique(label):
        same = np.flatnonzero(label == name)
        rank[same[np.argsort(box[same, 1], kind="stable")]] = np.arange(len(same))
        number[same] = len(same) - 1
        chosen = middle[same].argmin(), middle[same].argmax(), area[same].argmax(), area[same].argmin()
        for flag, k in enumerate(chosen):
            flags[same[k], flag] = 1
    return rank, number, flags


def targets(shard: Shard) -> Targets:
    """Every scene's targets; `owner` counts objects through the whole shard."""
    owners, ranks, numbers, flags = [], [], [], []
    for first, last in zip(shard.first[:-1], shard.first[1:], strict=True):
        own = patch_owners(shard.box[first:last], shard.mask[first:last])
        owners.append(np.where(own >= 0, own + first, -1))
        rank, number, flag = places(shard.label[first:last], shard.box[first:last])
        ranks.append(rank)
        numbers.append(number)
        flags.append(flag)
    return Targets(np.stack(owners), np.concatenate(ranks), np.concatenate(numbers), np.concatenate(flags))
