"""What tests of batches have in common: pictures in a ZIP, a model with a moment's patience, waiting for an end."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from grounding.errors import Stopped
from grounding.settings import Settings
from grounding.types import Request, Result, Task
from jobs.batch import Given
from jobs.work import Job
from tests.ui.echo import Echo, EchoPool
from ui.batch_form import Wanted
from ui.batch_state import Look
from ui.batches import Batches

LOCAL, SHARED = Settings(), Settings(host="0.0.0.0", on_space=True)


class Patient(Echo):
    """Answers after a moment; `moment_s` may be changed meanwhile."""

    def __init__(self, moment_s: float = 0.0) -> None:
        super().__init__()
        self.moment_s = moment_s
        self.names: list[str] = []

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        time.sleep(self.moment_s)
        result = super().predict(request, stop)
        self.names.append(request.images[0].name)
        return result


class Held(Patient):
    """Answers as many as it may and holds the others, each until it may be answered too or is stopped. held: now."""

    def __init__(self, may: int = 0) -> None:
        super().__init__()
        self.held = 0
        self._may = may
        self._turn = threading.Condition()

    def let(self, count: int = 10**6) -> None:
        with self._turn:
            self._may += count
            self._turn.notify_all()

    def only(self, count: int) -> None:
        """So many more, whatever was let before."""
        with self._turn:
            self._may = count

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        with self._turn:
            self.held += 1
            try:
                while not self._may:
                    if stop is not None and stop.is_set():
                        raise Stopped
                    self._turn.wait(0.05)  # nobody tells of a stop
                self._may -= 1
            finally:
                self.held -= 1
        return super().predict(request, stop)


def pool_of(settings: Settings, echo: Echo) -> EchoPool:
    pool = EchoPool(settings)
    pool.echo = echo
    return pool


def batches_at(
    folder: Path, settings: Settings = LOCAL, echo: Patient | None = None, clock: Callable[[], float] | None = None
) -> Batches:
    pool = pool_of(settings, echo or Patient())
    return Batches(folder / "batches", settings, pool, clock=clock or time.monotonic)


def zipped(path: Path, count: int, *, broken: tuple[int, ...] = ()) -> Path:
    """`count` pictures; those `broken` end early."""
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((64, 40)).convert("RGB").save(buffer, "PNG")
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(count):
            data = buffer.getvalue()
            archive.writestr(f"{index:03d}.png", data[:60] if index in broken else data)
    return path


def wanted(*files: Path, labels: tuple[str, ...] = ("cat",), backend: str = "paligemma", key: str = "") -> Wanted:
    return Wanted(Job(backend, "echo", Task.DETECT, "", labels), Given(), files, key)


def until(batches: Batches, number: str, is_so: Callable[[Look], bool], within_s: float = 60) -> Look:
    """The first look at which `is_so`."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        look = batches.look(number)
        assert look is not None
        if is_so(look):
            return look
        time.sleep(0.02)
    raise AssertionError(f"still {look.standing}, {look.done} of {look.total}")


def ended(batches: Batches, number: str) -> Look:
    return until(batches, number, lambda look: not look.standing.busy)
