"""How long what a visitor gave is there: while the page runs on one's own machine, two hours where others reach it."""

from __future__ import annotations

import math
import os
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from grounding import images
from grounding.errors import ImageError
from grounding.settings import Settings
from tests.ui.echo import EchoPool
from ui import app
from ui.desk import Desk
from ui.state import Session, Shelf

PICTURE = images.load(Image.new("RGB", (4, 3)), name="a.png")


@pytest.mark.parametrize(
    ("settings", "stays"),
    [
        pytest.param({}, True, id="one's own machine"),
        pytest.param({"host": "0.0.0.0"}, False, id="a page open to a network"),
        pytest.param({"on_space": True}, False, id="a Space"),
    ],
)
def test_old_pictures_go_only_where_others_reach_the_page_and_what_is_shown_is_always_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, object], stays: bool
) -> None:
    desks: list[Desk] = []
    monkeypatch.setattr(app, "private_folder", lambda: tmp_path)
    monkeypatch.setattr(app, "Desk", lambda *parts: desks.append(Desk(*parts)) or desks[0])
    chosen = Settings(projects=str(tmp_path / "projects"), **settings)  # type: ignore[arg-type]
    page = app.create(chosen, EchoPool(chosen))
    (session,) = (
        each for each in page.blocks.values() if isinstance(each, gr.State) and isinstance(each.value, Session)
    )
    assert session.time_to_live == math.inf
    shelf = desks[0].shelf
    old = shelf.keep(PICTURE)
    os.utime(old.path, (0, 0))
    shelf.keep(PICTURE)
    assert old.path.exists() is stays


def test_what_was_deleted_is_called_a_file_for_it_may_be_a_clip_or_a_document(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    kept = shelf.keep(PICTURE)
    kept.path.unlink()
    with pytest.raises(ImageError, match="This file was deleted after two hours"):
        shelf.open(kept)
