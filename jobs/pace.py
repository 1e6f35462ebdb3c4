"""How many requests a service gets at once: fewer for all workers as soon as it complains to one, then slowly more.

Additive increase, multiplicative decrease, as TCP does it. Knows no service and no pictures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from grounding.errors import Stopped

LONGEST_WAIT_S = 120.0
"""A service that wants a longer pause is out of quota, not out of breath: per-minute limits are over by then."""

_FIRST_WAIT_S = 5.0  # where the service does not say how long
_CHECK_S = 0.1


class Pace:
    """Shared by all workers of a run.

    others: whether somebody else asks the same model right now; as long as they do, one worker at a time does.
    """

    def __init__(self, most: int, others: Callable[[], bool] | None = None) -> None:
        self._most = most
        self._others = others
        self._limit = most
        self._running = 0
        self._in_a_row = 0
        self._complaints = 0
        self._resume_at = 0.0
        self._answered = False
        self._turn = threading.Condition()

    @property
    def limit(self) -> int:
        return self._limit

    def enter(self, stop: threading.Event) -> None:
        """Returns when it is this worker's turn; raises Stopped once `stop` is set."""
        with self._turn:
            while (wait := self._wait_s()) > 0:
                if stop.is_set():
                    raise Stopped
                self._turn.wait(min(wait, _CHECK_S))
            if stop.is_set():
                raise Stopped
            self._running += 1

    def leave(self) -> None:
        with self._turn:
            self._running -= 1
            self._turn.notify_all()

    def answered(self) -> None:
        """An answer came at the first try: after as many in a row as run at once, one more may."""
        with self._turn:
            self._answered = True
            self._complaints = 0
            self._in_a_row += 1
            if self._in_a_row >= self._limit < self._most:
                self._limit += 1
                self._in_a_row = 0

    def slow(self) -> None:
        """An answer came, but not at the first try: half as many from now on."""
        with self._turn:
            self._answered = True
            self._halve()

    def refused(self, retry_after_s: float | None) -> float | None:
        """Too much was asked: everyone waits, then half as many go on. Seconds until then; None: waiting will not help.

        A limit met before the first answer is that of the key, not of our pace.
        """
        with self._turn:
            self._complaints += 1
            wait = _FIRST_WAIT_S * 2 ** min(self._complaints - 1, 4) if retry_after_s is None else retry_after_s
            if not self._answered or wait > LONGEST_WAIT_S:
                return None
            if time.monotonic() >= self._resume_at:  # those already under way complain of the same burst
                self._halve()
            self._resume_at = max(self._resume_at, time.monotonic() + wait)
            return wait

    def waiting_s(self) -> float:
        """Seconds for which nobody will ask."""
        return max(0.0, self._resume_at - time.monotonic())

    def _halve(self) -> None:
        self._limit = max(1, self._limit // 2)
        self._in_a_row = 0

    def _wait_s(self) -> float:
        limit = 1 if self._others is not None and self._others() else self._limit
        return self.waiting_s() or (_CHECK_S if self._running >= limit else 0.0)
