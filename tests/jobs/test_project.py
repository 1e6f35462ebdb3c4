"""Projects on disk: everything survives a restart exactly, every step can be undone, archives lose nothing."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from grounding.errors import GroundingError, ImageError, RequestError
from grounding.exports import export, load
from grounding.labels import Sample
from grounding.settings import Settings
from grounding.types import Box, Detection, Origin, Outcome, Point, Result, Review, SoftMask, Task
from jobs.project import FILE, Order, Project, disagreement
from jobs.project_archive import import_archive, save_as
from jobs.project_labels import redo, redoable, set_names, undo, undoable
from jobs.shelf import Shelf, folder_name
from tests.jobs.test_records import plain, samples

ROOT = Path(__file__).parents[2]


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def thing(label: str = "cat", x: float = 0.0, id_: int = 0, score: float | None = None) -> Detection:
    return Detection(
        label, Box(x, 0, x + 0.25, 0.5), id=id_, score=score, origin=Origin("echo", "m", f"detect {label}")
    )


def answer(*found: Detection) -> Result:
    return Result(
        Outcome.FOUND if found else Outcome.NONE, detections=found, raw="said", origin=Origin("echo", "m", "?")
    )


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with closing(Project.create(tmp_path / "cats", "Cats")) as made:
        yield made


def reopened(project: Project) -> Project:
    project.close()
    return Project.open(project.folder)


def test_labels_survive_a_restart_exactly(tmp_path: Path) -> None:
    kept: dict[int, tuple[Result, Task]] = {}
    made = Project.create(tmp_path / "one")

    @settings(max_examples=25)
    @given(sample=samples)
    def put(sample: Sample) -> None:
        found = tuple(replace(each, id=place) for place, each in enumerate(sample.result.detections))
        picture = made.add_picture(png(), "a.png")
        kept[picture] = replace(sample.result, detections=found), sample.task
        made.put_sample(picture, replace(sample, result=kept[picture][0]))

    put()
    made.close()
    with closing(Project.open(tmp_path / "one")) as again:
        for picture, (result, task) in kept.items():
            read = again.sample(picture)
            assert read is not None
            assert (plain(read.result), read.task, read.size_wh) == (plain(result), task, (40, 30))
            assert read.file is not None
            assert read.file() == png()


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


def state(project: Project, picture: int) -> tuple[bool, list[tuple[str, str]] | None]:
    sample = project.sample(picture)
    found = None if sample is None else [(each.label, each.review.value) for each in sample.result.detections]
    return project.entry(picture).state is Review.ACCEPTED, found


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


def test_a_project_killed_in_the_middle_of_edits_keeps_every_one_that_was_done(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from jobs.project import Project\n"
        "from tests.jobs.test_project import png, thing\n"
        "p = Project.create(Path(sys.argv[1])); i = p.add_picture(png(), 'a.png')\n"
        "for n in range(100000):\n"
        "    p.set_labels(i, [thing(str(n))]); print(n, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "p")]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    last = 0
    while last < 50:
        last = int(running.stdout.readline())
    running.kill()
    rest = running.stdout.read().split()
    last = int(rest[-1]) if rest else last
    with closing(Project.open(tmp_path / "p")) as again:
        assert len(again.dump(1)["steps"]) >= last + 1
        sample = again.sample(1)
        assert sample is not None
        assert int(sample.result.detections[0].label) >= last


def test_several_threads_and_a_second_window_work_on_one_project(project: Project) -> None:
    other = Project.open(project.folder)
    picture = project.add_picture(png(), "a.png")

    def edit(one: Project, label: str) -> None:
        for _ in range(10):
            one.set_labels(picture, [thing(label)])

    threads = [threading.Thread(target=edit, args=(one, str(i))) for i, one in enumerate((project, project, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(project.dump(picture)["steps"]) == 30
    assert other.sample(picture) is not None
    other.close()


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such project"):
        Project.open(tmp_path)
    (tmp_path / FILE).write_bytes(b"words" * 1000)
    with pytest.raises(RequestError, match="damaged"):
        Project.open(tmp_path)
    (tmp_path / FILE).unlink()
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(RequestError, match="not made by this program"):
        Project.open(tmp_path)
    with pytest.raises(RequestError, match="already"):
        Project.create(tmp_path)


def filled(folder: Path) -> Project:
    made = Project.create(folder, "Cats")
    set_names(made, ["cat", "кот"])
    for index in range(3):
        picture = made.add_picture(png(size=(40 + index, 30)), f"{index}.png")
        made.put_answer(picture, Task.DETECT, replace(answer(thing()), raw="long " * 200))
        made.put_answer(picture, Task.DETECT, answer(thing(x=index / 10)))
        made.set_labels(picture, [thing("dog")])
    made.set_state(3, Review.ACCEPTED)
    made.set_labels(2, [thing("cow")])
    undo(made)
    return made


def test_what_is_saved_and_taken_in_again_is_the_same_with_its_history(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "one")) as one:
        save_as(one, tmp_path / "cats.zip")
        with closing(import_archive(tmp_path / "cats.zip", tmp_path / "two")) as two:
            assert (two.name, two.naming.names) == ("Cats", ("cat", "кот"))
            assert [two.dump(entry.id) for entry in two.pictures()] == [one.dump(entry.id) for entry in one.pictures()]
            assert two.pictures() == one.pictures()
            for entry in one.pictures():
                assert two.picture(entry.id) == one.picture(entry.id)
                assert [plain(each.result) for each in two.answers(entry.id)] == [
                    plain(each.result) for each in one.answers(entry.id)
                ]
            assert state(two, 2) == (False, [("dog", "open")])
            assert redo(two) == "1.png: edited"
            assert state(two, 2) == (False, [("cow", "open")])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cats.zip", "one", "two"]


def changed(path: Path, member: str, content: bytes | None) -> Path:
    """The archive with one member replaced or left out."""
    out = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for each in old.namelist():
            if not each.startswith(member):
                new.writestr(each, old.read(each))
            elif content is not None:
                new.writestr(each, content)
    return out


def line(**changes: object) -> bytes:
    row = {"name": "a", "file": "0" * 64 + ".png", "step": 0, "disagreement": None, "steps": [], "answers": []}
    return json.dumps({**row, **changes}).encode()


@pytest.mark.parametrize(
    ("member", "content"),
    [
        pytest.param("project.json", None, id="says nothing of itself"),
        pytest.param("project.json", b"[]", id="a list about itself"),
        pytest.param("labels.jsonl", None, id="no labels"),
        pytest.param("labels.jsonl", b"words\n", id="words for labels"),
        pytest.param("labels.jsonl", b"null\n", id="null for labels"),
        pytest.param("labels.jsonl", line(), id="a picture that is not there"),
        pytest.param("labels.jsonl", line(file="../../evil.png"), id="a picture that leads out"),
        pytest.param("labels.jsonl", line(steps=3), id="a number for steps"),
        pytest.param("pictures/", b"words", id="words for pictures"),
        pytest.param("pictures/", None, id="no pictures"),
        pytest.param("blobs/", b"words", id="blobs of another content"),
        pytest.param("blobs/", None, id="no blobs"),
    ],
)
def test_a_damaged_archive_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, member: str, content: bytes | None
) -> None:
    with closing(filled(tmp_path / "one")) as one:
        save_as(one, tmp_path / "cats.zip")
    path = changed(tmp_path / "cats.zip", member, content)
    with pytest.raises(GroundingError) as refused:
        import_archive(path, tmp_path / "two")
    assert len(str(refused.value)) < 200
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("fault", [MemoryError, KeyboardInterrupt])
def test_an_import_that_is_broken_off_leaves_no_part_of_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    with closing(filled(tmp_path / "one")) as one:
        save_as(one, tmp_path / "cats.zip")
    put, seen = Project.add_picture, []

    def second_fails(self: Project, data: bytes, name: str) -> int:
        seen.append((tmp_path / "home/two").exists())
        if len(seen) == 2:
            raise fault
        return put(self, data, name)

    monkeypatch.setattr(Project, "add_picture", second_fails)
    with pytest.raises(fault):
        import_archive(tmp_path / "cats.zip", tmp_path / "home/two")
    assert list((tmp_path / "home").iterdir()) == []
    assert seen == [False, False], "a kill leaves nothing that looks like a project of this name"
    left = tmp_path / "home/.1.unfinished-import"
    left.mkdir()
    os.utime(left, (0, 0))
    import_archive(tmp_path / "cats.zip", tmp_path / "home/two").close()
    assert [each.name for each in (tmp_path / "home").iterdir()] == ["two"], "what a kill left is swept up later"


@pytest.mark.parametrize("times", [4, 200])
def test_masks_that_shrink_to_nothing_are_refused_before_they_fill_the_memory(tmp_path: Path, times: int) -> None:
    """Together, in one step; each by itself may be."""
    made = Project.create(tmp_path / "one")
    mask = SoftMask(np.zeros((1, 1), np.float32), Box(0, 0, 1, 1))
    made.set_labels(made.add_picture(png(), "a.png"), [Detection("a", mask=mask)])
    save_as(made, tmp_path / "a.zip")
    row = made.dump(1)
    made.close()
    (found,) = row["steps"][0]["sample"]["result"]["detections"]
    found["mask"]["probs"]["size"] = [8000, 8000]
    row["steps"][0]["sample"]["result"]["detections"] = [found | {"id": place} for place in range(times)]
    path = changed(tmp_path / "a.zip", "labels.jsonl", json.dumps(row).encode())
    with pytest.raises(RequestError, match="more than fits in memory"):
        import_archive(path, tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_an_archive_never_lands_on_what_is_there(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "one")) as one:
        save_as(one, tmp_path / "cats.zip")
    (tmp_path / "two").mkdir()
    (tmp_path / "two/mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="already"):
        import_archive(tmp_path / "cats.zip", tmp_path / "two")
    assert (tmp_path / "two/mine.txt").read_text() == "mine"


def test_on_ones_own_machine_projects_stay_and_are_found_again(tmp_path: Path) -> None:
    chosen = Settings.from_env({"PINPOINT_PROJECTS": str(tmp_path / "mine")})
    shelf = Shelf(chosen)
    assert shelf.names() == []
    shelf.create("Street: cats/2026").close()
    shelf.leave("")
    again = Shelf(chosen)
    assert again.names() == ["Street- cats-2026"]
    with closing(again.open("Street: cats/2026")) as project:
        assert project.name == "Street: cats/2026"
    again.delete("Street- cats-2026")
    assert again.names() == []


def test_on_a_space_each_visitor_has_their_own_until_they_leave() -> None:
    shelf = Shelf(Settings.from_env({"SPACE_ID": "me/pinpoint"}))
    shelf.create("cats", "anna").close()
    assert (shelf.names("anna"), shelf.names("ben")) == (["cats"], [])
    with pytest.raises(RequestError):
        shelf.open("cats", "ben")
    for visitor in ("ben", "anna"):
        shelf.leave(visitor)
    shelf.tidy()
    assert shelf.names("anna") == ["cats"], "a connection may break"
    with shelf.lend("cats", "anna"):
        shelf.tidy(stays_s=0)
    assert shelf.names("anna") == ["cats"], "anna is here again"
    shelf.leave("anna")
    shelf.tidy(stays_s=0)
    assert shelf.names("anna") == []


def test_a_folder_that_no_name_leads_to_is_not_listed_for_another_would_be_deleted(tmp_path: Path) -> None:
    shelf = Shelf(Settings.from_env({"PINPOINT_PROJECTS": str(tmp_path)}))
    shelf.create("cats.2").close()
    for name in ("cats.2", ".cats", "---"):
        Project.create(tmp_path / name).close()
    assert shelf.names() == ["cats-2"]


def test_a_project_that_stays_where_it_was_is_not_called_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(Settings.from_env({"PINPOINT_PROJECTS": str(tmp_path)}))
    shelf.create("cats").close()
    with monkeypatch.context() as patched:  # a folder that may not be written to, which root writes to all the same
        patched.setattr("os.unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError()))
        with pytest.raises(RequestError, match="could not be deleted"):
            shelf.delete("cats")
    assert shelf.names() == ["cats"]
    shelf.delete("cats")
    assert shelf.names() == []


@pytest.mark.parametrize("name", ["", " ", "..", "../..", "/", "---", "CON", "lpt1", "\0"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="letters and digits"):
        folder_name(name)


@pytest.mark.parametrize(("name", "expected"), [("../etc", "etc"), ("Кошки 2", "Кошки 2"), ("a" * 300, "a" * 80)])
def test_a_name_becomes_one_folder(name: str, expected: str) -> None:
    assert folder_name(name) == expected
