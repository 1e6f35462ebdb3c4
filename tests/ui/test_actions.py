"""Giving, asking, drawing and writing out, without a page."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding import images
from grounding.errors import ImageError, RequestError
from grounding.settings import Settings
from grounding.types import FULL_FRAME, Detection, Harm, Level, Outcome, Result, Task, View
from tests.ui.echo import EchoPool
from ui import actions
from ui.form import Form, read_form
from ui.messages import STOPPED, Problem, attempt, explanation, headline, missed
from ui.runs import News, Runs
from ui.state import KEPT_S, SHOWN_SIDE, Session, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "pictures")


@pytest.fixture
def pool() -> EchoPool:
    return EchoPool(Settings())


@pytest.fixture
def session(shelf: Shelf) -> Session:
    return actions.give(images.load(Image.new("RGB", (400, 300), "steelblue"), name="<blue>.png"), shelf)


def form(task: Task, prompt: str) -> Form:
    return read_form(task, {"prompt": prompt}, Settings())


def asked(
    session: Session, pool: EchoPool, shelf: Shelf, prompt: str = "cat; dog", task: Task = Task.SEGMENT
) -> Session:
    return actions.answer(form(task, prompt), session, pool, shelf)


def test_a_picture_is_kept_whole_and_shown_small(shelf: Shelf) -> None:
    kept = shelf.keep(images.load(Image.new("RGB", (1600, 1200), "steelblue")))
    assert kept.size_wh == (1600, 1200)
    assert kept.shown_image().size == (SHOWN_SIDE, SHOWN_SIDE * 3 // 4)
    assert shelf.open(kept).size_wh == (1600, 1200)


def test_an_upload_keeps_its_own_bytes(shelf: Shelf, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), "red").save(tmp_path / "upload", "BMP")
    kept = actions.give_upload(tmp_path / "upload", "red.bmp", shelf).picture
    assert kept is not None
    assert kept.path.read_bytes() == (tmp_path / "upload").read_bytes()
    assert kept.name == "red.bmp"


def test_what_is_no_picture_is_not_kept(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "page.svg").write_text("<html><script>alert(1)</script>")
    with pytest.raises(ImageError):
        actions.give_upload(tmp_path / "page.svg", "page.svg", shelf)


def test_old_pictures_are_deleted_and_said_to_be(shelf: Shelf, session: Session) -> None:
    assert session.picture is not None
    long_ago = time.time() - KEPT_S - 1
    for path in (session.picture.path, session.picture.shown):
        os.utime(path, (long_ago, long_ago))
    actions.give(images.load(Image.new("RGB", (4, 4))), shelf)
    with pytest.raises(ImageError, match="two hours"):
        shelf.open(session.picture)
    with pytest.raises(ImageError):
        actions.full_picture(session, View(), shelf)


def test_the_welcome_picture_never_expires(shelf: Shelf) -> None:
    kept = shelf.keep(images.load(Image.new("RGB", (4, 4))), for_all=True)
    os.utime(kept.path, (0, 0))
    shelf.keep(images.load(Image.new("RGB", (4, 4))))
    assert shelf.open(kept).size_wh == (4, 4)


def test_asking_without_a_picture_says_what_to_do(pool: EchoPool, shelf: Shelf) -> None:
    with pytest.raises(RequestError, match="picture"):
        asked(Session(), pool, shelf)


def test_the_model_sees_the_whole_picture_and_what_was_asked(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    asked(session, pool, shelf)
    (request,) = pool.echo.requests
    assert request.images[0].size_wh == (400, 300)
    assert (request.task, request.labels) == (Task.SEGMENT, ("cat", "dog"))


def test_filters_go_only_to_a_backend_that_has_them(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    strict = read_form(Task.CAPTION, {"prompt": "", "harassment": "most"}, Settings())
    actions.answer(strict, session, pool, shelf)
    assert pool.echo.requests[0].safety == {Harm.HARASSMENT: Level.MOST}


def test_the_downloaded_picture_has_full_size_and_is_drawn_on(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    answered = asked(session, pool, shelf)
    drawn = Image.open(BytesIO(actions.full_picture(answered, View(), shelf)))
    plain = Image.open(BytesIO(actions.full_picture(session, View(), shelf)))
    assert drawn.format == "PNG"
    assert drawn.size == plain.size == (400, 300)
    assert np.any(np.asarray(drawn) != np.asarray(plain))


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_own_words(outcome: Outcome, session: Session, pool: EchoPool, shelf: Shelf) -> None:
    from dataclasses import replace

    answered = asked(session, pool, shelf).answer
    assert answered is not None
    bare = replace(answered.result, outcome=outcome, detections=())
    words = {headline(replace(bare, outcome=each), Task.DETECT) for each in Outcome}
    assert len(words) == len(Outcome)
    assert outcome in (Outcome.FOUND, Outcome.REPAIRED) or explanation(bare, Task.DETECT)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param("zebra", True, id="the word asked for"),
        pytest.param("detect zebra\nzebra\ndetect dog\n2 dogs", True, id="several prompts"),
        pytest.param("I would rather not, (c) 2026.", True, id="a sentence"),
        pytest.param("حمار وحشي", True, id="any script"),
        pytest.param("", False, id="nothing"),
        pytest.param("...", False, id="no letter"),
        pytest.param("<loc0001><loc0002> cat", False, id="half a box"),
        pytest.param('{"label": "cat"}', False, id="an object without a box"),
        pytest.param("cat: 10, 20, 30", False, id="numbers"),
        pytest.param("iVBORw0KGgo" * 12, False, id="a mask by itself"),
    ],
)
def test_an_answer_in_words_only_is_told_from_one_that_cannot_be_read(raw: str, words: bool) -> None:
    result = Result(Outcome.UNRECOGNISED, raw=raw)
    assert ("in words" in headline(result, Task.DETECT)) is words
    assert ("Try other words" in explanation(result, Task.DETECT)) is words
    assert "Raw answer" in explanation(result, Task.DETECT)


def test_a_bug_is_logged_without_keys_and_said_without_details(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError("/secret/path AIzaSyCANARYcanary123")

    problem = attempt(fail)
    assert isinstance(problem, Problem)
    assert "secret" not in problem.text
    assert "ZeroDivision" not in problem.text
    assert "ZeroDivisionError" in caplog.text
    assert "CANARY" not in caplog.text


def test_one_visitor_runs_one_thing_at_a_time_and_can_stop_it() -> None:
    runs = Runs(workers=2)
    first = runs.begin("ann", lambda stop: stop.wait(60))
    assert first is not None
    assert runs.begin("ann", lambda stop: stop.wait(60)) is None
    other = runs.begin("bob", lambda stop: stop.wait(0.01))
    assert other is not None
    runs.stop("ann")
    assert first.future.result(timeout=60) is True
    assert other.future.result(timeout=60) is False
    runs.end("ann", first)
    assert runs.begin("ann", lambda stop: None) is not None


def test_stopping_is_not_a_failure(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    stop = threading.Event()
    stop.set()
    assert attempt(lambda: actions.answer(form(Task.DETECT, "slow"), session, pool, shelf, stop)) is STOPPED


def test_a_growing_answer_is_heard_piece_by_piece(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    pool.echo.moment_s = 0
    heard: list[int] = []
    grown = actions.answer(
        form(Task.DETECT, "grow; cat; dog"), session, pool, shelf, None, lambda r: heard.append(len(r.detections))
    )
    assert heard == [1, 2]
    assert grown.answer is not None
    assert len(grown.answer.result.detections) == 3


def test_what_had_come_is_kept_where_the_answer_was_stopped(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    stop = threading.Event()
    kept = actions.answer(form(Task.DETECT, "grow; cat; dog"), session, pool, shelf, stop, lambda _: stop.set())
    assert kept.answer is not None
    assert kept.answer.result.outcome is Outcome.TRUNCATED
    assert [each.label for each in kept.answer.result.detections] == ["grow"]
    assert "You stopped" in kept.answer.result.notes[0].detail


def test_what_had_come_is_kept_where_the_service_failed(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    pool.echo.moment_s = 0
    kept = actions.answer(form(Task.DETECT, "fall; cat"), session, pool, shelf, None, lambda _: None)
    assert kept.answer is not None
    assert kept.answer.result.outcome is Outcome.TRUNCATED
    assert "connection was lost" in kept.answer.result.notes[0].detail


def test_an_answer_remembers_what_was_asked_but_no_key(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    mine = read_form(Task.CAPTION, {"backend": "gemini", "api_key": "AIzaMine0000"}, Settings())
    answered = actions.answer(mine, session, pool, shelf).answer
    assert answered is not None
    assert answered.asked is not None
    assert (answered.asked.api_key, answered.asked.backend) == ("", "gemini")
    assert mine.api_key == "AIzaMine0000"


def test_an_answer_gone_on_with_tells_what_both_requests_took(session: Session, pool: EchoPool, shelf: Shelf) -> None:
    first = actions.answer(form(Task.CAPTION, "en"), session, pool, shelf)
    on = actions.answer(replace(form(Task.CAPTION, "en"), so_far="You said"), first, pool, shelf)
    once, twice = (each.answer.result.usage for each in (first, on) if each.answer)
    assert once is not None
    assert twice is not None
    assert (twice.prompt_tokens, twice.answer_tokens) == (24, 10)
    assert twice.seconds == pytest.approx(2 * once.seconds)
    assert twice.cost_usd is None


def test_only_the_newest_of_what_a_thread_tells_is_taken_and_only_once() -> None:
    news: News[int] = News()
    news.tell(1)
    news.tell(2)
    assert (news.take(), news.take()) == (2, None)


@pytest.mark.parametrize(
    ("labels", "asked", "lost"),
    [
        pytest.param(("cat",), ("cat", "dog"), False, id="one of them"),
        pytest.param(("black Cat",), ("cat",), False, id="described"),
        pytest.param(("house",), ("cat",), True, id="something else"),
        pytest.param((), ("cat",), False, id="nothing at all"),
        pytest.param(("house",), (), False, id="nothing asked for"),
    ],
)
def test_finding_only_other_things_is_not_finding(labels: tuple[str, ...], asked: tuple[str, ...], lost: bool) -> None:
    result = Result(Outcome.REPAIRED, "", tuple(Detection(label, FULL_FRAME) for label in labels))
    assert missed(result, asked) is lost
    assert ("None of what was asked for" in headline(result, Task.DETECT, asked)) is lost
