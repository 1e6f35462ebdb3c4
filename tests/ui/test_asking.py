"""What becomes of an answer once it is there: shown and kept, or dropped; and what was done on the page meanwhile."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from grounding import images
from grounding.settings import Settings
from grounding.types import Request, Result, Review, Task
from jobs.project import Order
from tests.ui.echo import Echo, EchoPool
from ui import actions, asking, projects, result_view
from ui.asking import Question
from ui.desk import Desk
from ui.each import EachQuestion
from ui.form import Form, read_form
from ui.state import Session, Sheet, Shelf

ME = "visitor"


class Deaf(Echo):
    """Answers when it may, stopped or not. begun: of every request."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may = threading.Semaphore(0), threading.Semaphore(0)

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        self.begun.release()
        assert self.may.acquire(timeout=20)
        return super().predict(request, stop)


@dataclass
class Page:
    page: Any
    session: gr.State
    result: result_view.ResultView
    trouble: gr.HTML
    held: dict[int, Session]

    def now(self) -> Session:
        return self.held[self.session._id]


@pytest.fixture
def echo() -> Deaf:
    return Deaf()


@pytest.fixture
def desk(tmp_path: Path, echo: Deaf) -> Desk:
    settings = Settings(projects=str(tmp_path / "mine"))
    pool = EchoPool(settings)
    pool.echo = echo
    return Desk(settings, pool, Shelf(tmp_path / "pictures"))


def page_with(now: Session) -> Page:
    with gr.Blocks():
        session, trouble, result = gr.State(None), gr.HTML(), result_view.build(now)
    held = {session._id: now}
    return Page(SimpleNamespace(state_holder={ME: held}), session, result, trouble, held)


def picture(desk: Desk, name: str) -> Sheet:
    kept = actions.give(images.load(Image.new("RGB", (64, 48), "teal"), name=name), desk.shelf).picture
    assert kept is not None
    return Sheet(kept)


def album(desk: Desk, count: int = 3) -> Session:
    return Session().showing(tuple(picture(desk, f"{place}.png") for place in range(count)), 0)


def of_project(desk: Desk) -> Session:
    desk.projects.create("Garden", ME).close()
    with desk.projects.lend("Garden", ME) as project:
        file = io.BytesIO()
        Image.new("RGB", (64, 48), "teal").save(file, "PNG")
        project.add_picture(file.getvalue(), "0.png")
    return projects.show(desk.projects, ME, "Garden", 1, Order.ADDED, desk.shelf)


def form() -> Form:
    return read_form(Task.DETECT, {"prompt": "cat; dog", "backend": "paligemma"}, Settings())


def ask(question: Question, desk: Desk, page: Page, meanwhile: Callable[[], None]) -> str:
    """The status in the end; `meanwhile` is called once the model works."""

    async def all_of_it() -> str:
        status = ""
        told = asking.run(question, desk, ME, page, lambda _: {})
        status = str((await anext(told))[page.result.status])
        await asyncio.to_thread(meanwhile)
        async for updates in told:
            status = str(updates.get(page.result.status, status))
            page.held |= {page.session._id: updates[page.session]} if page.session in updates else {}
        return status

    with ThreadPoolExecutor(1) as thread:  # the browser tests leave a loop running in this one
        return thread.submit(lambda: asyncio.run(all_of_it())).result()


def in_project(desk: Desk) -> int:
    with desk.projects.lend("Garden", ME) as project:
        sample = project.sample(1)
    return len(sample.result.detections) if sample else 0


def test_an_answer_is_in_its_project_when_the_page_takes_it(desk: Desk, echo: Deaf) -> None:
    page = page_with(of_project(desk))
    before = page.now()
    status = ask(Question(form(), "Looking", before, lambda: before), desk, page, echo.may.release)
    assert "Found 2 objects" in status
    assert in_project(desk) == 2


@pytest.mark.parametrize(
    ("replaced", "in_time", "said"),
    [
        pytest.param(True, True, "Another picture came", id="another picture, answered all the same"),
        pytest.param(True, False, "Another picture came", id="another picture, answered later"),
        pytest.param(False, False, "Stopped before an answer came", id="stopped, answered later"),
    ],
)
def test_a_dropped_answer_replaces_nothing_in_the_project(
    desk: Desk, echo: Deaf, replaced: bool, in_time: bool, said: str
) -> None:
    page = page_with(of_project(desk))
    before = page.now()

    def meanwhile() -> None:
        desk.runs.stop(ME, replaced=replaced)
        if in_time:
            echo.may.release()

    status = ask(Question(form(), "Looking", before, lambda: before), desk, page, meanwhile)
    assert said in status
    assert page.now() is before
    if not in_time:
        echo.may.release()
        desk.runs._pool.shutdown(wait=True)
    assert len(echo.requests) == 1, "the model answered"
    assert in_project(desk) == 0


def test_stopped_late_what_was_answered_of_each_is_kept(desk: Desk, echo: Deaf) -> None:
    page = page_with(album(desk))
    before = page.now()

    def meanwhile() -> None:
        echo.may.release()
        assert echo.begun.acquire(timeout=20)
        assert echo.begun.acquire(timeout=20)  # asked about the second
        desk.runs.stop(ME)

    ask(EachQuestion(form(), "Looking", before, lambda: before), desk, page, meanwhile)
    echo.may.release()
    assert [bool(each.answer) for each in page.now().sheets] == [True, False, False]
    answer = page.now().answer
    assert answer is not None
    assert "You stopped this. 1 of 3" in answer.result.notes[0].detail


def test_what_is_done_on_the_page_while_each_is_asked_about_stays(desk: Desk, echo: Deaf) -> None:
    first = album(desk)
    answered = actions.shared_out(form(), first, Echo()._found(Request(Task.DETECT, (), labels=("cat",))))
    page = page_with(answered)
    before = page.now()

    def meanwhile() -> None:
        corrected = accept(before, 0)
        page.held[page.session._id] = corrected.showing(corrected.sheets[:2], 0)  # and one was removed
        for _ in range(3):
            echo.may.release()

    ask(EachQuestion(form(), "Looking", before, lambda: before), desk, page, meanwhile)
    corrected, other = page.now().sheets
    assert corrected.answer is not None
    assert other.answer is not None
    found = corrected.answer.result.detections
    assert [each.label for each in found] == ["cat", "cat", "dog"]
    assert found[0].review is Review.ACCEPTED
    assert len(other.answer.result.detections) == 2
    assert page.now().place == 0


def an_owl(desk: Desk) -> Session:
    found = Echo()._found(Request(Task.DETECT, (), labels=("owl",)))
    return actions.shared_out(form(), Session().showing((picture(desk, "a.png"),), 0), found)


def accept(now: Session, number: int) -> Session:
    """`now`, as when a person has accepted one object of its answer."""
    assert now.answer is not None
    was = now.answer.result
    found = tuple(
        replace(each, review=Review.ACCEPTED) if place == number else each for place, each in enumerate(was.detections)
    )
    return replace(now, answer=replace(now.answer, result=replace(was, detections=found), said=was.detections))


@pytest.mark.parametrize("when", ["before the question", "while it was asked"])
def test_asked_again_what_a_person_corrected_stays_and_what_is_new_comes(desk: Desk, echo: Deaf, when: str) -> None:
    owl = an_owl(desk)
    early = when == "before the question"
    before = accept(owl, 0) if early else owl
    page = page_with(before)

    def meanwhile() -> None:
        page.held[page.session._id] = accept(before, 0)
        echo.may.release()

    ask(Question(form(), "Looking", before, lambda: before), desk, page, meanwhile)
    answer = page.now().answer
    assert answer is not None
    found = [(each.label, each.review, each.origin.prompt if each.origin else "") for each in answer.result.detections]
    assert found == [
        ("owl", Review.ACCEPTED, "cat; dog"), ("cat", Review.OPEN, "cat; dog"), ("dog", Review.OPEN, "cat; dog")
    ]  # fmt: skip
    assert [each.id for each in answer.result.detections] == [0, 1, 2]


def test_asked_again_what_nobody_corrected_makes_room(desk: Desk, echo: Deaf) -> None:
    owl = an_owl(desk)
    page = page_with(owl)
    ask(Question(form(), "Looking", owl, lambda: owl), desk, page, echo.may.release)
    answer = page.now().answer
    assert answer is not None
    assert [each.label for each in answer.result.detections] == ["cat", "dog"]


@pytest.mark.parametrize("words", ["nothing", "blocked", "a caption"])
def test_an_answer_without_objects_takes_no_corrected_one_away(desk: Desk, echo: Deaf, words: str) -> None:
    before = accept(
        an_owl(desk),
        0,
    )
    page = page_with(before)
    task = Task.CAPTION if words == "a caption" else Task.DETECT
    asked = read_form(task, {"prompt": words, "backend": "paligemma"}, Settings())
    ask(Question(asked, "Looking", before, lambda: before), desk, page, echo.may.release)
    answer = page.now().answer
    assert answer is not None
    assert [each.label for each in answer.result.detections] == ["owl"]
    assert answer is not before.answer
