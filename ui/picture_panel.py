"""Where a picture comes in: dropped, pasted, photographed, fetched, chosen from the examples or newly composed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from grounding.errors import RequestError
from grounding.types import Task
from jobs import fetch
from ui import actions, examples, markup
from ui.components import PictureInput
from ui.desk import Desk
from ui.messages import Problem, attempt
from ui.result_view import ResultView
from ui.state import Session


@dataclass(frozen=True)
class PicturePanel:
    drop: PictureInput
    current: gr.HTML
    url: gr.Textbox
    fetch: gr.Button
    gallery: gr.Gallery
    compose: gr.Button


def build(first: Session) -> PicturePanel:
    drop = PictureInput(
        sources=["upload", "clipboard", "webcam"],
        height=132,
        label="Picture",
        show_label=False,
        buttons=[],
        elem_id="pp-drop",
        placeholder="Drop a picture here\nor click to choose one",
        webcam_options=gr.WebcamOptions(mirror=False),
    )
    current = gr.HTML(markup.current_picture(first.picture), elem_id="pp-current")
    with gr.Row(elem_classes="pp-inline"):
        url = gr.Textbox(
            placeholder="… or paste a picture's address",
            show_label=False,
            label="Picture address",
            max_lines=1,
            scale=5,
            min_width=120,
        )
        get = gr.Button("Fetch", size="md", scale=1, min_width=76)
    with gr.Row(elem_classes="pp-inline pp-examples-head"):
        gr.HTML("<h3>Examples</h3>")
        compose = gr.Button("New scene", size="sm", min_width=96, scale=0)
    gallery = gr.Gallery(
        value=[(example.thumbnail, example.title) for example in examples.shown()],
        columns=4,
        rows=2,
        height="auto",
        allow_preview=False,
        show_label=False,
        label="Example pictures",
        buttons=[],
        interactive=False,
        object_fit="cover",
        elem_id="pp-gallery",
    )
    return PicturePanel(drop, current, url, get, gallery, compose)


def wire(
    panel: PicturePanel,
    prompts: dict[Task, gr.Textbox],
    session: gr.State,
    result: ResultView,
    trouble: gr.HTML,
    desk: Desk,
) -> None:
    """Every way in ends alike: a new session with the picture on the stage, or why not, beside the old picture."""
    given = [session, panel.current, trouble, *result.cleared]
    asked = list(prompts.values())

    def show(before: Session, request: gr.Request, make: Callable[[], Session]) -> list[Any]:
        got = attempt(make)
        if isinstance(got, Problem):
            return [gr.skip(), markup.current_picture(before.picture, got), "", *(gr.skip() for _ in result.cleared)]
        desk.runs.stop(str(request.session_hash))  # an answer about the picture before would come too late
        return [got, markup.current_picture(got.picture), "", *result.show_picture(got)]

    def upload(file: tuple[str, str] | None, before: Session, request: gr.Request) -> list[Any]:
        if file is None:  # the drop area was cleared, by us
            return [gr.skip() for _ in (panel.drop, *given)]
        return [None, *show(before, request, lambda: take_in(file, desk))]

    def from_url(url: object, before: Session, request: gr.Request) -> list[Any]:
        return show(before, request, lambda: actions.give(fetch.fetch_picture(_address(url)), desk.shelf))

    def example(before: Session, chosen: gr.SelectData, request: gr.Request) -> list[Any]:
        return show_scene(before, request, lambda: _chosen(chosen.index))

    def compose(before: Session, request: gr.Request) -> list[Any]:
        return show_scene(before, request, lambda: examples.compose(random.randrange(1_000_000)))

    def show_scene(before: Session, request: gr.Request, make: Callable[[], examples.Example]) -> list[Any]:
        words: list[Any] = [gr.skip() for _ in prompts]

        def give() -> Session:
            scene = make()
            words[:] = [scene.prompts[task] for task in prompts]
            return replace(actions.give(scene.picture(), desk.shelf), scene=scene.seed)

        shown = show(before, request, give)
        return [*words, *shown]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    local = {**quiet, "concurrency_id": "picture", "concurrency_limit": 4}
    remote = {**quiet, "concurrency_id": "fetch", "concurrency_limit": 2, "trigger_mode": "once"}
    panel.drop.input(upload, [panel.drop, session], [panel.drop, *given], **local)
    gr.on([panel.fetch.click, panel.url.submit], from_url, [panel.url, session], given, **remote)
    panel.gallery.select(example, [session], [*asked, *given], **local)
    panel.compose.click(compose, [session], [*asked, *given], **local)


def take_in(file: tuple[str, str], desk: Desk) -> Session:
    """A session with what lies in the drop area."""
    path, name = file
    return actions.give_upload(Path(path), name, desk.shelf)


def _address(url: object) -> str:
    if not isinstance(url, str) or not url.strip():
        raise RequestError("Paste the address of a picture first; it begins with https://.")
    return url.strip()


def _chosen(index: object) -> examples.Example:
    shown = examples.shown()
    if not isinstance(index, int) or not 0 <= index < len(shown):
        raise RequestError("There is no such example. Choose one of those shown.")
    return shown[index]
