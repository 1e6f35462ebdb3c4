"""Made-up Gemini answers of any size: seeded ellipses as 256x256 PNG masks, as Gemini 2.5 sends them."""

from __future__ import annotations

import base64
import json
from io import BytesIO

import numpy as np
from PIL import Image

MEGAPIXELS_12 = (4000, 3000)


def gemini_answer(count: int, *, full_frame: bool = False) -> str:
    random = np.random.default_rng(0)
    items = []
    for index in range(count):
        side = 1000 if full_frame else int(random.integers(120, 350))
        top, left = (0, 0) if full_frame else (int(random.integers(0, 1000 - side)) for _ in range(2))
        items.append({"box_2d": [top, left, top + side, left + side], "mask": _mask(random), "label": f"thing {index}"})
    return json.dumps(items)


def _mask(random: np.random.Generator) -> str:
    """A soft-edged ellipse, off centre."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    radius = np.hypot((x - random.uniform(-0.2, 0.2)) / random.uniform(0.4, 0.8), y / random.uniform(0.4, 0.8))
    buffer = BytesIO()
    Image.fromarray((np.clip((1.1 - radius) * 5, 0, 1) * 255).astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def photo() -> Image.Image:
    """12 megapixels of gradients and grain."""
    width, height = MEGAPIXELS_12
    grain = Image.effect_noise((width, height), 40)
    return Image.merge(
        "RGB", [Image.linear_gradient("L").resize((width, height)), grain, Image.new("L", grain.size, 90)]
    )
