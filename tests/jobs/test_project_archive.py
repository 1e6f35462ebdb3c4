"""A project as one ZIP and back: nothing is lost, what is damaged or hostile is refused and leaves nothing behind."""

from __future__ import annotations

import json
import os
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grounding.errors import GroundingError, RequestError
from grounding.types import Box, Detection, Review, SoftMask, Task
from jobs.project import Project
from jobs.project_archive import import_archive, save_as
from jobs.project_labels import redo, set_names, undo
from tests.jobs.projects import answer, png, state, thing
from tests.jobs.test_records import plain


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
