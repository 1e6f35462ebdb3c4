"""One thing onto a canvas, in one of several drawing styles; gives back the alpha it covered.

The canvas is twice the size of the finished picture; what is drawn here is averaged down later.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from scenes.outlines import Part
from scenes.palette import RGB, mix

TRAINING_STYLES = ("flat", "shaded", "outlined", "toon")
HELD_OUT_STYLE = "hatched"
"""Never seen in training: it measures how far the checkpoint carries beyond the styles it knows."""
STYLES = (*TRAINING_STYLES, HELD_OUT_STYLE)

_SHIFT = 4  # cv2 draws at 1/16 pixel
_OUTLINE = {"outlined": 0.032, "toon": 0.018, "hatched": 0.022}  # line width as a share of the thing's longer side


@dataclass(frozen=True, eq=False)
class Thing:
    """One placed thing: its parts in [0, 1] of the picture's side, and its paints. Knows no pixels."""

    label: str
    colour: str
    parts: tuple[Part, ...]
    paints: dict[str, RGB]
    extent: tuple[float, float, float, float]  # x1, y1, x2, y2 of every part, before clipping to the picture

    @property
    def size(self) -> float:
        return max(self.extent[2] - self.extent[0], self.extent[3] - self.extent[1])


@dataclass(frozen=True, eq=False)
class Patch:
    """A piece of canvas: where it starts and the alpha drawn there, uint8[h, w]."""

    x: int
    y: int
    alpha: np.ndarray


def draw(canvas: np.ndarray, thing: Thing, style: str, light: float) -> Patch | None:
    """Paints the thing onto `canvas`; None where all of it falls outside. `light` is the angle the light comes from."""
    side = canvas.shape[0]
    width = max(2, round(_OUTLINE.get(style, 0) * thing.size * side)) if style in _OUTLINE else 0
    x1, y1 = (int(np.floor(v * side)) - width - 2 for v in thing.extent[:2])
    x2, y2 = (int(np.ceil(v * side)) + width + 3 for v in thing.extent[2:])
    if x2 <= 0 or y2 <= 0 or x1 >= side or y1 >= side:
        return None
    tile = np.empty((y2 - y1, x2 - x1, 3), np.uint8)
    tile[:] = thing.paints["body"]
    alpha = np.zeros(tile.shape[:2], np.uint8)
    _paint_parts(tile, alpha, thing, style, width, (x1, y1), side)
    _finish(tile, alpha, thing, style, light)
    a, b, c, d = max(0, y1), min(side, y2), max(0, x1), min(side, x2)
    inside = slice(a - y1, b - y1), slice(c - x1, d - x1)
    if style == "shaded":
        _cast_shadow(canvas, alpha, (x1, y1), light, thing.size * side)
    _blend(canvas[a:b, c:d], tile[inside], alpha[inside])
    return Patch(c, a, np.ascontiguousarray(alpha[inside]))


def _paint_parts(
    tile: np.ndarray, alpha: np.ndarray, thing: Thing, style: str, width: int, origin: tuple[int, int], side: int
) -> None:
    for part in thing.parts:
        points = [np.round((part.points * side - origin) * (1 << _SHIFT)).astype(np.int32)]
        paint = thing.paints[part.paint]
        if style == "hatched":
            paint = mix(paint, (255, 253, 246), 0.6)
        cv2.fillPoly(tile, points, paint, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(alpha, points, 255, cv2.LINE_AA, _SHIFT)
        if width and part.line:
            ink: RGB = (42, 38, 50)
            if style != "outlined":
                ink = mix(thing.paints[part.paint], (24, 14, 40), 0.55)
            cv2.polylines(tile, points, True, ink, width, cv2.LINE_AA, _SHIFT)
            cv2.polylines(alpha, points, True, 255, width, cv2.LINE_AA, _SHIFT)


def _finish(tile: np.ndarray, alpha: np.ndarray, thing: Thing, style: str, light: float) -> None:
    """The style's own light, over the whole thing at once."""
    h, w = alpha.shape
    lx, ly = np.cos(light), np.sin(light)
    if style == "shaded":
        x, y = np.linspace(-1, 1, w, dtype=np.float32)[None, :], np.linspace(-1, 1, h, dtype=np.float32)[:, None]
        glow = np.exp(-2.2 * ((x - 0.45 * lx) ** 2 + (y - 0.45 * ly) ** 2))
        field = 0.84 + 0.16 * (x * lx + y * ly) + 0.34 * glow
        np.copyto(tile, np.clip(tile * field[..., None], 0, 255).astype(np.uint8))
    elif style == "toon":
        step = 0.1 * max(h, w)
        moved = cv2.warpAffine(alpha, np.array([[1, 0, lx * step], [0, 1, ly * step]], np.float32), (w, h))
        lit = 0.8 + 0.2 * moved.astype(np.float32) / 255
        np.copyto(tile, (tile * lit[..., None]).astype(np.uint8))
    elif style == "hatched":
        ink, step = thing.paints["body"], max(5, int(0.085 * max(h, w)))
        lines = np.zeros_like(alpha)
        for k in range(-h, w + h, step):
            cv2.line(lines, (k, 0), (k + h, h), 255, max(1, step // 3), cv2.LINE_AA)
        _blend(tile, np.broadcast_to(np.array(ink, np.uint8), tile.shape), (lines * 0.62).astype(np.uint8))


def _cast_shadow(canvas: np.ndarray, alpha: np.ndarray, origin: tuple[int, int], light: float, size_px: float) -> None:
    pad = max(2, int(size_px * 0.09))
    soft = cv2.blur(cv2.copyMakeBorder(alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0), (pad, pad))
    x = origin[0] - pad - int(np.cos(light) * pad * 0.7)
    y = origin[1] - pad - int(np.sin(light) * pad * 0.7)
    side, (h, w) = canvas.shape[0], soft.shape
    a, b, c, d = max(0, y), min(side, y + h), max(0, x), min(side, x + w)
    if a < b and c < d:
        dark = (soft[a - y : b - y, c - x : d - x] * 0.28).astype(np.uint8)
        _blend(canvas[a:b, c:d], np.broadcast_to(np.array((30, 28, 50), np.uint8), (b - a, d - c, 3)), dark)


def _blend(under: np.ndarray, over: np.ndarray, alpha: np.ndarray) -> None:
    a = alpha.astype(np.uint16)[..., None]
    np.copyto(under, ((under * (255 - a) + over * a + 127) // 255).astype(np.uint8))
