"""Batches run beside the page: one each, a few at once, stopped and gone on with, found after a kill."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer

from grounding.errors import GroundingError, RateLimited, RequestError
from grounding.settings import Settings
from grounding.types import Request, Result
from jobs.batch import Given, Reach
from tests.jobs.test_fetch import open_to
from tests.jobs.test_run import resident_mb
from tests.ui.batching import Patient, ended, pool_of, until, wanted, zipped
from ui.batch_state import Standing
from ui.batches import AT_ONCE, LEFT_S, MOST_KEPT, Batches
from ui.state import KEPT_S

ROOT = Path(__file__).parents[2]
LOCAL, SHARED = Settings(), Settings(host="0.0.0.0", on_space=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def batches_at(
    folder: Path, settings: Settings = LOCAL, echo: Patient | None = None, clock: Clock | None = None
) -> Batches:
    pool = pool_of(settings, echo or Patient())
    return Batches(folder / "batches", settings, pool, clock=clock or time.monotonic)


def test_a_batch_is_labelled_counted_and_its_failure_named(tmp_path: Path) -> None:
    batches = batches_at(tmp_path)
    number = batches.begin(wanted(zipped(tmp_path / "six.zip", 6, broken=(3,)), labels=("cat", "dog")))
    look = ended(batches, number)
    assert (look.standing, look.done, look.total, look.tally.labelled) == (Standing.DONE, 6, 6, 5)
    assert look.tally.objects == {"cat": 5, "dog": 5}
    (failure,) = look.tally.failures.values()
    assert failure.picture == "six.zip/003.png"
    assert "damaged" in failure.reason
    assert {each.name for each in look.finished} == {f"six.zip/{n:03d}.png" for n in (0, 1, 2, 4, 5)}
    assert all(each.image.startswith("data:image/jpeg;base64,") and each.words == "2 objects" for each in look.finished)


def test_stopped_it_keeps_what_is_done_and_goes_on_with_the_rest(tmp_path: Path) -> None:
    echo = Patient(0.02)
    batches = batches_at(tmp_path, echo=echo)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 60)))
    until(batches, number, lambda look: look.done >= 10)
    batches.stop(number)
    stopped = ended(batches, number)
    assert stopped.standing is Standing.STOPPED
    assert 10 <= stopped.done < 40
    assert stopped.done == len(echo.names)
    batches.go_on(number, "")
    assert ended(batches, number).standing is Standing.DONE
    assert sorted(echo.names) == [f"set.zip/{n:03d}.png" for n in range(60)], "each was asked about once"


def test_stopped_as_the_last_picture_ends_it_is_done(tmp_path: Path) -> None:
    class Pressed(Patient):
        def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
            result = super().predict(request, stop)
            if len(self.names) == 3:
                batches.stop(number)
            return result

    batches = batches_at(tmp_path, echo=Pressed(0.1))
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 3)))
    look = ended(batches, number)
    assert (look.standing, look.done) == (Standing.DONE, 3)


def test_another_process_finds_it_and_goes_on(tmp_path: Path) -> None:
    first = batches_at(tmp_path, echo=Patient(0.02))
    number = first.begin(wanted(zipped(tmp_path / "set.zip", 30)))
    until(first, number, lambda look: look.done >= 5)
    first.stop(number)
    done = ended(first, number).done
    echo = Patient()
    second = batches_at(tmp_path, echo=echo)
    look = second.look(number)
    assert look is not None
    assert (look.standing, look.done, look.total) == (Standing.STOPPED, done, 30)
    assert [each[1] for each in second.listed()] == [number]
    second.go_on(number, "")
    assert ended(second, number).tally.labelled == 30
    assert len(echo.names) == 30 - done


KILLED = """
import sys, time
from pathlib import Path
from grounding.settings import Settings
from jobs.batch import Given, Reach
from tests.jobs.test_fetch import open_to
from tests.jobs.test_run import resident_mb
from tests.ui.batching import Patient, pool_of, until, wanted
from ui.batches import Batches

folder, archive = Path(sys.argv[1]), Path(sys.argv[2])
batches = Batches(folder / "batches", Settings(), pool_of(Settings(), Patient(0.005)))
number = batches.begin(wanted(archive))
until(batches, number, lambda look: look.done >= 100)
print(number, flush=True)
time.sleep(60)
"""


def test_killed_in_the_middle_of_five_hundred_each_is_labelled_once(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "set.zip", 500)
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(archive)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    number = running.stdout.readline().strip()
    running.kill()
    running.wait()
    journal = tmp_path / "batches" / number / "journal.jsonl"
    kept = journal.read_bytes().count(b"\n") - 1
    assert 100 <= kept < 500

    echo = Patient()
    batches = batches_at(tmp_path, echo=echo)
    look = batches.look(number)
    assert look is not None
    assert (look.standing, look.done) == (Standing.STOPPED, kept)
    batches.go_on(number, "")
    assert ended(batches, number).tally.labelled == 500
    assert len(echo.names) == 500 - kept, "no answered picture is asked again"
    written = [json.loads(line)["picture"] for line in journal.read_text().splitlines()[1:]]
    assert sorted(written) == [f"set.zip/{n:03d}.png" for n in range(500)], "nothing is lost, nothing there twice"


def test_only_those_without_labels_are_retried(tmp_path: Path) -> None:
    batches = batches_at(tmp_path)
    echo = Patient()
    batches._pool.echo = echo  # type: ignore[attr-defined]
    archive = zipped(tmp_path / "set.zip", 8, broken=(2, 5))
    number = batches.begin(wanted(archive))
    assert len(ended(batches, number).tally.failures) == 2
    asked = len(echo.names)
    (given,) = (tmp_path / "batches" / number / "given").rglob("set.zip")
    zipped(given, 8)  # mended
    batches.go_on(number, "", again=True)
    look = ended(batches, number)
    assert (look.tally.labelled, look.tally.failures) == (8, {})
    assert sorted(echo.names[asked:]) == ["set.zip/002.png", "set.zip/005.png"]


def test_ten_in_a_row_without_an_answer_end_it_and_say_so(tmp_path: Path) -> None:
    batches = batches_at(tmp_path)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 40), labels=("broken",)))
    look = ended(batches, number)
    assert look.standing is Standing.GIVEN_UP
    assert 10 <= len(look.tally.failures) < 40
    assert {each.reason for each in look.tally.failures.values()} == {"The service is busy. Try again in a minute."}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(b"PK words", "not a ZIP archive", id="no archive"),
        pytest.param(None, "no pictures", id="an empty archive"),
    ],
)
def test_what_cannot_be_read_ends_it_with_a_sentence(tmp_path: Path, given: bytes | None, said: str) -> None:
    path = zipped(tmp_path / "set.zip", 0)
    if given is not None:
        path.write_bytes(given)
    batches = batches_at(tmp_path)
    look = ended(batches, batches.begin(wanted(path)))
    assert look.standing is Standing.FAILED
    assert look.trouble is not None
    assert said in look.trouble.text
    assert len(look.trouble.text) < 200


def test_a_bug_of_ours_ends_it_without_its_words_and_it_can_go_on(tmp_path: Path) -> None:
    batches = batches_at(tmp_path)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 3), labels=("bug",)))
    look = ended(batches, number)
    assert look.standing is Standing.FAILED
    assert look.trouble is not None
    assert "Something went wrong on our side" in look.trouble.text
    assert "secret" not in look.trouble.text


def test_those_that_came_later_wait_in_line_and_get_their_turn(tmp_path: Path) -> None:
    echo = Patient(0.05)
    batches = batches_at(tmp_path, SHARED, echo)
    archive = zipped(tmp_path / "set.zip", 12)
    numbers = [batches.begin(wanted(archive)) for _ in range(AT_ONCE + 2)]
    last = until(batches, numbers[-1], lambda look: look.before == 2)
    assert last.standing is Standing.WAITING
    assert last.done == 0
    assert all(ended(batches, each).tally.labelled == 12 for each in numbers)


def test_one_that_waits_can_be_stopped(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED, Patient(0.1))
    archive = zipped(tmp_path / "set.zip", 12)
    numbers = [batches.begin(wanted(archive)) for _ in range(AT_ONCE + 1)]
    batches.stop(numbers[-1])
    assert ended(batches, numbers[-1]).standing is Standing.STOPPED
    for each in numbers:
        batches.delete(each)


def test_a_visitor_has_one_and_a_new_one_takes_its_place_on_a_shared_page(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED, Patient(0.05))
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
    batches = batches_at(tmp_path, SHARED, Patient(0.05))
    archive = zipped(tmp_path / "set.zip", 10)
    first = batches.begin(wanted(archive), visitor="me")
    with pytest.raises(RequestError, match="still running"):
        batches.begin(wanted(archive), visitor="me")
    other = batches.begin(wanted(archive), visitor="somebody else")
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
    ends = time.monotonic() + 10
    while (tmp_path / "batches" / number).exists():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_on_a_shared_page_it_stops_when_nobody_looks_and_is_deleted_later(tmp_path: Path) -> None:
    clock = Clock()
    echo = Patient(0.02)
    batches = batches_at(tmp_path, SHARED, echo, clock)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 400)))
    until(batches, number, lambda look: look.done >= 3)
    clock.now += LEFT_S - 1
    before = len(echo.names)
    while len(echo.names) < before + 5:
        time.sleep(0.02)
    assert not batches._going[number].ended.is_set(), "a reload takes no longer than that"
    clock.now += LEFT_S
    assert batches._going[number].ended.wait(10)
    look = batches.look(number)
    assert look is not None
    assert look.standing is Standing.LEFT
    assert 0 < look.done < 400
    clock.now += KEPT_S + 1
    other = batches.begin(wanted(zipped(tmp_path / "one.zip", 1)))
    assert batches.look(number) is None
    ended(batches, other)


def test_on_this_machines_own_page_it_goes_on_whoever_looks(tmp_path: Path) -> None:
    clock = Clock()
    batches = batches_at(tmp_path, LOCAL, Patient(0.01), clock)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 30)))
    clock.now += 100 * LEFT_S
    assert batches._going[number].ended.wait(20)
    look = batches.look(number)
    assert look is not None
    assert look.standing is Standing.DONE


def test_a_shared_page_keeps_so_many_and_no_more(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, SHARED)
    archive = zipped(tmp_path / "one.zip", 1)
    numbers = [batches.begin(wanted(archive)) for _ in range(MOST_KEPT)]
    with pytest.raises(RequestError, match="as many batches"):
        batches.begin(wanted(archive))
    for number in numbers:
        ended(batches, number)


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


class Refusing(Patient):
    """Complains of too much once, in the middle."""

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        if len(self.names) == 4:
            self.names.append("refused")
            raise RateLimited("Too many requests for this key (429).", 2.0)
        return super().predict(request, stop)


def test_a_wait_that_a_service_asks_for_is_told_and_sat_out(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, echo=Refusing())
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 8), backend="gemini", key="k"))
    look = until(batches, number, lambda look: look.waiting_s > 0)
    assert look.standing is Standing.RUNNING
    assert look.waiting_s <= 2
    assert ended(batches, number).tally.labelled == 8


def test_it_steps_aside_while_somebody_asks_the_same_model(tmp_path: Path) -> None:
    class Counting(Patient):
        """Keeps how many ask at once."""

        def __init__(self) -> None:
            super().__init__(0.05)
            self.capabilities = replace(self.capabilities, at_once=8)
            self.at_once: list[int] = []
            self._now = 0
            self._turn = threading.Lock()

        def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
            with self._turn:
                self._now += 1
                self.at_once.append(self._now)
            try:
                return super().predict(request, stop)
            finally:
                with self._turn:
                    self._now -= 1

    echo = Counting()
    batches = batches_at(tmp_path, echo=echo)
    users = {"count": 1}
    batches._pool.users = lambda *whose: users["count"]  # type: ignore[method-assign]
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 1000)))
    until(batches, number, lambda look: look.done >= 16)
    assert max(echo.at_once) == 8
    users["count"] = 2  # somebody beside the batch
    done = until(batches, number, lambda look: look.aside).done
    until(batches, number, lambda look: look.done >= done + 10)  # those under way are answered by then
    asked = len(echo.at_once)
    until(batches, number, lambda look: look.done >= done + 20)
    assert set(echo.at_once[asked:]) == {1}
    users["count"] = 1
    until(batches, number, lambda look: not look.aside)
    until(batches, number, lambda look: max(echo.at_once[asked:]) == 8)
    batches.stop(number)
    assert ended(batches, number).standing is Standing.STOPPED


def test_speed_is_known_after_a_while_and_remembered_for_the_next(tmp_path: Path) -> None:
    batches = batches_at(tmp_path, echo=Patient(0.02))
    order = wanted(zipped(tmp_path / "set.zip", 40))
    assert batches.per_second(order.job) is None
    number = batches.begin(order)
    look = until(batches, number, lambda look: look.done > 10)
    assert look.per_second is not None
    assert 1 < look.per_second < 60
    ended(batches, number)
    assert batches.per_second(order.job) is not None


def test_links_and_folders_are_batches_too(tmp_path: Path, httpserver: HTTPServer) -> None:
    picture = tmp_path / "set" / "a.png"
    picture.parent.mkdir()
    Image.new("RGB", (8, 6), "teal").save(picture)
    httpserver.expect_request("/b.png").respond_with_data(picture.read_bytes())
    links = (httpserver.url_for("/b.png"), httpserver.url_for("/gone.png"), "http://10.0.0.1/c.png", "words")
    pool = pool_of(LOCAL, Patient())
    batches = Batches(tmp_path / "batches", LOCAL, pool, reach=Reach(rules=open_to(httpserver.port)))
    given = Given(addresses=links, place=str(tmp_path / "set"))
    number = batches.begin(replace(wanted(), given=given))
    look = ended(batches, number)
    assert (look.total, look.tally.labelled) == (4, 2)
    assert set(look.tally.failures) == {"localhost/gone.png", "10.0.0.1/c.png"}
    assert look.noted is not None
    assert [each.reason for each in look.noted.skipped] == ["not a web address"]


def test_memory_stays_flat_over_two_thousand_pictures(tmp_path: Path) -> None:
    batches = batches_at(tmp_path)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 2000), labels=("cat", "dog")))
    until(batches, number, lambda look: look.done >= 100)
    held = resident_mb()
    look = until(batches, number, lambda look: not look.standing.busy, within_s=300)
    assert look.tally.labelled == 2000
    assert resident_mb() - held < 50
    batches.take_away(number, "coco", 127, tmp_path / "labels")
    assert resident_mb() - held < 50
