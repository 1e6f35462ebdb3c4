"""What every task's tab has in common: a prompt, a button that asks and one that stops, and how they are wired."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from grounding.types import Task
from ui import asking, markup, picture_panel, sidebar
from ui.asking import Question
from ui.desk import Desk
from ui.form import read_form
from ui.messages import Problem, attempt
from ui.options_panel import OptionsPanel
from ui.picture_panel import PicturePanel
from ui.result_view import ResultView
from ui.sidebar import Sidebar
from ui.state import Session

_TO_RESULT = """() => { if (matchMedia('(max-width: 900px)').matches)
  document.querySelector('#pp-result')?.scrollIntoView({behavior: 'smooth', block: 'start'}) }"""


@dataclass(frozen=True)
class Tab:
    """`before`: a quiet line on what asking will take. leaf: what it lies in."""

    task: Task
    doing: str
    prompt: gr.Textbox
    run: gr.Button
    stop: gr.Button
    before: gr.HTML
    leaf: gr.Tab


def lay_out(task: Task, title: str, *, doing: str, about: str, label: str, placeholder: str, value: str) -> Tab:
    """A tab with one prompt; Enter asks too."""
    with gr.Tab(title, id=task.value) as leaf:
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
            run = gr.Button(
                title,
                variant="primary",
                elem_id=f"pp-{task}-run",
                elem_classes="pp-needs-picture",
                min_width=120,
                scale=3,
            )
            stop = gr.Button("Stop", visible=False, elem_id=f"pp-{task}-stop", min_width=80, scale=1)
        before = gr.HTML("", elem_classes="pp-before")
    return Tab(task, doing, prompt, run, stop, before, leaf)


@dataclass(frozen=True)
class Around:
    """What a tab works with on the page besides itself. `tabs`: all of them, it among them."""

    page: gr.Blocks
    tabs: tuple[Tab, ...]
    session: gr.State
    pictures: PicturePanel
    sidebar: Sidebar
    options: OptionsPanel
    result: ResultView
    trouble: gr.HTML

    @property
    def fields(self) -> dict[str, Any]:
        """The widgets a Form is read from besides the prompt, by the names it knows them by."""
        return {**self.sidebar.fields, **self.options.fields}


def connect(tab: Tab, around: Around, desk: Desk) -> None:
    """The button and Enter ask; Stop stops."""
    fields = {"prompt": tab.prompt, **around.fields}

    def prepare(values: dict[Any, Any]) -> Question:
        """Everything checked beforehand, nothing read from the page afterwards."""
        before: Session = values[around.session]
        dropped: tuple[str, str] | None = values[around.pictures.drop]
        form = read_form(tab.task, {name: values[widget] for name, widget in fields.items()}, desk.settings)
        # Asked before an upload was taken in, the question means what lies in the drop area.
        take_in = (lambda: picture_panel.take_in(dropped, desk)) if dropped else lambda: before
        return Question(form, tab.doing, before, take_in)

    wire_tab(tab, around, desk, prepare, {around.pictures.drop, *fields.values()})


def wire_tab(
    tab: Tab, around: Around, desk: Desk, prepare: Callable[[dict[Any, Any]], Question], inputs: set[Any]
) -> None:
    """The button and Enter ask what `prepare` makes of `inputs`; Stop stops it."""

    def stop(request: gr.Request) -> None:
        desk.runs.stop(str(request.session_hash))

    wire(tab, around, desk, [tab.run.click, tab.prompt.submit], prepare, inputs)
    tab.run.click(None, js=_TO_RESULT)
    tab.stop.click(stop, queue=False, show_progress="hidden", api_visibility="private")


def wire(
    tab: Tab | None,
    around: Around,
    desk: Desk,
    events: list[Any],
    prepare: Callable[[dict[Any, Any]], Question],
    inputs: set[Any],
) -> None:
    """Each of `events` asks what `prepare` makes of `inputs` and the session; `tab`: whose it is, None: the task's."""

    async def ask(values: dict[Any, Any], request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        status, visitor = around.result.status, str(request.session_hash)
        try:
            made = attempt(lambda: prepare(values))
            if isinstance(made, Problem):
                earlier = values[around.session].answer is not None
                yield {status: markup.failed(made, earlier=earlier), around.trouble: markup.trouble(made)}
                return
            whose = tab or next(each for each in around.tabs if each.task is made.form.task)
            async for updates in asking.run(made, desk, visitor, around, lambda on: _working(on, whose, around.tabs)):
                yield updates
        finally:  # also when the visitor leaves
            sidebar.forget_key(around.sidebar.key, around.page, visitor)

    buttons = [button for each in around.tabs for button in (each.run, each.stop)]
    gr.on(
        events,
        ask,
        {around.session, *inputs},
        [around.session, around.trouble, *around.result.cleared, *buttons],
        trigger_mode="once",
        concurrency_id="model",
        concurrency_limit=8,
        show_progress="hidden",
        api_visibility="private",
    )


def _working(working: bool, tab: Tab, tabs: tuple[Tab, ...]) -> dict[Any, Any]:
    """All Ask buttons rest while one asks; its own Stop shows."""
    runs = {each.run: gr.update(interactive=not working) for each in tabs}
    return {**runs, tab.stop: gr.update(visible=working)}
