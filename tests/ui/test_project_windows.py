"""Nothing of another window or visitor is overwritten or reached, and what is gone takes nothing more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grounding.errors import RequestError
from grounding.types import NoteKind
from tests.ui.garden import ME, asked, edited, fill, made, on_disk, png, shown
from ui import project_bar, project_markup, project_view, projects
from ui.desk import Desk
from ui.project_view import Viewed


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
