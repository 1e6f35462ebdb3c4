"""A picture that looks different however it is turned, as a file of any format.

tests/fixtures/pictures/turned.heic: the same four quarters, made with pillow-heif, stored on its side (orientation 6).
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
HEIC = ROOT / "tests" / "fixtures" / "pictures" / "turned.heic"
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 160, 60), (40, 60, 220), (255, 255, 255)


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green / blue, white: no two ways of turning it look alike."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def packed(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def is_upright(image: Image.Image, tolerance: int = 12) -> bool:
    points = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    seen = np.array([image.getpixel((int(x * image.width), int(y * image.height))) for x, y in points], dtype=int)
    return bool(np.abs(seen - np.array([RED, GREEN, BLUE, WHITE])).max() <= tolerance)
