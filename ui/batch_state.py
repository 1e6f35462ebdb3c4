"""One batch as it stands: what its thread told last, and what to show of it. Knows no gradio, no page and no model."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from grounding import images, overlays
from grounding.images import Picture
from grounding.labels import Sample
from grounding.types import Outcome, Task, View
from jobs.batch import Batch, Found, Noted
from jobs.journal import Journal
from jobs.run import Progress
from jobs.tally import Tally
from ui.messages import Problem, attempt

SHOWN = 8
"""Finished pictures shown small at a time."""
_DRAWN_A_SECOND = 2  # beyond the first SHOWN: drawing costs as much as labelling with a small model
_SIDE_PX = 220


_NO_LABELS = {
    Outcome.BLOCKED: "blocked",
    Outcome.TRUNCATED: "answer was cut",
    Outcome.UNRECOGNISED: "answer not readable",
    Outcome.FAILED: "no answer",
}


class Standing(StrEnum):
    """busy: somebody works on it, or will."""

    WAITING = "waiting"
    OPENING = "opening"
    RUNNING = "running"
    STOPPED = "stopped"
    LEFT = "left"
    GIVEN_UP = "given up"
    DONE = "done"
    FAILED = "failed"

    @property
    def busy(self) -> bool:
        return self in (Standing.WAITING, Standing.OPENING, Standing.RUNNING)


@dataclass(frozen=True)
class Finished:
    """A picture that was just done, small: `image` is a data URI, `words` what came of it."""

    name: str
    image: str
    words: str


@dataclass(frozen=True, eq=False)
class Look:
    """A batch at one moment. total: None where it was not counted yet. before: batches in line before it.

    waiting_s: the service asked to wait so long. aside: others ask the same model, so it takes one at a time.
    """

    number: str
    batch: Batch
    standing: Standing
    tally: Tally
    noted: Noted | None
    done: int
    before: int = 0
    per_second: float | None = None
    seconds_left: float | None = None
    cost_usd: float | None = None
    waiting_s: float = 0.0
    aside: bool = False
    stopping: bool = False
    trouble: Problem | None = None
    finished: tuple[Finished, ...] = ()

    @property
    def total(self) -> int | None:
        return self.noted.total if self.noted else None


@dataclass(eq=False)
class Going:
    """What a batch's thread and those who look at it share. ended: no thread works on it."""

    number: str
    batch: Batch
    clock: Callable[[], float] = time.monotonic
    standing: Standing = Standing.WAITING
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    trouble: Problem | None = None
    looked_at: float = field(init=False)
    others: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.looked_at = self.clock()
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self._tally = Tally()
        self._cost_usd: float | None = None
        self._noted: Noted | None = self.batch.noted()
        self._finished: deque[tuple[float, Finished]] = deque(maxlen=SHOWN)
        self._may_draw, self._drawn_at = float(SHOWN), self.clock()
        self._progress: Progress | None = None
        self._began = (self.clock(), 0)
        self._waits_until = 0.0
        self.ended.set()

    @classmethod
    def left(cls, number: str, batch: Batch, clock: Callable[[], float]) -> Going:
        """A batch as an earlier process left it; RequestError where its journal cannot be read."""
        going = cls(number, batch, clock)
        with closing(batch.journal()) as journal:
            going._tally, going._cost_usd = journal.tally(), journal.cost_usd()
        whole = going._noted is not None and going._count() >= going._noted.total
        going.standing = Standing.DONE if whole else Standing.STOPPED
        return going

    def reset(self) -> None:
        """Before a thread sets to work."""
        self.stop, self.trouble, self.standing = threading.Event(), None, Standing.WAITING
        self.looked_at = self.clock()
        self._progress, self._waits_until = None, 0.0
        self._may_draw = float(SHOWN)
        self.ended.clear()

    def found(self, found: Found) -> None:
        self.batch.note(found)
        self._noted = self.batch.noted()

    def begins(self, journal: Journal) -> None:
        """The model is open: from now on `journal` knows how it stands."""
        self._journal, self.standing = journal, Standing.RUNNING

    def tell(self, progress: Progress) -> None:
        now = self.clock()
        with self._lock:
            if self._progress is None:
                self._began = (now, progress.done)
            if progress.sample is not None or self._progress is None:
                self._progress = progress
            if progress.sample is None:  # an answer that was under way does not end a wait
                self._waits_until = now + progress.waiting_s

    def ends(self, standing: Standing, trouble: Problem | None = None) -> None:
        if self._journal is not None:
            self._tally, self._cost_usd = self._journal.tally(), self._journal.cost_usd()
            self._journal = None
        with self._lock:  # who sees that it ended may go on with it
            self.trouble, self.standing = trouble, standing
            self.ended.set()

    @property
    def per_second(self) -> float | None:
        """Pictures a second of this run; None before the second one."""
        with self._lock:
            began, done = self._began
            here = self._progress.done - done if self._progress else 0
            return here / max(1e-6, self.clock() - began) if here > 1 else None

    def draw(self, picture: Picture, sample: Sample, begun_at: float) -> None:
        """Keep the picture small, with what was found on it, as far as there is time for it."""
        with self._lock:
            now = self.clock()
            self._may_draw = min(SHOWN, self._may_draw + (now - self._drawn_at) * _DRAWN_A_SECOND)
            self._drawn_at = now
            if self._may_draw < 1:
                return
            self._may_draw -= 1
        drawn = attempt(partial(_drawn, picture, sample))
        if isinstance(drawn, Finished):
            with self._lock:
                self._finished.append((begun_at, drawn))

    def look(self, before: int) -> Look:
        self.looked_at = self.clock()
        with self._lock:
            standing, trouble = self.standing, self.trouble  # first: what ended is told with all that came of it
        journal, progress = self._journal, self._progress
        tally, cost = (journal.tally(), journal.cost_usd()) if journal else (self._tally, self._cost_usd)
        busy = standing is Standing.RUNNING
        with self._lock:
            finished, waits = list(self._finished), max(0.0, self._waits_until - self.clock())
        finished.sort(key=lambda each: each[0], reverse=True)
        return Look(
            self.number,
            self.batch,
            standing,
            tally,
            self._noted,
            progress.done if progress and busy else tally.labelled + len(tally.failures),
            before,
            self.per_second if busy else None,
            progress.seconds_left if progress and busy else None,
            cost,
            waits,
            busy and self.others(),
            standing.busy and self.stop.is_set(),
            trouble,
            tuple(each for _, each in finished),
        )

    def _count(self) -> int:
        return self._tally.labelled + len(self._tally.failures)


def _drawn(picture: Picture, sample: Sample) -> Finished:
    image = images.thumbnail(picture, _SIDE_PX)
    if sample.result.detections:
        image = overlays.render(image, sample.result.detections, View(overlays=("mask", "box")))
    return Finished(sample.picture, images.jpeg_uri(image), _words(sample))


def _words(sample: Sample) -> str:
    if not sample.labelled:
        return _NO_LABELS[sample.result.outcome]
    if sample.task in (Task.CAPTION, Task.ASK):
        return sample.result.text[:80]
    count = len(sample.result.detections)
    return f"{count} {'object' if count == 1 else 'objects'}" if count else "nothing found"
