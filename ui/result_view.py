"""The result: the picture with what was found, the view's controls, table, notes, safety, raw answer, downloads.

Redrawing takes a Session and a View; nothing in this file can reach a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from grounding.overlays import OVERLAYS
from grounding.types import View
from ui import actions, markup
from ui.components import Stage
from ui.desk import Desk
from ui.form import read_view
from ui.messages import Problem, attempt
from ui.state import Session

_CLICK_FILE = """() => setTimeout(() =>
  document.querySelector('#pp-file a, a#pp-file, button#pp-file, #pp-file button')?.click(), 60)"""


@dataclass(frozen=True)
class ResultView:
    status: gr.HTML
    stage: Stage
    overlays: gr.CheckboxGroup
    threshold: gr.Slider
    floor: gr.Slider
    table: gr.HTML
    report: gr.HTML
    raw: gr.Code
    save_picture: gr.Button
    save_json: gr.Button
    file: gr.DownloadButton

    @property
    def view(self) -> list[Any]:
        """The widgets `View` is read from, in read_view's order."""
        return [self.overlays, self.threshold, self.floor]

    @property
    def cleared(self) -> list[Any]:
        """What a new picture replaces, in the order of `show_picture`."""
        return [self.status, self.stage, self.table, self.report, self.raw]

    def show_picture(self, session: Session) -> list[Any]:
        """A picture nobody has asked about yet."""
        drawing = actions.draw(session, View())
        return [markup.ready(session.picture), drawing.image if drawing else None, "", _report(session), ""]

    def show_answer(self, session: Session, view: View) -> dict[Any, Any]:
        """The answer, drawn."""
        drawing = actions.draw(session, view)
        assert session.answer is not None
        return {
            self.status: markup.answered(session.answer),
            self.stage: drawing.image if drawing else None,
            self.table: markup.table(drawing.rows, drawing.hidden) if drawing else "",
            self.report: _report(session),
            self.raw: session.answer.result.raw,
        }


def build(first: Session) -> ResultView:
    status = gr.HTML(markup.ready(first.picture), elem_id="pp-status")
    stage = Stage(
        str(first.picture.shown) if first.picture else None,
        interactive=False,
        show_label=False,
        label="Result",
        buttons=["fullscreen"],
        elem_id="pp-stage",
        alt_text="The picture with what was found drawn on it; the table below says the same in words",
    )
    overlays = gr.CheckboxGroup(
        [(OVERLAYS[name].title, name) for name in sorted(OVERLAYS, key=_usefulness)],
        value=[name for name in View().overlays if name in OVERLAYS],
        label="Draw",
        elem_id="pp-overlays",
    )
    with gr.Row(elem_id="pp-sliders"):
        threshold = gr.Slider(
            0, 255, View().threshold, step=1, label="Mask threshold", elem_id="pp-threshold", buttons=["reset"]
        )
        floor = gr.Slider(0, 1, 0, step=0.01, label="Score floor", elem_id="pp-floor", buttons=["reset"])
    table = gr.HTML("", elem_id="pp-found")
    report = gr.HTML("", elem_id="pp-report")
    with gr.Accordion("Raw answer", open=False, elem_classes="pp-fold"):
        raw = gr.Code(
            "",
            language=None,
            show_label=False,
            label="Raw answer",
            wrap_lines=True,
            max_lines=24,
            interactive=False,
            elem_id="pp-raw",
        )
    with gr.Row(elem_classes="pp-downloads"):
        save_picture = gr.Button("Download picture", size="md", elem_id="pp-save-picture", min_width=140)
        save_json = gr.Button("Download JSON", size="md", elem_id="pp-save-json", min_width=140)
    file = gr.DownloadButton("File", visible="hidden", elem_id="pp-file")
    return ResultView(status, stage, overlays, threshold, floor, table, report, raw, save_picture, save_json, file)


def _usefulness(name: str) -> int:
    """What people reach for first stands first; what is new stands last."""
    common = ("mask", "box", "label", "polygon", "corners", "halo", "spotlight")
    return common.index(name) if name in common else len(common)


def wire(result: ResultView, session: gr.State, desk: Desk) -> None:
    """Controls redraw at once, past the queue; only the newest position of a slider is drawn."""

    def redraw(now: Session, *view: object) -> list[Any]:
        drawing = attempt(lambda: actions.draw(now, read_view(view, OVERLAYS)))
        if drawing is None or isinstance(drawing, Problem):
            return [gr.skip(), gr.skip()]
        return [drawing.image, markup.table(drawing.rows, drawing.hidden)]

    gr.on(
        [result.overlays.input, result.threshold.input, result.floor.input],
        redraw,
        [session, *result.view],
        [result.stage, result.table],
        trigger_mode="always_last",
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    picture, text = (lambda now, view: actions.full_picture(now, view, desk.shelf)), actions.json_text
    for button, ending, write in ((result.save_picture, "png", picture), (result.save_json, "json", text)):
        _wire_download(button, ending, write, result, session, desk)


def _wire_download(
    button: gr.Button,
    ending: str,
    write: Callable[[Session, View], bytes],
    result: ResultView,
    session: gr.State,
    desk: Desk,
) -> None:
    def save(now: Session, *view: object) -> str:
        def make() -> str:
            data = write(now, read_view(view, OVERLAYS))
            path = desk.shelf.new_file(_file_name(now, ending))
            path.write_bytes(data)
            return str(path)

        made = attempt(make)
        if isinstance(made, Problem):
            raise gr.Error(made.text, print_exception=False, title="No download", duration=6)
        return made

    button.click(
        save,
        [session, *result.view],
        result.file,
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="export",
        concurrency_limit=2,
    ).success(None, js=_CLICK_FILE)


def _file_name(session: Session, ending: str) -> str:
    name = Path(session.picture.name).stem if session.picture else ""
    slug = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)[:60].strip("-")
    return f"{slug or 'picture'}-pinpoint.{ending}"


def _report(session: Session) -> str:
    picture_notes = session.picture.notes if session.picture else ()
    if session.answer is None:
        return ""
    result = session.answer.result
    return markup.safety(result.safety) + markup.notes((*picture_notes, *result.notes))
