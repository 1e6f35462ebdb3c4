"""How many pictures are asked about at once: no more than a service bears, and none while it wants quiet."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from grounding.errors import RateLimited
from grounding.types import Result
from jobs.pace import Pace
from jobs.run import parallel_for
from tests.jobs.running import Echo, cat, outcomes, sources, steps


def test_several_pictures_are_asked_about_at_once_and_no_more_than_that(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def say(name: str) -> Result:
        together.wait(60)
        time.sleep(0.02)  # a ninth would come in
        return cat()

    backend = Echo(say)
    steps(tmp_path, sources(24), backend, parallel=8)
    assert backend.most_at_once == 8


def test_while_others_ask_one_picture_is_asked_about_at_a_time(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        time.sleep(0.02)
        return cat()

    aside = Echo(say)
    steps(tmp_path, sources(12), aside, parallel=8, others=lambda: True)
    assert aside.most_at_once == 1
    (tmp_path / "other").mkdir()
    together = threading.Barrier(2)

    def say_together(name: str) -> Result:
        together.wait(60)
        return cat()

    alone = Echo(say_together)
    steps(tmp_path / "other", sources(12), alone, parallel=8, others=lambda: False)
    assert alone.most_at_once > 1


@pytest.mark.parametrize(
    ("hosted", "pictures", "expected"),
    [(True, 1, 1), (True, 7, 1), (True, 16, 4), (True, 5000, 8), (False, 1, 16)],
)
def test_a_handful_of_pictures_is_asked_of_a_service_one_by_one(hosted: bool, pictures: int, expected: int) -> None:
    assert parallel_for(hosted, pictures) == expected


def test_one_complaint_slows_all_workers_down_and_the_picture_is_asked_again(tmp_path: Path) -> None:
    complained: list[tuple[float, int]] = []  # when, and in which thread
    heeded, under_way = threading.Event(), threading.Semaphore(0)
    begun: list[tuple[str, float]] = []

    def say(name: str) -> Result:
        if complained:
            begun.append((name, time.monotonic()))
        elif name == "0010.png":
            for _ in range(3):
                assert under_way.acquire(timeout=60)
            complained.append((time.monotonic(), threading.get_ident()))
            raise RateLimited("Too many requests for this key (429).", 0.5)
        elif name > "0010.png":  # the other workers' pictures
            under_way.release()
            assert heeded.wait(60)
        return cat()

    def others() -> bool:
        """Nobody; a worker looks here before it asks, and the one that was refused does so for a second time."""
        if complained and threading.get_ident() == complained[0][1]:
            heeded.set()
        return False

    steps(tmp_path, sources(20), Echo(say), parallel=4, others=others)
    assert outcomes(tmp_path, sources(20)) == {"found": 20}
    assert sorted(name for name, _ in begun) == ["0010.png", *(f"00{index}.png" for index in range(14, 20))]
    assert min(at for _, at in begun) - complained[0][0] >= 0.5, "someone went on asking"


def test_a_limit_met_by_the_first_picture_is_told_at_once(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        raise RateLimited("This key has no quota (429). Use another key.", 100)

    started = time.monotonic()
    steps(tmp_path, sources(2), Echo(say), parallel=1)
    assert time.monotonic() - started < 60
    assert outcomes(tmp_path, sources(2)) == {"failed": 2}


def test_the_pace_halves_with_a_complaint_and_comes_back_one_by_one() -> None:
    pace = Pace(8)
    pace.answered()
    assert pace.refused(0.0) == 0.0
    assert pace.limit == 4
    for _ in range(4):
        pace.answered()
    assert pace.limit == 5
    pace.slow()
    assert pace.limit == 2
    for _ in range(100):
        pace.answered()
    assert pace.limit == 8


@pytest.mark.parametrize("wait_s", [121.0, 3600.0])
def test_a_pause_longer_than_two_minutes_is_not_sat_out(wait_s: float) -> None:
    pace = Pace(8)
    pace.answered()
    assert pace.refused(wait_s) is None
    assert pace.waiting_s() == 0
