"""From a form and what lies on the page to one Request: which pictures or documents go along, and what of that to say.

Knows no gradio, and no backend but its Capabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from backends import SPECS
from grounding.backend import Capabilities
from grounding.documents import Document
from grounding.errors import RequestError
from grounding.images import Picture
from grounding.types import Detection, Note, NoteKind, Request, Result, Task
from ui.form import Form
from ui.options import heeded
from ui.state import Answer, Kept, Paper, Session

MAX_PICTURES = max(each.capabilities.max_images for each in SPECS.values())
"""On the page at once; what any of the backends takes in one prompt."""


@dataclass(frozen=True)
class Gathered:
    """notes: what was left out or turned into something else so that this model can look at it."""

    request: Request
    notes: tuple[Note, ...] = ()


def gather(
    form: Form,
    session: Session,
    capabilities: Capabilities,
    open_picture: Callable[[Kept], Picture],
    open_document: Callable[[Paper], Document],
) -> Gathered:
    """The request `form` makes of what `session` holds; raises GroundingError where it cannot be made."""
    assert session.picture is not None
    notes = tuple(Note(NoteKind.MODEL, said) for said in remarks(form, session, capabilities))
    if session.document is not None and reads_document(form.task, capabilities):
        made = request(form, capabilities, (), (open_document(session.document),))
        return Gathered(made, notes)
    if len(session.sheets) > 1 and session.document is None and capabilities.max_images > 1:
        if len(session.sheets) > capabilities.max_images:
            most = capabilities.max_images
            raise RequestError(f"{form.model} takes {most} pictures at once. Remove some, or choose another model.")
        return Gathered(request(form, capabilities, tuple(open_picture(each.picture) for each in session.sheets)))
    return Gathered(request(form, capabilities, (open_picture(session.picture),)), notes)


def request(
    form: Form, capabilities: Capabilities, pictures: tuple[Picture, ...], documents: tuple[Document, ...] = ()
) -> Request:
    """`form` about these, without what the backend does not heed."""
    text = form.text if "template" in capabilities.options or not form.labels else ""
    return Request(
        form.task,
        pictures,
        text,
        form.labels,
        options=heeded(form.options, capabilities),
        safety={harm: level for harm, level in form.safety.items() if harm in capabilities.harms},
        documents=documents,
        so_far=form.so_far,
    )


def remarks(form: Form, session: Session, capabilities: Capabilities) -> list[str]:
    """What this model will not see of what is on the page."""
    if session.document is not None:
        if reads_document(form.task, capabilities):
            return []
        page = f"Page {session.place + 1} of the document was looked at as a picture"
        one = f"{form.model} looks at one page at a time"
        why = "boxes and masks are of pictures" if _reads_all(capabilities) else one
        return [f"{page}: {why}."]
    if len(session.sheets) > 1 and capabilities.max_images == 1:
        return [f"{form.model} looks at one picture at a time: it was asked about the one shown only."]
    return []


def whole_album(form: Form) -> bool:
    """Whether all the pictures on the page are asked about at once."""
    return SPECS[form.backend].capabilities.max_images > 1


def share(result: Result, place: int) -> Result:
    """The part of an answer about several pictures that is about the one at `place`, as if it were the only one.

    What the model gave no picture for is shown with the first, and a note says so.
    """
    lost = [each for each in result.detections if each.picture is None] if place == 0 else []
    found = [each for each in result.detections if each.picture == place]
    notes = result.notes
    if lost:
        count = "One thing" if len(lost) == 1 else f"{len(lost)} things"
        said = f"{count} came without the number of a picture, shown with the first: {', '.join(_names(lost))}."
        notes = (*notes, Note(NoteKind.MODEL, said))
    own = tuple(replace(each, id=number, picture=0) for number, each in enumerate((*found, *lost)))
    return replace(result, detections=own, notes=notes)


def _names(found: list[Detection]) -> list[str]:
    return [f"“{each.label[:30]}”" for each in found[:5]]


def about_whole(answer: Answer) -> bool:
    """Whether its words are about a whole document, and so about each of its pages."""
    asked = answer.asked
    return asked is not None and reads_document(answer.task, SPECS[asked.backend].capabilities)


def reads_document(task: Task, capabilities: Capabilities) -> bool:
    """Whole, that is: what looks at one picture at a time looks at one page, the one a person chose."""
    return _reads_all(capabilities) and task in (Task.CAPTION, Task.ASK)


def _reads_all(capabilities: Capabilities) -> bool:
    return capabilities.documents and capabilities.max_images > 1
