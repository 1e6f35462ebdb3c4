"""What becomes of an answer once it is there: shown and kept, or dropped; and what was done on the page meanwhile."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from grounding import images
from grounding.editing import encode_mask
from grounding.settings import Settings
from grounding.types import FULL_FRAME, Outcome, Point, Request, Result, Review, SoftMask, Task, View
from jobs.project import Order
from tests.ui.echo import Echo, EchoPool
from ui import actions, asking, corrections, label_files, projects, result_view
from ui.asking import Question
from ui.desk import Desk
from ui.each import EachQuestion
from ui.form import Form, read_form
from ui.state import Answer, Paper, Session, Sheet, Shelf

ME = "visitor"
T = TypeVar("T")


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


def run(what: Coroutine[Any, Any, T]) -> T:
    with ThreadPoolExecutor(1) as thread:  # the browser tests leave a loop running in this one
        return thread.submit(asyncio.run, what).result()


def ask(
    question: Question, desk: Desk, page: Page, meanwhile: Callable[[], None], drawn: list[Any] | None = None
) -> str:
    """The status in the end; `meanwhile` is called once the model works. drawn: gets what is put on the stage."""

    async def all_of_it() -> str:
        status = ""
        told = asking.run(question, desk, ME, page, lambda _: {})
        status = str((await anext(told))[page.result.status])
        await asyncio.to_thread(meanwhile)
        async for updates in told:
            status = str(updates.get(page.result.status, status))
            if drawn is not None and page.result.editor.stage in updates:
                drawn.append(updates[page.result.editor.stage])
            page.held |= {page.session._id: updates[page.session]} if page.session in updates else {}
        return status

    return run(all_of_it())


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


@pytest.mark.parametrize(("words", "said"), [("blocked", "taken for harassment"), ("nothing", "Nothing found")])
def test_what_an_answer_without_objects_said_is_told_and_the_corrected_ones_can_be_taken_away(
    desk: Desk, echo: Deaf, words: str, said: str
) -> None:
    before = accept(an_owl(desk), 0)
    page = page_with(before)
    asked = read_form(Task.DETECT, {"prompt": words, "backend": "paligemma"}, Settings())
    status = ask(Question(asked, "Looking", before, lambda: before), desk, page, echo.may.release)
    answer = page.now().answer
    assert answer is not None
    assert said in answer.result.notes[-1].detail
    assert label_files.offer(page.now(), "coco", View(), desk.shelf).size_bytes, "they are labels still"
    assert "1 other object" in status, "what was asked for is not among them"


def test_where_the_run_failed_corrected_objects_are_labels_still(desk: Desk) -> None:
    for member in (False, True):
        now = of_project(desk) if member else Session().showing((picture(desk, "a.png"),), 0)
        before = edited(accepted_owl(desk, now), desk)
        failed = Result(Outcome.FAILED, "The service is busy.")
        after = replace(before, answer=Answer(Task.CAPTION, "", "m", failed))
        after = projects.keep_answers(before, projects.over_corrections(before, after), desk.projects, ME)
        answer = after.answer
        assert answer is not None
        assert (answer.result.outcome, answer.result.text) == (Outcome.FOUND, "")
        assert "No answer came. The service is busy." in answer.result.notes[-1].detail
        again = replace(after, answer=Answer(Task.DETECT, "cat", "m", Result(Outcome.NONE)))
        again = projects.keep_answers(after, projects.over_corrections(after, again), desk.projects, ME)
        assert again.answer is not None
        assert ["Nothing found" in each.detail for each in again.answer.result.notes] == [True], "the last alone"
        assert label_files.samples_of(after)[0].labelled


def accepted_owl(desk: Desk, now: Session) -> Session:
    """`now`, a detected owl and its mask and point in it."""
    (owl,) = Echo()._found(Request(Task.SEGMENT, (), labels=("owl",))).detections
    found = Result(Outcome.FOUND, "", (replace(owl, point=Point(0.5, 0.5), score=0.25),))
    after = replace(now, answer=Answer(Task.SEGMENT, "owl", "m", found))
    return projects.keep_answers(now, after, desk.projects, ME)


def edited(now: Session, desk: Desk) -> Session:
    """`now`, its first object renamed, its point moved and its mask painted anew."""
    scene = corrections.scene(now)
    assert scene is not None
    painted = encode_mask(SoftMask(np.ones((4, 4), np.float32), FULL_FRAME))
    objects = [scene["objects"][0] | {"label": "eagle", "point": [0.25, 0.25], "mask": painted}]
    made = corrections.correct(now, {"key": scene["key"], "objects": objects})
    return projects.keep_edit(made, desk.projects, ME)


@pytest.mark.parametrize("member", [pytest.param(False, id="on the page"), pytest.param(True, id="in a project")])
@pytest.mark.parametrize("said", [pytest.param(("owl", "cat"), id="more"), pytest.param((), id="nothing")])
def test_asked_again_what_the_model_gave_of_a_corrected_object_is_known_still(
    desk: Desk, member: bool, said: tuple[str, ...]
) -> None:
    now = of_project(desk) if member else Session().showing((picture(desk, "a.png"),), 0)
    first = accepted_owl(desk, now)
    before = edited(first, desk)
    found = Echo()._found(Request(Task.SEGMENT, (), labels=said)) if said else Result(Outcome.NONE)
    after = replace(before, answer=Answer(Task.SEGMENT, "; ".join(said), "m", found))
    after = projects.keep_answers(before, projects.over_corrections(before, after), desk.projects, ME)
    assert first.answer is not None
    own, scene = first.answer.result.detections[0], corrections.scene(after)
    assert scene is not None
    eagle = scene["objects"][0]
    assert (eagle["label"], eagle["mask"]["own"], eagle["edited"]) == ("eagle", False, False)
    assert (eagle["model"]["label"], eagle["model"]["point"]) == ("owl", [0.5, 0.5])
    assert own.mask is not None
    assert eagle["model"]["frame"] == list(own.mask.frame)
    if said:
        assert scene["objects"][-1]["mask"]["own"]
    if not member:
        added = projects.add(after, desk.projects, ME, "Garden", new=True)
        assert added.member is not None
        with desk.projects.lend("Garden", ME) as project:
            (kept,) = project.answers(added.member.picture)
        assert kept.result.detections[0].label == "owl", "no person's work is kept as the model's"


def test_of_an_edited_object_read_from_disk_nothing_unknown_is_called_the_models(desk: Desk) -> None:
    edited(accepted_owl(desk, of_project(desk)), desk)
    scene = corrections.scene(projects.show(desk.projects, ME, "Garden", 1, Order.ADDED, desk.shelf))
    assert scene is not None
    (eagle,) = scene["objects"]
    assert (eagle["mask"]["own"], eagle["model"]["frame"], eagle["model"]["label"]) == (False, None, "owl")
    assert eagle["edited"], "where its point was is not known"


@pytest.mark.parametrize("words", ["broken", "slow"])
def test_after_a_stop_or_a_failure_the_stage_shows_what_was_corrected_meanwhile(
    desk: Desk, echo: Deaf, words: str
) -> None:
    before = an_owl(desk)
    page = page_with(before)
    asked = read_form(Task.DETECT, {"prompt": words, "backend": "paligemma"}, Settings())
    question = Question(asked, "Looking", before, lambda: before)

    class Stage(list[Any]):
        """Once the growing answer is seen, no more of it comes."""

        def append(self, scene: Any) -> None:
            super().append(scene)
            if words == "slow":
                desk.runs.stop(ME)
            echo.may.release()

    def meanwhile() -> None:
        question.news.tell(Echo()._found(Request(Task.DETECT, (), labels=("cat", "dog"))))
        page.held[page.session._id] = accept(before, 0)

    drawn = Stage()
    ask(question, desk, page, meanwhile, drawn)
    assert [[each["review"] for each in scene["objects"]] for scene in drawn] == [["open", "open"], ["accepted"]]


def test_what_is_corrected_while_the_answer_is_laid_over_corrections_stays(desk: Desk, echo: Deaf) -> None:
    owl = an_owl(desk)
    page = page_with(owl)
    reads = 0

    class Holder(dict[int, Session]):
        """Where a correction comes in between two looks."""

        def __getitem__(self, key: int) -> Session:
            nonlocal reads
            reads += 1
            if reads == 3:  # the answer has been laid over what stood before
                self[key] = accept(owl, 0)
            return super().__getitem__(key)

    page.page.state_holder[ME] = page.held = Holder(page.held)
    ask(Question(form(), "Looking", owl, lambda: owl), desk, page, echo.may.release)
    answer = page.now().answer
    assert answer is not None
    owls = [each.review for each in answer.result.detections if each.label == "owl"]
    assert owls == [Review.ACCEPTED]


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
