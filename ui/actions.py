"""What the page does, as plain functions: give a picture, ask a model, draw an answer, write it out. Knows no gradio.

Writing out (`full_picture`, `json_text`, `coco_text`) is never given a backend, so it cannot call a model.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from backends import Pool
from grounding import images, overlays
from grounding.errors import RequestError
from grounding.exports import FORMATS
from grounding.exports.results import result_to_json, to_bytes
from grounding.images import Picture
from grounding.labels import Sample, split_labels
from grounding.types import FULL_FRAME, Detection, Request, Result, Task, View
from ui.corrections import labels_of
from ui.form import Form
from ui.state import Answer, Session, Shelf


def give_upload(path: Path, name: str, shelf: Shelf) -> Session:
    """A session with the uploaded picture, no answer yet; raises ImageError where it is none."""
    return Session(shelf.keep(images.load(path, name=name), original=path))


def give(picture: Picture, shelf: Shelf) -> Session:
    return Session(shelf.keep(picture))


def answer(form: Form, session: Session, pool: Pool, shelf: Shelf, stop: threading.Event | None = None) -> Session:
    """`session` with the model's answer to `form` about its picture; raises GroundingError where none came."""
    if session.picture is None:
        raise RequestError("Give a picture first: drop one in, take one, or choose an example.")
    result = ask(form, shelf.open(session.picture), pool, stop)
    return replace(session, answer=Answer(form.task, form.prompt, form.model, result))


def ask(form: Form, picture: Picture, pool: Pool, stop: threading.Event | None = None) -> Result:
    """The model's whole reply; raises GroundingError where none came."""
    with pool.lend(form.backend, form.model, form.api_key) as backend:
        capabilities = backend.capabilities
        if form.task not in capabilities.tasks:
            raise RequestError(f"{form.model} cannot {form.task.value}. Choose another model.")
        safety = {harm: level for harm, level in form.safety.items() if harm in capabilities.harms}
        return backend.predict(Request(form.task, (picture,), form.text, form.labels, safety=safety), stop)


def rehearse() -> None:
    """Draw something nobody sees: the library that draws takes seconds to load the first time."""
    overlays.render(Image.new("RGB", (64, 64)), [Detection("", FULL_FRAME)], View())


def full_picture(session: Session, view: View, shelf: Shelf) -> bytes:
    """The annotated picture at full size as PNG, without what was rejected."""
    if session.picture is None:
        raise RequestError("There is no picture to download yet.")
    image = shelf.open(session.picture).image
    found = labels_of(session.answer).detections if session.answer else ()
    if found:
        image = overlays.render(image, found, view)
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=3)  # half a second for 12 megapixels; level 6 takes three times that
    return buffer.getvalue()


def json_text(session: Session, view: View) -> bytes:
    """The answer as the API and the command line give it, masks cut at the view's threshold; nothing is left out."""
    if session.picture is None or session.answer is None:
        raise RequestError("There is no answer to download yet. Ask the model first.")
    found = result_to_json(session.answer.result, session.picture.size_wh, view.threshold)
    return to_bytes({"picture": session.picture.name, **found})


def coco_text(session: Session, view: View) -> bytes:
    """The answer as a COCO file of one picture, masks cut at the view's threshold, without what was rejected."""
    if session.picture is None or session.answer is None:
        raise RequestError("There is no answer to download yet. Ask the model first.")
    answer = session.answer
    sample = Sample(session.picture.name or "picture", session.picture.size_wh, answer.task, labels_of(answer))
    asked = split_labels(answer.prompt) if answer.task in (Task.DETECT, Task.SEGMENT) else ()
    files = dict(FORMATS["coco"]([sample], labels=asked, threshold=view.threshold))
    return files["annotations.json"]
