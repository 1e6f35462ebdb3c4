"""What the page's handlers do when they are called at an awkward moment; the page is built, not served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from grounding import images
from grounding.settings import Settings
from grounding.types import Box, Detection, Outcome, Result, Task
from tests.ui.echo import EchoPool
from ui import actions, app, corrections
from ui.desk import Desk
from ui.messages import BUSY
from ui.state import Answer, Session, Shelf

ME: Any = SimpleNamespace(session_hash="visitor")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Callable[..., Any]], Desk]:
    """The page's handlers by their names, and the desk they work at."""
    made: list[Desk] = []

    def desk_of(settings: Settings, pool: EchoPool, shelf: Shelf) -> Desk:
        made.append(Desk(settings, pool, shelf))
        return made[0]

    settings = Settings(projects=str(tmp_path_factory.mktemp("projects")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "Desk", desk_of)
        page = app.create(settings, EchoPool(settings))
    return {each.name: each.fn for each in page.fns.values() if each.fn}, made[0]


@pytest.fixture
def busy(built: tuple[dict[str, Callable[..., Any]], Desk]) -> Iterator[None]:
    runs = built[1].runs
    run = runs.begin(ME.session_hash, threading.Event.wait)
    assert run is not None
    yield
    runs.end(ME.session_hash, run)


@pytest.fixture
def session(built: tuple[dict[str, Callable[..., Any]], Desk]) -> Session:
    return actions.give(images.load(Image.new("RGB", (64, 48), "teal"), name="a.png"), built[1].shelf)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        pytest.param("use", [Session(), None, gr.EventData(None, {})], id="taken from a comparison"),
        pytest.param("replayed", [{}], id="a saved answer"),
        pytest.param("bring", ["labels.json", Session(), None], id="an imported file"),
        pytest.param("act", [Session(), gr.EventData(None, {})], id="the project's bar"),
    ],
)
def test_nothing_takes_the_place_of_an_answer_that_is_on_its_way(
    built: tuple[dict[str, Callable[..., Any]], Desk], busy: None, name: str, given: list[Any]
) -> None:
    (said,) = built[0][name](*given, ME).values()
    assert BUSY.text in said


def test_a_correction_is_told_of_in_the_status_but_not_in_the_place_of_a_question_on_its_way(
    built: tuple[dict[str, Callable[..., Any]], Desk], session: Session, request: pytest.FixtureRequest
) -> None:
    cat = {"id": 0, "label": "cat", "box": [0, 0, 0.5, 0.5], "point": None, "review": "open", "mask": None}
    scene = corrections.scene(session)
    assert scene is not None
    post = gr.EventData(None, {"key": scene["key"], "sequence": 1, "objects": [cat]})
    drawn, receipt, status = built[0]["edit"](session, post, ME)
    assert receipt["ok"]
    assert "1 object drawn" in status
    assert built[0]["edit"](drawn, post, ME)[2] == gr.skip(), "nothing new"
    request.getfixturevalue("busy")
    assert built[0]["edit"](session, post, ME)[2] == gr.skip()


def test_a_preview_of_a_download_leaves_no_file(
    built: tuple[dict[str, Callable[..., Any]], Desk], session: Session
) -> None:
    handlers, desk = built
    found = Result(Outcome.FOUND, "", (Detection("cat", Box(0.1, 0.1, 0.5, 0.5), id=0),))
    now = replace(session, answer=Answer(Task.DETECT, "cat", "m", found))
    before = files_in(desk)
    assert "Nothing is lost" in handlers["check"](now, "coco", False, True, [], 128, 0)
    assert files_in(desk) == before


def files_in(desk: Desk) -> set[Path]:
    return set(desk.shelf._folder.rglob("*"))


def test_the_comparison_draws_the_picture_for_those_who_look_and_an_expired_one_ends_in_a_sentence(
    built: tuple[dict[str, Callable[..., Any]], Desk], session: Session
) -> None:
    move = built[0]["move"]
    assert move(session, None, None) == move(session, None, False) == [gr.skip()] * 3
    picture, _, board = move(session, None, True)
    assert "a.png" in picture
    assert "data:image/jpeg" in board
    assert session.picture is not None
    other = replace(session.picture, shown=session.picture.shown.with_name("gone"))
    assert "deleted after two hours" in move(replace(session, picture=other), None, True)[0]
