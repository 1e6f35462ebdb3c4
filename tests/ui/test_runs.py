"""Work in a thread of its own, watched from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from ui.runs import watched


def test_what_work_tells_is_shown_while_it_runs_and_then_what_it_gave() -> None:
    seen = threading.Event()

    def work(tell: Callable[[str], None]) -> int:
        tell("2 of 3")
        assert seen.wait(60)
        return 7

    shown, gave = [], []

    def page() -> Iterator[str]:
        gave.append((yield from watched(work, lambda far, seconds: far)))

    for far in page():
        shown.append(far)
        if far:
            seen.set()
    assert (shown[-1], gave) == ("2 of 3", [7])


def test_work_that_nobody_waits_for_any_more_goes_on_to_its_end() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def work(tell: Callable[[str], None]) -> None:
        assert go_on.wait(60)
        ended.set()

    steps = watched(work, lambda far, seconds: far)
    next(steps)
    steps.close()
    go_on.set()
    assert ended.wait(60)
