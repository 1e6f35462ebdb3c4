"""Drawn scenes to try the page with, and prompts that fit them. The bundled model knows this world."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass

from PIL import Image

import scenes
from grounding import images
from grounding.images import Picture
from grounding.types import Task
from scenes.things import KINDS

SEEDS = (471, 57, 540, 445, 614, 380, 522, 320)
"""Clear, varied scenes that the bundled model answers rightly in every task; tests/ui/test_examples.py asks it."""

SIDE_PX = 768
THUMBNAIL_PX = 176


@dataclass(frozen=True, eq=False)
class Example:
    """A scene by its seed. `prompts`: one for each task, from what is really in it."""

    seed: int
    title: str
    prompts: dict[Task, str]
    thumbnail: Image.Image

    def picture(self) -> Picture:
        image = Image.fromarray(scenes.compose(self.seed, size_px=SIDE_PX).image)
        return images.load(image, name=f"Scene {self.seed}")


def compose(seed: int) -> Example:
    """The example of any seed."""
    scene = scenes.compose(seed, size_px=THUMBNAIL_PX)
    found = scene.objects
    counts = Counter(thing.label for thing in found)
    labels = [label for label, _ in counts.most_common()]
    title = ", ".join(label if count == 1 else f"{count} × {label}" for label, count in counts.items())
    return Example(seed, title, _prompts(labels), Image.fromarray(scene.image))


@functools.cache
def shown() -> tuple[Example, ...]:
    """The examples of the gallery."""
    return tuple(compose(seed) for seed in SEEDS)


def _prompts(labels: list[str]) -> dict[Task, str]:
    if not labels:
        return {Task.CAPTION: "", Task.ASK: "What is in the picture?", Task.DETECT: "house", Task.SEGMENT: "house"}
    return {
        Task.CAPTION: "",
        Task.ASK: f"How many {KINDS[labels[0]].plural} are there?",  # what it answers best; colours are often wrong
        Task.DETECT: "; ".join(labels[:4]),
        Task.SEGMENT: "; ".join(labels[:2]),
    }
