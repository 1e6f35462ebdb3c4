"""What is answered and corrected on the page is in its project at once, whole, and survives a kill and a full disk."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grounding import images
from grounding.errors import RequestError
from tests.ui.garden import ME, asked, edited, fill, made, on_disk, png, post, shown
from ui import actions, corrections, project_bar, projects
from ui.desk import Desk
from ui.state import Session

ROOT = Path(__file__).parents[2]


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


def test_a_killed_server_loses_nothing_that_was_receipted(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from tests.ui import garden as t\n"
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
