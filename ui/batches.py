"""Who is running which batch: one a visitor, a few at once, each in a thread of its own, step by step on disk.

On this machine's own page a batch goes on until it is done, whoever looks. On a shared page it stops minutes after
nobody looked, and is deleted with the visitors' pictures. Only its number leads to a batch; nobody can guess it.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from backends import SPECS, Pool
from grounding.backend import Backend
from grounding.errors import RequestError, Stopped
from grounding.exports import Tell, untold
from grounding.settings import Settings
from jobs.batch import Batch, Found, Given, Put, Reach, TakenAway, collect, find
from jobs.datasets import Hub
from jobs.project import Project
from jobs.run import parallel_for, run
from jobs.work import Job, check
from ui import batch_markup
from ui.batch_form import Wanted
from ui.batch_state import Going, Look, Standing
from ui.messages import Problem, attempt
from ui.state import KEPT_S

AT_ONCE = 2
"""Batches that run beside one another; those that came later wait in line."""
MOST_KEPT = 30  # on a shared page, running or not
LEFT_S = 600.0
"""How long a batch of a shared page goes on with nobody looking: long enough for a reload or a lost connection."""
TIDY_S = 600.0
"""Between two times that a shared page deletes what nobody looked at for long."""
_FULL = "This page has as many batches as it can keep. Try again later, or run your own copy."
_DOWNLOAD_BYTES = 500_000_000  # of one Parquet file, where strangers choose it
MOST_COUNTED = 20_000
"""Pictures of a folder that are counted before a batch begins."""
_WAIT_S = 0.2
_PATIENCE_S = 5.0


def home(settings: Settings, private: Path) -> Path:
    """Where batches lie: beside the projects of this machine's owner, else in a folder that goes with the page."""
    return Path(settings.projects).expanduser() / ".batches" if settings.local else private / "batches"


class Batches:
    """All batches of a page. `folder`: where they lie."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        pool: Pool,
        *,
        reach: Reach | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shared = not settings.local
        self._folder, self._settings, self._pool, self._clock = folder, settings, pool, clock
        stranger = Hub(token=False, most_bytes=_DOWNLOAD_BYTES)
        self._reach = reach or Reach(hub=stranger if self.shared else Hub(token=settings.hf_token))
        self._lock = threading.Lock()
        self._going: dict[str, Going] = {}
        self._line: list[Going] = []  # in the order they came, those that run first
        self._whose: dict[str, str] = {}  # on a shared page: the visitor's batch
        self._tidying: threading.Timer | None = None
        self._mine: Counter[tuple[str, str, str]] = Counter()
        self._rates: dict[tuple[str, str, str], float] = {}

    def begin(self, wanted: Wanted, earlier: str = "", visitor: str = "") -> str:
        """The number of a new batch that runs from now on; on a shared page it takes the place of the visitor's last.

        That is the `earlier` one, which the browser remembers, and what `visitor` began: it goes once the new one lies
        there, so that whoever is refused has lost nothing.
        """
        mine = {earlier}
        if self.shared and visitor:
            mine.add(self._whose.get(visitor, ""))
        with self._lock:
            if any(each.standing.busy for number, each in self._going.items() if number in mine):
                raise RequestError("Your batch is still running. Wait for its end, or stop it first.")
        if self.shared:
            self.tidy()
            if len(self._going.keys() - mine) >= MOST_KEPT:
                raise RequestError(_FULL)
        number = uuid.uuid4().hex
        batch = Batch.create(self._folder / number, wanted.job, wanted.given, wanted.files)
        with self._lock:
            going = self._going[number] = Going(number, batch, self._clock)
            if self.shared and visitor:
                self._whose[visitor] = number
        if self.shared:
            for each in filter(_is_number, mine):
                self.delete(each)
            self._tidy_later()
        self._start(going, wanted.key)
        return number

    def go_on(self, number: str, key: str, *, again: bool = False) -> None:
        """Run it from where it was left; `again`: only those without labels, blocked and unreadable ones too."""
        going = self._found(number)
        if going.standing.busy:
            raise RequestError("This batch is running already.")
        self._start(going, key, again=again)

    def stop(self, number: str) -> None:
        if (going := self._going.get(number)) is not None:
            going.stop.set()

    def look(self, number: str) -> Look | None:
        """How it stands, and that somebody looked; None where there is no such batch."""
        if not _is_number(number):
            return None
        got = attempt(lambda: self._found(number))
        if isinstance(got, Problem):
            return None
        with self._lock:
            place = self._line.index(got) - AT_ONCE + 1 if got in self._line else 0
        return got.look(place)

    def listed(self) -> list[tuple[str, str]]:
        """(in words, number) of each batch on this machine, newest first; on a shared page each has its own only."""
        found = [] if self.shared else find(self._folder)
        return [(batch_markup.titled(batch), batch.folder.name) for batch in found]

    def take_away(self, number: str, form: str, threshold: int, path: Path, tell: Tell = untold) -> TakenAway:
        return self._idle(number).take_away(form, threshold, self._reach, path, tell)

    def put_into(self, number: str, project: Project) -> Put:
        return self._idle(number).put_into(project, self._reach)

    def collect(self, given: Given, files: tuple[Path, ...], open_files: ExitStack) -> Found:
        """What a batch would begin with, as far as looking takes no network."""
        near = replace(given, addresses=(), dataset="", most=min(given.most, MOST_COUNTED))
        return collect(files, near, open_files, self._reach)

    def delete(self, number: str) -> None:
        """Stop it; its pictures and labels are gone for good."""
        with self._lock:
            going = self._going.pop(number, None)
            self._whose = {who: each for who, each in self._whose.items() if each != number}
        if going is not None:
            going.stop.set()
            going.ended.wait(_PATIENCE_S)
        if _is_number(number):
            shutil.rmtree(self._folder / number, ignore_errors=True)

    def per_second(self, job: Job) -> float | None:
        """Pictures a second that such a job last took here; None where none has run yet."""
        return self._rates.get((job.backend, job.model, job.task.value))

    def _found(self, number: str) -> Going:
        """The batch of this number, read from disk where this process has not met it; RequestError for none."""
        with self._lock:
            going = self._going.get(number)
        if going is None:
            if not _is_number(number):
                raise RequestError("There is no such batch any more. Begin anew.")
            going = Going.left(number, Batch.open(self._folder / number), self._clock)
            with self._lock:
                going = self._going.setdefault(number, going)
        return going

    def _idle(self, number: str) -> Batch:
        going = self._found(number)
        if going.standing.busy:
            raise RequestError("The batch is still running. Wait for its end, or stop it first.")
        return going.batch

    def _start(self, going: Going, key: str, *, again: bool = False) -> None:
        with self._lock:
            if not going.ended.is_set():
                raise RequestError("This batch is still stopping. Try again in a moment.")
            going.reset()
            self._line.append(going)
        threading.Thread(target=self._run, args=(going, key, again), name="batch", daemon=True).start()

    def _run(self, going: Going, key: str, again: bool) -> None:
        try:
            got = attempt(partial(self._work, going, key, again))
        finally:
            with self._lock:
                self._line.remove(going)
        trouble = got if isinstance(got, Problem) and not got.stopped else None
        left = self._is_left(going)
        standing = Standing.FAILED if trouble else got if isinstance(got, Standing) else Standing.STOPPED
        going.ends(Standing.LEFT if left and standing is Standing.STOPPED else standing, trouble)

    def _work(self, going: Going, key: str, again: bool) -> Standing:
        self._wait_in_line(going)
        batch, job = going.batch, going.batch.job
        going.standing = Standing.OPENING
        with ExitStack() as open_files:
            found = batch.pictures(open_files, self._reach)
            going.found(found)
            if not found.sources:
                first = f" {found.skipped[0].name[:60]}: {found.skipped[0].reason}." if found.skipped else ""
                raise RequestError(f"There are no pictures in what was given.{first}"[:199])
            backend = open_files.enter_context(self._lent(job, key, going))
            check(job, backend)
            journal = open_files.enter_context(closing(batch.journal()))
            going.begins(journal)
            names = frozenset(journal.tally().failures) if again else frozenset()
            hosted = SPECS[job.backend].needs_key
            parallel = parallel_for(True, len(found.sources)) if hosted else max(1, backend.capabilities.at_once)
            steps = run(found.sources, job, backend, journal, parallel=parallel, stop=going.stop, again=names,
                        others=going.others, seen=going.draw)  # fmt: skip
            whole = False
            for progress in steps:
                whole = progress.done >= progress.total
                going.tell(progress)
                if self._is_left(going):
                    going.stop.set()
            if rate := going.per_second:
                self._rates[job.backend, job.model, job.task.value] = rate
        if whole:
            return Standing.DONE
        return Standing.STOPPED if going.stop.is_set() else Standing.GIVEN_UP

    def _wait_in_line(self, going: Going) -> None:
        while True:
            with self._lock:
                if self._line.index(going) < AT_ONCE:
                    return
            if going.stop.wait(_WAIT_S) or self._is_left(going):
                raise Stopped

    @contextmanager
    def _lent(self, job: Job, key: str, going: Going) -> Iterator[Backend]:
        """The job's backend; meanwhile the batch knows when others ask it."""
        whose = (job.backend, job.model, key)
        with self._pool.lend(*whose) as backend:
            with self._lock:
                self._mine[whose] += 1
            if not SPECS[job.backend].needs_key:  # a service answers others no sooner for it
                going.others = lambda: self._pool.users(*whose) > self._mine[whose]
            try:
                yield backend
            finally:
                going.others = lambda: False  # and the key is let go of
                with self._lock:
                    self._mine[whose] -= 1
                    self._mine += Counter()

    def _is_left(self, going: Going) -> bool:
        return self.shared and self._clock() - going.looked_at > LEFT_S

    def tidy(self) -> None:
        """On a shared page, what nobody looked at for long goes."""
        with self._lock:
            idle = [each for each in self._going.values() if self.shared and not each.standing.busy]
        for each in idle:
            if self._clock() - each.looked_at > KEPT_S:
                self.delete(each.number)

    def _tidy_later(self) -> None:
        """Again and again until no batch is left, whether or not anybody comes."""
        with self._lock:
            if self._tidying is not None:
                return
            self._tidying = threading.Timer(TIDY_S, self._tidied)
            self._tidying.daemon = True
            self._tidying.start()

    def _tidied(self) -> None:
        attempt(self.tidy)
        self._tidying = None
        if self._going:
            self._tidy_later()


def _is_number(number: object) -> bool:
    return isinstance(number, str) and re.fullmatch(r"[0-9a-f]{32}", number) is not None
