"""The bar over a picture whose project is gone: it lets go of it, and keeps what is on the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from grounding import images
from grounding.errors import RequestError
from grounding.settings import Settings
from tests.ui.echo import EchoPool
from ui import actions, corrections, project_bar, projects
from ui.desk import Desk
from ui.state import Session, Shelf

ME = "visitor"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    settings = Settings(projects=str(tmp_path / "projects"))
    return Desk(settings, EchoPool(settings), Shelf(tmp_path / "pictures"))


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
