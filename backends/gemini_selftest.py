"""Asks a model about one drawn picture whose answers are known, and says what came out right.

Four questions: boxes, points, masks, words. It shows what the model can do at all, not how well it does it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from grounding.backend import Backend
from grounding.codecs.gemini import PRESETS
from grounding.errors import BackendError, ConfigError, RateLimited
from grounding.geometry import iou
from grounding.images import Picture
from grounding.types import Box, Detection, Options, Outcome, Request, Result, SelfTest, Task

_SIZE_WH = (640, 480)
CIRCLE, SQUARE = Box(0.1, 0.2, 0.4, 0.6), Box(0.6, 0.4, 0.9, 0.8)
"""Where the red circle and the blue square are."""

_LABELS = ("red circle", "blue square")
_GOOD = 0.7  # IoU: far above chance, and every model that is able at all draws these within 0.9
_POINTS = dict(PRESETS)["Points"]


def picture() -> Picture:
    """A red circle at the left and a blue square at the right, on white."""
    image = Image.new("RGB", _SIZE_WH, "white")
    drawing = ImageDraw.Draw(image)
    drawing.ellipse(_pixels(CIRCLE), fill=(214, 40, 40))
    drawing.rectangle(_pixels(SQUARE), fill=(40, 80, 214))
    return Picture(image, "self-test.png")


def self_test(backend: Backend, stop: threading.Event | None = None) -> SelfTest:
    """Up to four requests; one the model refuses counts as "cannot". A bad key or no connection is raised at once."""
    seen, started = (picture(),), time.monotonic()
    questions: dict[str, tuple[Request, Callable[[Result], bool]]] = {
        "words": (Request(Task.ASK, seen, "How many shapes are in this picture? Answer with one digit."), _counted),
        "boxes": (Request(Task.DETECT, seen, labels=_LABELS), _boxed),
        "points": (Request(Task.DETECT, seen, labels=_LABELS, options=Options(template=_POINTS)), _pointed),
        "masks": (Request(Task.SEGMENT, seen, labels=_LABELS), _masked),
    }
    can: dict[str, bool] = {}
    said: list[str] = []
    for name, (request, right) in questions.items():
        try:
            result = backend.predict(request, stop)
        except (ConfigError, RateLimited):
            raise
        except BackendError as error:
            can[name] = False
            said.append(f"{name}: {error}")
            continue
        can[name] = right(result)
        if not can[name]:
            said.append(f"{name}: {_why(result)}")
    return SelfTest(backend.model, can, " ".join(said) or "All came out right.", time.monotonic() - started)


def _why(result: Result) -> str:
    if result.outcome in (Outcome.FAILED, Outcome.BLOCKED):
        return result.text
    return f"the answer was {result.outcome.value}, and not the known one."


def _counted(result: Result) -> bool:
    return result.text.strip().rstrip(".") in ("2", "two", "Two")


def _boxed(result: Result) -> bool:
    return _all_found(result, lambda found, box: found.box is not None and iou(found.box, box) >= _GOOD)


def _pointed(result: Result) -> bool:
    def inside(found: Detection, box: Box) -> bool:
        return found.point is not None and box.x1 <= found.point.x <= box.x2 and box.y1 <= found.point.y <= box.y2

    return _all_found(result, inside)


def _masked(result: Result) -> bool:
    """A mask in the right place that is about as full as a circle or a square is."""

    def masked(found: Detection, box: Box) -> bool:
        if found.mask is None or iou(found.mask.frame, box) < _GOOD:
            return False
        share, full = float(np.mean(found.mask.probs > 0.5)), np.pi / 4 if box == CIRCLE else 1.0
        return abs(share - full) < 0.2

    return _all_found(result, masked)


def _all_found(result: Result, fits: Callable[[Detection, Box], bool]) -> bool:
    wanted = zip(("red", "blue"), (CIRCLE, SQUARE), strict=True)
    return all(
        any(name in each.label.lower() and fits(each, box) for each in result.detections) for name, box in wanted
    )


def _pixels(box: Box) -> tuple[float, float, float, float]:
    width, height = _SIZE_WH
    return box.x1 * width, box.y1 * height, box.x2 * width - 1, box.y2 * height - 1
