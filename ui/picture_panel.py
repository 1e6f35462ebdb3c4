"""Where a picture comes in: dropped, pasted, photographed, fetched from an address, chosen from the examples or composed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from grounding.errors import ImageError, RequestError
from jobs import fetch
from ui import actions, examples, markup
from ui.desk import Desk
from ui.messages import Problem, attempt
from ui.result_view import ResultView
from ui.state import Session


class PictureInput(gr.Image):
    """Hands over the uploaded file as it is: only our own reader opens it, behind its limits.

    Gradio's own would open 43 formats, and fail where no handler of ours can explain it.
    """

    is_template = True  # drawn as gr.Image is

    def preprocess(self, payload: Any) -> tuple[str, str] | None:
        if payload is None or not payload.path:
            return None
        return payload.path, payload.orig_name or ""


@dataclass(frozen=True)
class PicturePanel:
    drop: PictureInput
    current: gr.HTML
    url: gr.Textbox
    fetch: gr.Button
    gallery: gr.Gallery
    compose: gr.Button


def build() -> PicturePanel:
    drop = PictureInput(
        sources=["upload", "clipboard", "webcam"],
        height=148,
        label="Picture",
        show_label=False,
        buttons=[],
        elem_id="pp-drop",
        placeholder="Drop a picture here\nor click to choose one",
        webcam_options=gr.WebcamOptions(mirror=False),
    )
    current = gr.HTML(markup.current_picture(None), elem_id="pp-current")
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
        value=[(str(example.thumbnail), example.title) for example in examples.EXAMPLES],
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


def wire(panel: PicturePanel, prompts: list[gr.Textbox], session: gr.State, result: ResultView, desk: Desk) -> None:
    """Every way in ends alike: a new session with the picture on the stage, or the reason why not beside the picture."""
    shared = [session, panel.current, *result.cleared]

    def given(before: Session, make: Callable[[], Session]) -> list[Any]:
        got = attempt(make)
        if isinstance(got, Problem):
            return [gr.skip(), markup.current_picture(before.picture, got), *(gr.skip() for _ in result.cleared)]
        return [got, markup.current_picture(got.picture), *result.show_picture(got)]

    def upload(file: tuple[str, str] | None, before: Session) -> list[Any]:
        if file is None:
            return [gr.skip()] * (len(shared) + 1)
        path, name = file
        return [None, *given(before, lambda: actions.give_upload(Path(path), name, desk.shelf))]

    def from_url(url: object, before: Session) -> list[Any]:
        def make() -> Session:
            if not isinstance(url, str) or not url.strip():
                raise RequestError("Paste the address of a picture first; it begins with https://.")
            return actions.give(fetch.fetch_picture(url.strip()), desk.shelf)

        return given(before, make)

    def example(before: Session, chosen: gr.SelectData) -> list[Any]:
        def make() -> examples.Example:
            if not isinstance(chosen.index, int) or not 0 <= chosen.index < len(examples.EXAMPLES):
                raise ImageError("There is no such example. Choose one of those shown.")
            return examples.EXAMPLES[chosen.index]

        return scene(before, attempt(make))

    def compose(before: Session) -> list[Any]:
        return scene(before, attempt(lambda: examples.compose(random.randrange(1_000_000))))  # noqa: S311

    def scene(before: Session, made: examples.Example | Problem) -> list[Any]:
        if isinstance(made, Problem):
            return [*(gr.skip() for _ in prompts), *given(before, lambda: _fail(made))]
        return [*made.prompts, *given(before, lambda: actions.give(made.picture(), desk.shelf))]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
    panel.drop.input(upload, [panel.drop, session], [panel.drop, *shared], concurrency_id="picture", **quiet)
    fetched = {**quiet, "show_progress": "minimal", "show_progress_on": [panel.current], "concurrency_limit": 2}
    gr.on(
        [panel.fetch.click, panel.url.submit], from_url, [panel.url, session], shared, concurrency_id="fetch", **fetched
    )
    panel.gallery.select(example, [session], [*prompts, *shared], concurrency_id="picture", **quiet)
    panel.compose.click(compose, [session], [*prompts, *shared], concurrency_id="picture", **quiet)


def _fail(problem: Problem) -> Session:
    raise ImageError(problem.text)
