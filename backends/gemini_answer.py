"""From a reply, or the part of one that has come, to a Result: the last step, without a connection.

Words of withheld answers are not kept. Knows no models and no prices.
"""

from __future__ import annotations

import time
from dataclasses import replace

from backends.gemini_outcomes import Growth, Reply
from backends.gemini_reasons import Ending
from backends.gemini_request import LOCATING
from grounding.codecs import gemini as codec
from grounding.codecs.gemini_growth import circles
from grounding.codecs.gemini_prompt import MAX_ITEMS
from grounding.types import Decoded, Detection, Note, NoteKind, Origin, Outcome, Request, Result, Task, Usage

_LOOK_EVERY_S = 0.08  # between looks at a growing answer: faster than anyone reads
_LOOK_SHARE = 3  # a look that took long is followed by a pause of so many times its length
_TOO_MANY = 2  # times as many objects as were asked for: the model has lost count
_NO_LIMIT = 1000  # objects, where a person's own wording named no limit

_CIRCLES = "The model began to repeat itself and was stopped; what came before is kept. Ask for less at once."
_FLOOD = "The model was stopped at {count} objects, {asked} were asked for. Ask for fewer, or for one kind at a time."


def finished(reply: Reply, request: Request, usage: Usage, origin: Origin, *, limit: int, stopped: str = "") -> Result:
    """The whole Result. stopped: why the answer was broken off from this side, "" where it was not."""
    result = Result(Outcome.FAILED, notes=reply.notes, safety=reply.safety, usage=usage, raw=reply.text, origin=origin)
    if reply.ending is Ending.BLOCKED:
        return replace(result, outcome=Outcome.BLOCKED, text=reply.sentence)
    nothing_more = bool(request.so_far) and reply.ending is Ending.WHOLE
    if not reply.text.strip() and not stopped and not nothing_more:
        return _empty(result, reply, request)
    text, new = _joined(request, reply.text), reply.text
    decoded = _decoded(text, request)
    why = stopped
    cut_at = limit if not stopped and reply.ending is Ending.CUT and reply.reason == "MAX_TOKENS" else None
    if cut_at is not None:
        why = _cut(request, new, cut_at)
    elif not stopped and reply.ending is not Ending.WHOLE:
        why = reply.sentence
    unread = decoded.outcome is Outcome.UNRECOGNISED or request.task not in LOCATING
    return replace(
        result,
        outcome=Outcome.TRUNCATED if why else decoded.outcome,
        text=text.strip() if unread else "",
        detections=_numbered(decoded, origin),
        notes=(*((Note(NoteKind.CUT, why),) if why else ()), *reply.notes, *decoded.notes),
        raw=text,
        cut_at_tokens=cut_at,
    )


class Watch:
    """Looks at an answer while it grows, not more often than is of use."""

    def __init__(self, request: Request, origin: Origin) -> None:
        self._request, self._origin = request, origin
        self._next_s = 0.0
        self._shown = -1
        self.stopped = ""
        """Why the answer should be broken off, once it should."""

    def look(self, growth: Growth) -> Result | None:
        """What there is to show that was not shown before, if it is time for a look."""
        now = time.monotonic()
        if now < self._next_s:
            return None
        shown = self._see(growth.text)
        took_s = time.monotonic() - now
        self._next_s = time.monotonic() + max(_LOOK_EVERY_S, _LOOK_SHARE * took_s)
        return shown

    def again(self) -> None:
        """The answer begins anew."""
        self._next_s, self._shown = 0.0, -1

    def _see(self, text: str) -> Result | None:
        if circles(text):
            self.stopped = _CIRCLES
        locating = self._request.task in LOCATING
        part = codec.whole_part(text) if locating else text
        if len(part) == self._shown or not part.strip():
            return None
        self._shown = len(part)
        whole = _joined(self._request, part)
        if not locating:
            return Result(Outcome.FOUND, whole.strip(), raw=whole, origin=self._origin, done=False)
        found = _numbered(_decoded(codec.closed(whole), self._request), self._origin)
        asked = self._request.options.max_items or (_NO_LIMIT if self._request.options.template else MAX_ITEMS)
        if len(found) > _TOO_MANY * asked:
            self.stopped = _FLOOD.format(count=len(found), asked=asked)
        outcome = Outcome.FOUND if found else Outcome.NONE
        return Result(outcome, detections=found, raw=whole, origin=self._origin, done=False)


def _joined(request: Request, text: str) -> str:
    """The answer with what it goes on from before it."""
    if not request.so_far:
        return text
    return f"{codec.closed(request.so_far)}\n{text}" if request.task in LOCATING else request.so_far + text


def _decoded(text: str, request: Request) -> Decoded:
    if request.task not in LOCATING:
        return Decoded(Outcome.FOUND)
    return codec.decode(text, pictures=max(1, len(request.images)))


def _numbered(decoded: Decoded, origin: Origin) -> tuple[Detection, ...]:
    return tuple(replace(each, id=i, origin=origin) for i, each in enumerate(decoded.detections))


def _cut(request: Request, text: str, limit: int) -> str:
    """ "cut at 8,192 tokens: 7 whole, 1 partial", and what to do about it."""
    told = ""
    if request.task in LOCATING:
        whole = len(_decoded(codec.closed(text), request).detections)
        partial = "{" in text[len(codec.whole_part(text)) :]
        told = f": {whole} whole, {int(partial)} partial"
    return f"The answer was cut at {limit:,} tokens{told}. Go on from there, or raise the output limit."


def _empty(result: Result, reply: Reply, request: Request) -> Result:
    if reply.ending is Ending.CUT:
        return replace(result, outcome=Outcome.TRUNCATED, text=reply.sentence)
    if reply.ending is Ending.BROKEN:
        return replace(result, text=reply.sentence)
    # finished, but empty: for boxes that is not the same as "there are none"
    said = Note(NoteKind.MODEL, reply.sentence)
    outcome = Outcome.NONE if request.task in (Task.CAPTION, Task.ASK) else Outcome.UNRECOGNISED
    return replace(result, outcome=outcome, notes=(said, *reply.notes))
