"""The result: the picture to look at and correct, the view's controls, table, notes, safety, raw answer.

Moving the controls redraws in the page; nothing in this file can reach a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from grounding.overlays import OVERLAYS
from grounding.types import View
from ui import corrections, editor, markup
from ui.components import Range
from ui.desk import Desk
from ui.state import Session


@dataclass(frozen=True)
class ResultView:
    status: gr.HTML
    editor: editor.Editor
    overlays: gr.CheckboxGroup
    threshold: gr.Slider
    floor: gr.Slider
    report: gr.HTML
    raw: gr.Code

    @property
    def view(self) -> list[Any]:
        """The widgets `View` is read from, in read_view's order."""
        return [self.overlays, self.threshold, self.floor]

    @property
    def cleared(self) -> list[Any]:
        """What a new picture replaces, in the order of `show_picture`."""
        return [self.status, self.editor.stage, self.report, self.raw]

    def show_picture(self, session: Session) -> list[Any]:
        """A picture nobody has asked about yet."""
        return [markup.ready(session.picture), corrections.scene(session), _report(session), ""]

    def show_answer(self, session: Session) -> dict[Any, Any]:
        """The answer, drawn."""
        assert session.answer is not None
        return {
            self.status: markup.answered(session.answer),
            self.editor.stage: corrections.scene(session),
            self.report: _report(session),
            self.raw: session.answer.result.raw,
        }


def build(first: Session) -> ResultView:
    status = gr.HTML(markup.ready(first.picture), elem_id="pp-status")
    stage, receipt = editor.build_stage(first)
    overlays = gr.CheckboxGroup(
        [(OVERLAYS[name].title, name) for name in sorted(OVERLAYS, key=_usefulness)],
        value=[name for name in View().overlays if name in OVERLAYS],
        label="Draw",
        elem_id="pp-overlays",
    )
    with gr.Row(elem_id="pp-sliders"):
        threshold = Range(
            0, 255, View().threshold, step=1, label="Mask threshold", elem_id="pp-threshold", buttons=["reset"]
        )
        floor = Range(0, 1, 0, step=0.01, label="Score floor", elem_id="pp-floor", buttons=["reset"])
    table = editor.build_table()
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
    made = editor.Editor(stage, table, receipt)
    return ResultView(status, made, overlays, threshold, floor, report, raw)


def _usefulness(name: str) -> int:
    """What people reach for first stands first; what is new stands last."""
    common = ("mask", "box", "label", "polygon", "corners", "halo", "spotlight")
    return common.index(name) if name in common else len(common)


def wire(result: ResultView, session: gr.State, desk: Desk) -> None:
    """The controls move the picture in the page; corrections go to the session, and from it into the downloads."""
    editor.wire(result.editor, result.view, result.status, session, desk)


def _report(session: Session) -> str:
    picture_notes = session.picture.notes if session.picture else ()
    if session.answer is None:
        return ""
    result = session.answer.result
    return markup.safety(result.safety) + markup.notes((*picture_notes, *result.notes))
