"""Model calls in threads of their own: one per visitor, each with its Stop. Knows no model and no page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

POLL_S = 0.1
"""Between two looks at a run."""
NEWS_S = 0.5
"""Between two looks at work that only tells how far it is."""
PATIENCE_S = 1.2
"""How long a stopped model may take to notice before the page stops waiting for it."""
WORKERS = 8
"""Calls at once; Gradio's own 40 threads stay free for the page, which freezes once they are all taken."""


@dataclass(eq=False)
class Run(Generic[T]):
    """replaced: it was stopped because what it asks about is no longer on the page."""

    future: Future[T]
    stop: threading.Event
    started: float = field(default_factory=time.monotonic)
    replaced: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


class News(Generic[T]):
    """The newest of what a thread has to tell; what nobody took in time is passed over for the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: T | None = None

    def tell(self, what: T) -> None:
        with self._lock:
            self._newest = what

    def take(self) -> T | None:
        """What was told since the last time; None where nothing was."""
        with self._lock:
            newest, self._newest = self._newest, None
            return newest


def watched(do: Callable[[Callable[[str], None]], T], show: Callable[[str, int], U]) -> Generator[U, None, T]:
    """What `do` tells from a thread of its own, as `show` makes it of that and the seconds so far; then what it gave.

    It goes on to its end, also when the visitor leaves; nobody waits for that: this is closed on the event loop then.
    """
    news: News[str] = News()
    began, far = time.monotonic(), ""
    thread = ThreadPoolExecutor(1, thread_name_prefix="watched")
    work = thread.submit(do, news.tell)
    thread.shutdown(wait=False)
    while not work.done():
        far = news.take() or far
        yield show(far, int(time.monotonic() - began))
        wait([work], NEWS_S)
    return work.result()


class Runs:
    """Who is running what. A second call of the same visitor is not begun while the first one lasts."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="model")
        self._lock = threading.Lock()
        self._running: dict[str, Run] = {}

    def begin(self, visitor: str, do: Callable[[threading.Event], T]) -> Run[T] | None:
        """Start `do(stop)` in a thread; None where this visitor's last call is still wanted and not done."""
        with self._lock:
            if visitor in self._running:
                return None
            stop = threading.Event()
            run = Run(self._pool.submit(do, stop), stop)
            self._running[visitor] = run
            return run

    def running(self, visitor: str) -> bool:
        with self._lock:
            return visitor in self._running

    def stop(self, visitor: str, *, replaced: bool = False) -> None:
        with self._lock:
            if run := self._running.get(visitor):
                run.replaced = replaced or run.replaced
                run.stop.set()

    def end(self, visitor: str, run: Run) -> None:
        """The visitor no longer waits for `run`, done or not; what still works is told to stop."""
        run.stop.set()
        run.future.cancel()
        with self._lock:
            if self._running.get(visitor) is run:
                del self._running[visitor]
