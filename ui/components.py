"""Gradio's picture component, reading and writing our way. Nothing else may live here: gradio writes a stub beside it.

Subclasses, because gradio builds a component anew, from its class, whenever an event updates or skips it.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image


class PictureInput(gr.Image):
    """Hands over (place, name) of the uploaded file, unopened: only our own reader opens it, behind its limits.

    gr.Image's own would open 43 formats, and fail where no handler of ours can explain it.
    """

    is_template = True  # drawn as gr.Image is

    def preprocess(self, payload: ImageData | None) -> tuple[str, str] | None:
        return (payload.path, payload.orig_name or "") if payload and payload.path else None


class Stage(gr.Image):
    """Shows a drawing with full colour resolution: gr.Image's WEBP blurs thin coloured lines and takes longer."""

    is_template = True

    def postprocess(self, value: Image.Image | str | None) -> ImageData | None:
        if not isinstance(value, Image.Image):
            return super().postprocess(value)
        path = Path(self.GRADIO_CACHE) / uuid.uuid4().hex / "picture.jpg"
        path.parent.mkdir(parents=True)
        value.save(path, "JPEG", quality=90, subsampling=0)
        return ImageData(path=str(path), orig_name=path.name, mime_type="image/jpeg")
