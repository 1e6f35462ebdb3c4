"""What every task's tab has in common: a prompt, a button that asks and one that stops, and how they are wired."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from grounding.types import Task
from ui import actions, markup, picture_panel, sidebar
from ui.desk import Desk
from ui.form import read_form
from ui.messages import STOPPED, Problem, attempt
from ui.picture_panel import PicturePanel
from ui.result_view import ResultView
from ui.runs import Run
from ui.sidebar import Sidebar
from ui.state import Session

_POLL_S = 0.1
_PATIENCE_S = 2.0  # how long a stopped model may take to notice before the page stops waiting for it

_TO_RESULT = """() => { if (matchMedia('(max-width: 900px)').matches)
  document.querySelector('#pp-result')?.scrollIntoView({behavior: 'smooth', block: 'start'}) }"""


@dataclass(frozen=True)
class Tab:
    task: Task
    doing: str
    prompt: gr.Textbox
    run: gr.Button
    stop: gr.Button


def lay_out(task: Task, title: str, *, doing: str, about: str, label: str, placeholder: str, value: str) -> Tab:
    """A tab with one prompt; Enter asks too."""
    with gr.Tab(title, id=task.value):
        gr.HTML(markup.hint(about))
        prompt = gr.Textbox(
            value,
            label=label,
            placeholder=placeholder,
            lines=1,
            max_lines=1,
            max_length=4000,
            elem_id=f"pp-{task}-prompt",
        )
        with gr.Row(elem_classes="pp-inline"):
            run = gr.Button(title, variant="primary", elem_id=f"pp-{task}-run", min_width=120, scale=3)
            stop = gr.Button("Stop", visible=False, elem_id=f"pp-{task}-stop", min_width=80, scale=1)
    return Tab(task, doing, prompt, run, stop)


@dataclass(frozen=True)
class Around:
    """What a tab works with on the page besides itself. `tabs`: all of them, it among them."""

    page: gr.Blocks
    tabs: tuple[Tab, ...]
    session: gr.State
    pictures: PicturePanel
    sidebar: Sidebar
    result: ResultView
    trouble: gr.HTML


def connect(tab: Tab, around: Around, desk: Desk) -> None:
    """Asking runs in a thread of its own; what was there before stays until an answer comes, inputs stay always."""
    status, trouble = around.result.status, around.trouble
    fields = {"prompt": tab.prompt, **around.sidebar.fields}

    async def ask(values: dict[Any, Any], request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        prepared = attempt(lambda: _prepare(tab, around, fields, values, desk))
        visitor = str(request.session_hash)
        run = None
        earlier = values[around.session].answer is not None
        try:
            if isinstance(prepared, Problem):
                yield {status: markup.failed(prepared, earlier=earlier), trouble: markup.trouble(prepared)}
                return
            run = desk.runs.begin(visitor, lambda stop: attempt(lambda: prepared(stop)))
            if run is None:  # pressed twice
                yield {status: gr.skip()}
                return
            yield {status: markup.busy(tab.doing, 0), trouble: "", **_working(True, tab, around.tabs)}
            async for seconds in _ticks(run):
                yield {status: markup.busy("Stopping" if run.stop.is_set() else tab.doing, seconds)}
            got = run.future.result() if run.future.done() else STOPPED
            if isinstance(got, Problem):
                got = {status: markup.failed(got, earlier=earlier), trouble: "" if got.stopped else markup.trouble(got)}
            yield {**got, **_working(False, tab, around.tabs)}
        finally:  # also when the visitor leaves
            if run:
                desk.runs.end(visitor, run)
            sidebar.forget_key(around.sidebar, around.page, visitor)

    def stop(request: gr.Request) -> None:
        desk.runs.stop(str(request.session_hash))

    buttons = [button for each in around.tabs for button in (each.run, each.stop)]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on(
        [tab.run.click, tab.prompt.submit],
        ask,
        {around.session, around.pictures.drop, *fields.values()},
        [around.session, trouble, *around.result.cleared, *buttons],
        trigger_mode="once",
        concurrency_id="model",
        concurrency_limit=8,
        **quiet,
    )
    tab.run.click(None, js=_TO_RESULT)
    tab.stop.click(stop, queue=False, **quiet)


def _prepare(
    tab: Tab, around: Around, fields: dict[str, Any], values: dict[Any, Any], desk: Desk
) -> Callable[[threading.Event], dict[Any, Any]]:
    """What the thread will do: everything checked beforehand, nothing read from the page afterwards."""
    before: Session = values[around.session]
    dropped: tuple[str, str] | None = values[around.pictures.drop]
    form = read_form(tab.task, {name: values[widget] for name, widget in fields.items()}, desk.settings)

    def do(stop: threading.Event) -> dict[Any, Any]:
        # Asked before an upload was taken in, the question means what lies in the drop area.
        asked = picture_panel.take_in(dropped, desk) if dropped else before
        answered = actions.answer(form, asked, desk.pool, desk.shelf, stop)
        return {around.session: answered, **around.result.show_answer(answered)}

    return do


async def _ticks(run: Run) -> AsyncIterator[int]:
    """Whole seconds as they pass, until the run is done, or was stopped and does not notice."""
    told, stopped_s = 0, None
    while not run.future.done():
        await asyncio.sleep(_POLL_S)
        if run.stop.is_set():
            stopped_s = run.seconds if stopped_s is None else stopped_s
            if run.seconds - stopped_s > _PATIENCE_S:
                return
        if int(run.seconds) > told:
            told = int(run.seconds)
            yield told


def _working(working: bool, tab: Tab, tabs: tuple[Tab, ...]) -> dict[Any, Any]:
    """All Ask buttons rest while one asks; its own Stop shows."""
    runs = {each.run: gr.update(interactive=not working) for each in tabs}
    return {**runs, tab.stop: gr.update(visible=working)}
