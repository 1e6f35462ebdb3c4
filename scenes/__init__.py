"""Drawn scenes with exact ground truth: what the bundled checkpoint learns from, is measured on, and the page shows."""

from scenes.composing import Scene, SceneObject, compose
from scenes.drawing import HELD_OUT_STYLE, STYLES, TRAINING_STYLES
from scenes.palette import COLOURS
from scenes.things import KINDS, LABELS

__all__ = [
    "COLOURS",
    "HELD_OUT_STYLE",
    "KINDS",
    "LABELS",
    "STYLES",
    "TRAINING_STYLES",
    "Scene",
    "SceneObject",
    "compose",
]
