"""The answer as the page shows it for correcting, and back: what a person made of it, checked. Knows no gradio."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grounding.editing import PERSON, corrected, describe, kept, models_own, numbered, signed
from grounding.errors import RequestError
from grounding.labels import split_labels
from grounding.overlays import PALETTE
from grounding.types import Detection, Origin, Outcome, Result, Task
from ui.state import Answer, Session

_LABELLED = (Outcome.FOUND, Outcome.REPAIRED, Outcome.TRUNCATED)


def scene(session: Session) -> dict[str, Any] | None:
    """The picture and its objects as the page's editor takes them; None without a picture."""
    picture, answer = session.picture, session.answer
    if picture is None:
        return None
    width, height = picture.size_wh
    found = answer.result.detections if answer else ()
    file = {"path": str(picture.shown), "orig_name": "picture.jpg", "meta": {"_type": "gradio.FileData"}}
    name = hashlib.sha256(picture.path.name.encode()).hexdigest()[:16]
    asked_for = split_labels(answer.prompt) if answer and answer.task in (Task.DETECT, Task.SEGMENT) else ()
    classes = session.member.labels if session.member else ()
    return {
        "key": _number(session),
        "picture": {"key": name, "name": picture.name or "given", "file": file, "w": width, "h": height},
        "objects": describe(signed(found, _origin(answer)), _said(answer)),
        "labels": list(dict.fromkeys((*asked_for, *classes))),
        "palette": list(PALETTE),
    }


def correct(session: Session, post: object) -> Session:
    """`session` with the objects a person left, as the page posts them; raises RequestError and changes nothing."""
    if session.picture is None:
        raise RequestError("There is no picture to correct. Give one first.")
    if not isinstance(post, Mapping) or post.get("key") != _number(session):
        raise RequestError("This answer was replaced by a newer one, so the correction was not kept. Make it again.")
    answer = session.answer or Answer(Task.DETECT, "", PERSON, Result(Outcome.NONE))
    said = _said(answer)
    now = numbered(answer.result.detections) if answer.said is None else answer.result.detections
    made = corrected(post.get("objects"), said, now, _origin(answer))
    outcome = answer.result.outcome
    if made and outcome not in _LABELLED:
        outcome = Outcome.FOUND  # a person found what the model did not
    result = replace(answer.result, detections=made, outcome=outcome)
    return replace(session, answer=replace(answer, result=result, said=said, number=_number(session)))


def labels_of(answer: Answer) -> Result:
    """The answer's result without what a person rejected: what goes into a picture or a data set."""
    return replace(answer.result, detections=kept(answer.result.detections))


def _said(answer: Answer | None) -> tuple[Detection, ...]:
    if answer is None:
        return ()
    return models_own(numbered(answer.result.detections)) if answer.said is None else answer.said


def _number(session: Session) -> str:
    """The answer's number; where nothing was asked yet, one that belongs to the picture."""
    if session.answer is not None:
        return session.answer.number
    assert session.picture is not None
    return "picture-" + hashlib.sha256(session.picture.path.name.encode()).hexdigest()[:32]


def _origin(answer: Answer | None) -> Origin:
    if answer is None:
        return Origin("", "", "")
    return answer.result.origin or Origin("", answer.model, answer.prompt)
