"""What the page does, as plain functions: give a picture, ask a model, draw an answer, write it out. Knows no gradio.

Writing out (`full_picture`, ui/label_files.py) is never given a backend, so it cannot call a model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from backends import Pool
from grounding import images, overlays
from grounding.backend import Backend
from grounding.errors import BackendError, RequestError, Stopped
from grounding.images import Picture
from grounding.types import FULL_FRAME, Detection, Note, NoteKind, Outcome, Request, Result, Usage, View
from jobs.work import stamped
from ui import gathering
from ui.corrections import labels_of
from ui.form import Form
from ui.state import Answer, Session, Shelf

Grew = Callable[[Result], None]
"""Hears of an answer while it grows, from the thread that asks."""


def give_upload(path: Path, name: str, shelf: Shelf) -> Session:
    """A session with the uploaded picture, no answer yet; raises ImageError where it is none."""
    return Session(shelf.keep(images.load(path, name=name), original=path))


def give(picture: Picture, shelf: Shelf) -> Session:
    return Session(shelf.keep(picture))


def answer(
    form: Form,
    session: Session,
    pool: Pool,
    shelf: Shelf,
    stop: threading.Event | None = None,
    grew: Grew | None = None,
) -> Session:
    """`session` with the model's answer to `form` about what it holds; raises GroundingError where none came.

    Where it was stopped or failed half-way, what had come is the answer, and a note says so.
    """
    if session.picture is None:
        raise RequestError("Give a picture first: drop one in, take one, or choose an example.")
    so_far: list[Result] = []

    def heard(result: Result) -> None:
        if result.detections or (result.text and result.wait_s is None):
            so_far[:] = [result]
        if grew:
            grew(result)

    try:
        with pool.lend(form.backend, form.model, form.api_key) as backend:
            gathered = gathering.gather(form, session, backend.capabilities, shelf.open, shelf.open_document)
            result = _ask(form, gathered.request, backend, stop, heard)
    except (Stopped, BackendError) as error:
        if not so_far:
            raise
        result = _broken_off(so_far[0], error)
        return shared_out(form, session, stamped(result))
    whole = replace(result, notes=(*result.notes, *gathered.notes), usage=_in_all(form, session, result.usage))
    return shared_out(form, session, stamped(whole))


def _in_all(form: Form, session: Session, usage: Usage | None) -> Usage | None:
    """What an answer took that was gone on with: both requests' share; unknown where one of them is."""
    if not form.so_far or usage is None:
        return usage
    before = session.answer.result.usage if session.answer else None
    if before is None:
        return replace(usage, prompt_tokens=None, image_tokens=None, thought_tokens=None, answer_tokens=None,
                       cost_usd=None, requests=None)  # fmt: skip
    both: dict[str, Any] = {
        each.name: None if None in (one := getattr(before, each.name), now := getattr(usage, each.name)) else one + now
        for each in fields(usage)
    }
    return Usage(**both)


def ask(form: Form, picture: Picture, pool: Pool, stop: threading.Event | None = None) -> Result:
    """The model's whole reply about one picture; raises GroundingError where none came."""
    with pool.lend(form.backend, form.model, form.api_key) as backend:
        return _ask(form, gathering.request(form, backend.capabilities, (picture,)), backend, stop, None)


def _ask(form: Form, request: Request, backend: Backend, stop: threading.Event | None, grew: Grew | None) -> Result:
    if form.task not in backend.capabilities.tasks:
        raise RequestError(f"{form.model} cannot {form.task.value}. Choose another model.")
    if grew is None or not backend.capabilities.streams:
        return backend.predict(request, stop)
    for result in backend.stream(request, stop):
        if result.done:
            return result
        grew(result)
    raise BackendError("The answer ended before it was whole. Ask again.")


def _broken_off(result: Result, error: Exception) -> Result:
    """What had come before it was stopped or failed, as an answer that was cut."""
    why = "You stopped this answer; what had come is kept." if isinstance(error, Stopped) else str(error)
    return replace(
        result, outcome=Outcome.TRUNCATED, notes=(Note(NoteKind.CUT, why), *result.notes), usage=None, done=True
    )


def shared_out(form: Form, session: Session, result: Result) -> Session:
    """`session` answered: each picture gets what was found in it; the words are every picture's."""
    asked = form.remembered
    if session.document is not None or len(session.sheets) == 1:
        return replace(session, answer=Answer(form.task, form.prompt, form.model, result, asked=asked))
    told = gathering.whole_album(form)
    sheets = tuple(
        replace(sheet, answer=Answer(form.task, form.prompt, form.model, gathering.share(result, place), asked=asked))
        if told or place == session.place
        else sheet
        for place, sheet in enumerate(session.sheets)
    )
    return session.showing(sheets, session.place)


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
