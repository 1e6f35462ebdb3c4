"""A project's labels merged, undone and done again as one; what an answer leaves of a person's work; many pictures."""

from __future__ import annotations

import io
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.errors import RequestError
from grounding.labels import Naming
from grounding.types import Box, Detection, NoteKind, Origin, Outcome, Point, Result, Review, SoftMask, Task
from jobs.project import Order, Project, Which
from jobs.project_archive import import_archive, save_as
from jobs.project_labels import classes, merge, part, proposals, redo, redoable, set_names, undo, undoable
from tests.jobs.projects import answer, png, thing


def labels(project: Project, picture: int) -> list[str]:
    sample = project.sample(picture)
    return [] if sample is None else [each.label for each in sample.result.detections]


def fill(project: Project, *found: list[str]) -> list[int]:
    pictures = []
    for place, names in enumerate(found):
        picture = project.add_picture(png(size=(40 + place, 30)), f"{place}.png")
        project.put_answer(picture, Task.DETECT, answer(*(thing(name, k / 10) for k, name in enumerate(names))))
        pictures.append(picture)
    return pictures


def test_merging_renames_in_every_picture_and_in_answers_to_come_and_is_undone_at_once(project: Project) -> None:
    fill(project, ["cats", "dog"], ["cat"], ["kitty", "cats"])
    assert merge(project, ["cats", "kitty"], "cat") == 3
    assert [labels(project, picture) for picture in (1, 2, 3)] == [["cat", "dog"], ["cat"], ["cat", "cat"]]
    assert [(each.name, each.objects, each.pictures) for each in classes(project)] == [("cat", 4, 3), ("dog", 1, 1)]
    sample = project.put_answer(2, Task.DETECT, answer(thing("Kitty"), thing("dog", 0.5)))
    assert [(each.label, each.label_before) for each in sample.result.detections] == [("cat", "Kitty"), ("dog", None)]
    assert [each.result.detections[0].label for each in project.answers(2)] == ["cat", "Kitty"], "kept as it was said"
    assert (undo(project), undoable(project)) == ("1.png: answered by m", "merged cats, kitty into cat")
    assert undo(project) == "merged cats, kitty into cat"
    assert [labels(project, picture) for picture in (1, 2, 3)] == [["cats", "dog"], ["cat"], ["kitty", "cats"]]
    assert project.naming == Naming()
    assert redo(project) == "merged cats, kitty into cat"
    assert labels(project, 3) == ["cat", "cat"]
    assert project.naming.words("cat") == ("cats", "kitty")


def test_another_spelling_that_only_rejected_objects_have_is_neither_renamed_nor_counted(project: Project) -> None:
    fill(project, ["kitten", "Kitten"])
    sample = project.sample(1)
    assert sample is not None
    small, large = sample.result.detections
    project.set_labels(1, [small, rejected(large)])
    set_names(project, ["Kitten", "KITTEN"])
    assert merge(project, ["kitten"], "cat") == 1
    assert labels(project, 1) == ["cat", "Kitten"]
    assert project.naming.names == ("Kitten", "cat"), "the spelling no object has went along"
    again = project.put_answer(1, Task.DETECT, answer(thing("kitten"), thing("Kitten", 0.1)))
    assert [each.label for each in again.result.detections] == ["Kitten", "cat"], "what was rejected is not new"


def test_everything_is_undone_in_the_order_it_was_done_and_something_new_ends_what_could_be_redone(
    project: Project,
) -> None:
    fill(project, ["cat"], ["cat"])
    project.set_labels(2, [])
    project.set_state(1, Review.ACCEPTED)
    seen = []
    while what := undo(project):
        seen.append(what)
    assert seen == ["0.png: approved", "1.png: edited", "1.png: answered by m", "0.png: answered by m"]
    assert redo(project) == "0.png: answered by m"
    project.set_labels(1, [thing("dog")])
    assert (redoable(project), redo(project)) == ("", "")
    assert labels(project, 1) == ["dog"]
    assert labels(project, 2) == []


def test_a_synonym_taken_apart_is_undone_too_and_survives_an_archive_with_its_history(
    project: Project, tmp_path: Path
) -> None:
    fill(project, ["cats"], ["cat"])
    set_names(project, ["dog", "cat"])
    merge(project, ["cats"], "cat")
    part(project, "cats")
    assert project.naming == Naming(("dog", "cat"))
    save_as(project, tmp_path / "a.zip")
    with closing(import_archive(tmp_path / "a.zip", tmp_path / "two")) as two:
        assert undo(two) == "cats is a label of its own"
        assert two.naming.synonyms == {"cats": "cat"}
        assert undo(two) == "merged cats into cat"
        assert (labels(two, 1), two.naming) == (["cats"], Naming(("dog", "cat")))
        two.set_labels(2, [])
        assert undoable(two) == "1.png: edited", "what is done after the import is newer than all before"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        pytest.param(lambda p: merge(p, [], "cat"), "Choose the labels", id="nothing"),
        pytest.param(lambda p: merge(p, ["cat"], " cat "), "Choose the labels", id="into itself"),
        pytest.param(lambda p: merge(p, ["cat"], "  "), "needs a name", id="into no name"),
        pytest.param(lambda p: merge(p, ["cat"], "x" * 201), "needs a name", id="into a novel"),
        pytest.param(lambda p: part(p, "kitty"), "no synonym", id="no synonym"),
        pytest.param(lambda p: set_names(p, ["cat", ""]), "needs a name", id="a class without a name"),
        pytest.param(lambda p: p.set_labels(1, [], since=99), "another window", id="changed meanwhile"),
        pytest.param(lambda p: p.set_state(1, Review.ACCEPTED, since=99), "another window", id="decided meanwhile"),
    ],
)
def test_what_cannot_be_merged_changes_nothing(project: Project, act, words) -> None:  # type: ignore[no-untyped-def]
    fill(project, ["cat"])
    before = project.dump(1), project.naming, undoable(project)
    with pytest.raises(RequestError, match=words):
        act(project)
    assert (project.dump(1), project.naming, undoable(project)) == before


def test_what_seems_to_mean_the_same_is_proposed_towards_the_more_usual(project: Project) -> None:
    fill(project, ["cats", "Dog", "dog"], ["cats", "dog"], ["cat", "sky"])
    assert [str(each) for each in proposals(classes(project))] == [
        "“Dog” counts as “dog” (case).",
        "“cat” counts as “cats” (plural).",
    ]


def person(detection: Detection) -> Detection:
    return replace(detection, origin=replace(detection.origin or Origin("", "", ""), edited=True))


def moved(detection: Detection, by: float) -> Detection:
    assert detection.box is not None
    x1, y1, x2, y2 = detection.box
    return replace(person(detection), box=Box(x1 + by, y1, x2 + by, y2), box_before=detection.box)


def rejected(detection: Detection) -> Detection:
    return replace(detection, review=Review.REJECTED)


def accepted(detection: Detection) -> Detection:
    return replace(detection, review=Review.ACCEPTED)


def dot(x: float) -> Detection:
    return Detection("tip", point=Point(x, 0.5), origin=thing().origin)


def blob(x: float) -> Detection:
    return Detection("sea", mask=SoftMask(np.ones((4, 4), np.float32), Box(x, 0, x + 0.5, 1)), origin=thing().origin)


@pytest.mark.parametrize(
    ("now", "said", "after", "known"),
    [
        pytest.param([thing("cat")], [thing("dog")], ["dog"], 0, id="what nobody touched makes room"),
        pytest.param([person(thing("cat"))], [thing("dog", 0.5)], ["cat", "dog"], 0, id="what a person changed stays"),
        pytest.param([rejected(thing("cat"))], [thing("cat", 0.01)], ["cat"], 1, id="what was rejected is not new"),
        pytest.param([person(thing("cat")), thing("cow", 0.5)], [], ["cat"], 0, id="nothing found"),
        pytest.param(
            [replace(thing("cat"), origin=None)], [thing("cat", 0.7)], ["cat", "cat"], 0, id="what a file said stays"
        ),
        pytest.param(
            [moved(thing("cat"), 0.5)], [thing("cat")], ["cat"], 1, id="where a person moved it from is known"
        ),
        pytest.param(
            [moved(thing("cat"), 0.5)],
            [thing("cat"), thing("cat", 0.5)],
            ["cat", "cat"],
            1,
            id="one that was moved is one, and not two",
        ),
        pytest.param([accepted(dot(0.5))], [dot(0.51)], ["tip"], 1, id="a point"),
        pytest.param([accepted(dot(0.5))], [dot(0.6)], ["tip", "tip"], 0, id="another point"),
        pytest.param([accepted(blob(0.5))], [blob(0.5)], ["sea"], 1, id="a mask alone"),
        pytest.param([accepted(blob(0.5))], [blob(0)], ["sea", "sea"], 0, id="a mask elsewhere"),
        pytest.param(
            [person(replace(thing("cat"), label_before="dog"))],
            [thing("dog")],
            ["cat"],
            1,
            id="its name before is known",
        ),
    ],
)
def test_an_answer_leaves_a_persons_work_alone(
    project: Project, now: list[Detection], said: list[Detection], after: list[str], known: int
) -> None:
    picture = project.add_picture(png(), "a.png")
    project.set_labels(picture, [replace(each, id=k) for k, each in enumerate(now)])
    sample = project.put_answer(picture, Task.DETECT, answer(*said))
    assert labels(project, picture) == after
    assert sample.labelled
    assert len({each.id for each in sample.result.detections}) == len(after)
    told = [note.detail for note in sample.result.notes if note.kind is NoteKind.SKIPPED]
    stay = [each for each in now if each.origin is None or each.origin.edited or each.review is not Review.OPEN]
    made_room = len(now) - len(stay) if stay else 0
    assert told == [
        *["One object was here already as a person left it: that stays."] * known,
        *["One object nobody had corrected made room for this answer."] * made_room,
    ]


def masked(detection: Detection) -> Detection:
    assert detection.box is not None
    return replace(detection, mask=SoftMask(np.ones((4, 4), np.float32), detection.box))


@pytest.mark.parametrize(
    ("now", "gets"),
    [
        pytest.param(moved(thing("cat"), 0.02), True, id="a corrected box"),
        pytest.param(replace(thing("cat"), origin=Origin("person", "", "", edited=True)), True, id="a drawn box"),
        pytest.param(replace(moved(thing("cat"), 0.02), review=Review.UNSURE), True, id="one in doubt"),
        pytest.param(accepted(thing("cat")), False, id="what was accepted is left as it is"),
        pytest.param(rejected(thing("cat")), False, id="what was rejected too"),
        pytest.param(moved(thing("cat"), 0.5), False, id="the mask lies where the box was, not where it is"),
    ],
)
def test_outlines_asked_for_later_come_to_the_boxes_a_person_left(project: Project, now: Detection, gets: bool) -> None:
    picture = project.add_picture(png(), "a.png")
    project.set_labels(picture, [now])
    sample = project.put_answer(picture, Task.SEGMENT, answer(masked(thing("cat"))))
    (only,) = sample.result.detections
    assert (only.box, only.review, only.mask is not None) == (now.box, now.review, gets)
    assert any("got its mask" in note.detail for note in sample.result.notes) is gets
    assert only.origin == now.origin


@pytest.mark.parametrize(
    ("task", "result"),
    [
        pytest.param(Task.DETECT, Result(Outcome.BLOCKED, "withheld"), id="blocked"),
        pytest.param(Task.DETECT, Result(Outcome.FAILED, "busy"), id="failed"),
        pytest.param(Task.DETECT, Result(Outcome.UNRECOGNISED, raw="???"), id="unreadable"),
        pytest.param(Task.CAPTION, Result(Outcome.FOUND, "A cat."), id="a caption"),
    ],
)
def test_an_answer_without_places_takes_no_object_away_and_is_kept(
    project: Project, task: Task, result: Result
) -> None:
    picture = project.add_picture(png(), "a.png")
    project.put_answer(picture, Task.DETECT, answer(thing()))
    project.put_answer(picture, task, result)
    sample = project.sample(picture)
    assert sample is not None
    assert (labels(project, picture), sample.labelled, sample.task) == (["cat"], True, Task.DETECT)
    assert project.answers(picture)[-1].result.outcome is result.outcome


@pytest.mark.parametrize("outcome", [Outcome.BLOCKED, Outcome.FAILED, Outcome.UNRECOGNISED])
@pytest.mark.parametrize(
    ("task", "said"),
    [
        pytest.param(Task.DETECT, Result(Outcome.NONE, raw="[]"), id="nothing in it"),
        pytest.param(Task.CAPTION, Result(Outcome.FOUND, "A cat."), id="a caption"),
    ],
)
def test_an_answer_that_says_nothing_takes_no_empty_label_no_caption_and_no_approval_away(
    project: Project, task: Task, said: Result, outcome: Outcome
) -> None:
    picture = project.add_picture(png(), "a.png")
    project.put_answer(picture, task, said)
    project.set_state(picture, Review.ACCEPTED)
    version = project.entry(picture).version
    project.put_answer(picture, Task.DETECT, Result(outcome, "no"))
    sample = project.sample(picture)
    assert sample is not None
    assert (sample.task, sample.result.outcome, sample.result.text) == (task, said.outcome, said.text)
    assert (project.entry(picture).state, project.entry(picture).version) == (Review.ACCEPTED, version)
    assert project.answers(picture)[-1].result.outcome is outcome, "it is kept"


def test_pictures_are_chosen_by_state_and_label_and_by_the_page(project: Project) -> None:
    fill(project, ["cat"], ["dog", "cat"], ["dog"], [])
    project.set_state(1, Review.ACCEPTED)
    project.set_state(4, Review.UNSURE)
    assert [each.id for each in project.pictures(which=Which(label="cat"))] == [1, 2]
    assert [each.id for each in project.pictures(which=Which(Review.OPEN, "dog"))] == [2, 3]
    assert [each.id for each in project.pictures(which=Which(Review.UNSURE))] == [4]
    assert [each.id for each in project.pictures(Order.ADDED, Which(start=1, most=2))] == [2, 3]
    assert (project.count(), project.count(Which(label="dog")), project.count(Which(label="cow"))) == (4, 2, 0)
    assert project.next_open(after=3) == 2, "neither approved nor unsure"


def test_a_rejected_picture_is_no_data(project: Project) -> None:
    fill(project, ["cat"], ["dog"])
    project.set_state(1, Review.REJECTED)
    assert [each.picture for each in project.export_set()] == ["1.png"]
    assert project.count(Which(Review.REJECTED)) == 1


def test_outlines_and_thumbnails_need_no_mask_and_no_picture(project: Project) -> None:
    picture = project.add_picture(png(size=(900, 300)), "a.png")
    project.set_labels(picture, [Detection("\ud800dot", point=Point(0.5, 0.25)), replace(thing("cat"), id=1)])
    assert [(each.label, each.corners) for each in project.outline(picture)] == [
        ("?dot", (0.5, 0.25, 0.5, 0.25)),
        ("cat", tuple(Box(0, 0, 0.25, 0.5))),
    ]
    (thumbnail,) = (project.folder / "thumbnails").iterdir()
    assert Image.open(io.BytesIO(project.thumbnail(picture))).size == (320, 107)
    thumbnail.unlink()
    assert Image.open(io.BytesIO(project.thumbnail(picture))).size == (320, 107), "made again"
    project.remove_picture(picture)
    assert not list((project.folder / "thumbnails").iterdir())


def test_two_thousand_pictures_are_listed_filtered_and_counted_quickly(project: Project) -> None:
    first = project.add_picture(png(), "0.png")
    project.put_answer(first, Task.DETECT, answer(*(thing(f"thing {k}", k / 20) for k in range(5))))
    with project.store.database.change() as connection:
        for k in range(2, 2001):
            connection.execute(
                "INSERT INTO picture SELECT ?, ?, file, 40, 30, 1, NULL FROM picture WHERE id = 1", (k, str(k))
            )
            connection.execute(
                "INSERT INTO step SELECT ?, number, ?, what, at, state, sample, objects, open, least_score, outline "
                "FROM step WHERE picture = 1", (k, k))  # fmt: skip
    began = time.thread_time()
    assert len(project.pictures(Order.UNSURE, Which(label="thing 4", start=960, most=24))) == 24
    assert project.count(Which(Review.OPEN)) == 2000
    assert len(classes(project)) == 5
    assert project.next_open(after=2000) == 1
    assert undoable(project) == "2000: answered by m"
    assert time.thread_time() - began < 3  # 0.1 s on two slow cores that do nothing else
