"""A project: every step can be undone, answers stay as they were said, and a person has the last word."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from grounding.errors import ImageError, RequestError
from grounding.types import Detection, Outcome, Result, Review, Task
from jobs.project import Project
from jobs.project_labels import redo, redoable, undo, undoable
from tests.jobs.projects import answer, png, state, thing


def reopened(project: Project) -> Project:
    project.close()
    return Project.open(project.folder)


def test_every_step_can_be_undone_and_redone_also_after_a_restart(project: Project) -> None:
    picture = project.add_picture(png(), "a.png")
    assert project.sample(picture) is None
    project.put_answer(picture, Task.DETECT, answer(thing()))
    project.set_labels(picture, [thing("dog")], "relabelled")
    project.set_labels(picture, [replace(thing("dog"), review=Review.ACCEPTED)], "accepted 1")
    project.set_state(picture, Review.ACCEPTED)
    project = reopened(project)
    seen = [state(project, picture)]
    while undoable(project):
        undo(project)
        seen.append(state(project, picture))
    assert seen == [
        (True, [("dog", "accepted")]),
        (False, [("dog", "accepted")]),
        (False, [("dog", "open")]),
        (False, [("cat", "open")]),
        (False, None),
    ]
    undo(project)
    assert state(project, picture) == (False, None), "before the first there is nothing"
    project = reopened(project)
    for _ in range(2):
        redo(project)
    assert state(project, picture) == (False, [("dog", "open")])
    told = project.dump(picture)
    assert [step["what"] for step in told["steps"]] == ["answered by m", "relabelled", "accepted 1", "approved"]
    assert told["step"] == 2
    project.set_labels(picture, [])
    assert not redoable(project), "a new step ends what could be redone"
    assert state(project, picture) == (False, [])
    project.close()


def test_an_answer_is_kept_as_it_was_said_whatever_is_made_of_it(project: Project) -> None:
    picture = project.add_picture(png(), "a.png")
    project.put_answer(picture, Task.DETECT, answer(thing()))
    moved = replace(thing(x=0.5), box_before=thing().box)
    project.set_labels(picture, [moved])
    (said,) = project.answers(picture)
    assert said.result.detections[0].box == thing().box
    origin = said.result.detections[0].origin
    assert origin is not None
    assert (origin.raw, origin.prompt) == ("said", "detect cat")
    sample = project.sample(picture)
    assert sample is not None
    assert (sample.result.detections[0].box, sample.result.detections[0].box_before) == (moved.box, thing().box)


@pytest.mark.parametrize(
    ("before", "left", "after"),
    [
        pytest.param(Outcome.FAILED, [thing()], Outcome.FOUND, id="a person found what no model answered"),
        pytest.param(Outcome.NONE, [thing()], Outcome.FOUND, id="a person found what the model did not"),
        pytest.param(Outcome.FOUND, [], Outcome.NONE, id="a person deleted all"),
        pytest.param(Outcome.REPAIRED, [thing()], Outcome.REPAIRED, id="still the model's answer"),
    ],
)
def test_the_outcome_follows_what_a_person_left(
    project: Project, before: Outcome, left: list[Detection], after: Outcome
) -> None:
    picture = project.add_picture(png(), "a.png")
    found = () if before in (Outcome.FAILED, Outcome.NONE) else (thing(),)
    project.put_answer(picture, Task.DETECT, Result(before, detections=found))
    assert project.set_labels(picture, left).result.outcome is after


def test_names_are_kept_apart_and_equal_pictures_share_a_file(project: Project) -> None:
    for name in ("deep/a.png", "deep/A.png", "deep/a.png", ""):
        project.add_picture(png(), name)
    assert [entry.name for entry in project.pictures()] == [
        "deep/a.png",
        "deep/A (2).png",
        "deep/a (3).png",
        "picture.png",
    ]
    assert len(os.listdir(project.folder / "pictures")) == 1
    project.remove_picture(1)
    assert project.picture(2) == png()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError()))
        for picture in (2, 3):
            project.remove_picture(picture)
        with pytest.raises(RequestError, match="cannot be deleted"):
            project.remove_picture(4)
    assert project.picture(4) == png(), "a file that cannot be deleted keeps its picture"
    with pytest.raises(RequestError, match="not in the project any more"):
        project.entry(1)


WRONG = [
    pytest.param(lambda p: p.add_picture(b"words", "a.png"), ImageError, "not a picture", id="no picture"),
    pytest.param(lambda p: p.sample(9), RequestError, "any more", id="no such picture"),
    pytest.param(lambda p: p.set_labels(9, []), RequestError, "any more", id="labels of none"),
    pytest.param(lambda p: p.picture(9), RequestError, "any more", id="file of none"),
    pytest.param(lambda p: p.set_labels(1, [thing(), thing()]), RequestError, "same number", id="numbers twice"),
]


@pytest.mark.parametrize(("act", "kind", "words"), WRONG)
def test_what_cannot_be_done_is_refused_and_changes_nothing(project: Project, act, kind, words) -> None:  # type: ignore[no-untyped-def]
    project.put_answer(project.add_picture(png(), "a.png"), Task.DETECT, answer(thing()))
    project.add_picture(png("blue"), "b.png")
    before = [project.dump(entry.id) for entry in project.pictures()]
    with pytest.raises(kind, match=words):
        act(project)
    assert [project.dump(entry.id) for entry in project.pictures()] == before
