"""What becomes of an answer once it is there: shown and kept, or dropped; and what was done on the page meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from grounding.settings import Settings
from grounding.types import Outcome, Request, Result, Review, Task
from tests.ui.echo import Deaf, Echo
from tests.ui.questions import ME, accept, album, an_owl, ask, form, of_project, page_with, picture, run
from ui import actions, asking
from ui.asking import Question
from ui.desk import Desk
from ui.each import EachQuestion
from ui.form import read_form
from ui.state import Answer, Paper, Session, Sheet


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
        assert echo.begun.acquire(timeout=60)  # asked about the second
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
    assert len(echo.requests) == 2, "what was removed is not asked about"
    assert "2 of 3 pictures were asked about, 1 was removed meanwhile." in [
        each.detail for each in corrected.answer.result.notes
    ]


def paper(desk: Desk) -> Session:
    """A document of three pages, the first on the stage."""
    document = Paper(Path("/nowhere"), "d.pdf", 3)
    return Session(picture(desk, "1.png").picture, document=document)


def turned(now: Session, place: int, desk: Desk) -> Session:
    assert now.picture is not None
    leaves = {**now.leaves, now.place: Sheet(now.picture, now.answer, member=now.member)}
    there = leaves.get(place) or picture(desk, f"{place + 1}.png")
    return replace(now, picture=there.picture, answer=there.answer, place=place, leaves=leaves)


@pytest.mark.parametrize("back", [pytest.param(False, id="on another page"), pytest.param(True, id="and back again")])
def test_an_answer_about_a_page_waits_there_for_who_turned_on(desk: Desk, echo: Deaf, back: bool) -> None:
    before = paper(desk)
    page = page_with(before)
    owl = an_owl(desk).answer

    def meanwhile() -> None:
        second = replace(turned(before, 1, desk), answer=owl)
        page.held[page.session._id] = turned(second, 0, desk) if back else second
        echo.may.release()

    status = ask(Question(form(), "Looking", before, lambda: before), desk, page, meanwhile)
    now = page.now()
    assert (now.place, now.leaves[1].answer if back else now.answer) == (0 if back else 1, owl), "no page is lost"
    answer = now.answer if back else now.leaves[0].answer
    assert answer is not None
    assert [each.label for each in answer.result.detections] == ["cat", "dog"]
    assert ("on page 1" in status) is not back


@pytest.mark.parametrize("found", [pytest.param(False, id="an empty page"), pytest.param(True, id="a page with boxes")])
def test_words_about_the_whole_document_come_along_to_a_page_without_objects(desk: Desk, found: bool) -> None:
    before = paper(desk)
    asked = read_form(Task.CAPTION, {"prompt": "", "backend": "gemini", "api_key": "x"}, Settings())
    words = replace(before, answer=Answer(Task.CAPTION, "", "g", Result(Outcome.FOUND, "Three pages."), asked=asked))
    now = replace(turned(before, 1, desk), answer=an_owl(desk).answer if found else None)
    question = Question(asked, "Looking", before, lambda: before)
    question.asked = before
    made = run(asking._kept(question, words, lambda: now, desk, ME))
    assert isinstance(made, Session)
    assert made.answer is not None
    assert (made.place, made.answer.result.text) == (1, "" if found else "Three pages.")
    first = made.leaves[0].answer
    assert first is not None
    assert first.result.text == "Three pages."


@pytest.mark.parametrize("turned_to", [pytest.param(0, id="the one asked about"), pytest.param(1, id="another one")])
def test_an_answer_grows_only_over_the_picture_it_is_about(desk: Desk, echo: Deaf, turned_to: int) -> None:
    before = album(desk)
    page = page_with(before)
    question = Question(form(), "Looking", before, lambda: before)

    class Stage(list[Any]):
        """Once something is drawn, the answer may come."""

        def append(self, scene: Any) -> None:
            super().append(scene)
            echo.may.release()

    def meanwhile() -> None:
        page.held[page.session._id] = before.showing(before.sheets, turned_to)
        question.news.tell(Echo()._found(Request(Task.DETECT, (), labels=("cat", "dog"))))
        if turned_to:
            Timer(1.5, echo.may.release).start()

    drawn = Stage()
    ask(question, desk, page, meanwhile, drawn)
    grown = [scene for scene in drawn if scene["key"] == question.number]
    assert bool(grown) is (turned_to == 0)
