"""In what order pictures come up, what two answers disagree on, and what an approval is given to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grounding.exports import export, load
from grounding.labels import Sample
from grounding.types import Detection, Origin, Outcome, Point, Result, Review, Task
from jobs.project import Order, Project, disagreement
from tests.jobs.projects import answer, png, state, thing


def test_pictures_come_in_the_order_that_is_wanted(project: Project) -> None:
    names = {"b.png": [[thing(score=0.9)]], "a.png": [[thing(score=0.2)], [thing(x=0.5)]], "c.png": []}
    names["d.png"] = [[thing()], [thing()]]
    for index, (name, answers) in enumerate(names.items()):
        picture = project.add_picture(png(size=(40 + index, 30)), name)
        for found in answers:
            project.put_answer(picture, Task.DETECT, answer(*found))
    project.set_state(1, Review.ACCEPTED)
    orders = {order: "".join(entry.name[0] for entry in project.pictures(order)) for order in Order}
    assert orders == {
        Order.ADDED: "bacd",
        Order.NAME: "abcd",
        Order.OPEN: "acdb",
        Order.UNSURE: "bacd",
        Order.DISAGREEMENT: "adbc",
    }
    assert project.entry(2).disagreement == 1
    assert project.entry(4).disagreement == 0
    assert project.entry(1).disagreement is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param([], [], 0, id="both found nothing"),
        pytest.param([thing()], [thing()], 0, id="the same"),
        pytest.param([thing()], [], 1, id="one found nothing"),
        pytest.param([thing()], [thing("dog")], 1, id="another label"),
        pytest.param([thing(), thing(x=0.5, id_=1)], [thing(x=0.5)], 0.5, id="one of two"),
    ],
)
def test_disagreement_is_the_part_that_is_not_shared(
    first: list[Detection], second: list[Detection], expected: float
) -> None:
    one, other = (Sample("a", (40, 30), Task.DETECT, answer(*found)) for found in (first, second))
    assert disagreement(one, other) == pytest.approx(expected)


def named(project: Project, picture: int, labels: str, *found: Detection, model: str = "m") -> float | None:
    """The disagreement once `model` was asked for `labels`; each words a prompt in its own way."""
    origin = Origin("echo", model, f"{model}, where is {labels}?")
    project.put_answer(picture, Task.DETECT, replace(answer(*found), origin=origin), labels)
    return project.entry(picture).disagreement


def test_only_answers_to_one_question_disagree_whoever_was_asked(project: Project) -> None:
    picture = project.add_picture(png(), "a.png")
    assert named(project, picture, "cat", thing()) is None
    assert named(project, picture, "dog", thing("dog")) is None, "asked for something else"
    assert named(project, picture, "Cat", thing(), thing(x=0.5, id_=1), model="n") == 0.5
    for task, said in ((Task.CAPTION, Result(Outcome.FOUND, "A cat.")), (Task.DETECT, Result(Outcome.FAILED, "busy"))):
        project.put_answer(picture, task, said, "cat")
        assert project.entry(picture).disagreement == 0.5, "these name no places"
    point = Detection("cat", point=Point(0.5, 0.5))
    named(project, picture, "tip", point)
    assert named(project, picture, "tip", replace(point, point=Point(0.505, 0.5))) == 0


@pytest.mark.parametrize(
    ("task", "said", "state"),
    [
        pytest.param(Task.CAPTION, Result(Outcome.FOUND, "A cat."), Review.ACCEPTED, id="a caption"),
        pytest.param(Task.DETECT, answer(thing()), Review.ACCEPTED, id="the same again"),
        pytest.param(Task.DETECT, answer(), Review.ACCEPTED, id="nothing"),
        pytest.param(Task.DETECT, answer(thing(), thing(x=0.5, id_=1)), Review.OPEN, id="one more"),
    ],
)
def test_an_approval_stays_with_the_objects_it_was_given_to(
    project: Project, task: Task, said: Result, state: Review
) -> None:
    picture = project.add_picture(png(), "a.png")
    project.put_answer(picture, Task.DETECT, answer(thing()))
    project.set_state(picture, Review.ACCEPTED)
    project.put_answer(picture, task, said)
    assert project.entry(picture).state is state


def test_an_approved_emptiness_is_not_an_approved_caption(project: Project) -> None:
    picture = project.add_picture(png(), "a.png")
    project.put_answer(picture, Task.DETECT, answer())
    project.set_state(picture, Review.ACCEPTED)
    project.put_answer(picture, Task.DETECT, answer())
    assert project.entry(picture).state is Review.ACCEPTED
    project.put_answer(picture, Task.CAPTION, Result(Outcome.FOUND, "A cat."))
    assert project.entry(picture).state is Review.OPEN


def test_approving_accepts_what_is_open_and_goes_on_to_the_next(project: Project) -> None:
    pictures = [project.add_picture(png(size=(40 + i, 30)), f"{i}.png") for i in range(3)]
    for picture in pictures:
        project.put_answer(picture, Task.DETECT, answer(thing(), thing(x=0.5, id_=1), thing(x=0.7, id_=2)))
    left = [replace(thing(x=0.5, id_=1), review=Review.REJECTED), thing(x=0.7, id_=2)]
    project.set_labels(pictures[1], [thing(), *left])
    project.set_state(pictures[1], Review.ACCEPTED)
    assert project.next_open(after=pictures[1]) == pictures[2]
    assert state(project, pictures[1]) == (True, [("cat", "accepted"), ("cat", "rejected"), ("cat", "accepted")])
    assert project.entry(pictures[1]).open == 0
    project.set_state(pictures[2], Review.ACCEPTED)
    assert project.next_open(after=pictures[2]) == pictures[0]
    project.set_state(pictures[0], Review.ACCEPTED)
    assert project.next_open(after=pictures[0]) is None
    exported = export(project.export_set(), "coco")
    found = {sample.picture: len(sample.result.detections) for sample in load(exported.download()[1]).samples}
    assert found == {"0.png": 3, "1.png": 2, "2.png": 3}, "what was rejected is no label"
    assert "1 object left out: rejected by a person" in " ".join(loss.sentence for loss in exported.losses)


def test_only_labelled_pictures_are_exported_and_only_done_ones_if_wanted(project: Project) -> None:
    for index in range(3):
        project.add_picture(png(size=(40 + index, 30)), f"{index}.png")
    project.put_answer(1, Task.DETECT, answer(thing()))
    project.put_answer(2, Task.DETECT, answer())
    project.set_state(2, Review.ACCEPTED)
    assert [sample.picture for sample in project.export_set()] == ["0.png", "1.png"]
    assert [sample.picture for sample in project.export_set(done_only=True)] == ["1.png"]
