"""Beside an answer of the bundled model, what of the question or the picture is beyond it: an answer looks sure."""

from __future__ import annotations

import gradio as gr

from ui import markup
from ui.follow import Follower
from ui.small_world import beyond
from ui.state import Session


def build() -> gr.HTML:
    return gr.HTML("", elem_id="pp-caution")


def wire(box: gr.HTML, session: gr.State) -> Follower:
    return Follower(lambda values, visitor: {box: line(values[session])}, [session], [box])


def line(now: Session) -> str:
    """The words that stood under the button of what was asked; "" where nothing was beyond the model."""
    asked = now.answer.asked if now.answer else None
    said = beyond(asked, drawn=now.scene is not None) if asked else []
    return markup.beware(" ".join(said)) if said else ""
