"""What tests of projects on the page have in common: one called Garden, shown, asked about and corrected."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from grounding.settings import Settings
from grounding.types import Task
from jobs.project import Order
from tests.ui.echo import EchoPool
from ui import actions, corrections, projects
from ui.desk import Desk
from ui.form import read_form
from ui.project_view import Viewed
from ui.state import Session, Shelf

ME = "me"


def made(tmp_path: Path, **settings: Any) -> Desk:
    chosen = Settings(projects=str(tmp_path / "projects"), **settings)
    return Desk(chosen, EchoPool(chosen), Shelf(tmp_path / "pictures"))


def png(colour: str = "steelblue", size: tuple[int, int] = (400, 300)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def fill(desk: Desk, count: int = 3, visitor: str = ME) -> Viewed:
    desk.projects.create("Garden", visitor).close()
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
