"""A run over many pictures: several at once, each kept as soon as it is answered, with progress as it goes.

Only what is being asked about is in memory: what is done is in the journal, what is to come is a name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

from backends import SPECS
from grounding.backend import Backend
from grounding.errors import ConfigError, GroundingError, ImageError, RateLimited, Stopped
from grounding.images import Picture
from grounding.labels import Sample
from jobs.journal import Journal
from jobs.pace import Pace
from jobs.sources import Source
from jobs.work import Job, answered, failed, open_picture

MOST_AT_ONCE = 8
_IN_LINE = 2 * SPECS["paligemma"].capabilities.at_once
"""A model on this machine answers so many prompts together; as many more are read and wait meanwhile."""
_TRIES = 4  # of a picture that met a rate limit
_GIVE_UP_AFTER = 10
"""Pictures in a row without an answer from the model or its service: the others would fare no better."""


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a run has come; sent for every picture done, and at the start and while the service makes us wait.

    done: pictures done, earlier runs' included, of `total`. sample: the picture just done; None where it is only news.
    failed: pictures of this run without labels. seconds_left, cost_usd: None where not known (yet); the cost counts
    earlier runs. waiting_s: how long the service asked to be left alone.
    """

    done: int
    total: int
    sample: Sample | None = None
    failed: int = 0
    seconds_left: float | None = None
    cost_usd: float | None = None
    waiting_s: float = 0.0


def span(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def parallel_for(hosted: bool, pictures: int) -> int:
    """How many to ask about at once where nobody chose; a model on this machine answers them together.

    A service gets one more for every four pictures: a handful stays in order and under a free key's requests a minute.
    """
    return max(1, min(MOST_AT_ONCE, pictures // 4)) if hosted else _IN_LINE


def run(
    sources: Sequence[Source],
    job: Job,
    backend: Backend,
    journal: Journal,
    *,
    parallel: int,
    stop: threading.Event | None = None,
    again: Collection[str] = (),
    others: Callable[[], bool] | None = None,
    seen: Callable[[Picture, Sample, float], None] | None = None,
) -> Generator[Progress, None, None]:
    """Ask about every picture the journal lacks, `parallel` at once.

    Ends early once `stop` is set or the iterator is closed; what was answered by then is in the journal.
    again: names to ask about though there is an answer. others: see Pace. seen: shown each picture with what came of
    it and when it was begun (time.monotonic), by the worker that has it open.
    """
    todo = [source for source in sources if source.name in again or not journal.has(source.name, source.stamp)]
    count = _Count(len(sources), len(sources) - len(todo), journal.cost_usd(source.name for source in sources))
    crew = _Crew(job, backend, journal, Pace(parallel, others), seen)
    rest = iter(todo)
    pending: list[Future[Sample | None]] = []
    yield count.news()
    with ThreadPoolExecutor(parallel, thread_name_prefix="label") as pool:
        try:
            pending += [pool.submit(crew.label, source) for source in islice(rest, parallel + 1)]
            told_at = 0.0
            while pending:
                done, _ = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
                ended = [future for future in pending if future in done]  # told of in the order they were begun
                pending = [future for future in pending if future not in done]
                if stop is not None and stop.is_set():
                    crew.stop.set()
                pending += [pool.submit(crew.label, source) for source in islice(rest, len(ended))]
                for future in ended:
                    if sample := future.result():
                        yield count.one_more(sample)
                waiting_s = crew.pace.waiting_s()
                if waiting_s > 1 and time.monotonic() >= told_at:
                    told_at = time.monotonic() + waiting_s
                    yield count.news(waiting_s)
        finally:
            crew.stop.set()


class _Count:
    """What there is to tell of a run's progress."""

    def __init__(self, total: int, done: int, cost_usd: float | None) -> None:
        self._total, self._done, self._cost_usd = total, done, cost_usd
        self._opened = 0
        self._failed = 0
        self._started = time.monotonic()

    def news(self, waiting_s: float = 0.0) -> Progress:
        return self._progress(None, waiting_s)

    def one_more(self, sample: Sample) -> Progress:
        self._done += 1
        self._opened += sample.size_wh is not None  # what cannot be opened takes no time, and tells nothing of the rest
        self._failed += not sample.labelled
        usage = sample.result.usage
        if usage is not None and usage.cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + usage.cost_usd
        return self._progress(sample, 0.0)

    def _progress(self, sample: Sample | None, waiting_s: float) -> Progress:
        each_s = (time.monotonic() - self._started) / self._opened if self._opened else None
        left_s = None if each_s is None else each_s * (self._total - self._done)
        return Progress(self._done, self._total, sample, self._failed, left_s, self._cost_usd, waiting_s)


class _Crew:
    """What the workers of one run share. Each answer is in the journal before anyone is told of it."""

    def __init__(
        self,
        job: Job,
        backend: Backend,
        journal: Journal,
        pace: Pace,
        seen: Callable[[Picture, Sample, float], None] | None,
    ) -> None:
        self.stop = threading.Event()
        self.pace = pace
        self._seen = seen
        self._job, self._backend, self._journal = job, backend, journal
        self._lock = threading.Lock()
        self._unanswered = 0

    def label(self, source: Source) -> Sample | None:
        """What came of this picture, which is in the journal by then; None where the run was stopped before."""
        if self.stop.is_set():
            return None
        begun_at = time.monotonic()
        try:
            picture = self._open(source)
            sample = picture if isinstance(picture, Sample) else self._ask(source, picture)
        except Stopped:
            return None
        self._journal.keep(sample, source.stamp)
        if self._seen is not None and not isinstance(picture, Sample):
            self._seen(picture, sample, begun_at)
        return sample

    def _open(self, source: Source) -> Picture | Sample:
        try:
            return open_picture(source.get(), source.name, self._job)
        except (ImageError, MemoryError) as error:
            return failed(source.name, self._job, error)

    def _ask(self, source: Source, picture: Picture) -> Sample:
        for tries in range(1, _TRIES + 1):
            self.pace.enter(self.stop)
            try:
                result = self._backend.predict(self._job.request(picture), self.stop)
            except RateLimited as error:
                if self.pace.refused(error.retry_after_s) is None or tries == _TRIES:
                    return self._no_answer(source, picture, error)
            except Stopped:
                raise
            except (GroundingError, MemoryError) as error:
                return self._no_answer(source, picture, error)
            else:
                self._unanswered = 0
                several = result.usage is not None and (result.usage.requests or 1) > 1
                (self.pace.slow if several else self.pace.answered)()
                return answered(source.name, picture, result, self._job)
            finally:
                self.pace.leave()
        raise AssertionError("every try ends in an answer or a reason")

    def _no_answer(self, source: Source, picture: Picture, error: GroundingError | MemoryError) -> Sample:
        with self._lock:
            self._unanswered += 1
            if isinstance(error, ConfigError) or self._unanswered >= _GIVE_UP_AFTER:  # a key is as bad for the next one
                self.stop.set()
        return failed(source.name, self._job, error, picture.size_wh)
