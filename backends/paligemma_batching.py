"""Visitors of one model wait in one line: their prompts are answered together, a few rows at a time, in one thread.

Rows of any task, budget and temperature go together, because each leaves the batch by itself. Fair: a batch takes one
row of each job in turn, oldest job first, so eighty prompts of one visitor do not keep the next one waiting for eighty.
A job that is stopped loses its rows at the next token and nobody else's.
Where memory runs out it is freed and the batch tried once more in halves; where a GPU is lost, all who wait are told.
"""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum

from backends import SPECS
from backends.paligemma_generate import Engine
from backends.paligemma_place import is_out_of_memory
from backends.paligemma_voice import Answer, Row, Voice
from grounding.errors import BackendError, Stopped

ROWS = SPECS["paligemma"].capabilities.at_once
"""Prompts answered at once: on two CPU cores the 8 are read in a fifth of the time of 8 alone, more gain little."""

_LOOK_S = 0.1  # how often a waiting visitor looks whether to stop, at least


class Trouble(Enum):
    """Why a batch broke off, in words for the people who wait for it."""

    MEMORY = "Memory ran out while the model was answering. Choose a smaller model or ask for fewer things at once."
    DEVICE = "The graphics card stopped while the model was answering. Ask again: the model is loaded anew."
    UNKNOWN = "The model stopped for an unknown reason. Ask again; where that does not help, restart Pinpoint."
    CLOSED = "This model was put away to make room for another. Ask again to load it."


class Job:
    """The rows of one request, answered in any order. For one waiting thread."""

    def __init__(self, voices: list[Voice], changed: threading.Condition, stop: threading.Event | None) -> None:
        self.voices = voices
        for voice in voices:
            voice.stop = stop
        self.waiting = deque(voices)
        self._changed = changed
        self._stop = stop

    @property
    def answers(self) -> list[tuple[Answer, bool]]:
        """Each as far as it came, and whether it is done."""
        with self._changed:
            return [(voice.answer(), voice.done) for voice in self.voices]

    @property
    def seconds(self) -> float:
        """From its beginning to the last token heard.

        What others asked meanwhile was answered in it too: the seconds of jobs answered together add up to more than
        they took.
        """
        return max(voice.heard for voice in self.voices) - min(voice.started for voice in self.voices)

    def follow(self) -> Iterator[None]:
        """Yields whenever more was said, at last when all was; closing it takes the job out of the line.

        Raises Stopped, and BackendError where no answer will come.
        """
        heard = 0
        try:
            while not all(voice.done for voice in self.voices):
                with self._changed:
                    if self._said() == heard and not self._trouble():
                        self._changed.wait(_LOOK_S)
                    now = self._said()
                if self._stop is not None and self._stop.is_set():
                    raise Stopped
                if trouble := self._trouble():
                    raise BackendError(trouble)
                if now != heard:
                    heard = now
                    yield
        finally:
            self.leave()

    def wait(self) -> list[Answer]:
        for _ in self.follow():
            pass
        return [answer for answer, _ in self.answers]

    def leave(self) -> None:
        with self._changed:
            self.waiting.clear()
            for voice in self.voices:
                voice.leave()

    def _said(self) -> int:
        return sum(voice.said for voice in self.voices)

    def _trouble(self) -> str:
        return next((voice.trouble for voice in self.voices if voice.trouble), "")


class Batcher:
    """Answers the jobs of one Engine, in a thread that lives while there are any."""

    def __init__(self, engine: Engine, rows: int = ROWS) -> None:
        self._engine: Engine | None = engine
        self._rows = rows
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.lost = False  # the device is gone: the checkpoint has to be loaded anew

    def submit(self, rows: Sequence[Row], stop: threading.Event | None = None) -> Job:
        """A place at the end of the line; raises BackendError once this is closed."""
        with self._changed:
            if self._engine is None or self._closed or self.lost:
                raise BackendError((Trouble.DEVICE if self.lost else Trouble.CLOSED).value)
            job = Job([self._engine.voice(row) for row in rows], self._changed, stop)
            self._jobs.append(job)
            if self._thread is None:
                self._start()
            return job

    def close(self) -> None:
        """Take no more jobs; those in line are answered."""
        with self._changed:
            self._closed = True
            if self._thread is None:
                self._engine = None

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="paligemma", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        batch: list[Voice] = []
        try:
            while batch := self._take():
                self._answer(batch)
        finally:
            with self._changed:
                if self._thread is threading.current_thread():  # an error on its way out of here
                    self._fail(batch, Trouble.UNKNOWN)
                    self._thread = None
                    if self._jobs:
                        self._start()

    def _take(self) -> list[Voice]:
        """The next batch; none where nobody waits, and then the thread is no longer counted on."""
        batch: list[Voice] = []
        with self._changed:
            while self._jobs and len(batch) < self._rows:
                job = self._jobs.popleft()
                if job.waiting:
                    batch.append(job.waiting.popleft())
                if job.waiting:
                    self._jobs.append(job)
            if not batch:
                self._thread = None
                if self._closed:
                    self._engine = None
        return batch

    def _answer(self, batch: list[Voice]) -> None:
        trouble = self._try(batch)
        if trouble is Trouble.MEMORY:
            self._free()
            self._rows = max(1, min(self._rows, len(batch) // 2))
            rest = [voice for voice in batch if not (voice.done or voice.left)]
            for first in range(0, len(rest), self._rows):
                part = rest[first : first + self._rows]
                trouble = self._try(part)
                if trouble is Trouble.MEMORY:
                    self._fail(part, trouble)
                    self._free()
                elif trouble:
                    break
        if trouble is Trouble.DEVICE:
            with self._changed:
                self.lost = True
                self._fail([*batch, *(voice for job in self._jobs for voice in job.voices)], trouble)
                self._jobs.clear()

    def _try(self, batch: list[Voice]) -> Trouble | None:
        """Have the batch answered; what broke it off, known only after the error and what it held on to are gone."""
        engine = self._engine
        assert engine is not None, "it is let go of when there is no batch any more"
        with self._changed:
            for voice in batch:
                voice.clear()
        try:
            for heard in engine.speak(batch):
                with self._changed:
                    for each in heard:
                        each.tell()
                    self._changed.notify_all()
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                return Trouble.MEMORY
            if is_device_lost(error):
                return Trouble.DEVICE
            raise
        return None

    def _fail(self, voices: Sequence[Voice], trouble: Trouble) -> None:
        with self._changed:
            for voice in voices:
                if not voice.done:
                    voice.trouble = trouble.value
                    voice.leave()
            self._changed.notify_all()

    def _free(self) -> None:
        if self._engine:
            self._engine.features.clear()
        free_memory()


def is_device_lost(error: BaseException) -> bool:
    """Whether an error says that a GPU's context is broken: whatever is asked of it now fails too."""
    import torch

    words = str(error)
    return isinstance(error, torch.AcceleratorError) or any(
        sign in words for sign in ("CUDA error", "HIP error", "device-side assert", "CUBLAS_STATUS", "CUDNN_STATUS")
    )


def free_memory() -> None:
    """Give back what torch keeps for later, of what nothing holds on to any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
