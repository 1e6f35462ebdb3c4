"""Files that come into a project and go out of it: labels, pictures, whole projects; and files that hold nothing."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from grounding.errors import GroundingError, RequestError
from grounding.exports import FORMATS
from grounding.types import Outcome, Review
from jobs.project_archive import save_as
from tests.ui.garden import ME, asked, edited, fill, made, on_disk, png, shown
from ui import project_bar, project_page, project_view
from ui.desk import Desk
from ui.project_view import Viewed


def take(desk: Desk, view: Viewed, *files: Path) -> tuple[Viewed, str]:
    return project_view.take([(each, each.name) for each in files], view, desk.projects, ME, lambda words: None)


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("form", [name for name in FORMATS if name not in ("json", "paligemma")])
def test_what_a_project_exports_makes_a_new_project_with_the_same_boxes(desk: Desk, form: str, tmp_path: Path) -> None:
    view = fill(desk, 2)
    for picture in (1, 2):
        asked(desk, shown(desk, picture))
    made = project_view.prepare(view, form, False, 127, desk.projects, ME, desk.shelf)
    assert made.pictures == 2
    after, words = take(desk, Viewed(), made.path)
    assert "2 pictures added" in words
    with desk.projects.lend(after.project, ME) as project:
        assert [each.objects for each in project.pictures()] == [2, 2]
        origins = [each.origin for sample in project.export_set() for each in sample.result.detections]
    assert all(each is not None for each in origins)


def test_label_files_meet_the_pictures_that_are_here_and_are_undone_at_once(desk: Desk, tmp_path: Path) -> None:
    view = fill(desk, 2)
    file = tmp_path / "labels.json"
    file.write_text(json.dumps([
        {"picture": "0.png", "size": [400, 300], "outcome": "found", "text": "", "notes": [],
         "detections": [{"label": "cat", "box": [0, 0, 0.5, 0.5], "score": None, "mask": None}]},
        {"picture": "1.png", "size": [400, 300], "outcome": "found", "text": "", "notes": [],
         "detections": [{"label": "cat", "box": [0, 0, 0.5, 0.5], "score": None, "mask": None}]},
        {"picture": "9.png", "size": [400, 300], "outcome": "found", "text": "", "notes": [],
         "detections": [{"label": "cat", "box": [0, 0, 0.5, 0.5], "score": None, "mask": None}]},
    ]))  # fmt: skip
    _, words = take(desk, view, file)
    assert on_disk(desk) == [("cat", "open")]
    assert "neither in the file nor in the project" in words
    project_view.act(view, {"act": "undo"}, desk.projects, ME)
    assert on_disk(desk) == []


def test_a_saved_project_is_opened_again_under_a_free_name(desk: Desk) -> None:
    view = fill(desk)
    asked(desk, shown(desk))
    path = project_view.save(view, desk.projects, ME, desk.shelf)
    after, _ = take(desk, Viewed(), path)
    assert after.project == "Garden-pinpoint"
    assert take(desk, Viewed(), path)[0].project == "Garden-pinpoint 2"
    with pytest.raises(RequestError, match="whole project"):
        take(desk, view, path)


def test_a_folder_of_this_machine_becomes_a_project_of_its_name(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "photos" / "deep" / "a.png").write_bytes(png())
    (tmp_path / "photos" / "b.png").write_bytes(b"words")
    after, words = take(desk, Viewed(), tmp_path / "photos")
    assert after.project == "photos"
    assert "1 picture added" in words
    assert "b.png" in words
    with desk.projects.lend("photos", ME) as project:
        assert [each.name for each in project.pictures()] == ["deep/a.png"]


def test_a_visitor_who_leaves_holds_up_nobody_while_their_files_come_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, done = threading.Event(), threading.Event()

    def slow(files: object, view: Viewed, *_: object) -> tuple[Viewed, str]:
        goes_on.wait(60)
        done.set()
        return view, ""

    monkeypatch.setattr(project_view, "take", slow)
    with gr.Blocks():
        page = project_page.build(desk.settings)
    coming = project_page._taken(page, Viewed("Garden"), [(Path("a.png"), "a.png")], desk, ME)
    assert "Adding" in next(coming)[page.said]
    coming.close()  # type: ignore[attr-defined]
    assert not done.is_set()
    goes_on.set()
    assert done.wait(60), "what was begun is done to the end"


def broken_archive(folder: Path, desk: Desk) -> Path:
    fill(desk)
    with desk.projects.lend("Garden", ME) as project:
        save_as(project, folder / "whole.zip")
    desk.projects.delete("Garden", ME)
    data = (folder / "whole.zip").read_bytes()
    (folder / "whole.zip").write_bytes(data[: len(data) // 2])
    return folder / "whole.zip"


def emptied(folder: Path, desk: Desk) -> Path:
    return zipped(folder / "p.zip", **{"project.json": b"{}", "labels.jsonl": b""})


def leads_out(folder: Path, desk: Desk) -> Path:
    about = json.dumps({"name": "../../evil", "namings": [], "naming": 0}).encode()
    row = {
        "name": "../../evil.png",
        "file": "../../evil.png",
        "step": 0,
        "disagreement": None,
        "steps": [],
        "answers": [],
    }
    return zipped(folder / "p.zip", **{"project.json": about, "labels.jsonl": json.dumps(row).encode()})


WRONG_FILES: list[Any] = [
    pytest.param(broken_archive, id="half an archive"),
    pytest.param(emptied, id="an archive that says nothing"),
    pytest.param(leads_out, id="an archive whose names lead out"),
    pytest.param(lambda folder, desk: zipped(folder / "a.zip"), id="an empty ZIP"),
    pytest.param(lambda folder, desk: zipped(folder / "a.zip", **{"a.txt": b"words"}), id="a ZIP of words"),
    pytest.param(lambda folder, desk: zipped(folder / "a.zip", **{"../a.png": png()}), id="a ZIP that leads out"),
    pytest.param(lambda folder, desk: zipped(folder / "a.zip", **{"a.png": b"words"}), id="a ZIP of no pictures"),
    pytest.param(lambda folder, desk: _file(folder / "a.png", b"words"), id="words for a picture"),
    pytest.param(lambda folder, desk: _file(folder / "a.json", b"{"), id="half a JSON"),
    pytest.param(lambda folder, desk: _file(folder / "a", b""), id="nothing at all"),
]


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("give", WRONG_FILES)
def test_a_file_that_holds_nothing_leaves_no_project_behind(
    desk: Desk, tmp_path: Path, give: Callable[[Path, Desk], Path]
) -> None:
    given = give(tmp_path, desk)
    there = {each for each in tmp_path.rglob("*") if "projects" not in each.parts}
    with pytest.raises(GroundingError) as refused:
        take(desk, Viewed(), given)
    assert len(str(refused.value)) < 200
    assert str(tmp_path) not in str(refused.value)
    assert desk.projects.names(ME) == []
    assert {each for each in tmp_path.rglob("*") if "projects" not in each.parts} == there


def test_hostile_names_become_names(desk: Desk, tmp_path: Path) -> None:
    names = {"deep/../../x.png": png(), "a\x1b[31m<b>.png": png("red"), "CON.png": png("blue")}
    after, _ = take(desk, Viewed(), zipped(tmp_path / "..zip", **names))
    assert after.project == "Project"
    page = project_view.drawn(after, desk.projects, ME)
    assert page.grid.count("<li") == 2
    assert "<b>.png" not in page.grid
    with desk.projects.lend("Project", ME) as project:
        assert {each.name for each in (project.folder / "pictures").iterdir()} == {
            project.picture_path(each.id).name for each in project.pictures()
        }


def test_a_visit_may_not_fill_the_disk_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.shelf.MAX_TEMPORARY_BYTES", 1000)
    desk = made(tmp_path, on_space=True)
    fill(desk)
    with pytest.raises(RequestError, match="as large as they may"):
        take(desk, Viewed("Garden"), _file(tmp_path / "a.png", png()))


def test_nothing_to_export_is_said(desk: Desk) -> None:
    view = fill(desk)
    for form, approved, words in (
        ("coco", False, "no labels"),
        ("coco", True, "approved"),
        ("tar", False, "no such format"),
    ):
        with pytest.raises(RequestError, match=words):
            project_view.prepare(view, form, approved, 127, desk.projects, ME, desk.shelf)
    asked(desk, shown(desk), "blocked")
    assert shown(desk).answer is not None
    session = project_bar.acted(shown(desk), {"act": "approve"}, desk, ME)
    assert session.member is not None
    with desk.projects.lend("Garden", ME) as project:
        sample = project.sample(1)
    assert sample is not None
    assert sample.result.outcome is Outcome.NONE, "a person looked, and there is nothing"


def test_rejected_pictures_are_left_out_of_a_file_and_counted(desk: Desk) -> None:
    view = fill(desk, 3)
    for place in (1, 2, 3):
        asked(desk, shown(desk, place), "cat")
    with desk.projects.lend("Garden", ME) as project:
        project.set_state(2, Review.REJECTED)
    made = project_view.prepare(view, "coco", False, 127, desk.projects, ME, desk.shelf)
    assert (made.pictures, made.rejected) == (2, 1)


def exported_classes(desk: Desk, *, approved: bool = False) -> list[str]:
    made = project_view.prepare(Viewed("Garden"), "coco", approved, 127, desk.projects, ME, desk.shelf)
    with zipfile.ZipFile(made.path) as archive:
        return [each["name"] for each in json.loads(archive.read("annotations.json"))["categories"]]


def test_a_name_that_is_left_in_pictures_outside_the_file_only_is_no_class_of_it(desk: Desk) -> None:
    fill(desk, 3)
    for place in (1, 2):
        asked(desk, shown(desk, place), "cat")
    edited(desk, shown(desk, 1), label="kitten")
    with desk.projects.lend("Garden", ME) as project:
        project.set_state(1, Review.ACCEPTED)
        assert exported_classes(desk, approved=True) == ["kitten"]
        assert exported_classes(desk) == ["cat", "kitten"]
        project.set_state(2, Review.REJECTED)
    assert exported_classes(desk) == ["kitten"]


def test_a_class_renamed_is_gone_from_the_list_too_however_it_was_spelled_there(desk: Desk) -> None:
    fill(desk, 1)
    asked(desk, shown(desk), "cat; dog")
    with desk.projects.lend("Garden", ME) as project:
        project_view.arranged(project, "Dog; Cat")
        project_view.merged(project, ["cat"], "kitten")
        assert project.naming.names == ("Dog", "kitten")
    assert exported_classes(desk) == ["Dog", "kitten"]


def test_a_class_put_on_the_list_stays_a_class_whether_it_is_found_or_not(desk: Desk) -> None:
    fill(desk, 1)
    asked(desk, shown(desk), "cat")
    with desk.projects.lend("Garden", ME) as project:
        project_view.arranged(project, "zebra; cat")
    edited(desk, shown(desk), label="kitten")
    assert exported_classes(desk) == ["zebra", "cat", "kitten"]
