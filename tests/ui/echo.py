"""A backend for tests of the page: answers at once, counts, and can be slow, blocked or broken on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from backends import Pool
from grounding.backend import Backend, Capabilities
from grounding.errors import BackendError, Stopped
from grounding.settings import Settings
from grounding.types import (
    Box,
    Detection,
    Harm,
    Note,
    NoteKind,
    Outcome,
    Request,
    Result,
    SafetyRating,
    SafetyReport,
    SoftMask,
    Stage,
    Task,
    Usage,
)


def round_mask(frame: Box, side: int = 64) -> SoftMask:
    """Fully inside at the centre, fading to 0 at the frame's edges: every threshold gives another area."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return SoftMask(np.clip(1.15 - np.hypot(x, y), 0, 1).astype(np.float32), frame)


class Echo:
    """Finds every label it is asked for, side by side. Some labels mean something else; see `predict`."""

    model = "echo"
    capabilities = Capabilities(harms=frozenset(Harm), streams=True)

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.stopped = 0
        self.moment_s = 0.8

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        self.requests.append(request)
        match request.labels[:1] or (request.text,):
            case ("slow",):
                if stop is not None and stop.wait(20):
                    self.stopped += 1
                    raise Stopped
            case ("nothing",):
                return Result(Outcome.NONE, usage=Usage(0.01), raw="[]")
            case ("broken",):
                raise BackendError("The service is busy. Try again in a minute.")
            case ("bug",):
                raise ZeroDivisionError("/secret/path AIzaSyCANARYcanary")
            case ("blocked",):
                rating = SafetyRating("HARM_CATEGORY_HARASSMENT", "HIGH", blocked=True)
                report = SafetyReport(Stage.PROMPT, "SAFETY", "The prompt was taken for harassment.", (rating,))
                return Result(Outcome.BLOCKED, "Withheld.", safety=report, usage=Usage(0.01))
        if request.task in (Task.CAPTION, Task.ASK):
            return Result(
                Outcome.FOUND, f"You said: {request.text}", usage=Usage(0.02, 12, 256, None, 5), raw=request.text
            )
        return self._found(request)

    def _found(self, request: Request) -> Result:
        count = len(request.labels)
        detections = []
        for place, label in enumerate(request.labels):
            box = Box(place / count + 0.02, 0.2, (place + 1) / count - 0.02, 0.8)
            mask = round_mask(box) if request.task is Task.SEGMENT else None
            detections.append(Detection(label, box, score=None if place else 0.9, mask=mask, id=place))
        note = Note(NoteKind.SKIPPED, "One item had three numbers instead of four.")
        return Result(Outcome.FOUND, "", tuple(detections), (note,), usage=Usage(0.02, 12, 256, None, 40), raw="[...]")

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        """All at once; asked for “grow; …”, one thing after the other, a moment apart, until it is stopped."""
        if request.labels[:1] not in (("grow",), ("fall",)):
            yield self.predict(request, stop)
            return
        self.requests.append(request)
        whole = self._found(request)
        for count in range(1, len(request.labels)):
            yield replace(whole, detections=whole.detections[:count], done=False, usage=None)
            if stop is not None and stop.wait(self.moment_s):
                self.stopped += 1
                raise Stopped
        if request.labels[0] == "fall":
            raise BackendError("The connection was lost. Try again.")
        yield whole

    def close(self) -> None:
        pass


class Wavering(Echo):
    """Another mind each time: boxes move by hundredths, the last label is now left out, now called something else."""

    model = "wavering"

    def _found(self, request: Request) -> Result:
        whole = super()._found(request)
        turn = len(self.requests)
        moved = [_moved(each, 0.01 * (turn % 3)) for each in whole.detections]
        if len(moved) > 1:
            moved = moved[:-1] if turn % 2 else [*moved[:-1], replace(moved[-1], label=f"{moved[-1].label}ish")]
        return replace(whole, detections=tuple(moved), notes=())


class Down(Echo):
    """A service that is never there."""

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        raise BackendError("The service is busy. Try again in a minute.")


class Deaf(Echo):
    """Answers when it may, stopped or not. begun: of every request."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may = threading.Semaphore(0), threading.Semaphore(0)

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        self.begun.release()
        assert self.may.acquire(timeout=60)
        return super().predict(request, stop)


def _moved(detection: Detection, by: float) -> Detection:
    assert detection.box is not None
    x1, y1, x2, y2 = detection.box
    return replace(detection, box=Box(x1 + by, y1, min(1, x2 + by), y2 - by))


class EchoPool(Pool):
    """Hands out one Echo for every name, and remembers which keys were asked with. twins: others, by their models."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.echo = Echo()
        self.twins: dict[str, Echo] = {}
        self.keys: list[str] = []

    @contextmanager
    def lend(self, name: str, model: str, api_key: str = "") -> Iterator[Backend]:
        self.keys.append(api_key)
        backend: Any = self.twins.get(model, self.echo)
        yield backend
