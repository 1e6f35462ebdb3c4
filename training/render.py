"""Draws training scenes once, to memory-mapped shards: `python -m training.render FIRST_SHARD LAST_SHARD`.

A shard holds the pictures (uint8[n, px, px, 3]) and, per object, scene number, label, colour, box and 64x64 mask.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import cv2
import numpy as np

from scenes import COLOURS, LABELS, Scene, compose
from training.settings import IMAGE_PX, MASK_PX, RUNS, SHARD, TRAINING_SEEDS

_COLOUR_NAMES = list(COLOURS)


@dataclass(frozen=True, eq=False)
class Shard:
    """images uint8[n, px, px, 3] (mapped from file); objects sorted by scene, `first[i]:first[i + 1]` are scene i's."""

    number: int
    images: np.ndarray
    first: np.ndarray
    label: np.ndarray
    colour: np.ndarray
    box: np.ndarray  # float32[m, 4] x1 y1 x2 y2
    mask: np.ndarray  # uint8[m, 64, 64]


def mask_square(scene: Scene, index: int) -> np.ndarray:
    """An object's mask squeezed into the 64x64 square its codec works in, uint8."""
    probs = scene.objects[index].mask.probs
    shrink = probs.shape[0] > MASK_PX or probs.shape[1] > MASK_PX
    square = cv2.resize(probs, (MASK_PX, MASK_PX), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return np.clip(square * 255 + 0.5, 0, 255).astype(np.uint8)


def render_shard(number: int) -> None:
    folder = RUNS / "scenes"
    folder.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(folder / f"{number:03d}.tmp.npy", "w+", np.uint8, (SHARD, IMAGE_PX, IMAGE_PX, 3))
    first, label, colour, box, mask = [0], [], [], [], []
    for k in range(SHARD):
        scene = compose(TRAINING_SEEDS + number * SHARD + k, size_px=IMAGE_PX)
        images[k] = scene.image
        for index, thing in enumerate(scene.objects):
            label.append(LABELS.index(thing.label))
            colour.append(_COLOUR_NAMES.index(thing.colour))
            box.append(thing.box)
            mask.append(mask_square(scene, index))
        first.append(len(label))
    images.flush()
    np.savez(
        folder / f"{number:03d}.npz",
        first=np.array(first),
        label=np.array(label, np.int64),
        colour=np.array(colour, np.int64),
        box=np.array(box, np.float32).reshape(-1, 4),
        mask=np.array(mask, np.uint8),
    )
    (folder / f"{number:03d}.tmp.npy").rename(folder / f"{number:03d}.npy")


def shards() -> list[Shard]:
    """Every finished shard, pictures mapped, not read."""
    found = []
    for path in sorted((RUNS / "scenes").glob("[0-9][0-9][0-9].npy")):
        parts = np.load(path.with_suffix(".npz"))
        found.append(Shard(int(path.stem), np.load(path, mmap_mode="r"), **{name: parts[name] for name in parts.files}))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    args = parser.parse_args()
    for number in range(args.first, args.last):
        render_shard(number)
        print(f"shard {number}", flush=True)


if __name__ == "__main__":
    main()
