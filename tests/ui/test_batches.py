"""A batch runs beside the page: stopped and gone on with, found after a kill, patient with services and people."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer

from grounding.errors import RateLimited
from grounding.types import Request, Result
from jobs.batch import Given, Reach
from tests.jobs.running import resident_mb
from tests.jobs.test_fetch import open_to
from tests.ui.batching import LOCAL, Held, Patient, batches_at, ended, pool_of, until, wanted, zipped
from ui.batch_state import Standing
from ui.batches import Batches

ROOT = Path(__file__).parents[2]


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


def test_stopped_it_keeps_what_is_done_and_goes_on_with_the_rest(tmp_path: Path) -> None:
    echo = Held(10)
    batches = batches_at(tmp_path, echo=echo)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 60)))
    until(batches, number, lambda look: look.done == 10 and echo.held > 0)
    batches.stop(number)
    echo.let(1)
    stopped = ended(batches, number)
    assert stopped.standing is Standing.STOPPED
    assert 10 <= stopped.done <= 11, "the answer that was under way when it was stopped may come"
    assert stopped.done == len(echo.names)
    echo.let()
    batches.go_on(number, "")
    assert ended(batches, number).standing is Standing.DONE
    assert sorted(echo.names) == [f"set.zip/{n:03d}.png" for n in range(60)], "each was asked about once"


def test_stopped_as_the_last_picture_ends_it_is_done(tmp_path: Path) -> None:
    class Pressed(Held):
        def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
            result = super().predict(request, stop)
            if len(self.names) == 3:
                batches.stop(number)
            return result

    echo = Pressed()
    batches = batches_at(tmp_path, echo=echo)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 3)))
    echo.let()  # its number is known by now
    look = ended(batches, number)
    assert (look.standing, look.done) == (Standing.DONE, 3)


def test_another_process_finds_it_and_goes_on(tmp_path: Path) -> None:
    first = batches_at(tmp_path, echo=Held(5))
    number = first.begin(wanted(zipped(tmp_path / "set.zip", 30)))
    until(first, number, lambda look: look.done == 5)
    first.stop(number)
    done = ended(first, number).done
    assert done == 5
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
from tests.ui.batching import Held, batches_at, until, wanted

folder, archive = Path(sys.argv[1]), Path(sys.argv[2])
batches = batches_at(folder, echo=Held(140))  # however late the kill comes, it is not done
number = batches.begin(wanted(archive))
until(batches, number, lambda look: look.done >= 50)
print(number, flush=True)
time.sleep(60)
"""


def test_killed_in_the_middle_each_is_labelled_once(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "set.zip", 150)
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(archive)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    number = running.stdout.readline().strip()
    running.kill()
    running.wait()
    journal = tmp_path / "batches" / number / "journal.jsonl"
    kept = journal.read_bytes().count(b"\n") - 1
    assert 50 <= kept <= 140

    echo = Patient()
    batches = batches_at(tmp_path, echo=echo)
    look = batches.look(number)
    assert look is not None
    assert (look.standing, look.done) == (Standing.STOPPED, kept)
    batches.go_on(number, "")
    assert ended(batches, number).tally.labelled == 150
    assert len(echo.names) == 150 - kept, "no answered picture is asked again"
    written = [json.loads(line)["picture"] for line in journal.read_text().splitlines()[1:]]
    assert sorted(written) == [f"set.zip/{n:03d}.png" for n in range(150)], "nothing is lost, nothing there twice"


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


class Refusing(Patient):
    """Complains of too much once, in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()
        self._refused = False

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        with self._turn:  # several ask at once
            refuses = len(self.names) >= 4 and not self._refused
            self._refused |= refuses
        if refuses:
            raise RateLimited("Too many requests for this key (429).", 100.0)
        return super().predict(request, stop)


def test_a_wait_that_a_service_asks_for_is_told_and_sat_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead_s = 0.0

    def clock() -> float:
        return time.monotonic() + ahead_s

    monkeypatch.setattr("jobs.pace.time", SimpleNamespace(monotonic=clock))
    batches = batches_at(tmp_path, echo=Refusing(), clock=clock)
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 8), backend="gemini", key="k"))
    look = until(batches, number, lambda look: look.waiting_s > 0)
    assert look.standing is Standing.RUNNING
    assert look.waiting_s <= 100
    ahead_s = 100.0
    assert ended(batches, number).tally.labelled == 8


def test_it_steps_aside_while_somebody_asks_the_same_model(tmp_path: Path) -> None:
    class Counting(Held):
        """Keeps how many ask at once."""

        def __init__(self) -> None:
            super().__init__()
            self.capabilities = replace(self.capabilities, at_once=8)
            self.at_once: list[int] = []
            self._now = 0
            self._counted = threading.Lock()

        def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
            with self._counted:
                self._now += 1
                self.at_once.append(self._now)
            try:
                return super().predict(request, stop)
            finally:
                with self._counted:
                    self._now -= 1

    echo = Counting()
    batches = batches_at(tmp_path, echo=echo)
    users = {"count": 1}
    batches._pool.users = lambda *whose: users["count"]  # type: ignore[method-assign]
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", 60)))
    until(batches, number, lambda look: echo.held == 8)
    users["count"] = 2  # somebody beside the batch
    assert until(batches, number, lambda look: look.aside).done == 0
    echo.let(8 + 20)  # those under way are answered first
    until(batches, number, lambda look: look.done == 8 + 20)
    assert echo.at_once == [1, 2, 3, 4, 5, 6, 7, 8] + [1] * len(echo.at_once[8:])
    users["count"] = 1
    until(batches, number, lambda look: not look.aside and echo.held == 8)
    batches.stop(number)
    assert ended(batches, number).standing is Standing.STOPPED


def test_speed_is_known_after_a_while_and_remembered_for_the_next(tmp_path: Path) -> None:
    class Steady(Held):
        """Takes half a second for each, by its own clock."""

        now = 1000.0

        def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
            result = super().predict(request, stop)
            self.now += 0.5
            return result

    echo = Steady(11)
    batches = batches_at(tmp_path, echo=echo, clock=lambda: echo.now)
    order = wanted(zipped(tmp_path / "set.zip", 40))
    assert batches.per_second(order.job) is None
    number = batches.begin(order)
    look = until(batches, number, lambda look: look.done == 11)
    assert look.per_second == pytest.approx(2)
    echo.let()
    ended(batches, number)
    assert batches.per_second(order.job) == pytest.approx(2)


def test_memory_grows_by_less_than_25_kilobytes_a_picture(tmp_path: Path) -> None:
    batches, count = batches_at(tmp_path), 800
    number = batches.begin(wanted(zipped(tmp_path / "set.zip", count), labels=("cat", "dog")))
    until(batches, number, lambda look: look.done >= 100)
    held = resident_mb()
    look = until(batches, number, lambda look: not look.standing.busy, within_s=300)
    assert look.tally.labelled == count
    assert resident_mb() - held < 0.025 * (count - 100)
    batches.take_away(number, "coco", 127, tmp_path / "labels")
    assert resident_mb() - held < 0.025 * (count - 100)
