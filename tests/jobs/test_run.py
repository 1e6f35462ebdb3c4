"""Runs over many pictures: each kept once, whatever fails or is stopped; services are heard; memory stays flat."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.backend import Capabilities
from grounding.errors import BackendError, ConfigError, RateLimited, RequestError, Stopped
from grounding.images import load
from grounding.types import Box, Detection, Origin, Outcome, Request, Result, SoftMask, Task, Usage
from jobs.journal import NAME, Journal
from jobs.pace import Pace
from jobs.pictures import Source
from jobs.run import Progress, parallel_for, run
from jobs.work import Job, label_picture

JOB = Job("echo", "m", Task.DETECT, labels=("cat",))


def png(size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


PICTURE = png()


def cat(cost_usd: float | None = None, requests: int | None = None) -> Result:
    found = Detection("cat", Box(0, 0, 0.5, 0.5), origin=Origin("echo", "m", "cat?"))
    return Result(Outcome.FOUND, detections=(found,), raw="one cat", usage=Usage(0.1, cost_usd=cost_usd,
                  requests=requests))  # fmt: skip


class Echo:
    """Answers as `say` does, and keeps who was asked about and how many at once."""

    def __init__(self, say: Callable[[str], Result] = lambda name: cat()) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._say = say
        self._now = 0
        self._lock = threading.Lock()

    model = "m"
    capabilities = Capabilities()

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        with self._lock:
            self.asked.append(request.images[0].name)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            if stop is not None and stop.is_set():
                raise Stopped
            return self._say(request.images[0].name)
        finally:
            with self._lock:
                self._now -= 1

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        yield self.predict(request, stop)

    def close(self) -> None:
        pass


def sources(count: int, data: bytes = PICTURE, stamp: str = "1") -> list[Source]:
    return [Source(f"{index:04d}.png", lambda: data, stamp) for index in range(count)]


def steps(folder: Path, given: list[Source], backend: Echo, **more: object) -> list[Progress]:
    with closing(Journal(folder, JOB)) as journal:
        return list(run(given, JOB, backend, journal, **{"parallel": 4, **more}))  # type: ignore[arg-type]


def outcomes(folder: Path, given: list[Source]) -> Counter[str]:
    with closing(Journal(folder, JOB)) as journal:
        samples = [journal.read(source.name) for source in given]
    return Counter("not asked" if sample is None else sample.result.outcome.value for sample in samples)


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


def test_each_picture_is_shown_with_what_came_of_it_but_those_that_are_none(tmp_path: Path) -> None:
    given = sources(4)
    given[2] = Source("words.png", lambda: b"words", "1")
    shown: list[tuple[str, tuple[int, int], bool]] = []
    steps(tmp_path, given, Echo(), seen=lambda picture, sample: shown.append(
        (sample.picture, picture.size_wh, sample.labelled)))  # fmt: skip
    assert sorted(shown) == [(f"000{index}.png", (8, 6), True) for index in (0, 1, 3)]


def test_a_picture_that_changed_since_is_asked_about_again(tmp_path: Path) -> None:
    steps(tmp_path, sources(3), Echo())
    again = Echo()
    steps(tmp_path, [*sources(2), sources(3, stamp="2")[2]], again)
    assert again.asked == ["0002.png"]


OTHER = [
    pytest.param(Job("gemini", "m", Task.DETECT, labels=("cat",)), "backend", id="backend"),
    pytest.param(Job("echo", "n", Task.DETECT, labels=("cat",)), "model", id="model"),
    pytest.param(Job("echo", "m", Task.SEGMENT, labels=("cat",)), "task", id="task"),
    pytest.param(Job("echo", "m", Task.DETECT, labels=("dog",)), "labels", id="labels"),
    pytest.param(Job("echo", "m", Task.DETECT, "it", ("cat",)), "text", id="text"),
]


@pytest.mark.parametrize(("job", "word"), OTHER)
def test_another_question_is_refused_and_what_is_there_stays(tmp_path: Path, job: Job, word: str) -> None:
    steps(tmp_path, sources(2), Echo())
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(RequestError, match=f"another question: {word} differ") as refused:
        Journal(tmp_path, job)
    assert len(str(refused.value)) < 200
    assert "--out" not in str(refused.value), "the page shows it too"
    assert NAME not in str(refused.value)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_journal_of_before_facts_were_kept_is_counted_all_the_same(tmp_path: Path) -> None:
    given = sources(3)
    given[1] = Source("words.png", lambda: b"words", "1")
    steps(tmp_path, given, Echo())
    with closing(Journal(tmp_path, JOB)) as journal:
        before = journal.tally()
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    for line in lines:
        line.pop("facts", None)
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with closing(Journal(tmp_path, JOB)) as journal:
        assert journal.tally() == before


@pytest.mark.parametrize("facts", [[], {}, {"outcome": "guessed", "labelled": True, "objects": {}, "reason": ""}])
def test_facts_that_are_none_are_damage(tmp_path: Path, facts: object) -> None:
    steps(tmp_path, sources(1), Echo())
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    lines[1]["facts"] = facts
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RequestError, match="damaged"):
        Journal(tmp_path, JOB)


def test_a_second_process_at_once_is_refused(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, JOB)), pytest.raises(RequestError, match="Another run"):
        Journal(tmp_path, JOB)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_was_being_written_is_cut_off_and_that_picture_asked_again(tmp_path: Path, cut: int) -> None:
    steps(tmp_path, sources(3), Echo(), parallel=1)
    data = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(data[:-cut])
    again = Echo()
    steps(tmp_path, sources(3), again)
    assert again.asked == ["0002.png"]
    assert outcomes(tmp_path, sources(3)) == {"found": 3}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"words\n", id="words"),
        pytest.param(b"[]\n", id="a list"),
        pytest.param(b'{"picture": "a"}\n', id="no question"),
        pytest.param(None, id="a broken line in the middle"),
    ],
)
def test_a_damaged_journal_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        steps(tmp_path, sources(3), Echo())
        lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
        content = lines[0] + lines[1][:50] + b"\n" + lines[2]
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(RequestError, match="damaged"):
        Journal(tmp_path, JOB)
    assert (tmp_path / NAME).read_bytes() == content


def test_several_pictures_are_asked_about_at_once_and_no_more_than_that(tmp_path: Path) -> None:
    def say(name: str) -> Result:
        time.sleep(0.05)
        return cat()

    backend = Echo(say)
    steps(tmp_path, sources(24), backend, parallel=8)
    assert backend.most_at_once == 8


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


def test_each_detection_keeps_the_answer_it_was_read_from_and_its_hour() -> None:
    sample = label_picture(PICTURE, "a.png", JOB, Echo())
    (found,) = sample.result.detections
    assert found.origin is not None
    assert found.origin.raw == "one cat"
    assert found.origin.answered_at is not None
    assert found.origin.answered_at.endswith("+00:00")


@pytest.mark.parametrize("data", [b"", b"words", PICTURE[:40]])
def test_the_plain_function_gives_a_sample_for_whatever_bytes(data: bytes) -> None:
    sample = label_picture(data, "a.png", JOB, Echo())
    assert sample.result.outcome is Outcome.FAILED
    assert len(sample.result.text) > 20


def test_memory_over_two_thousand_pictures_grows_less_than_fifty_megabytes(tmp_path: Path) -> None:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    probs = np.clip(2 - 2 * np.hypot(x, y), 0, 1).astype(np.float32)

    def say(name: str) -> Result:
        boxes = [Box(i / 10, 0, (i + 1) / 10, 1) for i in range(2)]
        found = tuple(Detection("cat", box, mask=SoftMask(probs * np.float32(0.9), box)) for box in boxes)
        return Result(Outcome.FOUND, detections=found, raw=name * 1000)

    data = png((320, 240))
    held = 0.0
    with closing(Journal(tmp_path, JOB)) as journal:
        for progress in run(sources(2000, data), JOB, Echo(say), journal, parallel=8):
            if progress.done == 100:
                held = resident_mb()
        assert resident_mb() - held < 50
        for source in sources(2000):
            assert journal.read(source.name) is not None
        assert resident_mb() - held < 50


def resident_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        pytest.skip("resident memory is read from /proc")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


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
