"""Label sets to try exports on: seeded, so that a failure names its set, and made of what formats stumble over."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from grounding.labels import Sample
from grounding.types import (
    FULL_FRAME,
    Box,
    Detection,
    Note,
    NoteKind,
    Origin,
    Outcome,
    Point,
    Result,
    Review,
    SoftMask,
    Task,
)

COUNT = 100

LABELS = (
    "cat", "Cat", "traffic light", "猫", "Straße", "قطة", "man's hat, red", 'the "big" one', "a;b", "<b>&amp;</b>",
    "=1+1", "two\nlines", " padded ", "dog", "DOG", "naïve 🐕", "100%", "\\d", "null", "0", "{x}", "tab\there", "",
)  # fmt: skip

PICTURES = (
    "a.png",
    "sub/b.jpg",
    "Ünï cødé 猫.png",
    "with space, comma.jpeg",
    "a.jpg",
    "no ending",
    "A.PNG",
    "sub/c.d.webp",
)


def label_set(seed: int) -> list[Sample]:
    """A few pictures with everything from nothing to holes, parts, single pixels, edges, points and masks alone."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 4))
    names = [PICTURES[place] for place in rng.permutation(len(PICTURES))[:count]]
    return [_sample(name, rng) for name in names]


def picture_bytes(size_wh: tuple[int, int], seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def with_pictures(samples: list[Sample]) -> list[Sample]:
    """The same with a PNG for each picture."""
    with_files = []
    for place, sample in enumerate(samples):
        content = picture_bytes(sample.size_wh or (1, 1), place)
        with_files.append(replace(sample, file=lambda content=content: content))
    return with_files


def every_aspect() -> list[Sample]:
    """One set with each thing that a label set can say: the one docs/formats.md is measured with."""
    ring = np.zeros((30, 40), np.float32)
    ring[5:20, 5:20] = 1
    ring[10:15, 10:15] = 0
    parts = np.zeros((30, 40), np.float32)
    parts[2:8, 30:38] = 1
    parts[12:20, 24:30] = 1
    soft = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    plain = np.zeros((30, 40), np.float32)
    plain[22:29, 3:14] = 1
    origin = Origin("gemini", "gemini-3.6-flash", "segment cat", {"temperature": 0.5}, raw='[{"box_2d": …')
    tight = Box(5 / 40, 5 / 30, 20 / 40, 20 / 30)
    objects = (
        Detection("cat", Box(0.111, 0.102, 0.523, 0.704), score=0.875, origin=origin),
        Detection("Cat", tight, mask=SoftMask(ring, FULL_FRAME)),
        Detection("traffic light", Box(0.6, 2 / 30, 0.95, 20 / 30), mask=SoftMask(parts, FULL_FRAME), score=0.5),
        Detection("dog", Box(0.25, 0.25, 0.75, 0.75), mask=SoftMask(soft, Box(0.25, 0.25, 0.75, 0.75))),
        Detection("bird", point=Point(0.3, 0.6)),
        Detection("boat", Box(3 / 40, 22 / 30, 14 / 40, 29 / 30), mask=SoftMask(plain, FULL_FRAME)),
        Detection("hat", Box(0.5, 0.1, 0.7, 0.3), mask_tokens=tuple(range(16)), review=Review.ACCEPTED),
    )
    notes = (Note(NoteKind.REPAIRED, "The box of “cat” was inverted."),)
    found = Result(Outcome.REPAIRED, detections=tuple(replace(each, id=place) for place, each in enumerate(objects)))
    return [
        Sample("every.png", (40, 30), Task.SEGMENT, replace(found, notes=notes)),
        Sample("none.png", (40, 30), Task.DETECT, Result(Outcome.NONE)),
        Sample("caption.png", (40, 30), Task.CAPTION, Result(Outcome.FOUND, "A cat\non a “mat”.")),
    ]


def _sample(name: str, rng: np.random.Generator) -> Sample:
    size_wh = int(rng.integers(1, 90)), int(rng.integers(1, 90))
    found = [_detection(size_wh, rng) for _ in range(int(rng.choice([0, 1, 2, 5, 9])))]
    numbered = tuple(replace(each, id=place) for place, each in enumerate(found))
    outcome = Outcome.FOUND if found else Outcome.NONE
    return Sample(name, size_wh, Task.SEGMENT, Result(outcome, detections=numbered))


def _detection(size_wh: tuple[int, int], rng: np.random.Generator) -> Detection:
    label = str(rng.choice(LABELS))
    score = None if rng.random() < 0.5 else float(rng.random())
    origin = Origin("paligemma", "nano", "segment cat", {"k": 1}) if rng.random() < 0.3 else None
    kind = rng.choice(["box", "mask", "box and mask", "point", "frame"])
    if kind == "point":
        return Detection(label, point=Point(float(rng.random()), float(rng.random())), score=score, origin=origin)
    box = None if kind == "mask" else _box(rng)
    mask = None
    if kind in ("mask", "box and mask"):
        mask = SoftMask(_pixels(size_wh, rng), FULL_FRAME)
    elif kind == "frame" and box is not None:
        mask = SoftMask(rng.random((int(rng.integers(1, 9)), int(rng.integers(1, 9))), dtype=np.float32), box)
    return Detection(label, box, score=score, mask=mask, origin=origin)


def _box(rng: np.random.Generator) -> Box:
    if rng.random() < 0.1:
        return FULL_FRAME
    (x1, x2), (y1, y2) = np.sort(rng.random((2, 2)))
    return Box(float(x1), float(y1), float(x2), float(y2))


def _pixels(size_wh: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A mask of the whole picture: a ring, parts, one pixel, an edge, noise, all, or nothing."""
    width, height = size_wh
    pixels = np.zeros((height, width), np.float32)
    kind = rng.choice(["ring", "parts", "one", "edge", "noise", "all", "none"], p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.1, 0.05])
    y, x = np.mgrid[:height, :width]
    away = np.hypot(x - rng.random() * width, y - rng.random() * height)
    radius = max(2.0, rng.random() * max(size_wh))
    if kind == "ring":
        pixels[(away < radius) & (away > radius / 3)] = 1
    elif kind == "parts":
        pixels[(away < radius / 2) | (np.hypot(x, y) < radius / 4)] = 1
    elif kind == "one":
        pixels[rng.integers(height), rng.integers(width)] = 1
    elif kind == "edge":
        pixels[:, int(rng.integers(width)) :] = 1
    elif kind == "noise":
        pixels[rng.random((height, width)) < 0.4] = 1
    elif kind == "all":
        pixels[:] = 1
    return pixels
