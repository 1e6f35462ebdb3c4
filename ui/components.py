"""Gradio's picture field and slider, reading our way. Nothing else may live here: gradio writes a stub beside it.

Subclasses, because gradio builds a component anew, from its class, whenever an event updates or skips it.
"""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import ImageData


class PictureInput(gr.Image):
    """Hands over (place, name) of the uploaded file, unopened: only our own reader opens it, behind its limits.

    gr.Image's own would open 43 formats, and fail where no handler of ours can explain it.
    """

    is_template = True  # drawn as gr.Image is

    def preprocess(self, payload: ImageData | None) -> tuple[str, str] | None:
        return (payload.path, payload.orig_name or "") if payload and payload.path else None


class Range(gr.Slider):
    """Takes whatever number was typed; ui/form.py says what is wrong with it. gr.Slider's own check ends in a 500."""

    is_template = True

    def preprocess(self, payload: float) -> float:
        return payload
