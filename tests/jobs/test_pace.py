"""How many pictures are asked about at once: no more than a service bears, and none while it wants quiet."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grounding.errors import RateLimited
from grounding.types import Result
from jobs.pace import Pace
from jobs.run import parallel_for
from tests.jobs.running import Echo, cat, outcomes, sources, steps


def test_several_pictures_are_asked_about_at_once_and_no_more_than_that(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        time.sleep(0.05)
        return cat()

    backend = Echo(say)
    steps(tmp_path, sources(24), backend, parallel=8)
    assert backend.most_at_once == 8


def test_while_others_ask_one_picture_is_asked_about_at_a_time(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        time.sleep(0.02)
        return cat()

    aside, alone = Echo(say), Echo(say)
    steps(tmp_path, sources(12), aside, parallel=8, others=lambda: True)
    assert aside.most_at_once == 1
    (tmp_path / "other").mkdir()
    steps(tmp_path / "other", sources(12), alone, parallel=8, others=lambda: False)
    assert alone.most_at_once > 1


@pytest.mark.parametrize(
    ("hosted", "pictures", "expected"),
    [(True, 1, 1), (True, 7, 1), (True, 16, 4), (True, 5000, 8), (False, 1, 16)],
)
def test_a_handful_of_pictures_is_asked_of_a_service_one_by_one(hosted: bool, pictures: int, expected: int) -> None:
    assert parallel_for(hosted, pictures) == expected


def test_one_complaint_slows_all_workers_down_and_the_picture_is_asked_again(tmp_path: Path) -> None:
    refused: list[float] = []

    def say(name: str) -> Result:
        time.sleep(0.02)
        if name == "0010.png" and not refused:
            refused.append(time.monotonic())
            raise RateLimited("Too many requests for this key (429).", 0.5)
        begun.append(time.monotonic())
        return cat()

    begun: list[float] = []
    steps(tmp_path, sources(20), Echo(say), parallel=4)
    assert outcomes(tmp_path, sources(20)) == {"found": 20}
    quiet = [at - refused[0] for at in begun if at > refused[0]]
    assert not [each for each in quiet if 0.1 < each < 0.45], "someone went on asking"


def test_a_limit_met_by_the_first_picture_is_told_at_once(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        raise RateLimited("This key has no quota (429). Use another key.", 30)

    started = time.monotonic()
    steps(tmp_path, sources(2), Echo(say), parallel=1)
    assert time.monotonic() - started < 5
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
