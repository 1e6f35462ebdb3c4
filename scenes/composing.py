"""Scenes from seeds: which things, where, in what light; drawn at any size, with exact visible boxes and masks.

A plan is made in shares of the picture's side, so one seed is one scene whatever the size it is drawn at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from grounding.types import Box, SoftMask
from scenes.backgrounds import BACKGROUNDS, choose
from scenes.drawing import STYLES, TRAINING_STYLES, Patch, Thing, draw
from scenes.outlines import Part, rotate
from scenes.palette import COLOURS, paints
from scenes.things import KINDS, LABELS

Rng = np.random.Generator
Extent = tuple[float, float, float, float]  # x1, y1, x2, y2; may reach out of [0, 1]

_COUNTS = np.array([0.14, 0.2, 0.24, 0.2, 0.13, 0.09])  # one to six things
_LARGEST = (0.66, 0.52, 0.44, 0.4, 0.35, 0.32)  # longest side allowed, by how many things there are
_SMALLEST = 0.18
_LEAST_VISIBLE = 0.35  # of a thing's own pixels; what is hidden further is not called an object


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One visible thing. `box` and `mask` are of the part that can be seen; `mask` is soft, framed by `box`."""

    label: str
    colour: str
    box: Box
    mask: SoftMask


@dataclass(frozen=True, eq=False)
class Scene:
    """A drawn scene: uint8[size, size, 3] RGB and its objects, back to front."""

    image: np.ndarray
    objects: tuple[SceneObject, ...]
    seed: int
    style: str
    background: str


def compose(
    seed: int,
    *,
    size_px: int = 448,
    style: str | None = None,
    background: str | None = None,
    labels: Sequence[str] = (),
) -> Scene:
    """The scene of this seed. `style`, `background` and `labels` (a thing each) replace what the seed would choose."""
    if size_px < 32 or (style is not None and style not in STYLES) or not set(labels) <= set(LABELS):
        raise ValueError(f"cannot compose: size {size_px}, style {style}, labels {list(labels)}")
    look, layout = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    chosen_style, chosen_background, light = _look(look)
    exposure = look.uniform(0.9, 1.06)
    warmth, vignette = look.uniform(-0.05, 0.05), look.uniform(0, 0.18)
    style, background = style or chosen_style, background or chosen_background
    canvas = np.empty((2 * size_px, 2 * size_px, 3), np.uint8)
    BACKGROUNDS[background](canvas, look)
    seen: list[tuple[Thing, Patch, int]] = []
    for thing in _plan(layout, labels):
        patch = draw(canvas, thing, style, light)
        if patch is not None:
            for _, lower, _ in seen:
                _hide(lower, patch)
            seen.append((thing, patch, int(np.count_nonzero(patch.alpha > 127))))
    image = cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA)
    objects = [_visible(thing, patch, whole, 2 * size_px) for thing, patch, whole in seen]
    return Scene(
        _lit(image, exposure, warmth, vignette), tuple(o for o in objects if o is not None), seed, style, background
    )


def look_of(seed: int) -> tuple[str, str]:
    """The style and background that `compose(seed)` chooses, without drawing."""
    return _look(np.random.default_rng([seed, 0]))[:2]


def _look(rng: Rng) -> tuple[str, str, float]:
    style, light = str(rng.choice(TRAINING_STYLES)), rng.uniform(-2.6, -0.5)
    return style, choose(rng), light


def _plan(rng: Rng, labels: Sequence[str]) -> list[Thing]:
    """The things of a scene, placed so that none hides another by much, those lower in the picture in front."""
    names = list(labels) or _choose_labels(rng)
    crowd, placed = rng.choice([0.06, 0.22, 0.4], p=[0.5, 0.35, 0.15]), list[Thing]()
    one_colour = str(rng.choice(list(COLOURS))) if rng.random() < 0.1 else None
    for name in names:
        size = rng.uniform(_SMALLEST, _LARGEST[min(len(names), 6) - 1])
        colour = one_colour or str(rng.choice(list(COLOURS)))
        unit = _thing(name, colour, np.random.default_rng(rng.integers(2**63)))
        edge = 0.15 if rng.random() < 0.15 else -0.01  # how far a thing may poke out of the picture
        for _ in range(40):
            extent = _extent(unit, size, rng.uniform(0, 1, 2))
            if _fits(extent, [other.extent for other in placed], crowd, edge * size):
                placed.append(_moved(unit, extent))
                break
            size = max(_SMALLEST, size * 0.97)
    return sorted(placed, key=lambda thing: thing.extent[3])


def _choose_labels(rng: Rng) -> list[str]:
    n = 1 + int(rng.choice(6, p=_COUNTS))
    names = [str(name) for name in rng.choice(LABELS, n)]
    if n > 1 and rng.random() < 0.55:  # several of one kind, so that counting and "the left one" have a meaning
        for k in range(int(rng.integers(2, min(n, 4) + 1))):
            names[k] = names[0]
    return names


def _thing(label: str, colour: str, rng: Rng) -> Thing:
    """One drawn instance about the origin, its longer side 1."""
    kind = KINDS[label]
    parts = kind.draw(rng)
    flip = -1 if rng.random() < 0.5 else 1
    stretch = np.array([flip * rng.uniform(0.92, 1.08), rng.uniform(0.92, 1.08)])
    lean = float(np.clip(rng.normal(0, kind.lean / 2), -kind.lean, kind.lean))
    shapes = [rotate(part.points * stretch, lean) for part in parts]
    every = np.concatenate(shapes)
    low, high = every.min(0), every.max(0)
    scale = float((high - low).max())
    x, y = (high - low) / 2 / scale
    unit = tuple(
        Part((shape - (low + high) / 2) / scale, part.paint, part.line)
        for shape, part in zip(shapes, parts, strict=True)
    )
    return Thing(label, colour, unit, paints(colour, rng), (-float(x), -float(y), float(x), float(y)))


def _extent(unit: Thing, size: float, centre: np.ndarray) -> Extent:
    x, y = unit.extent[2] * size, unit.extent[3] * size
    return float(centre[0] - x), float(centre[1] - y), float(centre[0] + x), float(centre[1] + y)


def _moved(unit: Thing, extent: Extent) -> Thing:
    size = max(extent[2] - extent[0], extent[3] - extent[1])
    centre = ((extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2)
    parts = tuple(Part(part.points * size + centre, part.paint, part.line) for part in unit.parts)
    return Thing(unit.label, unit.colour, parts, unit.paints, extent)


def _fits(extent: Extent, placed: list[Extent], crowd: float, slack: float) -> bool:
    x1, y1, x2, y2 = extent
    if x1 < -slack or y1 < -slack or x2 > 1 + slack or y2 > 1 + slack:
        return False
    for a1, b1, a2, b2 in placed:
        shared = max(0.0, min(x2, a2) - max(x1, a1)) * max(0.0, min(y2, b2) - max(y1, b1))
        if shared > crowd * min((x2 - x1) * (y2 - y1), (a2 - a1) * (b2 - b1)):
            return False
    return True


def _hide(lower: Patch, upper: Patch) -> None:
    """Takes from the lower patch's alpha what the upper one covers."""
    y1, x1 = max(lower.y, upper.y), max(lower.x, upper.x)
    y2 = min(lower.y + lower.alpha.shape[0], upper.y + upper.alpha.shape[0])
    x2 = min(lower.x + lower.alpha.shape[1], upper.x + upper.alpha.shape[1])
    if y1 < y2 and x1 < x2:
        below = lower.alpha[y1 - lower.y : y2 - lower.y, x1 - lower.x : x2 - lower.x]
        above = upper.alpha[y1 - upper.y : y2 - upper.y, x1 - upper.x : x2 - upper.x]
        np.copyto(below, (below.astype(np.uint16) * (255 - above) // 255).astype(np.uint8))


def _visible(thing: Thing, patch: Patch, whole: int, side: int) -> SceneObject | None:
    solid = patch.alpha > 127
    if np.count_nonzero(solid) < max(16, _LEAST_VISIBLE * whole):
        return None
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    y1, y2, x1, x2 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    box = Box((patch.x + x1) / side, (patch.y + y1) / side, (patch.x + x2) / side, (patch.y + y2) / side)
    return SceneObject(
        thing.label, thing.colour, box, SoftMask(patch.alpha[y1:y2, x1:x2].astype(np.float32) / 255, box)
    )


def _lit(image: np.ndarray, exposure: float, warmth: float, vignette: float) -> np.ndarray:
    axis = np.linspace(-1, 1, image.shape[0], dtype=np.float32) ** 2
    fall = exposure * (1 - vignette * (axis[:, None] + axis[None, :]) / 2)
    tint = np.array([1 + warmth, 1, 1 - warmth], np.float32)
    return np.clip(image * (fall[..., None] * tint), 0, 255).astype(np.uint8)
