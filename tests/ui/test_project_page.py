"""Projects behind the page: everything new is on disk at once, nothing of another window or visitor is overwritten."""

from __future__ import annotations

import io
import json
import resource
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from grounding import images
from grounding.errors import GroundingError, RequestError
from grounding.exports import FORMATS
from grounding.settings import Settings
from grounding.types import NoteKind, Outcome, Review, Task
from jobs.project import Order
from jobs.project_archive import save_as
from tests.ui.echo import EchoPool
from ui import actions, corrections, project_bar, project_markup, project_page, project_view, projects
from ui.desk import Desk
from ui.form import read_form
from ui.project_view import Viewed
from ui.state import Session, Shelf

ROOT = Path(__file__).parents[2]
ME = "me"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return made(tmp_path)


def made(tmp_path: Path, **settings: Any) -> Desk:
    chosen = Settings(projects=str(tmp_path / "projects"), **settings)
    return Desk(chosen, EchoPool(chosen), Shelf(tmp_path / "pictures"))


def png(colour: str = "steelblue", size: tuple[int, int] = (400, 300)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def fill(desk: Desk, count: int = 3, visitor: str = ME) -> Viewed:
    with desk.projects.create("Garden", visitor).store.database.read():
        pass
    with desk.projects.lend("Garden", visitor) as project:
        for place in range(count):
            project.add_picture(png(size=(400 + place, 300)), f"{place}.png")
    return Viewed("Garden")


def shown(desk: Desk, picture: int = 1, visitor: str = ME) -> Session:
    return projects.show(desk.projects, visitor, "Garden", picture, Order.ADDED, desk.shelf)


def asked(
    desk: Desk, session: Session, prompt: str = "cat; dog", task: Task = Task.SEGMENT, visitor: str = ME
) -> Session:
    form = read_form(task, {"prompt": prompt}, desk.settings)
    return projects.keep_answers(session, actions.answer(form, session, desk.pool, desk.shelf), desk.projects, visitor)


def post(session: Session, **over: object) -> dict[str, Any]:
    """What the page posts: everything as it is, but for the first object."""
    scene = corrections.scene(session)
    assert scene is not None
    objects = [{key: each[key] for key in ("id", "label", "box", "point", "review")} for each in scene["objects"]]
    for each, described in zip(objects, scene["objects"], strict=True):
        mask = described["mask"]
        each["mask"] = mask and {"from": "now", "frame": mask["frame"], "threshold": mask["threshold"]}
    if objects:
        objects[0] |= over
    return {"key": scene["key"], "sequence": 1, "objects": objects}


def edited(desk: Desk, session: Session, visitor: str = ME, **over: object) -> Session:
    return projects.keep_edit(corrections.correct(session, post(session, **over)), desk.projects, visitor)


def on_disk(desk: Desk, picture: int = 1, visitor: str = ME) -> list[tuple[str, str]]:
    with desk.projects.lend("Garden", visitor) as project:
        sample = project.sample(picture)
    return [] if sample is None else [(each.label, each.review.value) for each in sample.result.detections]


def test_an_answer_and_its_corrections_are_in_the_project_with_where_they_came_from(desk: Desk) -> None:
    fill(desk)
    session = asked(desk, shown(desk))
    box = [0.25, 0.5, 0.75, 1.0]
    session = edited(desk, session, label="lynx", box=box, review="accepted")
    with desk.projects.lend("Garden", ME) as project:
        sample, (said,) = project.sample(1), project.answers(1)
    assert sample is not None
    lynx, dog = sample.result.detections
    assert (lynx.label, lynx.label_before, tuple(lynx.box or ())) == ("lynx", "cat", tuple(box))
    assert lynx.box_before == said.result.detections[0].box
    origin = lynx.origin
    assert origin is not None
    assert (origin.prompt, origin.raw, origin.edited, origin.backend) == ("cat; dog", "[...]", True, "paligemma")
    assert origin.answered_at is not None
    assert (lynx.score, dog.score, dog.origin and dog.origin.edited) == (0.9, None, False)
    assert said.result.detections[0].label == "cat"


def test_what_was_corrected_is_corrected_on_after_it_was_opened_again(desk: Desk) -> None:
    fill(desk)
    first = edited(desk, asked(desk, shown(desk)), label="lynx", box=[0.25, 0.5, 0.75, 1.0])
    assert first.answer is not None
    original = first.answer.result.detections[0].box_before
    again = shown(desk)
    scene = corrections.scene(again)
    assert scene is not None
    assert scene["objects"][0]["model"]["label"] == "cat"
    assert scene["objects"][0]["model"]["box"] == list(original or ())
    back = edited(desk, again, label="cat", box=list(original or ()))
    assert back.answer is not None
    assert back.answer.result.detections[0].label_before is None
    assert back.answer.result.detections[0].box_before is None


def test_a_mask_stays_its_own_after_another_object_was_deleted(desk: Desk) -> None:
    fill(desk)
    session = asked(desk, shown(desk), "cat; dog; cow")
    posted = post(session)
    posted["objects"] = posted["objects"][1:]
    session = projects.keep_edit(corrections.correct(session, posted), desk.projects, ME)
    before = session.answer and session.answer.result.detections[0].mask
    posted = post(session)
    posted["objects"][0]["mask"]["threshold"] = 200
    session = projects.keep_edit(corrections.correct(session, posted), desk.projects, ME)
    dog = session.answer and session.answer.result.detections[0]
    assert dog
    assert before
    assert dog.mask
    assert (dog.label, dog.mask.frame, dog.mask.threshold) == ("dog", before.frame, 200)


def test_what_is_drawn_where_nobody_was_asked_is_a_persons_and_stays_one(desk: Desk) -> None:
    fill(desk)
    session = shown(desk)
    drawn = {"id": 0, "label": "cup", "box": [0, 0, 0.5, 0.5], "point": None, "review": "open", "mask": None}
    scene = corrections.scene(session)
    assert scene is not None
    session = corrections.correct(session, {"key": scene["key"], "objects": [drawn]})
    projects.keep_edit(session, desk.projects, ME)
    again = corrections.scene(shown(desk))
    assert again is not None
    assert again["objects"][0]["model"] is None
    assert again["labels"] == ["cup"]


def test_approving_goes_on_to_the_next_and_says_when_all_is_done(desk: Desk) -> None:
    fill(desk, 3)
    session = asked(desk, shown(desk))
    session = project_bar.acted(session, {"act": "approve"}, desk, ME)
    assert session.member is not None
    assert (session.member.picture, session.member.left, session.answer) == (2, 2, None)
    assert on_disk(desk) == [("cat", "accepted"), ("dog", "accepted")]
    session = project_bar.acted(session, {"act": "skip"}, desk, ME)
    session = project_bar.acted(session, {"act": "reject"}, desk, ME)
    session = project_bar.acted(session, {"act": "unsure"}, desk, ME)
    assert session.member is not None
    assert (session.member.picture, session.member.state, session.member.left) == (2, Review.UNSURE, 0)
    assert "decided" in project_markup.bar(session, [])
    session = project_bar.acted(session, {"act": "after"}, desk, ME)
    assert session.member is not None
    assert (session.member.picture, session.member.state) == (3, Review.REJECTED)


def test_a_picture_with_its_corrected_answer_goes_into_a_new_project(desk: Desk) -> None:
    session = actions.give(images.load(png(), name="a.png"), desk.shelf)
    session = asked(desk, session)
    session = edited(desk, session, label="lynx")
    assert session.member is None
    session = project_bar.acted(session, {"act": "add", "into": "", "name": "Garden"}, desk, ME)
    assert session.member is not None
    assert (session.member.place, session.member.total) == (1, 1)
    assert on_disk(desk) == [("lynx", "open"), ("dog", "open")]
    with desk.projects.lend("Garden", ME) as project:
        assert [each.label for each in project.answers(1)[0].result.detections] == ["cat", "dog"]
    edited(desk, session, label="tiger")
    assert on_disk(desk)[0] == ("tiger", "open"), "from now on it is kept there"


def test_all_pictures_of_an_album_go_in_together_and_each_keeps_its_place(desk: Desk) -> None:
    sheets = [
        actions.give(images.load(png(colour), name=f"{colour}.png"), desk.shelf).sheets[0] for colour in ("red", "blue")
    ]
    album = Session().showing(tuple(sheets), 1)
    session = projects.add(album, desk.projects, ME, "Garden", new=True)
    assert [each.member and each.member.picture for each in session.sheets] == [1, 2]
    assert (session.member and session.member.picture, session.place) == (2, 1)


WRONG_PRESS = [
    pytest.param({"act": "approve"}, "in no project", id="approve what is in none"),
    pytest.param({"act": "after"}, "in no project", id="next of none"),
    pytest.param({"act": "add", "into": "", "name": "  "}, "letters and digits", id="no name"),
    pytest.param({"act": "add", "into": "", "name": "../.."}, "letters and digits", id="a name that leads out"),
    pytest.param({"act": "add", "into": "Elsewhere", "name": ""}, "no such project", id="a project that is not there"),
    pytest.param({"act": "add"}, "cannot be done", id="add to nothing"),
    pytest.param({"act": "rm -rf"}, "cannot be done", id="an act of nobody's"),
    pytest.param("approve", "cannot be done", id="a word"),
    pytest.param(None, "cannot be done", id="nothing"),
]


@pytest.mark.parametrize(("told", "words"), WRONG_PRESS)
def test_a_press_that_means_nothing_is_refused(desk: Desk, told: object, words: str) -> None:
    session = actions.give(images.load(png(), name="a.png"), desk.shelf)
    with pytest.raises(RequestError, match=words):
        project_bar.acted(session, told, desk, ME)
    assert desk.projects.names(ME) == []


def test_two_windows_on_one_picture_never_overwrite_each_other(desk: Desk) -> None:
    fill(desk)
    asked(desk, shown(desk))
    one, other = shown(desk), shown(desk)
    edited(desk, other, label="lynx")
    for late in (
        lambda: edited(desk, one, label="tiger"),
        lambda: project_bar.acted(one, {"act": "approve"}, desk, ME),
    ):
        with pytest.raises(RequestError, match="another window"):
            late()
    assert on_disk(desk)[0] == ("lynx", "open")
    again = project_bar.acted(one, {"act": "again"}, desk, ME)
    edited(desk, again, label="tiger")
    assert on_disk(desk)[0] == ("tiger", "open")


def test_a_project_deleted_in_another_window_takes_nothing_more(desk: Desk) -> None:
    view = fill(desk)
    session = asked(desk, shown(desk))
    project_view.act(view, {"act": "delete"}, desk.projects, ME)
    with pytest.raises(RequestError, match="no such project"):
        edited(desk, session, label="lynx")
    after = asked(desk, session, "cow")
    assert after.answer is not None
    assert [each.label for each in after.answer.result.detections] == ["cow"], "the answer itself is not lost"
    assert after.answer.result.notes[-1].kind is NoteKind.SKIPPED
    assert "not in the project" in after.answer.result.notes[-1].detail


def removed(desk: Desk, view: Viewed) -> None:
    project_view.act(view, {"act": "remove", "n": "3"}, desk.projects, ME)
    with desk.projects.lend("Garden", ME) as project:
        project.add_picture(png("red"), "another.png")


def made_again(desk: Desk, view: Viewed) -> None:
    project_view.act(view, {"act": "delete"}, desk.projects, ME)
    fill(desk)


@pytest.mark.parametrize("change", [removed, made_again])
def test_what_is_gone_takes_nothing_and_no_other_picture_gets_it(
    desk: Desk, change: Callable[[Desk, Viewed], None]
) -> None:
    view = fill(desk)
    session = asked(desk, shown(desk, 3))
    change(desk, view)
    for late in (
        lambda: edited(desk, session, label="lynx"),
        lambda: project_bar.acted(session, {"act": "approve"}, desk, ME),
    ):
        with pytest.raises(RequestError, match="not in the project any more"):
            late()
    after = asked(desk, session, "cow")
    assert after.answer is not None
    assert "not in the project" in after.answer.result.notes[-1].detail
    with desk.projects.lend("Garden", ME) as project:
        assert [each.version for each in project.pictures()] == [0, 0, 0]
        before = {each.id for each in project.pictures()}
    added = projects.add(after, desk.projects, ME, "Garden", new=False)
    assert added.member is not None
    assert added.member.picture not in before, "added again it is a picture of its own"


@pytest.mark.parametrize(
    "settings",
    [pytest.param({"on_space": True}, id="a Space"), pytest.param({"host": "0.0.0.0"}, id="a page open to a network")],
)
def test_another_visitor_of_a_shared_page_reaches_nothing(tmp_path: Path, settings: dict[str, Any]) -> None:
    desk = made(tmp_path, **settings)
    fill(desk, visitor="anna")
    session = shown(desk, visitor="anna")
    assert desk.projects.names("ben") == []
    for reach in (
        lambda: shown(desk, visitor="ben"),
        lambda: edited(desk, asked(desk, session, visitor="anna"), visitor="ben", label="mine"),
        lambda: project_view.act(Viewed("Garden"), {"act": "delete"}, desk.projects, "ben"),
        lambda: project_view.save(Viewed("Garden"), desk.projects, "ben", desk.shelf),
        lambda: project_view.drawn(Viewed("Garden"), desk.projects, "ben"),
        lambda: projects.add(session, desk.projects, "ben", "Garden", new=False),
    ):
        with pytest.raises(RequestError, match="no such project"):
            reach()
    assert desk.projects.names("anna") == ["Garden"]
    assert "this visit only" in project_markup.shelf([], temporary=True)


@contextmanager
def no_room(most_bytes: int = 1_000) -> Iterator[None]:
    """Files cannot grow past so many bytes: as on a full disk, writing fails half-way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_a_correction_is_refused_and_what_was_there_is_kept(desk: Desk) -> None:
    fill(desk)
    session = asked(desk, shown(desk))
    before = on_disk(desk)
    with no_room(), pytest.raises(RequestError) as refused:
        edited(desk, session, label="x" * 200)
    assert len(str(refused.value)) < 200
    assert on_disk(desk) == before
    with (
        no_room(),
        pytest.raises(RequestError, match=r"cannot be kept|disk"),
        desk.projects.lend("Garden", ME) as project,
    ):
        project.add_picture(png("red", (3000, 2000)), "large.png")
    with desk.projects.lend("Garden", ME) as project:
        assert project.count() == 3
    edited(desk, session, label="lynx")
    assert on_disk(desk)[0] == ("lynx", "open"), "once there is room again"


def test_where_no_folder_can_be_made_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "projects").write_text("a file stands here")
    desk = made(tmp_path)
    assert desk.projects.standing(ME) == []
    with pytest.raises(RequestError, match="cannot be made"):
        desk.projects.create("Garden", ME)


def test_a_killed_server_loses_nothing_that_was_receipted(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from tests.ui import test_project_page as t\n"
        "desk = t.made(Path(sys.argv[1])); t.fill(desk)\n"
        "session = t.edited(desk, t.asked(desk, t.shown(desk)), label='lynx', review='unsure')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    desk = made(tmp_path)
    assert [each.title for each in desk.projects.standing(ME)] == ["Garden"]
    assert on_disk(desk) == [("lynx", "unsure"), ("dog", "open")]
    session = shown(desk)
    assert session.answer is not None
    assert session.answer.result.detections[0].mask is not None


def test_the_page_shows_what_there_is_and_the_fields_narrow_it(desk: Desk) -> None:
    view = fill(desk)
    asked(desk, shown(desk, 2))
    project_bar.acted(shown(desk, 2), {"act": "approve"}, desk, ME)
    page = project_view.drawn(view, desk.projects, ME)
    assert page.grid.count("<li") == 3
    assert page.grid.count("<rect") == 2
    assert page.names == ("cat", "dog")
    assert "3 pictures · 2 open · 1 approved" in page.head
    only = project_view.filtered(view, "accepted", "dog", Order.UNSURE.value)
    assert project_view.drawn(only, desk.projects, ME).grid.count("<li") == 1
    assert project_view.drawn(replace(only, label="cow"), desk.projects, ME).grid.count("<li") == 0


@pytest.mark.parametrize(
    ("state", "order"),
    [pytest.param("gone", "as added", id="no state"), pytest.param("", "at random", id="no order"),
     pytest.param(None, None, id="nothing"), pytest.param([], {}, id="odd things")],
)  # fmt: skip
def test_fields_that_say_nothing_known_are_refused(state: object, order: object) -> None:
    with pytest.raises(RequestError, match="cannot be done"):
        project_view.filtered(Viewed("Garden"), state, "", order)


@pytest.mark.parametrize(
    "told",
    [pytest.param({"act": "remove", "n": "x"}, id="no number"), pytest.param({"act": "remove"}, id="none"),
     pytest.param({"act": "remove", "n": "9" * 40}, id="a huge number"), pytest.param({"act": "merge"}, id="no words"),
     pytest.param({}, id="nothing"), pytest.param({"act": ["undo"]}, id="a list")],
)  # fmt: skip
def test_presses_on_the_page_that_mean_nothing_are_refused(desk: Desk, told: dict[str, object]) -> None:
    view = fill(desk)
    with pytest.raises(RequestError):
        project_view.act(view, told, desk.projects, ME)


def test_merging_is_undone_from_the_page_and_no_label_is_markup(desk: Desk) -> None:
    view = fill(desk, 1)
    asked(desk, shown(desk), "cats; <img src=x onerror=alert(1)>")
    merge = {"act": "merge", "word": "cats", "into": "cat"}
    assert project_view.act(view, merge, desk.projects, ME)[1] == "1 object renamed to “cat”."
    page = project_view.drawn(view, desk.projects, ME)
    assert "<img src=x" not in page.labels + page.grid + page.head
    assert "Undo: merged cats into cat" in page.head
    assert "merged cats" in project_view.act(view, {"act": "undo"}, desk.projects, ME)[1]
    assert on_disk(desk)[0] == ("cats", "open")


def test_classes_are_put_in_order_on_the_page_and_numbered_so_in_the_files(desk: Desk) -> None:
    view = fill(desk, 1)
    asked(desk, shown(desk), "cat; dog")
    with desk.projects.lend("Garden", ME) as project:
        assert project_view.arranged(project, " dog;; traffic  light ;cat; dog") == (
            "3 classes in order; others follow, the most usual first."
        )
    page = project_view.drawn(view, desk.projects, ME)
    assert (page.first, page.names) == ("dog; traffic light; cat", ("dog", "traffic light", "cat"))
    made = project_view.prepare(view, "coco", False, 127, desk.projects, ME, desk.shelf)
    with zipfile.ZipFile(made.path) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".json"))
        categories = json.loads(archive.read(name))["categories"]
    assert [(each["id"], each["name"]) for each in categories] == [(1, "dog"), (2, "traffic light"), (3, "cat")]
    project_view.act(view, {"act": "undo"}, desk.projects, ME)
    assert project_view.drawn(view, desk.projects, ME).first == ""


@pytest.mark.parametrize(
    ("text", "said"), [pytest.param("x" * 10_000, "A label needs a name", id="too long"),
                       pytest.param("dog; cats", "“cats” counts as “cat”", id="a synonym")],
)  # fmt: skip
def test_classes_that_cannot_be_in_order_are_told_and_change_nothing(desk: Desk, text: str, said: str) -> None:
    view = fill(desk, 1)
    asked(desk, shown(desk), "cats; cat")
    project_view.act(view, {"act": "merge", "word": "cats", "into": "cat"}, desk.projects, ME)
    with desk.projects.lend("Garden", ME) as project, pytest.raises(RequestError, match=said):
        project_view.arranged(project, text)
    assert project_view.drawn(view, desk.projects, ME).first == ""


def test_rejected_objects_are_not_counted_under_a_picture(desk: Desk) -> None:
    view = fill(desk, 1)
    edited(desk, asked(desk, shown(desk)), review="rejected")
    assert "1 object ·" in project_view.drawn(view, desk.projects, ME).grid


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
        goes_on.wait(20)
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
    assert done.wait(20), "what was begun is done to the end"


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


def test_a_visit_may_not_fill_the_disk_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.shelf.MAX_TEMPORARY_BYTES", 1000)
    desk = made(tmp_path, on_space=True)
    fill(desk)
    with pytest.raises(RequestError, match="as large as they may"):
        take(desk, Viewed("Garden"), _file(tmp_path / "a.png", png()))


def test_a_label_that_was_merged_away_is_no_filter_any_more(desk: Desk) -> None:
    view = replace(fill(desk), label="cat")
    asked(desk, shown(desk), "cat; dog")
    with gr.Blocks():
        page = project_page.build(desk.settings)
    assert project_page._show(page, view, desk, ME)[page.label]["value"] == "cat"
    project_view.act(view, {"act": "merge", "word": "cat", "into": "dog"}, desk.projects, ME)
    updates = project_page._show(page, view, desk, ME)
    assert updates[page.viewed].label is None
    assert updates[page.label]["value"] in [value for _, value in updates[page.label]["choices"]]
    assert project_view.filtered(view, "", project_view.UNNAMED, Order.ADDED.value).label == ""


def test_a_page_whose_last_picture_is_gone_gives_way_to_the_one_before(desk: Desk) -> None:
    view = replace(fill(desk, 2), start=project_view.PAGE)
    assert project_view.drawn(view, desk.projects, ME).grid.count("<li") == 2


def test_a_second_press_decides_nothing_about_the_next_picture(desk: Desk) -> None:
    fill(desk, 2)
    first = shown(desk)
    assert 'data-n="1"' in project_markup.bar(first, [])
    after = project_bar.acted(first, {"act": "approve", "n": "1"}, desk, ME)
    with pytest.raises(RequestError, match="Another picture"):
        project_bar.acted(after, {"act": "approve", "n": "1"}, desk, ME)


def test_shown_again_the_picture_stays_among_those_given_with_it(desk: Desk) -> None:
    sheets = [
        actions.give(images.load(png(colour), name=f"{colour}.png"), desk.shelf).sheets[0] for colour in ("red", "blue")
    ]
    album = projects.add(Session().showing(tuple(sheets), 1), desk.projects, ME, "Garden", new=True)
    again = project_bar.acted(album, {"act": "again"}, desk, ME)
    assert [each.member and each.member.picture for each in again.sheets] == [1, 2]
    assert again.place == 1
    assert again.album[0].picture is album.album[0].picture
    project_view.act(Viewed("Garden"), {"act": "remove", "n": "2"}, desk.projects, ME)
    again = project_bar.acted(again, {"act": "again"}, desk, ME)
    assert [each.member and each.member.picture for each in again.sheets] == [1, None]
    assert project_bar.left_together(again, shown(desk))


def test_rejected_pictures_are_left_out_of_a_file_and_counted(desk: Desk) -> None:
    view = fill(desk, 3)
    for place in (1, 2, 3):
        asked(desk, shown(desk, place), "cat")
    with desk.projects.lend("Garden", ME) as project:
        project.set_state(2, Review.REJECTED)
    made = project_view.prepare(view, "coco", False, 127, desk.projects, ME, desk.shelf)
    assert (made.pictures, made.rejected) == (2, 1)
