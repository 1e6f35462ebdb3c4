"""The request as it would be sent, as JSON and as code, and its tokens; a self-test; files kept there; replays.

Only for services: folded away, and hidden where the model runs here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from backends import SPECS, first_choice, tools
from grounding.backend import Backend, Tools
from grounding.errors import RequestError
from grounding.settings import Settings
from grounding.types import Request, Task
from ui import actions, asking, gathering, markup, service_markup, sidebar
from ui.desk import Desk
from ui.form import Form, read_form
from ui.messages import BUSY, STOPPED, Problem, attempt
from ui.runs import POLL_S
from ui.sidebar import capabilities
from ui.state import Session
from ui.tabs.prompt import Around

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
MAX_SAVED = 900_000
"""Characters of a saved answer; the page takes a million bytes at once."""


@dataclass(frozen=True)
class RequestPanel:
    fold: gr.Accordion
    task: gr.State
    preview: gr.Button
    code: gr.Button
    count: gr.Button
    shown: gr.Code
    test: gr.Button
    about: gr.Button
    uploads: gr.Button
    delete: gr.Button
    said: gr.HTML
    saved: gr.Textbox
    replay: gr.Button


def build(settings: Settings) -> RequestPanel:
    backend, _ = first_choice(settings)
    task = gr.State(Task.DETECT.value)
    with gr.Accordion(
        "Request and tests", open=False, visible=_has_tools(backend), elem_classes="pp-fold", elem_id="pp-request"
    ) as fold:
        with gr.Row(elem_classes="pp-buttons"):
            preview, code = _button("Show the request", "preview"), _button("Copy as code", "code")
            count = _button("Count its tokens", "count")
        shown = gr.Code(
            "",
            language=None,
            label="What would be sent",
            visible=False,
            wrap_lines=True,
            max_lines=22,
            interactive=False,
            elem_id="pp-request-shown",
        )
        with gr.Row(elem_classes="pp-buttons"):
            test, about = _button("Test this model", "test"), _button("What is known of it", "about")
        with gr.Row(elem_classes="pp-buttons"):
            uploads, delete = _button("Files kept at Google", "uploads"), _button("Delete them", "delete")
        said = gr.HTML("", elem_id="pp-request-said")
        saved = gr.Textbox(
            "",
            label="A saved answer",
            info="The service's JSON, or only the model's words: read as the answer to what is asked now.",
            placeholder='[{"box_2d": [100, 200, 300, 400], "label": "cat"}]',
            lines=2,
            max_lines=6,
            elem_id="pp-saved",
        )
        replay = _button("Replay it", "replay")
    return RequestPanel(fold, task, preview, code, count, shown, test, about, uploads, delete, said, saved, replay)


def wire(panel: RequestPanel, around: Around, desk: Desk) -> None:
    fields = {name: widget for name, widget in around.fields.items() if name != "api_key"}
    prompts = {tab.task.value: tab.prompt for tab in around.tabs}
    inputs = {around.session, panel.task, *prompts.values(), *fields.values()}

    def read(values: dict[Any, Any]) -> tuple[Form, Session]:
        task = Task(values[panel.task])
        chosen = {name: values[widget] for name, widget in fields.items()}
        prompt = {"prompt": values[prompts[task.value]]}
        return read_form(task, {**chosen, **prompt}, desk.settings, with_key=False), values[around.session]

    def written(how: str, title: str, values: dict[Any, Any]) -> dict[Any, Any]:
        def write() -> str:
            form, now = read(values)
            text: str = getattr(_tools(form.backend), how)(form.model, _request(form, now, desk))
            return text

        got = attempt(write)
        if isinstance(got, Problem):
            return {panel.said: markup.trouble(got), panel.shown: gr.skip()}
        return {panel.said: "", panel.shown: gr.update(value=got, visible=True, label=title)}

    def replayed(values: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        def read_again() -> Session:
            form, now = read(values)
            saved = values[panel.saved]
            if not isinstance(saved, str) or not saved.strip() or len(saved) > MAX_SAVED:
                raise RequestError("Paste a saved answer first: the service's JSON, or the model's words.")
            result = _tools(form.backend).replay(saved, _request(form, now, desk))
            return actions.shared_out(replace(form, model=f"{form.model}, replayed"), now, result)

        got = BUSY if desk.runs.running(str(request.session_hash)) else attempt(read_again)
        if isinstance(got, Problem):
            return {panel.said: markup.trouble(got)}
        return {panel.said: "", around.session: got, **asking.shown(around.result, got)}

    for tab in around.tabs:
        tab.leaf.select(_saying(tab.task.value), None, panel.task, queue=False, **_QUIET)
    local = {**_QUIET, "concurrency_id": "picture", "concurrency_limit": 4}
    for button, how, title in (
        (panel.preview, "preview", "What would be sent"),
        (panel.code, "snippet", "The same with google-genai"),
    ):
        button.click(partial(written, how, title), inputs, [panel.said, panel.shown], **local)
    results = [around.session, panel.said, *around.result.cleared]
    panel.replay.click(replayed, {*inputs, panel.saved}, results, **local)
    _wire_model(panel, around)

    def requested(values: dict[Any, Any]) -> Request:
        return _request(*read(values), desk)

    _wire_service(panel, around, desk, requested, inputs)


def _wire_model(panel: RequestPanel, around: Around) -> None:
    """What is known of the chosen model without asking it."""

    def about(backend: object, model: object) -> str:
        got = attempt(lambda: _tools(backend).describe(str(model)[:120]))
        return (
            markup.trouble(got) if isinstance(got, Problem) else service_markup.facts(f"About {str(model)[:120]}", got)
        )

    def choose_backend(backend: object) -> list[Any]:
        return [gr.update(visible=isinstance(backend, str) and _has_tools(backend)), "", gr.update(visible=False)]

    around.sidebar.backend.input(
        choose_backend, around.sidebar.backend, [panel.fold, panel.said, panel.shown], queue=False, **_QUIET
    )
    panel.about.click(about, [around.sidebar.backend, around.sidebar.model], panel.said, queue=False, **_QUIET)


def _wire_service(
    panel: RequestPanel, around: Around, desk: Desk, requested: Callable[[dict[Any, Any]], Request], inputs: set[Any]
) -> None:
    """What asks the service: with the visitor's key, in a thread, one at a time."""

    def count(kit: Tools, backend: Backend, stop: threading.Event, values: dict[Any, Any]) -> str:
        request = requested(values)
        estimate = kit.estimate(backend.model, request)
        return service_markup.counted(kit.count(backend, request, stop), estimate)

    def test(kit: Tools, backend: Backend, stop: threading.Event, values: dict[Any, Any]) -> str:
        return service_markup.tested(kit.self_test(backend, stop))

    def uploads(kit: Tools, backend: Backend, stop: threading.Event, values: dict[Any, Any]) -> str:
        return service_markup.uploads(kit.uploads(backend))

    def delete(kit: Tools, backend: Backend, stop: threading.Event, values: dict[Any, Any]) -> str:
        count = kit.delete_uploads(backend, stop)
        return markup.hint("Nothing was kept." if not count else f"{count} deleted at the service.")

    named = {around.sidebar.backend, around.sidebar.model, around.sidebar.key}
    for button, doing, do, read in (
        (panel.count, "Having it counted", count, {*named, *inputs}),
        (panel.test, "Asking it about a known picture", test, named),
        (panel.uploads, "Looking", uploads, named),
        (panel.delete, "Deleting", delete, named),
    ):
        button.click(
            _in_thread(doing, do, panel, around, desk),
            read,
            panel.said,
            trigger_mode="once",
            concurrency_id="model",
            concurrency_limit=8,
            show_progress="hidden",
            api_visibility="private",
        )


def _in_thread(
    doing: str,
    do: Callable[[Tools, Backend, threading.Event, dict[Any, Any]], str],
    panel: RequestPanel,
    around: Around,
    desk: Desk,
) -> Callable[..., AsyncIterator[str]]:
    async def handler(values: dict[Any, Any], request: gr.Request) -> AsyncIterator[dict[Any, str]]:
        visitor = str(request.session_hash)
        named = {name: values[around.sidebar.fields[name]] for name in ("backend", "model", "api_key")}

        def work(stop: threading.Event) -> str:
            form = read_form(Task.CAPTION, named, desk.settings)
            kit = _tools(form.backend)
            with desk.pool.lend(form.backend, form.model, form.api_key) as backend:
                return do(kit, backend, stop, values)

        run = desk.runs.begin(visitor, lambda stop: attempt(lambda: work(stop)))
        try:
            if run is None:
                yield {panel.said: markup.hint("Something is being asked already. Wait for it, or stop it.")}
                return
            yield {panel.said: markup.busy(doing, 0)}
            while not run.future.done() and not run.stop.is_set():
                await asyncio.sleep(POLL_S)
            got = run.future.result() if run.future.done() else STOPPED
            yield {panel.said: markup.trouble(got) if isinstance(got, Problem) else got}
        finally:
            if run is not None:
                desk.runs.end(visitor, run)
            sidebar.forget_key(around.sidebar.key, around.page, visitor)

    return handler  # type: ignore[return-value]


def _request(form: Form, now: Session, desk: Desk) -> Request:
    able = capabilities(form.backend, desk.settings)
    if now.picture is None:
        raise RequestError("Give a picture first: drop one in, take one, or choose an example.")
    return gathering.gather(form, now, able, desk.shelf.open, desk.shelf.open_document).request


def _saying(what: str) -> Callable[[], str]:
    def say() -> str:
        return what

    return say


def _button(words: str, name: str) -> gr.Button:
    return gr.Button(words, size="sm", elem_id=f"pp-{name}", min_width=120)


def _has_tools(backend: str) -> bool:
    return backend in SPECS and bool(SPECS[backend].tools)


def _tools(backend: object) -> Tools:
    kit = tools(backend) if isinstance(backend, str) and _has_tools(backend) else None
    if kit is None:
        raise RequestError("This model runs here: there is no service to ask. Choose Gemini for this.")
    return kit
