"""Whose batch it is: one each on a shared page, in line behind others, gone when nobody looks; no key is kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grounding.errors import GroundingError, RequestError
from grounding.settings import Settings
from tests.ui.batching import LOCAL, SHARED, Held, Patient, batches_at, ended, pool_of, until, wanted, zipped
from ui.batch_state import Standing
from ui.batches import AT_ONCE, LEFT_S, MOST_KEPT, Batches
from ui.state import KEPT_S


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_those_that_came_later_wait_in_line_and_get_their_turn(tmp_path: Path) -> None:
    echo = Held()
    batches = batches_at(tmp_path, SHARED, echo)
    archive = zipped(tmp_path / "set.zip", 12)
    numbers = [batches.begin(wanted(archive)) for _ in range(AT_ONCE + 2)]
    last = until(batches, numbers[-1], lambda look: look.before == 2)
    assert last.standing is Standing.WAITING
    assert last.done == 0
    echo.let()
    assert all(ended(batches, each).tally.labelled == 12 for each in numbers)


def test_one_that_waits_can_be_stopped(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED, Held())
    archive = zipped(tmp_path / "set.zip", 12)
    numbers = [batches.begin(wanted(archive)) for _ in range(AT_ONCE + 1)]
    batches.stop(numbers[-1])
    assert ended(batches, numbers[-1]).standing is Standing.STOPPED
    for each in numbers:
        batches.delete(each)


def test_a_visitor_has_one_and_a_new_one_takes_its_place_on_a_shared_page(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED, Held())
    archive = zipped(tmp_path / "set.zip", 10)
    first = batches.begin(wanted(archive))
    with pytest.raises(RequestError, match="still running"):
        batches.begin(wanted(archive), first)
    batches.stop(first)
    ended(batches, first)
    second = batches.begin(wanted(archive), first)
    assert batches.look(first) is None
    assert not (tmp_path / "batches" / first).exists()
    batches.delete(second)
    assert list((tmp_path / "batches").iterdir()) == []


def test_whoever_is_refused_keeps_the_batch_of_before(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED)
    archive = zipped(tmp_path / "one.zip", 1)
    first = batches.begin(wanted(archive))
    ended(batches, first)
    with pytest.raises(GroundingError):
        batches.begin(wanted(tmp_path / "gone.zip"), first)
    look = batches.look(first)
    assert look is not None
    assert look.tally.labelled == 1
    assert [each.name for each in (tmp_path / "batches").iterdir()] == [first]


def test_a_visitor_has_one_whatever_the_browser_says(tmp_path: Path) -> None:
    echo = Held()
    batches = batches_at(tmp_path, SHARED, echo)
    archive = zipped(tmp_path / "set.zip", 10)
    first = batches.begin(wanted(archive), visitor="me")
    with pytest.raises(RequestError, match="still running"):
        batches.begin(wanted(archive), visitor="me")
    other = batches.begin(wanted(archive), visitor="somebody else")
    echo.let()
    ended(batches, first)
    second = batches.begin(wanted(archive), visitor="me")
    assert batches.look(first) is None
    assert batches.look(other) is not None
    for each in (other, second):
        batches.delete(each)


def test_a_full_shared_page_lets_a_batch_take_the_place_of_ones_own(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED)
    archive = zipped(tmp_path / "one.zip", 1)
    numbers = [batches.begin(wanted(archive)) for _ in range(MOST_KEPT)]
    ended(batches, numbers[0])
    ended(batches, batches.begin(wanted(archive), numbers[0]))
    assert batches.look(numbers[0]) is None
    for number in numbers[1:]:
        ended(batches, number)


def test_a_shared_page_keeps_so_many_and_no_more(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED)
    archive = zipped(tmp_path / "one.zip", 1)
    numbers = [batches.begin(wanted(archive)) for _ in range(MOST_KEPT)]
    with pytest.raises(RequestError, match="as many batches"):
        batches.begin(wanted(archive))
    for number in numbers:
        ended(batches, number)


def test_what_nobody_looks_at_goes_though_nobody_begins_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.batches.TIDY_S", 0.05)
    clock = Clock()
    batches = batches_at(tmp_path, SHARED, clock=clock)
    number = batches.begin(wanted(zipped(tmp_path / "one.zip", 1)))
    ended(batches, number)
    time.sleep(0.2)
    assert (tmp_path / "batches" / number).exists()
    clock.now += KEPT_S + 1
    ends = time.monotonic() + 60
    while (tmp_path / "batches" / number).exists():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_on_a_shared_page_it_stops_when_nobody_looks_and_is_deleted_later(tmp_path: Path) -> None:
    clock = Clock()
    echo = Held(3)
    batches = batches_at(tmp_path, SHARED, echo, clock)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 100)))
    until(batches, number, lambda look: look.done == 3)
    clock.now += LEFT_S - 1
    echo.let(5)
    ends = time.monotonic() + 60
    while len(echo.names) < 8:
        assert time.monotonic() < ends
        time.sleep(0.02)
    assert not batches._going[number].ended.is_set(), "a reload takes no longer than that"
    clock.now += LEFT_S
    echo.let(90)
    assert batches._going[number].ended.wait(60)
    look = batches.look(number)
    assert look is not None
    assert look.standing is Standing.LEFT
    assert 8 <= look.done < 100
    clock.now += KEPT_S + 1
    other = batches.begin(wanted(zipped(tmp_path / "one.zip", 1)))
    assert batches.look(number) is None
    ended(batches, other)


def test_on_this_machines_own_page_it_goes_on_whoever_looks(tmp_path: Path) -> None:
    clock = Clock()
    batches = batches_at(tmp_path, LOCAL, Patient(0.01), clock)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 30)))
    clock.now += 100 * LEFT_S
    assert batches._going[number].ended.wait(60)
    look = batches.look(number)
    assert look is not None
    assert look.standing is Standing.DONE


@pytest.mark.parametrize(
    "number", ["", "..", "../../etc", "a" * 32 + "/..", "A" * 32, "0" * 32, "\0" * 32, None, 7, []]
)
def test_a_number_that_leads_nowhere_shows_and_deletes_nothing(tmp_path: Path, number: object) -> None:
    batches = batches_at(tmp_path)
    mine = batches.begin(wanted(zipped(tmp_path / "one.zip", 1)))
    ended(batches, mine)
    assert batches.look(number) is None  # type: ignore[arg-type]
    if isinstance(number, str):
        batches.delete(number)
        batches.stop(number)
        with pytest.raises(RequestError):
            batches.go_on(number, "")
    assert batches.look(mine) is not None


def test_a_shared_page_lists_nobodys_batches_and_asks_the_hub_as_a_stranger(tmp_path: Path) -> None:
    shared = Batches(tmp_path, Settings(host="0.0.0.0", hf_token="hf_operator"), pool_of(SHARED, Patient()))
    assert shared._reach.hub.token is False
    number = shared.begin(wanted(zipped(tmp_path / "one.zip", 1)))
    ended(shared, number)
    assert shared.listed() == []
    assert Batches(tmp_path, Settings(hf_token="hf_mine"), pool_of(LOCAL, Patient()))._reach.hub.token == "hf_mine"


def test_a_key_is_used_and_kept_nowhere(tmp_path: Path) -> None:
    key = "AIzaCANARY-0123456789"
    batches = batches_at(tmp_path)
    number = batches.begin(wanted(zipped(tmp_path / "one.zip", 2), backend="gemini", key=key))
    ended(batches, number)
    assert batches._pool.keys == [key]  # type: ignore[attr-defined]
    held = [path.read_bytes() for path in (tmp_path / "batches").rglob("*") if path.is_file()]
    assert held
    assert not [each for each in held if key.encode() in each]
    assert key not in repr(vars(batches)) + repr(vars(batches._going[number])) + repr(wanted(key=key))
