"""What every task's tab has in common: a prompt, a button that asks and one that stops, and how they are wired."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from grounding.overlays import OVERLAYS
from grounding.types import Task
from ui import actions, markup, picture_panel
from ui.desk import Desk
from ui.form import read_form, read_view
from ui.messages import Problem, attempt
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


def connect(
    tab: Tab,
    tabs: list[Tab],
    session: gr.State,
    pictures: PicturePanel,
    sidebar: Sidebar,
    result: ResultView,
    desk: Desk,
) -> None:
    """Asking runs in a thread of its own; what was there before stays until an answer comes, inputs stay always."""
    fields = {"prompt": tab.prompt, **sidebar.fields}
    view = result.view
    buttons = [button for each in tabs for button in (each.run, each.stop)]

    async def ask(values: dict[Any, Any], request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        before: Session = values[session]
        dropped: tuple[str, str] | None = values[pictures.drop]
        chosen = {name: values[widget] for name, widget in fields.items()}
        form = attempt(lambda: read_form(tab.task, chosen, desk.settings))
        shown = attempt(lambda: read_view(*(values[widget] for widget in view), OVERLAYS))
        wrong = next((each for each in (form, shown) if isinstance(each, Problem)), None)
        if wrong or isinstance(form, Problem) or isinstance(shown, Problem):
            yield {result.status: markup.failed(wrong or Problem(""))}
            return

        def work(stop: threading.Event) -> Session | Problem:
            def do() -> Session:  # asked before the upload was taken in: what was dropped is meant
                asked = picture_panel.take_in(dropped, desk) if dropped else before
                return actions.answer(form, asked, desk.pool, desk.shelf, stop)

            return attempt(do)

        visitor = str(request.session_hash)
        run = desk.runs.begin(visitor, work)
        if run is None:
            yield {result.status: gr.skip()}
            return
        try:
            yield {result.status: markup.busy(tab.doing, 0), **_working(True, tab, tabs)}
            async for seconds in _ticks(run):
                yield {result.status: markup.busy("Stopping" if run.stop.is_set() else tab.doing, seconds)}
            got = run.future.result() if run.future.done() else Problem("Stopped.", stopped=True)
            yield {**_answer(got, session, result, shown), **_working(False, tab, tabs)}
        finally:
            desk.runs.end(visitor, run)

    gr.on(
        [tab.run.click, tab.prompt.submit],
        ask,
        {session, pictures.drop, *fields.values(), *view},
        [session, result.status, result.stage, result.table, result.report, result.raw, *buttons],
        trigger_mode="once",
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="model",
        concurrency_limit=8,
    )
    tab.run.click(None, js=_TO_RESULT)

    def stop(request: gr.Request) -> None:
        desk.runs.stop(str(request.session_hash))

    tab.stop.click(
        stop,
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )


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


def _answer(got: Session | Problem, session: gr.State, result: ResultView, view: Any) -> dict[Any, Any]:
    if isinstance(got, Problem):
        return {result.status: markup.failed(got)}
    drawn = attempt(lambda: result.show_answer(got, view))
    if isinstance(drawn, Problem):
        return {result.status: markup.failed(drawn)}
    return {session: got, **drawn}


def _working(working: bool, tab: Tab, tabs: list[Tab]) -> dict[Any, Any]:
    """All Ask buttons rest while one asks; its own Stop shows."""
    runs = {each.run: gr.update(interactive=not working) for each in tabs}
    return {**runs, tab.stop: gr.update(visible=working)}
