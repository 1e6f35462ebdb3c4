"""What lies behind the things: sky and hills, rooms, water, plain or patterned paper; always calmer than they are.

Each painter fills a uint8[n, n, 3] canvas; all lengths are shares of its side, so any size shows the same picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from scenes.palette import RGB, mix

Rng = np.random.Generator
Canvas = np.ndarray

_PAPERS: tuple[RGB, ...] = (
    (236, 238, 242), (246, 236, 220), (224, 238, 228), (222, 232, 246), (244, 226, 230), (232, 226, 244),
    (250, 246, 232), (196, 206, 216), (206, 216, 200), (70, 76, 96), (58, 72, 76), (86, 78, 92),
    (160, 170, 178), (214, 200, 186),
)  # fmt: skip
_SHIFT = 4  # cv2 draws at 1/16 pixel


def _fill(canvas: Canvas, points: np.ndarray, colour: RGB) -> None:
    fixed = np.round(points * canvas.shape[0] * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], colour, cv2.LINE_AA, _SHIFT)


def _disc(canvas: Canvas, x: float, y: float, r: float, colour: RGB) -> None:
    k = canvas.shape[0] * (1 << _SHIFT)
    cv2.circle(canvas, (int(x * k), int(y * k)), max(1, int(r * k)), colour, -1, cv2.LINE_AA, _SHIFT)


def _gradient(canvas: Canvas, top: RGB, bottom: RGB, y1: float = 0.0, y2: float = 1.0) -> None:
    n = canvas.shape[0]
    a, b = int(y1 * n), int(np.ceil(y2 * n))
    t = np.linspace(0, 1, b - a)[:, None]
    canvas[a:b] = (np.array(top) * (1 - t) + np.array(bottom) * t).astype(np.uint8)[:, None]


def _paper(rng: Rng) -> RGB:
    return _PAPERS[int(rng.integers(len(_PAPERS)))]


def plain(canvas: Canvas, rng: Rng) -> None:
    top, bottom = _paper(rng), _paper(rng)
    _gradient(canvas, top, mix(top, bottom, 0.5))


def meadow(canvas: Canvas, rng: Rng) -> None:
    skies: tuple[tuple[RGB, RGB], ...] = (
        ((168, 212, 242), (232, 244, 250)), ((250, 206, 170), (254, 238, 214)),
        ((196, 204, 240), (250, 226, 234)), ((46, 54, 92), (106, 110, 150)),
    )  # fmt: skip
    top, bottom = skies[int(rng.integers(len(skies)))]
    _gradient(canvas, top, bottom)
    _disc(
        canvas,
        rng.uniform(0.08, 0.92),
        rng.uniform(0.06, 0.25),
        rng.uniform(0.04, 0.075),
        mix(bottom, (255, 248, 210), 0.75),
    )
    for _ in range(int(rng.integers(0, 4))):
        x, y, r = rng.uniform(0, 1), rng.uniform(0.06, 0.35), rng.uniform(0.025, 0.05)
        for dx, k in ((-1.3, 0.75), (0, 1.15), (1.3, 0.8)):
            _disc(canvas, x + dx * r, y, r * k, mix(bottom, (255, 255, 255), 0.55))
    grounds: tuple[RGB, ...] = ((182, 214, 160), (214, 210, 160), (232, 216, 184), (226, 234, 240), (168, 198, 170))
    ground, across = grounds[int(rng.integers(len(grounds)))], np.linspace(0, 1, 40)
    horizon = rng.uniform(0.5, 0.7)
    for k in range(3):
        wave = horizon + 0.12 * k + 0.04 * np.sin(rng.uniform(4, 8) * across + rng.uniform(0, 6))
        hill = np.stack([np.r_[across, 1, 0], np.r_[wave, 1.02, 1.02]], 1)
        _fill(canvas, hill, mix(mix(ground, bottom, 0.3 - 0.15 * k), (60, 80, 60), 0.05 * k))


def room(canvas: Canvas, rng: Rng) -> None:
    wall, floors = _paper(rng), ((206, 176, 142), (188, 160, 132), (200, 204, 208), (176, 150, 134))
    floor: RGB = floors[int(rng.integers(len(floors)))]
    line = rng.uniform(0.62, 0.78)
    _gradient(canvas, mix(wall, (255, 255, 255), 0.15), wall, 0, line)
    if rng.random() < 0.5:
        width = rng.uniform(0.05, 0.1)
        for x in np.arange(0, 1, 2 * width):
            _fill(
                canvas,
                np.array([(x, 0), (x + width, 0), (x + width, line), (x, line)]),
                mix(wall, (255, 255, 255), 0.25),
            )
    _gradient(canvas, mix(floor, (0, 0, 0), 0.1), floor, line, 1)
    for y in line + (1 - line) * np.array([0.25, 0.6]):
        _fill(canvas, np.array([(0, y), (1, y), (1, y + 0.005), (0, y + 0.005)]), mix(floor, (0, 0, 0), 0.14))
    _fill(
        canvas, np.array([(0, line), (1, line), (1, line + 0.022), (0, line + 0.022)]), mix(wall, (255, 255, 255), 0.6)
    )
    if rng.random() < 0.5:
        x, y, w, h = rng.uniform(0.1, 0.65), rng.uniform(0.08, 0.2), rng.uniform(0.18, 0.26), rng.uniform(0.18, 0.28)
        for grow, colour in ((0.02, mix(wall, (255, 255, 255), 0.7)), (0, (206, 228, 240))):
            _fill(
                canvas,
                np.array(
                    [
                        (x - grow, y - grow),
                        (x + w + grow, y - grow),
                        (x + w + grow, y + h + grow),
                        (x - grow, y + h + grow),
                    ]
                ),
                colour,
            )
        bar = mix(wall, (255, 255, 255), 0.7)
        _fill(
            canvas,
            np.array(
                [(x + w / 2 - 0.006, y), (x + w / 2 + 0.006, y), (x + w / 2 + 0.006, y + h), (x + w / 2 - 0.006, y + h)]
            ),
            bar,
        )


def water(canvas: Canvas, rng: Rng) -> None:
    seas: tuple[RGB, ...] = ((176, 214, 226), (150, 196, 204), (92, 122, 150), (196, 222, 214))
    sea, x = seas[int(rng.integers(len(seas)))], np.linspace(0, 1, 48)
    _gradient(canvas, mix(sea, (255, 255, 255), 0.45), mix(sea, (30, 50, 80), 0.1))
    for y in np.arange(0.12, 1.1, rng.uniform(0.1, 0.17)):
        wave = y + 0.012 * np.sin(rng.uniform(14, 22) * x + rng.uniform(0, 6))
        _fill(canvas, np.stack([np.r_[x, x[::-1]], np.r_[wave, wave[::-1] + 0.012]], 1), mix(sea, (255, 255, 255), 0.3))


def dots(canvas: Canvas, rng: Rng) -> None:
    paper = _paper(rng)
    canvas[:] = paper
    ink, step = mix(paper, _paper(rng), 0.6), rng.uniform(0.08, 0.15)
    radius = step * rng.uniform(0.12, 0.28)
    for row, y in enumerate(np.arange(step / 2, 1 + step, step)):
        for x in np.arange(step / 2 * (row % 2), 1 + step, step):
            _disc(canvas, x, y, radius, ink)


def stripes(canvas: Canvas, rng: Rng) -> None:
    paper = _paper(rng)
    canvas[:] = paper
    ink, step, slant = mix(paper, _paper(rng), 0.5), rng.uniform(0.08, 0.2), rng.uniform(-0.6, 0.6)
    for x in np.arange(-0.8, 1.8, step):
        _fill(canvas, np.array([(x, 0), (x + step / 2, 0), (x + step / 2 + slant, 1), (x + slant, 1)]), ink)


def checks(canvas: Canvas, rng: Rng) -> None:
    paper = _paper(rng)
    canvas[:] = paper
    ink, n = mix(paper, _paper(rng), 0.4), int(rng.integers(5, 10))
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    for i in range(n):
        for j in range(i % 2, n, 2):
            _fill(canvas, (square + np.array([j, i])) / n, ink)


def bubbles(canvas: Canvas, rng: Rng) -> None:
    paper = _paper(rng)
    _gradient(canvas, paper, mix(paper, (255, 255, 255), 0.3))
    for _ in range(int(rng.integers(8, 20))):
        colour = mix(paper, _paper(rng), rng.uniform(0.2, 0.5))
        _disc(canvas, rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.02, 0.14), colour)


BACKGROUNDS: dict[str, Callable[[Canvas, Rng], None]] = {
    "plain": plain,
    "meadow": meadow,
    "room": room,
    "water": water,
    "dots": dots,
    "stripes": stripes,
    "checks": checks,
    "bubbles": bubbles,
}
_WEIGHTS = np.array([2, 4, 3, 2, 1, 1, 1, 2]) / 16


def choose(rng: Rng) -> str:
    return str(rng.choice(list(BACKGROUNDS), p=_WEIGHTS))
