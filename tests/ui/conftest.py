"""The page's desk as most tests of it want it: an Echo behind every model's name, projects in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from grounding import images
from tests.ui.echo import Deaf, Down, EchoPool, Wavering
from tests.ui.garden import made
from ui import actions
from ui.desk import Desk
from ui.state import Session


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Two models are of another kind: echo/two wavers, echo/down never answers."""
    desk = made(tmp_path)
    assert isinstance(desk.pool, EchoPool)
    desk.pool.twins = {"echo/two": Wavering(), "echo/down": Down()}
    return desk


@pytest.fixture
def echo(desk: Desk) -> Deaf:
    """What stands behind every other name once it is asked for: it answers when it may."""
    assert isinstance(desk.pool, EchoPool)
    desk.pool.echo = deaf = Deaf()
    return deaf


@pytest.fixture
def session(desk: Desk) -> Session:
    """A picture of one colour on the page."""
    return actions.give(images.load(Image.new("RGB", (400, 300), "steelblue"), name="<blue>.png"), desk.shelf)
