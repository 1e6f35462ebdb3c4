"""What tests of runs have in common: pictures without end, a model that says what it is told, what came of each."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from grounding.backend import Capabilities
from grounding.errors import Stopped
from grounding.types import Box, Detection, Origin, Outcome, Request, Result, Task, Usage
from jobs.journal import Journal
from jobs.pictures import Source
from jobs.run import Progress, run
from jobs.work import Job

JOB = Job("echo", "m", Task.DETECT, labels=("cat",))


def png(size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


PICTURE = png()


def cat(cost_usd: float | None = None, requests: int | None = None) -> Result:
    found = Detection("cat", Box(0, 0, 0.5, 0.5), origin=Origin("echo", "m", "cat?"))
    return Result(Outcome.FOUND, detections=(found,), raw="one cat", usage=Usage(0.1, cost_usd=cost_usd,
                  requests=requests))  # fmt: skip


class Echo:
    """Answers as `say` does, and keeps who was asked about and how many at once."""

    def __init__(self, say: Callable[[str], Result] = lambda name: cat()) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._say = say
        self._now = 0
        self._lock = threading.Lock()

    model = "m"
    capabilities = Capabilities()

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        if stop is not None and stop.is_set():
            raise Stopped  # it was pressed since the run looked: nobody was asked
        with self._lock:
            self.asked.append(request.images[0].name)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            return self._say(request.images[0].name)
        finally:
            with self._lock:
                self._now -= 1

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        yield self.predict(request, stop)

    def close(self) -> None:
        pass


def sources(count: int, data: bytes = PICTURE, stamp: str = "1") -> list[Source]:
    return [Source(f"{index:04d}.png", lambda: data, stamp) for index in range(count)]


def steps(folder: Path, given: list[Source], backend: Echo, **more: object) -> list[Progress]:
    with closing(Journal(folder, JOB)) as journal:
        return list(run(given, JOB, backend, journal, **{"parallel": 4, **more}))  # type: ignore[arg-type]


def outcomes(folder: Path, given: list[Source]) -> Counter[str]:
    with closing(Journal(folder, JOB)) as journal:
        samples = [journal.read(source.name) for source in given]
    return Counter("not asked" if sample is None else sample.result.outcome.value for sample in samples)


def resident_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        pytest.skip("resident memory is read from /proc")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
