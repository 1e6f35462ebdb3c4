"""What tests of questions have in common: a page with pictures, a question asked on it, what is done meanwhile."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
from PIL import Image

from grounding import images
from grounding.settings import Settings
from grounding.types import Request, Review, Task
from jobs.project import Order
from tests.ui.echo import Deaf, Echo, EchoPool
from ui import actions, asking, projects, result_view
from ui.asking import Question
from ui.desk import Desk
from ui.form import Form, read_form
from ui.state import Session, Sheet

ME = "visitor"
T = TypeVar("T")


@dataclass
class Page:
    page: Any
    session: gr.State
    result: result_view.ResultView
    trouble: gr.HTML
    held: dict[int, Session]

    def now(self) -> Session:
        return self.held[self.session._id]


def page_with(now: Session) -> Page:
    with gr.Blocks():
        session, trouble, result = gr.State(None), gr.HTML(), result_view.build(now)
    held = {session._id: now}
    return Page(SimpleNamespace(state_holder={ME: held}), session, result, trouble, held)


def picture(desk: Desk, name: str) -> Sheet:
    kept = actions.give(images.load(Image.new("RGB", (64, 48), "teal"), name=name), desk.shelf).picture
    assert kept is not None
    return Sheet(kept)


def album(desk: Desk, count: int = 3) -> Session:
    return Session().showing(tuple(picture(desk, f"{place}.png") for place in range(count)), 0)


def of_project(desk: Desk) -> Session:
    desk.projects.create("Garden", ME).close()
    with desk.projects.lend("Garden", ME) as project:
        file = io.BytesIO()
        Image.new("RGB", (64, 48), "teal").save(file, "PNG")
        project.add_picture(file.getvalue(), "0.png")
    return projects.show(desk.projects, ME, "Garden", 1, Order.ADDED, desk.shelf)


def an_owl(desk: Desk) -> Session:
    found = Echo()._found(Request(Task.DETECT, (), labels=("owl",)))
    return actions.shared_out(form(), Session().showing((picture(desk, "a.png"),), 0), found)


def accept(now: Session, number: int) -> Session:
    """`now`, as when a person has accepted one object of its answer."""
    assert now.answer is not None
    was = now.answer.result
    found = tuple(
        replace(each, review=Review.ACCEPTED) if place == number else each for place, each in enumerate(was.detections)
    )
    return replace(now, answer=replace(now.answer, result=replace(was, detections=found), said=was.detections))


def form() -> Form:
    return read_form(Task.DETECT, {"prompt": "cat; dog", "backend": "paligemma"}, Settings())


def run(what: Coroutine[Any, Any, T]) -> T:
    with ThreadPoolExecutor(1) as thread:  # the browser tests leave a loop running in this one
        return thread.submit(asyncio.run, what).result()


def ask(
    question: Question, desk: Desk, page: Page, meanwhile: Callable[[], None], drawn: list[Any] | None = None
) -> str:
    """The status in the end; `meanwhile` is called once the model works. drawn: gets what is put on the stage."""
    assert isinstance(desk.pool, EchoPool)
    assert isinstance(model := desk.pool.echo, Deaf)

    async def all_of_it() -> str:
        status = ""
        told = asking.run(question, desk, ME, page, lambda _: {})
        status = str((await anext(told))[page.result.status])
        assert await asyncio.to_thread(model.begun.acquire, timeout=60)
        await asyncio.to_thread(meanwhile)
        async for updates in told:
            status = str(updates.get(page.result.status, status))
            if drawn is not None and page.result.editor.stage in updates:
                drawn.append(updates[page.result.editor.stage])
            page.held |= {page.session._id: updates[page.session]} if page.session in updates else {}
        return status

    return run(all_of_it())
