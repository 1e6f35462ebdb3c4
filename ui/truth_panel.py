"""The ground truth of a drawn scene, shown beside the answer when a visitor wants to know how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from grounding.overlays import OVERLAYS
from ui import markup, truth, truth_markup
from ui.follow import Follower, listed
from ui.form import read_view
from ui.messages import Problem, attempt
from ui.result_view import ResultView
from ui.state import Session


@dataclass(frozen=True)
class TruthPanel:
    box: gr.Column
    wanted: gr.Checkbox
    said: gr.HTML
    image: gr.Image


def build(first: Session) -> TruthPanel:
    with gr.Column(visible=first.scene is not None, elem_id="pp-truth") as box:
        wanted = gr.Checkbox(
            False,
            label="Compare with the ground truth",
            info="This scene was drawn here, so what is in it is known exactly.",
            container=False,
            elem_id="pp-truth-wanted",
        )
        said = gr.HTML("", elem_id="pp-truth-said", visible=False)
        image = gr.Image(
            None,
            visible=False,
            interactive=False,
            show_label=False,
            label="Ground truth",
            buttons=[],
            elem_id="pp-truth-image",
            alt_text="The scene with the true boxes; the table above says the same in words",
        )
    return TruthPanel(box, wanted, said, image)


def wire(panel: TruthPanel, session: gr.State, result: ResultView) -> Follower:
    """Follows the session and the view; nothing is drawn before it is asked for."""

    def show(now: Session, wanted: object, *view: object) -> list[Any]:
        if now.scene is None or wanted is not True:
            hidden = gr.update(visible=False)
            return [gr.update(visible=now.scene is not None), hidden, hidden]
        held = attempt(lambda: truth.hold(now, read_view(view, OVERLAYS)))
        if held is None or isinstance(held, Problem):
            words = markup.trouble(held) if held else ""
            return [gr.update(visible=True), gr.update(value=words, visible=True), gr.update(visible=False)]
        return [
            gr.update(visible=True),
            gr.update(value=truth_markup.held(held), visible=True),
            gr.update(value=held.image, visible=True),
        ]

    inputs, outputs = [session, panel.wanted, *result.view], [panel.box, panel.said, panel.image]
    gr.on(
        [panel.wanted.input, result.threshold.release],
        show,
        inputs,
        outputs,
        trigger_mode="always_last",
        show_progress="hidden",
        queue=False,
        api_visibility="private",
    )

    return listed(show, inputs, outputs)
