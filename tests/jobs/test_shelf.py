"""Where projects lie: one's own stay, a visitor's are nobody else's and go, and a name is one folder."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from grounding.errors import RequestError
from grounding.settings import Settings
from jobs.project import Project
from jobs.shelf import Shelf, folder_name


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
