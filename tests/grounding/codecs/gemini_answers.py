"""A cat and a dog as Gemini says them, and what was read in short form, for the tests beside this."""

from __future__ import annotations

from grounding.types import Decoded

CAT = '{"box_2d": [100, 200, 300, 400], "label": "cat"}'


DOG = '{"box_2d": [500, 600, 700, 800], "label": "dog"}'


A_CAT = ("cat", (100, 200, 300, 400))


A_DOG = ("dog", (500, 600, 700, 800))


def boxes(decoded: Decoded) -> list[tuple[str, tuple[float, ...]]]:
    """(label, [ymin, xmin, ymax, xmax] in thousandths) of each detection with a box, to six digits."""
    found = []
    for detection in decoded.detections:
        assert detection.box is not None
        x1, y1, x2, y2 = detection.box
        found.append((detection.label, tuple(round(value * 1000, 6) for value in (y1, x1, y2, x2))))
    return found
