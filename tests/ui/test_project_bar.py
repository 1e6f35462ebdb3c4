"""The bar over a project's picture: deciding goes on to the next; where the project is gone, it lets go of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from grounding import images
from grounding.errors import RequestError
from grounding.types import Review
from tests.ui.garden import ME, asked, fill, on_disk, png, shown
from ui import actions, corrections, project_bar, project_markup, project_view, projects
from ui.desk import Desk
from ui.project_view import Viewed
from ui.state import Session


def deleted(desk: Desk) -> None:
    desk.projects.delete("Garden", ME)


def emptied(desk: Desk) -> None:
    deleted(desk)
    desk.projects.create("Garden", ME).close()


def drawn(now: Session, desk: Desk) -> Session:
    """A box drawn by hand, kept in the picture's project."""
    scene = corrections.scene(now)
    assert scene is not None
    box = {"id": 0, "label": "cat", "box": [0.1, 0.1, 0.5, 0.5], "point": None, "review": "open", "mask": None}
    return projects.keep_edit(corrections.correct(now, {"key": scene["key"], "objects": [box]}), desk.projects, ME)


@pytest.mark.parametrize("go", [deleted, emptied])
def test_shown_again_a_picture_of_a_project_that_is_gone_is_free_of_it(desk: Desk, go: Callable[[Desk], None]) -> None:
    given = actions.give(images.load(Image.new("RGB", (64, 48), "teal"), name="a.png"), desk.shelf)
    now = drawn(projects.add(given, desk.projects, ME, "Garden", new=True), desk)
    go(desk)
    with pytest.raises(RequestError):
        drawn(now, desk)
    again = project_bar.acted(now, {"act": "again"}, desk, ME)
    assert (again.member, again.picture, again.answer) == (None, now.picture, now.answer)
    assert drawn(again, desk).answer is not None
    with pytest.raises(RequestError):
        project_bar.acted(now, {"act": "after"}, desk, ME)


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


def test_a_second_press_decides_nothing_about_the_next_picture(desk: Desk) -> None:
    fill(desk, 2)
    first = shown(desk)
    assert 'data-n="1"' in project_markup.bar(first, [])
    after = project_bar.acted(first, {"act": "approve", "n": "1"}, desk, ME)
    with pytest.raises(RequestError, match="Another picture"):
        project_bar.acted(after, {"act": "approve", "n": "1"}, desk, ME)


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
