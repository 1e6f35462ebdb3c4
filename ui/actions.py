"""What the page does, as plain functions: give a picture, ask a model, draw an answer, write it out. Knows no gradio.

Drawing (`draw`, `full_picture`, `json_text`) is never given a backend, so moving a slider cannot call a model.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from backends import Pool
from grounding import geometry, images, overlays
from grounding.errors import RequestError
from grounding.exports.results import result_to_json, to_bytes
from grounding.images import Picture
from grounding.types import FULL_FRAME, Detection, Request, Result, SoftMask, View
from ui.form import Form
from ui.state import SHOWN_SIDE, Answer, Kept, Session, Shelf


@dataclass(frozen=True)
class Row:
    """One line of the table. Pixels are of the picture at full size; `mask_px` is None where there is no mask."""

    label: str
    colour: str
    score: float | None
    box_px: tuple[int, int, int, int] | None
    mask_px: int | None


@dataclass(frozen=True, eq=False)
class Drawing:
    """An answer as a View shows it. `hidden`: how many detections the score floor keeps out."""

    image: Image.Image
    rows: tuple[Row, ...]
    hidden: int


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


def draw(session: Session, view: View) -> Drawing | None:
    """The session's picture at display size with what `view` shows of its answer; None without a picture."""
    if session.picture is None:
        return None
    shown = session.picture.shown_image()
    found = session.answer.result.detections if session.answer else ()
    visible = [one for one in found if one.score is None or one.score >= view.score_floor]
    colours = overlays.legend(found)
    return Drawing(
        image=overlays.render(shown, found, view, max_side=SHOWN_SIDE) if found else shown,
        rows=tuple(_row(one, colours[one.label], session.picture, shown.size, view.threshold) for one in visible),
        hidden=len(found) - len(visible),
    )


def rehearse() -> None:
    """Draw something nobody sees: the library that draws takes seconds to load the first time."""
    overlays.render(Image.new("RGB", (64, 64)), [Detection("", FULL_FRAME)], View())


def full_picture(session: Session, view: View, shelf: Shelf) -> bytes:
    """The annotated picture at full size as PNG."""
    if session.picture is None:
        raise RequestError("There is no picture to download yet.")
    image = shelf.open(session.picture).image
    if session.answer and session.answer.result.detections:
        image = overlays.render(image, session.answer.result.detections, view)
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=3)  # half a second for 12 megapixels; level 6 takes three times that
    return buffer.getvalue()


def json_text(session: Session, view: View) -> bytes:
    """The answer as the API and the command line give it, masks cut at the view's threshold; nothing is left out."""
    if session.picture is None or session.answer is None:
        raise RequestError("There is no answer to download yet. Ask the model first.")
    found = result_to_json(session.answer.result, session.picture.size_wh, view.threshold)
    return to_bytes({"picture": session.picture.name, **found})


def _row(detection: Detection, colour: str, picture: Kept, shown_wh: tuple[int, int], threshold: int) -> Row:
    return Row(
        label=detection.label,
        colour=colour,
        score=detection.score,
        box_px=geometry.rect_px(detection.box, picture.size_wh) if detection.box else None,
        mask_px=_mask_px(detection.mask, picture.size_wh, shown_wh, threshold) if detection.mask else None,
    )


def _mask_px(mask: SoftMask, size_wh: Sequence[int], shown_wh: tuple[int, int], threshold: int) -> int:
    """The mask's area at full size, counted where it is shown: exact up to SHOWN_SIDE, within a percent or so above."""
    scale = (size_wh[0] * size_wh[1]) / (shown_wh[0] * shown_wh[1])
    return round(geometry.area_px(mask, shown_wh, threshold) * scale)
