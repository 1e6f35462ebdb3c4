"""Runs over many pictures: each kept once, whatever fails or is stopped; time and cost are told; memory stays flat."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from grounding.errors import BackendError, ConfigError
from grounding.images import load
from grounding.types import Box, Detection, Outcome, Result, SoftMask, Usage
from jobs.journal import Journal
from jobs.pictures import Source
from jobs.run import run
from tests.jobs.running import JOB, PICTURE, Echo, cat, outcomes, png, resident_mb, sources, steps


def test_seven_bad_pictures_and_three_faults_among_fifty_are_named_and_the_rest_done(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        if name in {"0011.png", "0022.png", "0033.png"}:
            raise BackendError("Gemini had a fault of its own (500). Try again in a moment.")
        return cat()

    given = sources(50)
    bad = {3, 9, 15, 21, 27, 40, 49}
    for index in bad:
        given[index] = Source(given[index].name, lambda: b"words", "1")
    told = [each.sample for each in steps(tmp_path, given, Echo(say)) if each.sample]
    assert len(told) == len({each.picture for each in told}) == 50
    failed = {each.picture: each.result.text for each in told if not each.labelled}
    assert set(failed) == {f"{index:04d}.png" for index in bad} | {"0011.png", "0022.png", "0033.png"}
    assert all(len(reason) > 20 for reason in failed.values())
    assert outcomes(tmp_path, given) == {"found": 40, "failed": 10}


def test_a_second_run_asks_only_where_no_answer_came(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        if name == "0002.png":
            raise BackendError("Gemini had a fault of its own (500). Try again in a moment.")
        return cat(cost_usd=0.5)

    given = sources(6)
    steps(tmp_path, given, Echo(say))
    again = Echo()
    events = steps(tmp_path, given, again)
    assert again.asked == ["0002.png"]
    assert (events[0].done, events[0].total, events[0].sample) == (5, 6, None)
    assert events[-1].done == 6
    assert events[-1].cost_usd == pytest.approx(2.5), "what earlier runs cost counts"
    assert outcomes(tmp_path, given) == {"found": 6}


def test_asking_again_asks_those_named_though_they_were_answered(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        return Result(Outcome.BLOCKED, "Withheld.", usage=Usage(0.1, cost_usd=0.5)) if name < "0002" else cat(0.5)

    given = sources(5)
    steps(tmp_path, given, Echo(say))
    with closing(Journal(tmp_path, JOB)) as journal:
        tally = journal.tally()
    assert (tally.labelled, set(tally.failures)) == (3, {"0000.png", "0001.png"})
    again = Echo(lambda name: cat(0.5))
    events = steps(tmp_path, given, again, again=frozenset(tally.failures))
    assert sorted(again.asked) == ["0000.png", "0001.png"]
    assert (events[0].done, events[-1].done) == (3, 5)
    with closing(Journal(tmp_path, JOB)) as journal:
        after = journal.tally()
        assert journal.cost_usd() == pytest.approx(3.5), "what a picture cost before it was asked again counts"
    assert (after.labelled, after.failures, after.objects) == (5, {}, {"cat": 5})


def test_each_picture_is_shown_with_what_came_of_it_but_those_that_are_none(tmp_path: Path) -> None:
    given = sources(4)
    given[2] = Source("words.png", lambda: b"words", "1")
    shown: list[tuple[str, tuple[int, int], bool]] = []
    steps(tmp_path, given, Echo(), seen=lambda picture, sample, _: shown.append(
        (sample.picture, picture.size_wh, sample.labelled)))  # fmt: skip
    assert sorted(shown) == [(f"000{index}.png", (8, 6), True) for index in (0, 1, 3)]


def test_a_picture_that_changed_since_is_asked_about_again(tmp_path: Path) -> None:
    steps(tmp_path, sources(3), Echo())
    again = Echo()
    steps(tmp_path, [*sources(2), sources(3, stamp="2")[2]], again)
    assert again.asked == ["0002.png"]


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        pytest.param(BackendError("Gemini cannot be reached. Check the internet connection."), 10, id="ten in a row"),
        pytest.param(ConfigError("Google did not accept this key. Check it, or make another."), 1, id="a refused key"),
    ],
)
def test_no_answer_to_ten_in_a_row_or_a_refused_key_ends_the_run(tmp_path: Path, error: Exception, asked: int) -> None:
    def say(name: str) -> Result:
        raise error

    backend = Echo(say)
    steps(tmp_path, sources(40), backend, parallel=1)
    assert len(backend.asked) == asked
    assert outcomes(tmp_path, sources(40)) == {"failed": asked, "not asked": 40 - asked}


def test_stopping_and_closing_keep_what_was_answered(tmp_path: Path) -> None:
    stop = threading.Event()

    def say(name: str) -> Result:
        time.sleep(0.01)
        return cat()

    given = sources(200)
    with closing(Journal(tmp_path, JOB)) as journal:
        for progress in run(given, JOB, Echo(say), journal, parallel=4, stop=stop):
            if progress.done == 20:
                stop.set()
        kept = sum(journal.has(source.name, "1") for source in given)
        assert 20 <= kept < 60
        backend = Echo(say)
        going = run(given, JOB, backend, journal, parallel=4)
        for progress in going:
            if progress.done == kept + 20:
                going.close()
        assert sum(journal.has(source.name, "1") for source in given) == kept + len(backend.asked)


def test_time_left_and_cost_are_told_once_they_are_known(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        time.sleep(0.02)
        return cat(cost_usd=0.25)

    events = steps(tmp_path, sources(10), Echo(say), parallel=1)
    assert (events[0].seconds_left, events[0].cost_usd) == (None, None)
    middle = events[5]
    assert middle.seconds_left is not None
    assert 0.05 < middle.seconds_left < 5
    assert middle.cost_usd == pytest.approx(1.25)
    assert events[-1].seconds_left == 0


def test_pictures_that_cannot_be_opened_say_nothing_of_the_time_that_is_left(tmp_path: Path) -> None:
    def broken() -> bytes:
        return b"no picture"

    given = [Source("broken.png", broken), *sources(3)]
    events = steps(tmp_path, given, Echo(), parallel=1)
    first = next(each for each in events if each.sample is not None)
    assert (first.sample.picture, first.seconds_left) == ("broken.png", None)  # type: ignore[union-attr]


def test_asked_one_at_a_time_they_are_told_of_in_the_order_given_however_slowly_one_listens(tmp_path: Path) -> None:
    given, told = sources(40), []
    with closing(Journal(tmp_path, JOB)) as journal:
        for progress in run(given, JOB, Echo(), journal, parallel=1):
            told += [progress.sample.picture] if progress.sample else []
            time.sleep(0.005)  # the next one is answered meanwhile
    assert told == [source.name for source in given]


def test_memory_grows_by_less_than_25_kilobytes_a_picture(tmp_path: Path) -> None:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    probs = np.clip(2 - 2 * np.hypot(x, y), 0, 1).astype(np.float32)

    def say(name: str) -> Result:
        boxes = [Box(i / 10, 0, (i + 1) / 10, 1) for i in range(2)]
        found = tuple(Detection("cat", box, mask=SoftMask(probs * np.float32(0.9), box)) for box in boxes)
        return Result(Outcome.FOUND, detections=found, raw=name * 1000)

    data, count = png((320, 240)), 600  # whose masks alone, held, would be 20 MB
    held = 0.0
    with closing(Journal(tmp_path, JOB)) as journal:
        for progress in run(sources(count, data), JOB, Echo(say), journal, parallel=8):
            if progress.done == 100:
                held = resident_mb()
        assert resident_mb() - held < 0.025 * (count - 100)
        for source in sources(count):
            assert journal.read(source.name) is not None
        assert resident_mb() - held < 0.025 * (count - 100)


def test_a_picture_is_loaded_only_when_it_is_its_turn(tmp_path: Path) -> None:
    opened: list[str] = []

    def get(name: str) -> bytes:
        opened.append(name)
        return PICTURE

    given = [Source(f"{i}", lambda i=i: get(str(i))) for i in range(50)]  # type: ignore[misc]
    with closing(Journal(tmp_path, JOB)) as journal, closing(run(given, JOB, Echo(), journal, parallel=2)) as going:
        for progress in going:
            if progress.done == 5:
                break
    assert len(opened) < 20
    assert load(PICTURE).size_wh == (8, 6)
