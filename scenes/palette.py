"""The eight colours a thing can have, the fixed paints of its details, and how light turns one paint into another."""

from __future__ import annotations

import numpy as np

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (214, 48, 49),
    "orange": (243, 136, 36),
    "yellow": (250, 208, 58),
    "green": (66, 160, 78),
    "blue": (52, 108, 208),
    "purple": (136, 80, 190),
    "pink": (246, 142, 190),
    "brown": (132, 86, 54),
}

_FIXED: dict[str, RGB] = {
    "ink": (44, 40, 52),
    "white": (252, 252, 250),
    "glass": (196, 228, 244),
    "tyre": (58, 58, 66),
    "metal": (176, 182, 192),
    "steel": (150, 158, 170),
    "wood": (150, 108, 72),
    "leaf": (96, 168, 84),
    "skin": (156, 190, 120),
    "cream": (244, 232, 208),
    "blush": (244, 170, 170),
    "beak": (240, 170, 60),
    "lamp": (255, 226, 130),
    "warning": (214, 60, 60),
    "flame": (250, 140, 50),
    "seed": (250, 206, 90),
    "clay": (196, 116, 80),
    "coffee": (104, 66, 46),
    "brick": (170, 96, 84),
    "accent": (240, 240, 246),
}


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Colour a with `share` of b in it."""
    return (
        int(a[0] + (b[0] - a[0]) * share),
        int(a[1] + (b[1] - a[1]) * share),
        int(a[2] + (b[2] - a[2]) * share),
    )


def paints(colour: str, rng: np.random.Generator) -> dict[str, RGB]:
    """Every paint of one thing; the named colour varies a little, never into its neighbour."""
    base = np.array(COLOURS[colour]) * rng.uniform(0.93, 1.05) + rng.uniform(-8, 8, 3)
    body: RGB = tuple(int(v) for v in np.clip(base, 0, 255))  # type: ignore[assignment]
    return {**_FIXED, "body": body, "shade": mix(body, (20, 10, 40), 0.24), "tint": mix(body, (255, 255, 255), 0.36)}
