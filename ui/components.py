"""Gradio's picture field, slider and HTML, our way. Nothing else may live here: gradio writes a stub beside it.

Subclasses, because gradio builds a component anew, from its class, whenever an event updates or skips it.
"""

from __future__ import annotations

import json
from typing import Any

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


class SceneView(gr.HTML):
    """Sends a scene of the editor as one text beside its picture's file, {"file", "scene"}.

    Gradio walks through every value of a dict on both sides; two hundred objects took it seconds.
    """

    is_template = True

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        picture = {name: each for name, each in value["picture"].items() if name != "file"}
        return {"file": value["picture"]["file"], "scene": json.dumps({**value, "picture": picture})}
