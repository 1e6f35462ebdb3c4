"""Contact sheets of the generator: `python -m scenes.preview OUT.png`; with `--kinds` one picture per class."""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image

from scenes.composing import compose
from scenes.drawing import STYLES
from scenes.things import LABELS


def sheet(images: list[np.ndarray], columns: int) -> np.ndarray:
    """Equal pictures side by side, row by row."""
    blank = np.full_like(images[0], 255)
    rows = [images[k : k + columns] for k in range(0, len(images), columns)]
    return np.concatenate([np.concatenate(row + [blank] * (columns - len(row)), 1) for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--kinds", action="store_true", help="one picture per class, styles in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--size", type=int, default=384, help="pixels per picture")
    args = parser.parse_args()
    if args.kinds:
        images = [
            compose(args.seed + k, size_px=args.size, style=STYLES[k % len(STYLES)], labels=[label]).image
            for k, label in enumerate(LABELS)
        ]
    else:
        images = [compose(args.seed + k, size_px=args.size).image for k in range(args.count)]
    Image.fromarray(sheet(images, args.columns)).save(args.out)


if __name__ == "__main__":
    main()
