"""Asked again, what a person corrected stays, and what the model had said of it is known still."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grounding.editing import encode_mask
from grounding.settings import Settings
from grounding.types import FULL_FRAME, Outcome, Point, Request, Result, Review, SoftMask, Task, View
from jobs.project import Order
from tests.ui.echo import Deaf, Echo
from tests.ui.questions import ME, accept, an_owl, ask, form, of_project, page_with, picture
from ui import corrections, label_files, projects
from ui.asking import Question
from ui.desk import Desk
from ui.form import read_form
from ui.state import Answer, Session


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
